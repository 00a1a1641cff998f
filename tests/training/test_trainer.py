"""trainer.py: the loop's arithmetic, exact resuming, and what fit keeps, saves and refuses."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import battery
from makemore import MakeMore
from makemore.errors import Diverged, RunError
from makemore.models.core import registry
from makemore.models.core.base import Arrays
from makemore.models.core.neural import NeuralModel
from makemore.options import make
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.scoring.loss import nll
from makemore.scoring.scorer import surprisals
from makemore.training import trainer
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.events import Evaluated, Event, Saved, Step
from makemore.training.gradients import gradients
from makemore.training.optimizers import make_optimizers
from makemore.training.pace import Clock
from makemore.training.trainer import Trainer, fit, train_steps

# -- what a training is made of -------------------------------------------------------------------


def lines_for(model: NeuralModel, n_lines: int = 100) -> LineTensors:
    ids, offsets = battery.some_lines(model.vocab_size, n_lines)
    return LineTensors(ids, offsets, model.input_kind, model.block_size)


def begun(
    name: str, options: dict[str, Any] | None = None, **asked: Any
) -> tuple[Trainer, Batches]:
    """A training of a small model on 100 lines, and its batches."""
    model = battery.build(registry.get_model(name), block_size=9, **(options or {}))
    usual = {"max_steps": 10, "eval_interval": 4, "save_interval": 1e9}
    recipe = make(TrainingConfig, usual | asked)
    return Trainer(model, recipe), Batches(lines_for(model), 40, recipe.seed)


def both_losses(training: Trainer) -> Callable[[], tuple[float, float | None]]:
    """The loss of 20 lines, as that of train and as that of val."""
    ids, offsets = battery.some_lines(9, 20)
    return lambda: (float(surprisals(training.model, ids, offsets).mean()),) * 2


def scripted(*losses: float | None) -> Callable[[], tuple[float, float | None]]:
    values = iter(losses)
    return lambda: (1.0, next(values))


class Kept:
    """A writer that keeps everything in memory."""

    def __init__(self) -> None:
        self.saves: list[tuple[dict[str, Any], Arrays, Arrays]] = []

    def save(self, progress: dict[str, Any], weights: Arrays, state: Arrays | None = None) -> None:
        assert state is not None
        self.saves.append((progress, dict(weights), dict(state)))

    @property
    def steps(self) -> list[int]:
        return [progress["step"] for progress, _, _ in self.saves]


def finished(
    name: str, options: dict[str, Any] | None = None, *, losses: Sequence[float | None] = (),
    going_on: Any = None, stop_at: int = 0, **asked: Any,
) -> tuple[Trainer, list[Event], Kept]:  # fmt: skip
    """A training to its end, its events and what was saved.

    losses: those of val, one an evaluation; without them the model's own
    going_on: what was saved before; stop_at: the step after whose events it is stopped
    """
    training, batches = begun(name, options, **asked)
    if going_on:
        with torch.no_grad():
            for part in training.model.parameters():
                part.add_(1.0)  # nothing of a fresh model may be left
        training.restore(*going_on)
        assert_equal(training.state(), going_on[2])
    kept, stop, events = Kept(), threading.Event(), []
    evaluate = scripted(*losses) if losses else both_losses(training)
    for event in fit(training, batches, evaluate, kept, stop):
        events.append(event)
        if event.step == stop_at > 0:
            stop.set()
    return training, events, kept


def assert_equal(one: Arrays, two: Arrays) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value.dtype == two[name].dtype and value.tobytes() == two[name].tobytes(), name


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# -- the loop -------------------------------------------------------------------------------------


def test_steps_say_what_was_before_them() -> None:
    """p -= lr * grad, by hand: the loss of a step is that of the weights before it."""
    training, batches = begun(
        "gru", {"dropout": 0.0}, optimizer="sgd", learning_rate=0.5, weight_decay=0.0,
        schedule="linear", max_steps=4,
    )  # fmt: skip
    model = training.model
    steps = train_steps(model, training.optimizers, batches, training.recipe)
    assert model.training is not None
    for number in range(4):
        before = {name: part.detach().clone() for name, part in model.named_parameters()}
        [(inputs, targets)] = batches(number)
        loss = nll(model(inputs), targets)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        event = next(steps)
        assert event.step == number + 1 and event.symbols == int((targets != IGNORED).sum())
        assert event.learning_rate == pytest.approx(0.5 * (1 - number / 4))
        torch.testing.assert_close(event.loss, loss.detach())
        for (name, part), grad in zip(model.named_parameters(), grads, strict=True):
            torch.testing.assert_close(part.grad, grad)  # they stay until the next step
            torch.testing.assert_close(part.detach(), before[name] - event.learning_rate * grad)
    assert next(steps, None) is None


def test_groups_weigh_as_one_batch() -> None:
    training, _ = begun("gru", {"dropout": 0.0}, max_steps=1)
    model, lines = training.model, lines_for(training.model, 600)
    batches = Batches(lines, 10**6, seed=0)
    groups = batches(0)
    assert len(groups) == 4
    whole, targets = lines.sequences(np.arange(600), 9)
    loss = nll(model(whole), targets)
    grads = torch.autograd.grad(loss, list(model.parameters()))
    [event] = train_steps(model, training.optimizers, batches, training.recipe)
    torch.testing.assert_close(event.loss, loss.detach())
    assert event.symbols == int((targets != IGNORED).sum())
    for part, grad in zip(model.parameters(), grads, strict=True):
        torch.testing.assert_close(part.grad, grad, atol=1e-6, rtol=1e-4)
    unweighted = np.mean([nll(model(x), y).item() for x, y in groups])
    assert abs(unweighted - event.loss.item()) > 1e-3


@pytest.mark.parametrize("name", ["transformer", "gru"])
def test_groups_at_the_same_time_are_groups_one_after_the_other(name: str) -> None:
    """To the last bit, dropout too: who computes a group says nothing about its numbers."""
    found = []
    for threads in (1, 2, 3):
        training, _ = begun(name, {"dropout": 0.3}, max_steps=3, threads=threads)
        model = training.model
        batches = Batches(lines_for(model, 900), 450, 0, model.packs, shares=3)
        assert len(batches(0)) > 1 and model.computes_in_parts
        steps = list(train_steps(model, training.optimizers, batches, training.recipe))
        found.append(([step.loss.item() for step in steps], model.tensors()))
    for losses, tensors in found[1:]:
        assert losses == found[0][0]
        assert_equal(tensors, found[0][1])


def test_dropout_differs_between_the_groups_of_a_step() -> None:
    training, _ = begun("bow", {"dropout": 0.5}, max_steps=1)
    batch = Batches(lines_for(training.model, 10), 10, 0)(0)[0]
    alone, _ = gradients(training.model.train(), [batch], 0, 0)
    first = [part.grad.clone() for part in training.model.parameters() if part.grad is not None]
    twice, symbols = gradients(training.model, [batch, batch], 0, 0)
    assert symbols == 2 * int((batch[1] != IGNORED).sum()) and twice != alone
    for part, grad in zip(training.model.parameters(), first, strict=True):
        assert part.grad is not None and not torch.equal(part.grad, grad)


def test_gradients_are_tensors_of_their_own() -> None:
    """Autograd may give one tensor to two parameters; clipping in place would scale it twice."""

    class Shared(torch.nn.Module):
        splits_batches, device = False, torch.device("cpu")

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = (torch.nn.Parameter(torch.zeros(3)) for _ in range(2))
            self.unused = torch.nn.Parameter(torch.zeros(3))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return (self.one + self.two).expand(len(inputs), 3)

    model: Any = Shared()
    group = torch.zeros(4, 1), torch.tensor([0, 1, 1, 2])
    gradients(model, [group, group], 0, 0)
    assert model.unused.grad is None
    assert torch.equal(model.one.grad, model.two.grad)
    model.one.grad.mul_(2)
    assert not torch.equal(model.one.grad, model.two.grad)


def test_clipping_bounds_the_norm_of_all_gradients() -> None:
    norms = []
    for clip in (None, 1e9, 0.01):
        training, batches = begun("mlp", grad_clip=clip, max_steps=1)
        next(train_steps(training.model, training.optimizers, batches, training.recipe))
        grads = [part.grad.flatten() for part in training.model.parameters()]
        norms.append(torch.cat(grads).norm().item())
    assert norms[0] == norms[1] > 0.1
    assert norms[2] == pytest.approx(0.01, rel=1e-3)


def test_rates_follow_the_schedule_in_every_group() -> None:
    training, batches = begun(
        "transformer", learning_rate=0.004, muon_learning_rate=0.02, warmup_steps=2, max_steps=6
    )
    rates = []
    for _ in train_steps(training.model, training.optimizers, batches, training.recipe):
        groups = [group for part in training.optimizers for group in part.param_groups]
        rates.append([group["lr"] for group in groups])
    shares = np.array([0.5, 1, 1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(rates, shares[:, None] * [0.004, 0.004, 0.02])


def test_dropout_hangs_on_seed_and_step_alone() -> None:
    found = []
    for seed in (1, 1, 2):
        training, batches = begun("gru", {"dropout": 0.5}, seed=seed, max_steps=3)
        batches.seed = 1  # the same lines
        torch.rand(3)  # what was drawn before has no part in it
        steps = train_steps(training.model, training.optimizers, batches, training.recipe)
        found.append([float(event.loss) for event in steps])
    assert found[0] == found[1] and found[0][0] != found[2][0]


def test_dropout_is_another_in_every_step() -> None:
    training, _ = begun("gru", {"dropout": 0.5}, learning_rate=0.0001, optimizer="sgd")
    batches = Batches(lines_for(training.model), 10**6, seed=0)
    only = batches(0)
    steps = train_steps(training.model, training.optimizers, lambda _: only, training.recipe)
    grads = []
    for _ in steps:
        grads.append(training.model.head.weight.grad.clone())
    unlike = [(one - two).norm() / one.norm() for one, two in zip(grads, grads[1:], strict=False)]
    assert min(unlike) > 0.1


def test_training_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    _, events, _ = finished("mlp", {"batch_norm": True, "dropout": 0.5}, calibrate=True)
    assert len(of(Step, events)) == 10
    asked: dict[str, Any] = {"n_embd": 8, "n_layer": 1, "n_head": 1, "max_steps": 2}
    MakeMore(device="cpu", threads=1, **asked).fit(battery.NAMES).sample(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


# -- exact resuming -------------------------------------------------------------------------------

TRAININGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("gru", {"dropout": 0.3}, {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.5}),
    ("mlp", {"dropout": 0.3}, {"optimizer": "sgd", "learning_rate": 0.1}),
    ("lstm", {"dropout": 0.3}, {"optimizer": "adamw", "grad_clip": 0.1}),
    ("transformer", {"dropout": 0.3}, {"optimizer": "muon", "grad_clip": 0.1, "warmup_steps": 3}),
    ("transformer", {"dropout": 0.3}, {"optimizer": "muon", "muon_row_momentum": 0.9}),
    ("deep_mlp", {}, {"optimizer": "muon", "schedule": "cosine"}),
    ("mlp", {"batch_norm": True, "dropout": 0.3}, {"optimizer": "adamw", "calibrate": True}),
]


@pytest.mark.slow
@pytest.mark.parametrize("name, options, asked", TRAININGS)
def test_going_on_ends_in_equal_bits(
    name: str, options: dict[str, Any], asked: dict[str, Any]
) -> None:
    training, events, kept = finished(name, options, save_interval=0.0, **asked)
    assert kept.steps == list(range(11))
    last = kept.saves[-1]
    for saved in (kept.saves[step] for step in (0, 1, 4, 9)):
        again, rest, then = finished(name, options, save_interval=0.0, going_on=saved, **asked)
        assert then.saves[-1][0] == last[0] | {"finished": True}
        assert_equal(then.saves[-1][1], last[1])
        assert_equal(then.saves[-1][2], last[2])
        assert_equal(again.model.tensors(), training.model.tensors())
        step = saved[0]["step"]
        assert [repr(event) for event in rest] == [repr(e) for e in events if e.step > step]
        assert then.steps == list(range(step + 1, 11))


def test_what_is_saved_is_a_copy() -> None:
    training, batches = begun("transformer", save_interval=0.0)
    kept, copies = Kept(), []
    for event in fit(training, batches, both_losses(training), kept):
        if isinstance(event, Saved):
            _, best, state = kept.saves[-1]
            copies.append([{k: v.copy() for k, v in part.items()} for part in (best, state)])
    for (_, best, state), (best_then, state_then) in zip(kept.saves, copies, strict=True):
        assert_equal(best, best_then)
        assert_equal(state, state_then)
    assert kept.saves[0][2].keys() < kept.saves[1][2].keys()  # no memories before the first step


@pytest.mark.parametrize(
    "kind, memory", [("adamw", "exp_avg"), ("muon", "momentum"), ("muon", "row_square")]
)
def test_a_damaged_state_is_refused(kind: str, memory: str) -> None:
    asked = {"optimizer": kind, "muon_row_momentum": 0.9 if memory == "row_square" else 0.0}
    _, _, kept = finished("transformer", save_interval=0.0, max_steps=2, **asked)
    progress, best, state = kept.saves[1]
    name = f"optimizer.{memory}.blocks.0.attend.weight"
    value = state[name]
    weight = "model.blocks.0.attend.weight"
    for damaged, named in (
        ({k: v for k, v in state.items() if k != weight}, "blocks.0.attend.weight"),
        ({**state, weight: state[weight][1:]}, "blocks.0.attend.weight"),
        ({**state, name: value[1:]}, name),
        ({**state, name: value.astype(np.float64)}, name),
        ({**state, f"optimizer.more.{weight}": value}, "optimizer.more"),
        ({**state, "more": value}, "more"),
    ):
        again, _ = begun("transformer", **asked)
        with pytest.raises(RunError, match=named):
            again.restore(progress, best, damaged)


# -- fit: evaluations, the best weights, patience -------------------------------------------------


def test_evaluations_stand_at_the_start_each_interval_and_the_end() -> None:
    _, events, kept = finished("mlp", losses=[3.0, 2.5, 2.0, 1.5])
    assert [event.step for event in of(Step, events)] == list(range(1, 11))
    assert [event.step for event in of(Evaluated, events)] == [0, 4, 8, 10]
    assert [event.step for event in of(Saved, events)] == kept.steps == [0, 10]
    order = [type(event).__name__ for event in events]
    assert order[:3] == ["Evaluated", "Saved", "Step"]
    assert order[-3:] == ["Step", "Evaluated", "Saved"]
    assert [progress["finished"] for progress, _, _ in kept.saves] == [False, True]


def test_the_best_weights_are_kept_by_validation() -> None:
    training, batches = begun("mlp", eval_interval=2)
    kept, seen = Kept(), {}
    losses = scripted(3.0, 2.5, 2.0, 2.1, 2.0, 2.2)
    for event in fit(training, batches, losses, kept):
        if isinstance(event, Evaluated):
            seen[event.step] = training.model.tensors()
            assert event.best == (event.step in (0, 2, 4))  # an equal loss is no better one
    assert (training.progress.best_step, training.progress.best_val) == (4, 2.0)
    assert training.progress.evaluations_since_best == 3
    assert_equal(training.best, seen[4])
    assert_equal(training.model.tensors(), seen[4])  # the model that is given back is the best
    progress, best, state = kept.saves[-1]
    assert (progress["step"], progress["best_step"]) == (10, 4)
    assert_equal(best, seen[4])
    weights = {k.removeprefix("model."): v for k, v in state.items() if k[:6] == "model."}
    assert_equal(weights, seen[10])


def test_no_gradients_are_left_of_a_training_that_has_ended() -> None:
    """On a card they lie in the memory of its graphs, and would keep it."""
    training, events, _ = finished("mlp", losses=[3.0, 2.5, 2.6, 2.4, 2.5, 2.5])
    assert of(Step, events)
    assert all(parameter.grad is None for parameter in training.model.parameters())


def test_patience_ends_a_training() -> None:
    asked: dict[str, Any] = {"eval_interval": 2, "patience": 2}
    training, events, _ = finished("mlp", losses=[3.0, 2.5, 2.6, 2.4, 2.5, 2.5], **asked)
    assert events[-1] == Saved(10) and training.progress.best_step == 6
    training, events, kept = finished("mlp", losses=[3.0, 2.5, 2.6, 2.7], **asked)
    assert events[-1] == Saved(6) and training.progress.best_step == 2
    assert kept.saves[-1][0] == {
        "step": 6, "best_step": 2, "best_val": 2.5, "waited": 2, "finished": True,
    }  # fmt: skip


def test_patience_goes_on_where_it_was() -> None:
    asked: dict[str, Any] = {"eval_interval": 2, "patience": 2, "save_interval": 0.0}
    training, _, kept = finished("mlp", losses=[3.0, 2.5, 2.6, 2.7], **asked)
    saved = kept.saves[kept.steps.index(5)]
    again, events, _ = finished("mlp", losses=[2.7], going_on=saved, **asked)
    assert [event.step for event in of(Step, events)] == [6]
    assert_equal(again.model.tensors(), training.model.tensors())


def test_without_a_validation_part_the_last_weights_are_the_best() -> None:
    training, batches = begun("mlp", eval_interval=4, save_interval=0.0, patience=1)
    kept, seen = Kept(), {}
    for event in fit(training, batches, scripted(*[None] * 9), kept):
        if isinstance(event, Step):
            seen[event.step] = training.model.tensors()
        if isinstance(event, Evaluated):
            assert event.best and event.val is None
    for progress, best, _ in kept.saves[1:]:
        assert progress["best_step"] == progress["step"] and progress["best_val"] is None
        assert_equal(best, seen[progress["step"]])
    assert_equal(training.model.tensors(), seen[10])


def test_a_training_can_be_without_a_writer() -> None:
    training, batches = begun("mlp")
    events = list(fit(training, batches, both_losses(training)))
    assert not of(Saved, events) and training.progress.finished


@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_stopped_training_saves_and_goes_on_in_equal_bits(at: int) -> None:
    gru: tuple[str, dict[str, Any]] = ("gru", {"dropout": 0.3})
    whole, _, kept = finished(*gru, optimizer="adamw")
    _, events, first = finished(*gru, optimizer="adamw", stop_at=at)
    assert events[-1] == Saved(at) and first.steps == [0, at]
    assert not first.saves[-1][0]["finished"]
    again, _, then = finished(*gru, optimizer="adamw", going_on=first.saves[-1])
    assert then.saves[-1][0] == kept.saves[-1][0]
    assert_equal(then.saves[-1][2], kept.saves[-1][2])
    assert_equal(again.model.tensors(), whole.model.tensors())


def test_stopping_in_the_last_step_finishes() -> None:
    _, _, kept = finished("mlp", max_steps=3, stop_at=3)
    assert kept.saves[-1][0]["finished"] and kept.steps == [0, 3]


# -- what diverges --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_a_training_that_diverges_stops_and_keeps_the_last_finite_weights(
    name: str, kind: str
) -> None:
    training, batches = begun(
        name, optimizer=kind, learning_rate=1e30, schedule="constant", max_steps=50,
        save_interval=0.0,
    )  # fmt: skip
    kept, events = Kept(), []
    with pytest.raises(Diverged) as caught:
        for event in fit(training, batches, both_losses(training), kept):
            events.append(event)
    assert caught.value.exit_code == 6
    step = training.progress.step
    assert f"step {step}, learning rate 1e+30" in str(caught.value)
    assert "--learning-rate" in str(caught.value)
    assert all(math.isfinite(float(event.loss)) for event in of(Step, events))
    assert kept.steps == list(range(step)) and step < 10
    for _, best, state in kept.saves:
        assert all(np.isfinite(value).all() for value in [*best.values(), *state.values()])
    assert all(np.isfinite(value).all() for value in training.best.values())


def test_great_losses_are_never_the_best() -> None:
    """A table's loss stays a number whatever the rate: what was best before is kept."""
    asked: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e30, "weight_decay": 0.0}
    start = begun("bigram", **asked)[0].model.tensors()
    training, batches = begun("bigram", **asked)
    events, kept = list[Any](), Kept()
    with pytest.raises(Diverged, match="nats a symbol, and blind guessing has"):
        for event in fit(training, batches, both_losses(training), kept):
            events.append(event)
    assert of(Step, events)[-1].loss > 1e20
    assert training.progress.best_step == 0 and not training.progress.finished
    assert_equal(training.best, start)
    assert events[-1] == Saved(of(Step, events)[-1].step)  # nothing is lost


