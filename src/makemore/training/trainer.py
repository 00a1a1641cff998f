"""Trainer: train_steps(), the loop, and fit(), which evaluates, saves and stops. Both generators.

Whoever wants to see a training consumes it: the bar, the plots, early stop and the tests all read
the same events. Nothing here prints, knows a file name or asks what the time is but for saving.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from makemore.errors import Diverged, RunError
from makemore.escaping import visible
from makemore.models import NeuralModel
from makemore.models.core.base import Arrays
from makemore.models.core.layers import dropout_generator
from makemore.parallel import parallel_map
from makemore.scoring import nll
from makemore.scoring.line_tensors import IGNORED
from makemore.scoring.loss import cross_entropy
from makemore.training.batch_norm import calibrate_batch_norm
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.device import generator, one_thread_each, seeded
from makemore.training.events import Evaluated, Event, Progress, Saved, Step
from makemore.training.optimizers import lr_factor, make_optimizers, state_shapes
from makemore.training.soft_targets import SoftTargets


def train_steps(
    model: NeuralModel,
    optimizers: list[torch.optim.Optimizer],
    batches: Callable[[int], list[tuple[Tensor, Tensor]]],
    recipe: TrainingConfig,
    start: int = 0,
    soft_targets: SoftTargets | None = None,
) -> Iterator[Step]:
    """The loop. The gradients of a step stay on the model until the next step is asked for.

    With soft targets, they are those of the cross-entropy with its targets.
    """
    steps = recipe.max_steps or 1
    model.train()
    for step in range(start, steps):
        share = lr_factor(recipe, step, steps)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * share
        groups = batches(step)
        with one_thread_each(recipe.threads or 1) if model.computes_in_parts else nullcontext():
            loss, symbols = gradients(model, groups, recipe.seed, step, soft_targets)
            if recipe.grad_clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
            for optimizer in optimizers:
                optimizer.step()
        yield Step(step + 1, loss, recipe.learning_rate * share, symbols)


def gradients(
    model: NeuralModel,
    groups: list[tuple[Tensor, Tensor]],
    seed: int,
    step: int,
    soft_targets: SoftTargets | None = None,
) -> tuple[Tensor, int]:
    """Give each parameter its gradient of the loss of all groups; their nll, and their symbols.

    The loss is the nll, or with soft targets the cross-entropy with its targets.
    Groups are computed at the same time where the model says that they may be.
    """
    symbols = [int((targets != IGNORED).sum()) for _, targets in groups]
    parameters = list(model.parameters())

    def of_group(number: int) -> tuple[Tensor, Sequence[Tensor | None]]:
        inputs, targets = groups[number]
        with (
            dropout_generator(generator(seed, step + 1, number))
            if model.splits_batches
            else nullcontext()
        ):
            logits = model(inputs)
        # Weighted by symbols, the groups' gradients add up to that of the whole batch.
        own = nll(logits if soft_targets is None else logits.detach(), targets)
        loss = own if soft_targets is None else cross_entropy(logits, soft_targets(inputs, targets))
        share = symbols[number] / sum(symbols)
        return own.detach() * share, torch.autograd.grad(
            loss * share, parameters, allow_unused=True
        )

    with seeded(seed, step + 1):  # 0 is the stream of the initial weights
        found = parallel_map(of_group, range(len(groups)))
    for parameter, *parts in zip(parameters, *(grads for _, grads in found), strict=True):
        parameter.grad = sum_gradients(parts)
    return torch.stack([loss for loss, _ in found]).sum(), sum(symbols)


def sum_gradients(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The sum in a tensor of its own: autograd may give one tensor to two parameters."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    first, *others = found
    own = first.clone(memory_format=torch.contiguous_format)
    for other in others:
        own += other
    return own


class Writer(Protocol):
    """Whoever keeps checkpoints (runs/writer.py): best weights, and the state to go on from."""

    def save(
        self, progress: dict[str, Any], weights: Arrays, state: Arrays | None = None
    ) -> None: ...


class Trainer:
    """A model in training: its optimizers, its best weights, and where it stands."""

    def __init__(
        self, model: NeuralModel, recipe: TrainingConfig, soft_targets: SoftTargets | None = None
    ) -> None:
        self.model, self.recipe, self.progress = model, recipe, Progress()
        self.soft_targets = soft_targets
        self.optimizers = make_optimizers(model, recipe)
        self.best = model.tensors()
        self.resumed = False

    def state(self) -> Arrays:
        """Weights and all that the optimizers remember, by name, as arrays."""
        arrays = {f"model.{name}": array for name, array in self.model.tensors().items()}
        for name, key, value in self._memories():
            arrays[f"optimizer.{key}.{name}"] = value.detach().cpu().numpy().copy()
        return arrays

    def restore(self, progress: dict[str, Any], best: Arrays, arrays: Arrays) -> None:
        """Go on from what `state` gave. Raises RunError if it is not this model's."""
        weights = {k.removeprefix("model."): v for k, v in arrays.items() if k.startswith("model.")}
        self.model.load_tensors(weights)
        self.best, self.progress, self.resumed = best, Progress.from_record(progress), True
        found = {k: v for k, v in arrays.items() if not k.startswith("model.")}
        named = {parameter: name for name, parameter in self.model.named_parameters()}
        for optimizer in self.optimizers:
            for parameter, kinds in state_shapes(optimizer):
                name = named[parameter]
                keys = {f"optimizer.{kind}.{name}": kind for kind in kinds}
                if not found.keys() & keys.keys():
                    continue  # no step was taken yet
                for key, kind in keys.items():
                    value = found.pop(key, None)
                    dtype = np.float32 if kind == "step" else weights[name].dtype
                    if value is None or value.shape != kinds[kind] or value.dtype != dtype:
                        raise RunError(f"the state's tensor {key!r} is missing or another", "state")
                    tensor = torch.from_numpy(value.copy()).to(parameter.device)
                    optimizer.state[parameter][kind] = tensor
        if found:
            name = visible(min(found), 80)
            raise RunError(f"the state holds an unknown tensor {name!r}", "state")

    def _memories(self) -> Iterator[tuple[str, str, Tensor]]:
        for name, parameter in self.model.named_parameters():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        yield name, key, value

    def check_finite(self, arrays: Arrays) -> None:
        """Raise Diverged rather than keep weights that are no numbers."""
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise self.diverged(f"{name} is not finite")

    def diverged(self, what: str) -> Diverged:
        step, recipe = self.progress.step, self.recipe
        share = lr_factor(recipe, max(0, step - 1), recipe.max_steps or 1)
        return Diverged(
            f"training diverged: {what}",
            f"step {step}, learning rate {recipe.learning_rate * share:g}",
            "give a smaller --learning-rate; the last finite checkpoint is kept",
        )


