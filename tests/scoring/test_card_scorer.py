"""card_scorer.py, tried on the CPU: its surprisals are those of the CPU's way, for every model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import battery
import label_battery
from makemore.models import NeuralModel
from makemore.models.core import registry
from makemore.scoring import card_scorer, neural_scorer, scorer
from makemore.scoring.card_scorer import in_passes, symbols_of_pass
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.scorer import score, surprisals
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary

KINDS = [
    name for name in registry.model_names() if issubclass(registry.get_model(name), NeuralModel)
]
CARD = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the surprisals by the CPU's way and by the card's, both computed on the CPU."""

    def compute(model: Any, *lines: Any) -> tuple[np.ndarray, np.ndarray]:
        by_cpu = surprisals(model, *lines)
        monkeypatch.setattr(neural_scorer, "computes_on_card", lambda model: True)
        by_card = surprisals(model, *lines)
        monkeypatch.undo()
        return by_cpu, by_card

    return compute


def lines_with(*extra: int, n: int = 60) -> tuple[Any, Any]:
    """Lines of the battery, and further ones of these lengths among them, 0 included."""
    ids, offsets = battery.some_lines(9, n, 5)
    rows = np.split(ids, offsets[1:-1])
    chance = np.random.default_rng(1)
    for number, length in enumerate(extra):
        rows.insert(3 * number, chance.integers(1, 9, length))
    lengths = [len(row) for row in rows]
    return np.concatenate(rows).astype(np.int64), np.cumsum([0, *lengths]).astype(np.int64)


@pytest.mark.parametrize("name", KINDS)
def test_the_card_s_way_gives_what_the_cpu_s_gives(name: str, both: Any) -> None:
    """Also empty lines, and lines longer than block_size 6, where a sequence model starts again."""
    model = battery.shaken(registry.get_model(name))
    by_cpu, by_card = both(model, *lines_with(0, 14, 5, 6, 7, 30, 0, 6))
    np.testing.assert_allclose(by_card, by_cpu, atol=1e-5)
    assert by_card.dtype == by_cpu.dtype and by_card.std() > 0.1