def test_the_first_loss_that_is_no_number_is_the_last_step() -> None:
    training, batches = begun("mlp", schedule="linear", learning_rate=0.01)
    events = []
    with pytest.raises(Diverged, match=r"the loss is not finite \(step 4, learning rate 0.007\)"):
        for event in fit(training, batches, both_losses(training)):
            events.append(event)
            if event.step == 3:
                with torch.no_grad():
                    training.model.head.bias.fill_(math.nan)
    assert of(Step, events)[-1].step == 3


class Unread:
    """A loss () that counts how often it is read."""

    def __init__(self, loss: torch.Tensor, reads: list[float]) -> None:
        self.loss, self.reads = loss, reads

    def __float__(self) -> float:
        self.reads.append(float(self.loss))
        return self.reads[-1]


def counting_reads(training: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Count what is read of the losses of a training."""
    reads, own = list[float](), trainer.make_step

    def make_step(*arguments: Any) -> Any:
        step = own(*arguments)

        def take_step(*of_step: Any) -> Any:
            loss, symbols = step(*of_step)
            return Unread(loss, reads), symbols

        return take_step

    monkeypatch.setattr(trainer, "make_step", make_step)
    return reads


def test_a_card_is_asked_for_the_loss_at_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few steps, before an evaluation and before a save; a CPU after each step."""
    for loss_every, expected in ((1, 20 + 2), (7, 2 + 2), (1000, 2)):
        training, batches = begun("mlp", max_steps=20, eval_interval=10)
        assert training.loss_every == 1  # on a CPU
        training.loss_every, reads = loss_every, counting_reads(training, monkeypatch)
        list(fit(training, batches, both_losses(training)))
        assert len(reads) == expected
    assert trainer.LOSS_EVERY == 50


def test_under_a_clock_every_step_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    training, batches = begun("mlp", max_steps=6, eval_interval=6)
    training.loss_every, reads = 1000, counting_reads(training, monkeypatch)
    seconds = itertools.count()
    clock = Clock(deadline=1e9, most_steps=6, began=0.0, now=lambda: float(next(seconds)))
    list(fit(training, batches, both_losses(training), clock=clock))
    assert len(reads) >= 6


def test_what_diverged_between_two_looks_is_found_at_the_next() -> None:
    training, batches = begun("mlp", max_steps=30, eval_interval=4)
    training.loss_every, kept, losses = 1000, Kept(), list[float]()
    with pytest.raises(Diverged, match=r"the loss is not finite \(step 8,"):
        for event in fit(training, batches, both_losses(training), kept):
            if isinstance(event, Step):
                losses.append(float(event.loss))
                if event.step == 5:
                    with torch.no_grad():
                        training.model.head.bias.fill_(math.nan)
    assert [math.isnan(loss) for loss in losses] == [False] * 5 + [True] * 3
    assert kept.steps == [0]
    assert all(np.isfinite(value).all() for value in training.best.values())


def test_what_diverged_between_two_looks_is_never_saved() -> None:
    training, batches = begun("mlp", max_steps=30, eval_interval=30, save_interval=0.0)
    training.loss_every, kept = 1000, Kept()
    with pytest.raises(Diverged, match=r"the loss is not finite \(step 4,"):
        for event in fit(training, batches, both_losses(training), kept):
            if isinstance(event, Saved) and event.step == 3:
                with torch.no_grad():
                    training.model.head.bias.fill_(math.nan)
    assert kept.steps == [0, 1, 2, 3]
    assert all(np.isfinite(value).all() for _, _, state in kept.saves for value in state.values())


def test_weights_that_are_no_numbers_are_never_saved() -> None:
    """Even where neither loss has seen them: a symbol that stands in no line."""
    training, _ = begun("mlp", save_interval=0.0)
    model, kept = training.model, Kept()
    batches = Batches(LineTensors(*battery.some_lines(8), "window", 9), 40, seed=0)
    assert not (batches.lines.flat == 8).any()
    with pytest.raises(Diverged, match="embedding.weight is not finite"):
        for event in fit(training, batches, scripted(*[2.0] * 9), kept):
            if event.step == 2 and isinstance(event, Step):
                with torch.no_grad():
                    model.embedding.weight[8, 0] = math.inf
    assert kept.steps == [0, 1]


def test_a_validation_loss_that_is_no_number_is_never_the_best() -> None:
    for wrong in (math.nan, math.inf):
        training, batches = begun("mlp", eval_interval=1)
        kept = Kept()
        with pytest.raises(Diverged, match=r"the validation loss is not finite \(step 2,"):
            list(fit(training, batches, scripted(3.0, 2.5, wrong), kept))
        assert training.progress.best_step == 1 and kept.steps == [0]


# -- what is learned ------------------------------------------------------------------------------


def counted(text: list[str]) -> tuple[float, int]:
    """The loss of the table of counts, from the text itself; and how many symbols there are."""
    pairs = [pair for word in text for pair in zip(f".{word}", f"{word}.", strict=True)]
    firsts = [first for first, _ in pairs]
    share = {pair: pairs.count(pair) / firsts.count(pair[0]) for pair in set(pairs)}
    return -sum(math.log(share[pair]) for pair in pairs) / len(pairs), len(set(firsts))


def encoded(text: list[str]) -> tuple[np.ndarray, np.ndarray]:
    symbols = sorted(set("".join(text)))
    ids = np.array([1 + symbols.index(symbol) for word in text for symbol in word])
    return ids, np.cumsum([0, *map(len, text)])


def test_the_learned_bigram_comes_to_the_counts() -> None:
    best, V = counted(battery.NAMES)
    kind = registry.get_model("bigram")
    model = kind(V, 9, kind.Options())  # type: ignore[call-arg]
    ids, offsets = encoded(battery.NAMES)
    recipe = make(TrainingConfig, {"max_steps": 300}, kind.recipe)
    batches = Batches(LineTensors(ids, offsets, "sequence", 9), 10**6, seed=0)
    events = train_steps(model, make_optimizers(model, recipe), batches, recipe)
    losses = [float(event.loss) for event in events]
    assert losses[0] == pytest.approx(math.log(V), abs=1e-5)
    assert best < losses[-1] < best + 0.01
    loss = float(surprisals(model, ids, offsets).mean())
    assert best < loss < best + 0.01


def lecture(text: list[str], strength: float) -> float:
    """The lectures' loop: nll + strength * mean of W squared; the nll that it ends with."""
    _, V = counted(text)
    ids, offsets = encoded(text)
    [(inputs, targets)] = Batches(LineTensors(ids, offsets, "sequence", 9), 10**6, seed=0)(0)
    xs, ys = inputs[targets != IGNORED], targets[targets != IGNORED]
    W = torch.randn(V, V, generator=torch.Generator().manual_seed(2147483647), requires_grad=True)
    for _ in range(200):
        W.grad = None
        loss = F.cross_entropy(F.one_hot(xs, V).float() @ W, ys) + strength * (W**2).mean()
        loss.backward()
        W.data += -min(50.0, 0.4 * V * V / max(strength, 1e-9)) * W.grad
    return nll(F.one_hot(xs, V).float() @ W, ys).item()


def test_regularisation_is_smoothing() -> None:
    best, V = counted(battery.NAMES)
    losses = [lecture(battery.NAMES, strength) for strength in (0.0, 0.1, 10.0, 1e3, 1e6)]
    assert losses == sorted(losses)
    assert best < losses[0] < best + 0.1
    assert losses[-1] == pytest.approx(math.log(V), abs=1e-3)


def test_events_are_frozen() -> None:
    for event in (Step(1, torch.zeros(()), 0.1, 3), Evaluated(1, 2.0, None, True), Saved(1)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.step = 2  # type: ignore[misc]