def fit(
    training: Trainer,
    batches: Batches,
    losses: Callable[[], tuple[float, float | None]],
    writer: Writer | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Train to the recipe's end: evaluate, keep the best weights, save, stop early.

    losses: gives the nll of the train part (or of a sample of it) and of val, or None without one.
    stop: once set, the current step is the last; it is saved, and the training can be resumed.
    Raises Diverged at the first loss or weight that is not finite.
    """
    model, recipe, progress = training.model, training.recipe, training.progress
    steps, every = recipe.max_steps or 1, recipe.eval_interval or 1
    saved_at = time.monotonic()
    if not training.resumed:
        yield _evaluate(training, batches, losses)
        yield from _save(training, writer)
    events = train_steps(
        model, training.optimizers, batches, recipe, progress.step, training.soft_targets
    )
    for event in events:
        progress.step = event.step
        if not math.isfinite(float(event.loss)):
            raise training.diverged("the loss is not finite")
        yield event
        if event.step % every == 0 or event.step == steps:
            yield _evaluate(training, batches, losses)
        early = recipe.patience is not None and progress.evaluations_since_best >= recipe.patience
        if event.step == steps or early:
            break
        if stop is not None and stop.is_set():
            yield from _save(training, writer)
            return
        if writer is not None and time.monotonic() - saved_at >= recipe.save_interval:
            yield from _save(training, writer)
            saved_at = time.monotonic()
    progress.finished = True
    yield from _save(training, writer)
    model.load_tensors(training.best)


def _evaluate(
    training: Trainer, batches: Batches, losses: Callable[[], tuple[float, float | None]]
) -> Evaluated:
    progress = training.progress
    if training.recipe.calibrate:
        calibrate_batch_norm(training.model, batches)
    train, val = losses()
    if not math.isfinite(train if val is None else val):
        raise training.diverged("the validation loss is not finite")
    best = val is None or progress.best_val is None or val < progress.best_val
    progress.evaluations_since_best = 0 if best else progress.evaluations_since_best + 1
    if best:
        progress.best_step, progress.best_val = progress.step, val
        training.best = training.model.tensors()
    return Evaluated(progress.step, train, val, best)


def _save(training: Trainer, writer: Writer | None) -> Iterator[Saved]:
    if writer is None:
        return
    state = training.state()
    training.check_finite(state)
    if training.progress.best_val is None and training.progress.step:
        # No validation part: the last weights are the best.
        training.best = training.model.tensors()
        training.progress.best_step = training.progress.step
    writer.save(training.progress.record(), training.best, state)
    yield Saved(training.progress.step)
