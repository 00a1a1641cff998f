"""step.py: which step a device has, and what the loop hands it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import battery
from makemore.models.core import registry
from makemore.options import make
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.training import step as step_module
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.cuda_graphs import CapturedStep, CudaRecorder
from makemore.training.gradients import count_symbols, gradients
from makemore.training.optimizers import apply_gradients, make_optimizers
from makemore.training.step import EagerStep, make_step
from makemore.training.trainer import train_steps
from tape import TapeRecorder


def begun(name: str, **asked: Any) -> tuple[Any, Any, TrainingConfig, Batches]:
    model = battery.build(registry.get_model(name), block_size=9)
    recipe = make(TrainingConfig, {"max_steps": 4, **asked})
    ids, offsets = battery.some_lines(model.vocab_size)
    batches = Batches(LineTensors(ids, offsets, model.input_kind, 9), 40, recipe.seed, model.packs)
    return model, make_optimizers(model, recipe), recipe, batches


def test_a_cpu_takes_steps_eagerly_and_a_card_replays_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, optimizers, recipe, _ = begun("mlp")
    assert isinstance(make_step(model, optimizers, recipe), EagerStep)
    monkeypatch.setattr(step_module, "CudaRecorder", Card)
    card: Any = SimpleNamespace(device=torch.device("cuda"), parameters=lambda: [torch.zeros(3)])
    captured = make_step(card, [], recipe)
    assert isinstance(captured, CapturedStep) and isinstance(captured.recorder, Card)
    # After a failed capture nothing is captured any more in this process.
    monkeypatch.setattr(Card, "failed", ["a graph"])
    assert isinstance(make_step(card, [], recipe), EagerStep)
    assert CudaRecorder.failed == []


class Card(TapeRecorder):
    """Stands in for the recorder of a card."""

    failed: list[Any] = []

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        assert device.type == "cuda"


def test_the_loop_takes_the_step_that_it_is_handed() -> None:
    model, optimizers, recipe, batches = begun("mlp", schedule="linear", learning_rate=0.5)
    calls: list[tuple[int, float]] = []

    def take_step(groups: Any, step: int, factor: float) -> tuple[Tensor, int]:
        calls.append((step, factor))
        assert model.training and torch.equal(groups[0][0], batches(step)[0][0])
        return torch.tensor(step + 0.5), 7

    before = model.tensors()
    events = list(train_steps(model, optimizers, batches, recipe, 1, take_step=take_step))
    assert calls == [(1, 0.75), (2, 0.5), (3, 0.25)]
    assert [(e.step, e.loss.item(), e.learning_rate, e.symbols) for e in events] == [
        (2, 1.5, 0.375, 7), (3, 2.5, 0.25, 7), (4, 3.5, 0.125, 7)
    ]  # fmt: skip
    assert all((before[name] == value).all() for name, value in model.tensors().items())


def test_a_step_is_its_gradients_and_the_optimizers() -> None:
    one, two = begun("gru", grad_clip=0.1), begun("gru", grad_clip=0.1)
    for number in range(3):
        loss, symbols = EagerStep(*one[:3])(one[3](number), number, 0.5)
        for group in (group for optimizer in two[1] for group in optimizer.param_groups):
            group["lr"] = group["peak"] * 0.5
        own, counted = gradients(two[0], two[3](number), two[2].seed, number)
        apply_gradients(two[0], two[1], 0.1)
        assert torch.equal(loss, own) and symbols == counted
    for name, value in one[0].tensors().items():
        assert (value == two[0].tensors()[name]).all()


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer"])
@pytest.mark.parametrize("padded", [False, True])
def test_a_batch_knows_its_symbols(name: str, padded: bool) -> None:
    model, _, _, batches = begun(name)
    batches.padded = padded
    for step in range(batches.per_epoch):
        for group in batches(step):
            plain = group[0], group[1]
            assert count_symbols(group) == count_symbols(plain) == (group[1] != IGNORED).sum()
            assert group.symbols == count_symbols(plain)
