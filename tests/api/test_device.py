"""Where a loaded model computes: named, or a graphics card where there is one and enough to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from makemore import MakeMore
from makemore.api.fitted_state import WORTH_A_CARD
from makemore.cli.dispatch import command_of
from makemore.errors import UsageError
from makemore.training import device

LINES = [a + b + c for a in "abcd" for b in "efgh" for c in "ijkl"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "run"
    MakeMore("mlp", max_steps=5).fit(LINES).save(folder)
    return folder


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are asked for; the model stays on the CPU."""
    names: list[str] = []

    def choose(name: str) -> torch.device:
        names.append(name)
        return torch.device("cpu")

    monkeypatch.setattr(device, "choose_device", choose)
    return names


def test_a_card_is_chosen_where_the_work_is_worth_it(run: Path, chosen: list[str]) -> None:
    maker = MakeMore.load(run)
    assert maker.to("auto", WORTH_A_CARD - 1) is maker
    maker.to("auto", WORTH_A_CARD).to("auto").to("cuda", 1)
    assert chosen == ["cpu", "auto", "auto", "cuda"]


def test_counts_stay_where_they_are(chosen: list[str]) -> None:
    MakeMore("ngram").fit(LINES).to("cuda")
    assert chosen == []


def test_a_device_that_is_not_there_is_refused(run: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no device 'cuda' here"):
            MakeMore.load(run).to("cuda")
    with pytest.raises(UsageError, match="no device 'abacus' here"):
        MakeMore.load(run).to("abacus")


def typed(*words: Any) -> None:
    command = command_of(words[0])
    assert command is not None
    result = CliRunner().invoke(command, [str(word) for word in words[1:]], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_commands_say_how_much_there_is_to_do(run: Path, chosen: list[str], tmp_path: Path) -> None:
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_text("aei\n")
    large.write_text("aei\n" * (3 * WORTH_A_CARD))
    typed("sample", run, "-n", 3, "--seed", 1)
    typed("score", run, small)
    typed("score", run, large)
    typed("eval", run)
    typed("sample", run, "-n", 3, "--device", "cuda")
    assert chosen == ["cpu", "cpu", "auto", "cpu", "cuda"]
