"""Trainer: train_steps(), the training loop, and fit(), which also evaluates, saves and stops.

Both are generators. The progress bar, the plots and the tests read the events that they yield, so
nothing here prints or knows a file name. The clock is read only to know when to save.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from makemore.errors import Diverged, RunError
from makemore.escaping import visible
from makemore.models import NeuralModel
from makemore.models.core.base import Arrays
from makemore.training.batch_norm import calibrate_batch_norm
from makemore.training.batches import BatchSource
from makemore.training.config import TrainingConfig
from makemore.training.divergence import LossWatch
from makemore.training.events import Evaluated, Event, Progress, Saved, Step
from makemore.training.gradients import Groups
from makemore.training.optimizer import Optimizer
from makemore.training.optimizers import lr_factor, make_optimizers
from makemore.training.pace import Clock, Ends, end_of, position, read_ends
from makemore.training.soft_targets import SoftTargets
from makemore.training.step import StepFunction, make_step

LOSS_EVERY = 50  # steps between two looks at the loss on a card


def train_steps(
    model: NeuralModel,
    optimizers: Sequence[Optimizer],
    batches: Callable[[int], Groups],
    recipe: TrainingConfig,
    start: int = 0,
    soft_targets: SoftTargets | None = None,
    ends: Ends = (),
    take_step: StepFunction | None = None,
) -> Generator[Step, None, None]:
    """Run the training loop: an optimizer step a batch, each yielded as a Step.

    batches: step, counted from 0 -> the (inputs, targets) of its groups; start: the first step
    ends: where the schedule's end was moved to (pace.py); the caller may add to it between steps
    take_step: takes each step (step.py); None for the one that suits the model's device
    The gradients of a step stay in `parameter.grad` until the next step is asked for.
    """
    steps = recipe.max_steps or 1
    take_step = take_step or make_step(model, optimizers, recipe, soft_targets)
    model.train()  # dropout on, and BatchNorm by the statistics of the batch
    for step in itertools.count(start):
        if step >= end_of(ends, steps):
            return
        # Schedule, batch and random numbers are functions of `step`: a training that starts here
        # again after an interruption takes the same steps as one that was never interrupted.
        factor = lr_factor(recipe, position(ends, step, steps), steps)
        groups = batches(step)  # [(inputs, targets)], (B, T) each, or (N, block_size) and (N,)
        loss, symbols = take_step(groups, step, factor)
        yield Step(step + 1, loss, recipe.learning_rate * factor, symbols)


# Computes the nll of the train part (or of a sample of it) and of val, None without one.
Losses = Callable[[], tuple[float, float | None]]


class Writer(Protocol):
    """Keeps checkpoints: the best weights, and the state to resume from (runs/writer.py)."""

    def save(
        self, progress: dict[str, Any], weights: Arrays, state: Arrays | None = None
    ) -> None: ...


class Trainer:
    """Holds a model in training: its optimizers, its best weights so far, and its progress.

    A checkpoint has three parts: `best`, the weights to sample from; `state()`, the tensors to
    resume from; and `progress`, the step and the best validation loss.
    """

    def __init__(
        self, model: NeuralModel, recipe: TrainingConfig, soft_targets: SoftTargets | None = None
    ) -> None:
        self.model, self.recipe, self.progress = model, recipe, Progress()
        self.soft_targets = soft_targets
        self.take_step: StepFunction | None = None  # None: the one that suits the model's device
        self.progress.ends = read_ends(recipe.ends)
        self.optimizers = make_optimizers(model, recipe)
        self.best = model.tensors()  # by validation loss; copies, which steps do not change
        self.resumed = False
        self.last_loss: Tensor | None = None  # of the last step (), on the model's device
        # To read a loss, the host waits until the device has taken all steps so far. A CPU has.
        self.loss_every = 1 if model.device.type == "cpu" else LOSS_EVERY
        self.watch = LossWatch(model.vocab_size)

    def state(self) -> Arrays:
        """Return the weights and the optimizers' tensors by name, to resume from.

        Example: "model.head.weight" (V, n_hidden), "optimizer.exp_avg.head.weight" (V, n_hidden).
        """
        arrays = {f"model.{name}": array for name, array in self.model.tensors().items()}
        # Without its running averages, an optimizer would start again as in the first step.
        for name, key, value in self._optimizer_tensors():
            arrays[f"optimizer.{key}.{name}"] = value.detach().cpu().numpy().copy()
        return arrays  # no generator and no position in the data: they follow from the step

    def restore(self, progress: dict[str, Any], best: Arrays, arrays: Arrays) -> None:
        """Load what `state` returned, to resume. Raises RunError if it is not of this model."""
        weights = {k.removeprefix("model."): v for k, v in arrays.items() if k.startswith("model.")}
        self.model.load_tensors(weights)
        self.best, self.progress, self.resumed = best, Progress.from_record(progress), True
        self.watch.resume(self.progress.best_val)
        # Anyone may have written the checkpoint's file. So every tensor is checked against the
        # shapes that the optimizers expect, and none may be left over.
        unread = {k: v for k, v in arrays.items() if not k.startswith("model.")}
        named: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        for optimizer in self.optimizers:
            for parameter, kinds in optimizer.all_state_shapes():
                name = named[parameter]
                keys = {f"optimizer.{kind}.{name}": kind for kind in kinds}
                if not unread.keys() & keys.keys():
                    continue  # no step was taken yet
                # All of a parameter's tensors or none: half of them is no state of an optimizer.
                for key, kind in keys.items():
                    value = unread.pop(key, None)
                    # AdamW counts its steps in a float32, of whatever type the weights are.
                    dtype = np.float32 if kind == "step" else weights[name].dtype
                    if value is None or value.shape != kinds[kind] or value.dtype != dtype:
                        raise RunError(f"the state's tensor {key!r} is missing or another", "state")
                    tensor = torch.from_numpy(value.copy()).to(parameter.device)
                    optimizer.state[parameter][kind] = tensor
        if unread:
            name = visible(min(unread), 80)
            raise RunError(f"the state holds an unknown tensor {name!r}", "state")

    def _optimizer_tensors(self) -> Iterator[tuple[str, str, Tensor]]:
        """Yield (parameter's name, key, tensor), such as ("head.weight", "exp_avg", (V, n))."""
        for name, parameter in self.model.named_parameters():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        yield name, key, value

    def check_finite(self, arrays: Arrays) -> None:
        """Raise Diverged if an array holds NaN or an infinity, before it is saved."""
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise self.diverged(f"{name} is not finite")

    def diverged(self, what: str) -> Diverged:
        """Make the error for a training that diverged, with its step and learning rate."""
        step, recipe = self.progress.step, self.recipe
        steps, ends = recipe.max_steps or 1, self.progress.ends
        # The factor of the step just done.
        factor = lr_factor(recipe, position(ends, max(0, step - 1), steps), steps)
        return Diverged(
            f"training diverged: {what}",
            f"step {step}, learning rate {recipe.learning_rate * factor:g}",
            f"give a smaller --learning-rate, such as {recipe.learning_rate / 10:g}, and --fresh; "
            "the last finite checkpoint is kept",
        )

    def check_loss(self) -> None:
        """Raise Diverged if the last loss is not finite. Once it is NaN, it stays so."""
        if self.last_loss is not None and not math.isfinite(float(self.last_loss)):
            raise self.diverged("the loss is not finite")

    def check_not_diverged(self) -> None:
        """Raise Diverged if the last evaluation is far above guessing: such weights make noise."""
        watch = self.watch
        if watch.diverged:
            raise self.diverged(
                f"it ended at {watch.last:.4g} nats a symbol, and blind guessing has "
                f"{watch.guessing:.2f}"
            )


def fit(
    training: Trainer,
    batches: BatchSource,
    losses: Losses,
    writer: Writer | None = None,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
) -> Iterator[Event]:
    """Train to the recipe's last step: evaluate, keep the best weights, save, stop early.

    losses: computes the nll of train and val, in nats a symbol
    stop: once set, the current step is the last; it is saved, and the training can be resumed
    clock: moves the end of the schedule, so that the training ends with its time
    Raises Diverged at the first loss or weight that is not finite, and at the end for a loss far
    above blind guessing (divergence.py). On a card it looks every 50 steps, and before it evaluates
    or saves.
    """
    recipe, progress, soft = training.recipe, training.progress, training.soft_targets
    if clock:
        clock.moves, clock.step = progress.ends, progress.step
    steps, every = recipe.max_steps or 1, recipe.eval_interval or 1
    saved_at = time.monotonic()  # the wall clock may be set back
    if not training.resumed:  # step 0, before any training: the loss should be near log V
        yield _evaluate(training, batches, losses, clock)
        yield from _save(training, writer, clock)
    done = progress.step
    taken = train_steps(
        training.model, training.optimizers, batches, recipe, done, soft, progress.ends,
        training.take_step,
    )  # fmt: skip
    # A clock times steps that were taken, not only asked for.
    loss_every = 1 if clock else training.loss_every
    for event in taken:
        progress.step = event.step  # first, so that whoever reads the event finds it here, too
        training.last_loss = event.loss
        if event.step % loss_every == 0:
            training.check_loss()
        end = end_of(progress.ends, steps)
        moved = clock.moved_end(event.step, end) if clock else None
        if moved is not None:
            progress.ends.append([event.step, moved])
            end = moved
        yield event
        if event.step % every == 0 or event.step == end:
            evaluated = _evaluate(training, batches, losses, clock)
            over = event.step == end or _patience_is_over(training)
            yield dataclasses.replace(evaluated, last=over)
        if event.step == end or _patience_is_over(training):
            break
        if stop is not None and stop.is_set():
            yield from _save(training, writer, clock)
            return  # not finished: the same command goes on from this step
        if writer is not None and time.monotonic() - saved_at >= recipe.save_interval:
            yield from _save(training, writer, clock)
            saved_at = time.monotonic()
    if training.resumed and done >= end_of(progress.ends, steps):  # it ended above guessing before
        training.watch.see(losses()[0])
    if training.watch.diverged:
        yield from _save(training, writer, clock)  # the best weights, and the log of how it went
        training.check_not_diverged()
    progress.finished = True  # saved with it: nobody resumes this run
    yield from _save(training, writer, clock)
    # On a card they lie in the graphs' memory, which is given back with the last of them.
    training.model.zero_grad(set_to_none=True)
    training.model.load_tensors(training.best)  # the last weights may have overfitted


def _patience_is_over(training: Trainer) -> bool:
    patience = training.recipe.patience
    return patience is not None and training.progress.evaluations_since_best >= patience


def _evaluate(
    training: Trainer, batches: BatchSource, losses: Losses, clock: Clock | None = None
) -> Evaluated:
    progress, began = training.progress, clock.now() if clock else 0.0
    training.check_loss()
    # Evaluation uses the running statistics of BatchNorm: they are brought up to date first.
    if training.recipe.calibrate:
        calibrate_batch_norm(training.model, batches)
    train, val = losses()  # nats a symbol
    if not math.isfinite(train if val is None else val):
        raise training.diverged("the validation loss is not finite")
    training.watch.see(train)
    # Without a validation part, every evaluation is the best: the last weights are kept.
    best = val is None or progress.best_val is None or val < progress.best_val
    progress.evaluations_since_best = 0 if best else progress.evaluations_since_best + 1
    # Training goes on from the last weights; the best ones are kept beside them, to sample from.
    if best:
        progress.best_step, progress.best_val = progress.step, val
        training.best = training.model.tensors()
    if clock:
        clock.evaluation = clock.now() - began
    return Evaluated(progress.step, train, val, best)


def _save(training: Trainer, writer: Writer | None, clock: Clock | None = None) -> Iterator[Saved]:
    if writer is None:
        return
    training.check_loss()
    if clock:  # committed, so that a training that is killed goes on with the time that is left
        training.progress.seconds = round(clock.used, 3)
    state = training.state()
    training.check_finite(state)  # before the write: the last good checkpoint is not replaced
    if training.progress.best_val is None and training.progress.step:
        # No validation part: the last weights are the best.
        training.best = training.model.tensors()
        training.progress.best_step = training.progress.step
    writer.save(training.progress.record(), training.best, state)
    yield Saved(training.progress.step)
