"""device_decoder.py: lines drawn whole by a model on its device are those that its steps give.

A CPU is a device, too: here it draws as a GPU does. In principle a probability that differs in its
last bit may move a draw to the next symbol; the seeds are such that it does not.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from test_together import SMALL, learned
from torch.utils._python_dispatch import TorchDispatchMode

from kinds import each_kind
from makemore import MakeMore
from makemore.errors import OutOfMemory, Unsatisfiable
from makemore.models.core import device_drawer, neural
from makemore.models.core import on_device as on_device_module
from makemore.models.core import state as states
from makemore.models.core.on_device import free_bytes
from makemore.sampling import Sample, Sampler, ahead
from makemore.sampling.categorical import BatchPart, DrawBatch
from makemore.sampling.device_decoder import DeviceDecoder
from makemore.sampling.results import Completions

BATCH = DrawBatch(
    (BatchPart(3, 0, 0, 300), BatchPart(3, 1, 50, 200), BatchPart(2**63 - 1, 4, 0, 77))
)
NETWORKS = [name for name in SMALL if name not in ("ngram", "ensemble")]
Line = tuple[int, bytes, int, bool]


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural, "DRAWN_ON", {"cpu"})


def device_decoder(sampler: Sampler) -> DeviceDecoder:
    found = sampler.quick.on_device()
    assert found is not None
    return found


def lines_of(finished: list[Completions]) -> tuple[list[Line], list[float]]:
    """Draw, symbols, label and cut of each line, in order; and their nll."""
    lines, nll = list[Line](), list[float]()
    for part in finished:
        assert (np.diff(part.rows) > 0).all()
        which = np.arange(len(part.rows)) if part.which is None else part.which
        for row, line in zip(part.rows.tolist(), which.tolist(), strict=True):
            ids = part.ids[line].astype(np.int64).tobytes()
            lines.append((row, ids, int(part.label[line]), part.capped))
            nll.append(float(part.nll[line]))
    return lines, nll


def assert_alike(found: list[Completions], expected: list[Completions]) -> None:
    """Both have the same lines in the same order; the nll may differ by rounding."""
    (lines, nll), (others, other_nll) = lines_of(found), lines_of(expected)
    assert lines == others and len(lines) > 0
    np.testing.assert_allclose(nll, other_nll, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"all": True}, {"prefix": "an"}, {"prefix": "hannahanna", "all": True},
        {"suffix": "na", "max_length": 6}, {"contains": "b", "min_length": 4},
        {"exclude": "b", "pattern": "[an]+.*"}, {"temperature": 0.7, "top_p": 0.9},
        {"temperature": 2.0, "top_k": 3, "all": True}, {"temperature": 0.0, "all": True},
        {"min_p": 0.2, "max_length": 3, "all": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("model", each_kind(NETWORKS, ["mlp", "gru", "transformer"]))
def test_lines_of_a_seed_are_those_of_the_decoder(
    on_device: None, model: str, labelled: bool, options: dict[str, Any]
) -> None:
    sampler = learned(model, labelled).sampler(3, **options)
    assert len(sampler.decoder.labels) == 1 + labelled
    assert_alike(device_decoder(sampler).draw(BATCH), sampler.decoder.draw(BATCH))


def test_a_symbol_may_need_more_than_a_byte(on_device: None) -> None:
    letters = [chr(0x4E00 + number) for number in range(400)]
    lines = [letters[n] + letters[(7 * n + 3) % 400] for n in range(400)]
    sampler = MakeMore("bigram", max_steps=3).fit(lines).sampler(1, all=True)
    found = device_decoder(sampler).draw(BATCH)
    assert {part.ids.dtype for part in found} == {np.dtype(np.int16)}
    assert max(part.ids.max() for part in found) > 300
    assert_alike(found, sampler.decoder.draw(BATCH))


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_lines_do_not_depend_on_how_many_are_drawn_together(on_device: None, model: str) -> None:
    sampler = learned(model).sampler(3, all=True)
    decoder = device_decoder(sampler)
    whole = decoder.draw(BATCH)
    for most in (40, 299):
        decoder.drawer.most = most  # type: ignore[misc]
        assert_alike(decoder.draw(BATCH), whole)


def test_where_memory_ends_fewer_lines_are_drawn_together(
    on_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = learned("gru").sampler(3, all=True)
    decoder = device_decoder(sampler)
    drawer: Any = decoder.drawer
    expected, step, room = decoder.draw(BATCH), drawer.step, 60

    def little(model: Any, ids: torch.Tensor, before: Any) -> Any:
        if len(ids) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(model, ids, before)

    monkeypatch.setattr(device_drawer, "MIN_ROWS", 16)
    drawer.step, drawer.most = little, 400
    assert_alike(decoder.draw(BATCH), expected)
    assert 16 < decoder.most <= 100
    room = 5  # not even for the fewest
    with pytest.raises(torch.OutOfMemoryError):
        decoder.draw(BATCH)


def test_how_many_lines_are_drawn_together_depends_on_the_memory_that_is_free(
    on_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = {}
    for room in (0, 2**24, 2**50):
        monkeypatch.setattr(device_drawer, "free_bytes", lambda device, room=room: room)
        for model in ("gru", "transformer"):
            most[model, room] = device_decoder(learned(model).sampler(1)).most
    assert most["gru", 0] == most["transformer", 0] == device_drawer.MIN_ROWS
    assert device_drawer.MIN_ROWS < most["transformer", 2**24] < most["gru", 2**24] < 2**16
    assert most["gru", 2**50] == device_drawer.MAX_RECURRENT_ROWS
    assert most["transformer", 2**50] == device_drawer.MAX_ROWS


def test_free_memory_of_a_card_is_what_torch_keeps_and_does_not_use_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    assert free_bytes(torch.device("cuda")) == 1400
    assert free_bytes(torch.device("cpu")) is None


def test_memory_of_a_state_that_does_not_grow_counts_once(on_device: None) -> None:
    drawer: Any = device_decoder(learned("gru").sampler(1)).drawer
    once = states.row_bytes(drawer.roots[1])
    assert [states.row_bytes_after(drawer.roots[1], steps) for steps in (1, 31)] == [once, once]
    drawer = device_decoder(learned("transformer").sampler(1)).drawer
    one, many = (states.row_bytes_after(drawer.roots[1], steps) for steps in (1, 31))
    assert many > 20 * one > 0


class Card:
    """Stands in for an array on its way to a card: notes how it is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def pin_memory(self) -> Card:
        self.sent.append("pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> Card:
        self.sent.append(non_blocking)
        return self


def test_what_is_sent_to_a_card_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Card()
    monkeypatch.setattr(on_device_module.torch, "from_numpy", lambda array: there)
    drawer = device_drawer.DeviceDrawer.__new__(device_drawer.DeviceDrawer)
    drawer.device = torch.device("cuda")
    drawer._put(np.zeros(3))
    assert there.sent == ["pinned", True]


class Calls(TorchDispatchMode):
    """Counts the calls of each operation, torch's own among them."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func).split(".")[1]] += 1
        return func(*args, **(kwargs or {}))


# What waits for a GPU until a number is known.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item", "unique")


@pytest.mark.parametrize("model", each_kind(NETWORKS, ["mlp", "gru", "transformer"]))
def test_there_is_one_wait_for_the_device_at_each_position(on_device: None, model: str) -> None:
    decoder = device_decoder(learned(model, True).sampler(3, all=True))
    with Calls() as calls:
        finished = decoder.draw(BATCH)
    longest = max(part.ids.shape[1] for part in finished)
    waits = {name: calls.counts[name] for name in WAITS if calls.counts[name]}
    assert set(waits) == {"nonzero"} and 3 <= waits["nonzero"] <= longest + 1


def test_only_what_is_no_cpu_and_steps_in_torch_draws_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert learned("gru").sampler(1).quick.on_device() is None
    monkeypatch.setattr(neural, "DRAWN_ON", {"cpu"})
    assert learned("gru").sampler(1).quick.on_device() is not None
    for model in ("ngram", "ensemble"):  # counts, and a step that numpy takes part in
        assert learned(model).sampler(1).quick.on_device() is None


def test_drawing_leaves_the_mode_of_the_model_as_it_was(on_device: None) -> None:
    model = learned("gru").model_
    for mode in (True, False):
        model.train(mode)
        decoder = device_decoder(learned("gru").sampler(1))
        decoder.draw(BATCH)
        assert model.training == mode
    model.eval()


# -- the sampler ----------------------------------------------------------------------------------


def drawn(maker: MakeMore, n: int, **options: Any) -> tuple[list[Sample], Sampler, str | None]:
    """Draw n lines, or as many as there are."""
    sampler, lines = maker.sampler(5, **options), list[Sample]()
    try:
        for each in maker.drawn(sampler, n):
            lines.append(each)
    except Unsatisfiable as error:
        return lines, sampler, str(error)
    return lines, sampler, None


@pytest.fixture
def batches_ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The draws of each batch that was drawn ahead."""
    found, after = list[int](), ahead.batch_after

    def seen(*arguments: Any) -> DrawBatch | None:
        batch = after(*arguments)
        if batch is not None:
            found.append(int(batch.bounds[-1]))
        return batch

    monkeypatch.setattr(ahead, "batch_after", seen)
    return found


@pytest.mark.parametrize(
    ("n", "options", "used"),
    [
        (1000, {}, "device"), (6000, {}, "ahead"), (6000, {"all": True}, "ahead"),
        (2000, {"style": "tidy"}, "ahead"),
        (5000, {"max_length": 4}, "ahead"),  # there are fewer: the draws go over to what is left
        (300, {"suffix": "bab", "exact": True}, ""),  # so rare that they do at once
        (200, {"suffix": "babba"}, ""),  # guided
    ],
)  # fmt: skip
def test_a_sampler_returns_the_same_lines_on_a_device(
    monkeypatch: pytest.MonkeyPatch, batches_ahead: list[int], n: int, options: dict[str, Any],
    used: str,
) -> None:  # fmt: skip
    maker = learned("transformer")
    expected, by_steps, why = drawn(maker, n, **options)
    assert by_steps.quick.device is None and not batches_ahead
    monkeypatch.setattr(neural, "DRAWN_ON", {"cpu"})
    found, sampler, other_why = drawn(maker, n, **options)
    assert [line._replace(nll=0) for line in found] == [line._replace(nll=0) for line in expected]
    np.testing.assert_allclose(
        [line.nll for line in found], [line.nll for line in expected], rtol=1e-6
    )
    assert why == other_why
    assert (sampler.quick.device is not None) == bool(used)
    assert bool(batches_ahead) == (used == "ahead")


def test_nothing_is_drawn_while_the_caller_has_the_lines(
    on_device: None, monkeypatch: pytest.MonkeyPatch, batches_ahead: list[int]
) -> None:
    """It may train the model then, or change its mode."""
    maker, running, draw = learned("gru"), set[int](), DeviceDecoder.draw

    def slow(decoder: DeviceDecoder, batch: DrawBatch) -> list[Completions]:
        running.add(id(batch))
        time.sleep(0.01)
        finished = draw(decoder, batch)
        running.discard(id(batch))
        return finished

    monkeypatch.setattr(DeviceDecoder, "draw", slow)
    for _ in maker.rounds(maker.sampler(1, all=True), 6000):
        assert not running
    assert batches_ahead


def test_an_error_of_a_batch_ahead_comes_after_the_lines_before_it(
    on_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, draw, found = learned("gru"), DeviceDecoder.draw, 0

    def fails_in_a_thread(decoder: DeviceDecoder, batch: DrawBatch) -> list[Completions]:
        if threading.current_thread() is not threading.main_thread():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(decoder, batch)

    monkeypatch.setattr(DeviceDecoder, "draw", fails_in_a_thread)
    with pytest.raises(OutOfMemory, match="-n 3000"):
        for lines in maker.rounds(maker.sampler(1, all=True), 6000):
            found += len(lines)
    assert 128 < found < 6000
