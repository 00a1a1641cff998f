"""Fit one model: initial weights, batches and soft targets; then gradient steps, or counting.

torch is imported inside functions, so that a model of counts is trained without it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from makemore.api.memory import check_memory
from makemore.api.plan import Plan
from makemore.errors import RunError, UsageError
from makemore.models import CountModel, Model
from makemore.models.core.label_counts import PerLabelCounts
from makemore.runs import Run, RunWriter
from makemore.text.line_file import LineFile
from makemore.training.config import names_prior

if TYPE_CHECKING:
    from makemore.training.batches import BatchSource
    from makemore.training.events import Event
    from makemore.training.pace import Clock
    from makemore.training.ranks import Ranks
    from makemore.training.soft_targets import SoftTargets
    from makemore.training.trainer import Trainer


def initialize_model(plan: Plan, from_prior: bool = True) -> Model:
    """Make the planned model with initial weights, on its device: random ones, or its prior's.

    from_prior: if not, the weights are random, as others will be loaded
    Raises UsageError for options that clash, SystemFault where memory does not hold the training.
    """
    check_memory(plan)
    model = plan.build_seeded()
    if not isinstance(model, CountModel):
        from makemore.models import NeuralModel
        from makemore.training.batch_norm import has_batch_norm
        from makemore.training.device import choose_device

        assert isinstance(model, NeuralModel)  # noqa: S101 (a model counts or is a network)
        # Weights are drawn on the CPU, so that they are the same on every device.
        model.to(choose_device(plan.recipe.device))
        if from_prior and names_prior(plan.recipe.prior) and not plan.kind.is_ensemble:
            from makemore.api.prior_start import start_from_prior

            with _threads(plan):
                start_from_prior(plan, model)
        if plan.recipe.batch_size == 1 and has_batch_norm(model):  # one example has no variance
            raise UsageError("BatchNorm needs batches of 2 or more", "--batch-size", "give 2")
    return model


def batches_of(
    plan: Plan, model: Model, batch_size: int | None = None, ranks: int = 1
) -> BatchSource:
    """Make the batches of a training: batches(step) -> list of (inputs, targets).

    batch_size: None for the recipe's; ranks: processes, of which the first gets its part of each
    Raises UsageError for a model that does not learn by steps.
    """
    from makemore.models import NeuralModel
    from makemore.scoring.line_tensors import LineTensors
    from makemore.training.batch_norm import has_batch_norm
    from makemore.training.batches import Batches

    if not isinstance(model, NeuralModel) or plan.kind.is_ensemble:
        what = "is several models" if plan.kind.is_ensemble else "does not learn by steps"
        raise UsageError(f"{plan.config.model} {what}", "--model", "choose another")
    train, vocabulary, seed = plan.split.train, plan.vocabulary, plan.recipe.seed
    size = batch_size or plan.recipe.batch_size
    # Where the parts of a batch are computed at the same time, there is one for each thread.
    shares = ranks * (plan.config.threads if model.computes_in_parts else 1)
    # On a card a step is captured once for each shape of a batch, so batches have few shapes.
    padded = model.device.type == "cuda" and not has_batch_norm(model) and ranks == 1
    reads = model.input_kind, model.block_size, model.device

    def make(lines: LineTensors, per_epoch: int | None = None, stream: int = 0) -> Batches:
        return Batches(
            lines, size, seed, model.packs, shares, padded, per_epoch, stream, ranks=ranks
        )

    if plan.config.on_disk and isinstance(train, LineFile):
        from makemore.training.disk_batches import DiskBatches

        at_once = plan.config.on_disk["blocks"]
        return DiskBatches(train, at_once, size, seed, reads, vocabulary.encode, make)
    # All training lines are encoded once and lie on the device: a batch is gathered there.
    text, labels = vocabulary.encode(train), vocabulary.encode_labels(train)
    return make(LineTensors(text.ids, text.offsets, *reads, labels))


def soft_targets_of(plan: Plan, model: Model) -> SoftTargets | None:
    """Make the soft targets of a training; None where targets are one-hot."""
    from makemore.models import NeuralModel
    from makemore.training.soft_targets import make_soft_targets

    if not isinstance(model, NeuralModel):
        return None
    share, windows = plan.recipe.soft_targets, model.input_kind == "window"
    return make_soft_targets(plan.split.train, plan.vocabulary, share, windows, model.device)


def losses(plan: Plan, model: Model) -> tuple[float, float | None]:
    """Measure the mean nll, nats a symbol, of 1,000 lines of train and of at most 20,000 of val.

    The second is None without validation lines.
    """
    from makemore.scoring import score

    # Samples by hashes: the same lines at every evaluation, and in every run on the same text.
    means = [
        score(model, plan.vocabulary, part, plan.label_shares).mean()
        for part in plan.evaluation_lines
    ]
    return math.inf if means[0] is None else means[0], means[1]


def _threads(plan: Plan) -> AbstractContextManager[None]:
    """Use the run's number of threads inside `with`: the last bits of a sum depend on it."""
    if issubclass(plan.kind, CountModel):  # no torch, and no sum in parts
        return nullcontext()
    from makemore.training.device import threads

    return threads(plan.config.threads)


