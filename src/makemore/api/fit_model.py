"""Fit one model: its initial weights, its batches and soft targets, and its steps or its counts."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from makemore.api.plan import Plan
from makemore.errors import RunError, UsageError
from makemore.models import CountModel, Model
from makemore.models.core.label_counts import PerLabelCounts
from makemore.runs import Run, RunWriter

if TYPE_CHECKING:
    from makemore.training.batches import Batches
    from makemore.training.events import Event
    from makemore.training.soft_targets import SoftTargets


def initialize_model(plan: Plan) -> Model:
    """The model as planned, with its initial weights, on its device. UsageError if that clashes."""
    model = plan.build_seeded()
    if not isinstance(model, CountModel):
        from makemore.models import NeuralModel
        from makemore.training.batch_norm import has_batch_norm
        from makemore.training.device import choose_device

        assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
        model.to(choose_device(plan.recipe.device))
        if plan.recipe.batch_size == 1 and has_batch_norm(model):
            raise UsageError("BatchNorm needs batches of 2 or more", "--batch-size", "give 2")
    return model


def batches_of(plan: Plan, model: Model, batch_size: int | None = None) -> Batches:
    """The batches of a training as begun, by step; of another size than the recipe's if asked.

    Raises UsageError for a model that does not learn by steps.
    """
    from makemore.models import NeuralModel
    from makemore.scoring.line_tensors import LineTensors
    from makemore.training.batches import Batches

    if not isinstance(model, NeuralModel) or plan.kind.is_ensemble:
        what = "is several models" if plan.kind.is_ensemble else "does not learn by steps"
        raise UsageError(f"{plan.config.model} {what}", "--model", "choose another")
    train = plan.split.train
    text, labels = plan.vocabulary.encode(train), plan.vocabulary.encode_labels(train)
    lines = LineTensors(
        text.ids, text.offsets, model.input_kind, model.block_size, model.device, labels
    )
    size = batch_size or plan.recipe.batch_size
    shares = plan.config.threads if model.computes_in_parts else 1
    return Batches(lines, size, plan.recipe.seed, model.packs, shares)


def soft_targets_of(plan: Plan, model: Model) -> SoftTargets | None:
    """What gives a training its soft targets; None where each line is learned by itself."""
    from makemore.models import NeuralModel
    from makemore.training.soft_targets import make_soft_targets

    if not isinstance(model, NeuralModel):
        return None
    share, windows = plan.recipe.soft_targets, model.input_kind == "window"
    return make_soft_targets(plan.split.train, plan.vocabulary, share, windows, model.device)


def losses(plan: Plan, model: Model) -> tuple[float, float | None]:
    """nll of 1,000 lines of train and of at most 20,000 of val (None without), nats a symbol."""
    from makemore.scoring import score

    means = [
        score(model, plan.vocabulary, part, plan.label_shares).mean()
        for part in plan.evaluation_lines
    ]
    return math.inf if means[0] is None else means[0], means[1]


def _threads(plan: Plan) -> AbstractContextManager[None]:
    """The run's own number of threads: the last bits of a sum depend on it."""
    if issubclass(plan.kind, CountModel):
        return nullcontext()
    from makemore.training.device import threads

    return threads(plan.config.threads)


def _by_steps(
    plan: Plan,
    model: Model,
    writer: RunWriter | None,
    run: Run | None,
    stop: threading.Event | None,
) -> Iterator[Event]:
    from makemore.models import NeuralModel
    from makemore.training import Trainer
    from makemore.training.trainer import fit

    assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
    batches = batches_of(plan, model)
    training = Trainer(model, plan.recipe, soft_targets_of(plan, model))
    if run is not None:
        if run.state is None:
            raise RunError("the run holds no state to go on from", str(run.path), "use --fresh")
        try:
            training.restore(run.progress, run.weights, run.state)
        except RunError as error:
            raise RunError(error.what, str(run.path), error.to_do) from None
    with _threads(plan):
        yield from fit(training, batches, lambda: losses(plan, model), writer, stop)


def _count(plan: Plan, model: CountModel, writer: RunWriter | None) -> Iterator[Event]:
    from makemore.training import Evaluated, Saved
    from makemore.training.events import Progress

    train, vocabulary = plan.split.train, plan.vocabulary
    text, labels = vocabulary.encode(train), vocabulary.encode_labels(train)
    if isinstance(model, PerLabelCounts):
        model.fit_counts(text.ids, text.offsets, labels)
    else:
        model.fit_counts(text.ids, text.offsets)
    loss, val = losses(plan, model)
    yield Evaluated(1, loss, val, True)
    if writer is not None:
        writer.save(Progress(1, 1, val, 0, finished=True).record(), model.tensors())
        yield Saved(1)
