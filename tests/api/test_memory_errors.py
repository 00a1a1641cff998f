"""memory_errors.py: where memory runs out, the message says what to type, and that works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from api.conftest import like_names, tiny
from makemore.api.memory_errors import is_out_of_memory, memory_error
from makemore.errors import OutOfMemory, SystemFault
from makemore.models.gru import GRU
from makemore.models.mlp import MLP

LINES = like_names(200)
CARD = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1.00 GiB"


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Any], int], None]:
    """Makes a training fail as on a card that holds so many inputs of a model, and no more."""

    def limit(kind: type[Any], most: int) -> None:
        forward = kind.forward

        def short_of_memory(self: Any, inputs: Any) -> Any:
            if self.training and inputs.numel() > most:
                raise torch.OutOfMemoryError(CARD)
            return forward(self, inputs)

        monkeypatch.setattr(kind, "forward", short_of_memory)

    return limit


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (torch.OutOfMemoryError(CARD), "on the graphics card"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            "card",
        ),
        (RuntimeError("CUDA error: out of memory"), "on the graphics card"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), "card"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), "on the graphics card"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), "not enough memory: use"),
        (OSError(12, "Cannot allocate memory"), "not enough memory: use"),
        (MemoryError(), "not enough memory: use"),
    ],
)
def test_an_error_of_memory_is_known_by_its_text(error: Exception, what: str) -> None:
    found = memory_error(error)
    assert found is not None and found.exit_code == 5 and isinstance(found, SystemFault)
    assert str(found).startswith("not enough memory") and what in str(found)


@pytest.mark.parametrize(
    "error", [ValueError("the line 'out of memory'"), RuntimeError("a shape"), OSError(28, "full")]
)
def test_any_other_error_is_none(error: Exception) -> None:
    assert not is_out_of_memory(error) and memory_error(error) is None


@pytest.mark.parametrize("kind, most", [(GRU, 120), (MLP, 150)])
def test_python_is_told_a_batch_size_that_fits(
    kind: type[Any], most: int, small_card: Callable[..., None]
) -> None:
    small_card(kind, most)
    size = 160
    while True:
        try:
            tiny(kind.name, batch_size=size).fit(LINES)
            break
        except OutOfMemory as error:
            assert error.what == "not enough memory on the graphics card"
            assert error.where == f"a batch of {size}"
            assert error.to_do == f"use batch_size={size // 2}"
            size //= 2
    assert size < 160


def test_a_model_that_does_not_fit_at_all_has_to_be_smaller(
    small_card: Callable[..., None],
) -> None:
    small_card(MLP, 0)
    with pytest.raises(OutOfMemory, match="batch of 1.*give a smaller --n-embd or --n-hidden"):
        tiny("mlp", batch_size=1).fit(LINES)


def test_an_ensemble_names_the_batch_of_its_networks(small_card: Callable[..., None]) -> None:
    small_card(GRU, 200)
    with pytest.raises(OutOfMemory, match=r"a batch of 160\): use batch_size=80$"):
        tiny("ensemble", batch_size=160).fit(LINES)
    tiny("ensemble", batch_size=20).fit(LINES)


def test_the_command_that_is_shown_can_be_typed(
    small_card: Callable[..., None], call: Any, tmp_path: Path
) -> None:
    """The run directory is there already, with other options: so the command starts it over."""
    (tmp_path / "names.txt").write_text("\n".join(LINES))
    small_card(GRU, 800)
    words = ["names.txt", "-o", "run", "--model", "gru", "--n-hidden", "8", "--max-steps", "3",
             "--batch-size", "160", "--device", "cpu"]  # fmt: skip
    ended = call(*words)
    assert ended.returncode == 5 and (tmp_path / "run" / "checkpoint.json").is_file()
    *_, last = ended.stderr.strip().splitlines()
    message = r"not enough memory on the graphics card \(a batch of 160\): type (makemore .*)"
    found = re.search(message, last)
    assert found is not None, last
    typed = shlex.split(found[1])[1:]
    assert typed[-3:] == ["--batch-size", "80", "--fresh"]
    assert call(*typed).returncode == 0


def test_drawing_and_scoring_say_to_do_less_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = tiny("gru").fit(LINES)
    maker.score_samples(LINES)

    def none_left(*_: object) -> Any:
        raise torch.OutOfMemoryError(CARD)

    monkeypatch.setattr(GRU, "step", none_left)
    monkeypatch.setattr(GRU, "forward", none_left)
    with pytest.raises(OutOfMemory, match=r"card \(-n 50\): draw fewer at once: -n 25$"):
        maker.sample(50, random_state=0)
    with pytest.raises(OutOfMemory, match="score fewer at once, such as 100$"):
        maker.score_samples(LINES)