def _by_steps(
    plan: Plan,
    model: Model,
    writer: RunWriter | None,
    run: Run | None,
    stop: threading.Event | None,
    clock: Clock | None,
    ranks: Ranks | None = None,
) -> Iterator[Event]:
    """Train a neural network by gradient steps, or go on with `run`; yields events."""
    from makemore.models import NeuralModel
    from makemore.training import Trainer
    from makemore.training.trainer import fit

    assert isinstance(model, NeuralModel)  # noqa: S101 (a model counts or is a network)
    batches = batches_of(plan, model, ranks=ranks.size if ranks else 1)
    trainer = Trainer(model, plan.recipe, soft_targets_of(plan, model))
    if run is not None:
        # run.weights are the best so far; run.state has the latest and the optimizer's.
        if run.state is None:
            raise RunError("the run holds no state to go on from", str(run.path), "use --fresh")
        try:
            trainer.restore(run.progress, run.weights, run.state)
        except RunError as error:
            raise RunError(error.what, str(run.path), error.to_do) from None
    with _threads(plan), _shared(ranks, trainer, batches):
        yield from fit(trainer, batches, lambda: losses(plan, model), writer, stop, clock)


def _shared(
    ranks: Ranks | None, trainer: Trainer, batches: BatchSource
) -> AbstractContextManager[None]:
    """Let other processes compute parts of each batch inside `with`, if there are some."""
    if ranks is None:
        return nullcontext()
    from makemore.training.batches import Batches
    from makemore.training.distributed import shared_training

    assert isinstance(batches, Batches)  # noqa: S101 (a list on the disk has one process)
    return shared_training(ranks, trainer, batches)


def _count(plan: Plan, model: CountModel, writer: RunWriter | None) -> Iterator[Event]:
    """Count the training lines, which is one step; yields Evaluated and Saved."""
    from makemore.training import Evaluated, Saved
    from makemore.training.events import Progress

    train, vocabulary = plan.split.train, plan.vocabulary
    text, labels = vocabulary.encode(train), vocabulary.encode_labels(train)
    # With labels, a model of counts is one table of counts for each label.
    if isinstance(model, PerLabelCounts):
        model.fit_counts(text.ids, text.offsets, labels)
    else:
        model.fit_counts(text.ids, text.offsets)
    loss, val = losses(plan, model)
    yield Evaluated(1, loss, val, True)
    # A kill before this line leaves a run without a checkpoint, and the next call counts again.
    if writer is not None:
        writer.save(Progress(1, 1, val, 0, finished=True).record(), model.tensors())
        yield Saved(1)