@pytest.mark.parametrize("name", KINDS)
def test_labels_too(name: str, both: Any) -> None:
    model = label_battery.with_labels(registry.get_model(name))
    ids, offsets = lines_with(0, 14, 6, 30)
    labels = model.vocab_size + np.arange(len(offsets) - 1) % model.n_labels
    by_cpu, by_card = both(model, ids, offsets, labels)
    np.testing.assert_allclose(by_card, by_cpu, atol=1e-5)
    others = both(model, ids, offsets, labels[::-1].copy())[1]
    assert abs(others - by_card).max() > 1e-3  # labels are read


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer"])
def test_no_line_one_line_and_empty_lines(name: str, both: Any) -> None:
    model = battery.shaken(registry.get_model(name))
    for lengths in ([], [3], [0], [0, 0, 2], [40]):
        offsets = np.cumsum([0, *lengths]).astype(np.int64)
        ids = np.arange(offsets[-1]) % 8 + 1
        by_cpu, by_card = both(model, ids, offsets)
        assert len(by_card) == sum(lengths) + len(lengths)
        np.testing.assert_allclose(by_card, by_cpu, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer", "ensemble"])
def test_how_many_lines_go_together_changes_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = battery.shaken(registry.get_model(name))
    monkeypatch.setattr(neural_scorer, "computes_on_card", lambda model: True)
    lines = lines_with(0, 14, 5, 6, 7, 30)
    at_once = surprisals(model, *lines)
    for chunk in (1, 13, 100):
        monkeypatch.setattr(card_scorer, "CHUNK", chunk)
        monkeypatch.setattr(neural_scorer, "MAX_SHARED_SYMBOLS", chunk)
        np.testing.assert_allclose(surprisals(model, *lines), at_once, atol=1e-5)
    monkeypatch.setattr(scorer, "MAX_BLOCK_LINES", 7)
    np.testing.assert_allclose(surprisals(model, *lines), at_once, atol=1e-5)


def test_a_score_is_that_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole scores of lines, with unknown symbols among them."""
    vocabulary = Vocabulary("abcdefgh")
    corpus = Corpus.exactly(["bad", "bäd", "", "cabbage", "z", "hh", "abcdefgh" * 3])
    model = battery.shaken(registry.get_model("transformer"))
    by_cpu = score(model, vocabulary, corpus)
    monkeypatch.setattr(neural_scorer, "computes_on_card", lambda model: True)
    by_card = score(model, vocabulary, corpus)
    np.testing.assert_allclose(by_card.nll, by_cpu.nll, atol=1e-5)
    assert by_card.known.tolist() == [True, False, True, True, False, True, True]


def test_rows_of_a_pass_hold_at_most_so_many_symbols() -> None:
    counts = np.array([2, 2, 3, 5, 5, 5, 9, 40])
    passes: list[list[int]] = []
    in_passes(counts, 10, lambda part: passes.append(counts[part].tolist()))
    # Each is padded to its last: 3 rows of 3, 2 of 5, and a row longer than 10 alone.
    assert passes == [[2, 2, 3], [5, 5], [5], [9], [40]]


def test_a_pass_has_so_many_rows_at_most() -> None:
    """However short they are: cuDNN fails with 65,536."""
    passes: list[int] = []
    in_passes(np.ones(17, dtype=np.int64), 100, lambda part: passes.append(part.stop), 7)
    assert passes == [7, 14, 17]
    assert card_scorer.MOST_ROWS < 2**16


def test_many_short_lines_take_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = battery.shaken(registry.get_model("gru"))
    lines, rows = lines_with(2, 40), list[int]()
    expected = surprisals(model, *lines)
    monkeypatch.setattr(neural_scorer, "computes_on_card", lambda model: True)
    monkeypatch.setattr(card_scorer, "MOST_ROWS", 16)
    read = model.forward
    monkeypatch.setattr(model, "forward", lambda inputs: rows.append(len(inputs)) or read(inputs))
    np.testing.assert_allclose(surprisals(model, *lines), expected, atol=1e-5)
    assert len(rows) > 1 and max(rows) == 16


def test_a_pass_that_memory_does_not_hold_is_cut_in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it has to be, and all lines get their surprisals."""
    model = battery.shaken(registry.get_model("gru"))
    ids, offsets = lines_with(6, 6)
    expected = surprisals(model, ids, offsets)
    monkeypatch.setattr(neural_scorer, "computes_on_card", lambda model: True)
    monkeypatch.setattr(card_scorer, "SMALLEST_CHUNK", 16)
    sizes: list[int] = []
    most = 100

    def small(inputs: Any) -> Any:
        sizes.append(inputs.numel())
        if inputs.numel() > most:
            raise torch.OutOfMemoryError(CARD)
        return type(model).forward(model, inputs)

    monkeypatch.setattr(model, "forward", small)
    np.testing.assert_allclose(surprisals(model, ids, offsets), expected, atol=1e-5)
    assert max(sizes) > most and sizes[-1] <= most
    failed = [size for size in sizes if size > most]
    assert len(failed) <= 13 and sizes[: len(failed)] == failed  # never again after it was learned
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        surprisals(model, ids, offsets)


def test_many_symbols_in_v_make_a_pass_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    model = battery.build(registry.get_model("bigram"), V=300)
    assert symbols_of_pass(model) == card_scorer.CHUNK
    monkeypatch.setattr(card_scorer, "MAX_LOGITS", 3000)
    assert symbols_of_pass(model) == 10
    # Half of the free bytes, 16 of each logit.
    monkeypatch.setattr(card_scorer, "free_bytes", lambda device: 2 * 16 * 300 * 7)
    assert symbols_of_pass(model) == 7
    monkeypatch.setattr(card_scorer, "free_bytes", lambda device: 0)
    assert symbols_of_pass(model) == 1


# What makes the host wait until a card has computed a number, or how many numbers there are.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "equal", "is_nonzero")


class Waits(TorchDispatchMode):
    """Collects the operations that wait for a card, a boolean index among them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.partition(".")[0]
        masks = name.startswith("index") and any(
            isinstance(each, torch.Tensor) and each.dtype == torch.bool
            for arg in args if isinstance(arg, (list, tuple)) for each in arg
        )  # fmt: skip
        if name.startswith(WAITS) or masks:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("name", [name for name in KINDS if name != "ensemble"])
def test_nothing_waits_for_the_card_before_the_end(name: str, labels: bool) -> None:
    """An ensemble asks its counts, which are on the host."""
    kind = registry.get_model(name)
    model = label_battery.with_labels(kind) if labels else battery.shaken(kind)
    ids, offsets = lines_with(0, 5)
    own = model.vocab_size + np.arange(len(offsets) - 1) % model.n_labels if labels else None
    lines = LineTensors(ids, offsets, model.input_kind, model.block_size, "cpu", own)
    order = np.argsort(lines.lengths, kind="stable")
    with neural_scorer.eval_mode(model), Waits() as waits:
        card_scorer.card_surprisals(model, lines, order)
    assert waits.seen == []


def test_a_wait_is_seen() -> None:
    with Waits() as waits:
        x = torch.arange(3)
        int(x.sum())
        x[x > 1]
    assert [name.rstrip("_") for name in waits.seen] == ["_local_scalar_dense", "index"]
