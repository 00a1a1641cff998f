"""Learning: a plan and its model, from the first step to the last.

By counts, by steps, or, for an ensemble, member after member. Every way is a generator of events;
the generator is the training.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError, UsageError
from makemore.models.base import CountModel, Model
from makemore.models.labelled import LabelledCounts
from makemore.plan import Plan
from makemore.run import Config, Run
from makemore.run_writer import RunWriter

if TYPE_CHECKING:
    from makemore.batches import Batches
    from makemore.models.ensemble import Ensemble
    from makemore.teacher import Teacher
    from makemore.train import Evaluated, Event

MOST_CELLS = 2**24  # symbols of val times vocabulary times members, by which weights are fitted


def begun(plan: Plan) -> Model:
    """The model as planned, with its initial weights, on its device. UsageError if that clashes."""
    model = plan.build_seeded()
    if not isinstance(model, CountModel):
        from makemore.evaluate import has_batch_norm
        from makemore.models.neural import NeuralModel
        from makemore.runtime import choose_device

        assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
        model.to(choose_device(plan.recipe.device))
        if plan.recipe.batch_size == 1 and has_batch_norm(model):
            raise UsageError("BatchNorm needs batches of 2 or more", "--batch-size", "give 2")
    return model


def learn(
    plan: Plan,
    model: Model,
    writer: RunWriter | None = None,
    run: Run | None = None,
    stop: threading.Event | None = None,
) -> Generator[Event, None, None]:
    """Train a model as begun, or go on with `run`; yields what happens.

    With a writer, the run directory is made, or the run in it goes on.
    """
    if writer is not None and run is None:
        writer.create(plan.config, plan.vocabulary, plan.split)
    if isinstance(model, CountModel):
        yield from _count(plan, model, writer)
    elif plan.kind.mixes:
        from makemore.models.ensemble import Ensemble

        assert isinstance(model, Ensemble)  # noqa: S101 (what mixes is one)
        yield from _mix(plan, model, writer, run, stop)
    else:
        yield from _by_steps(plan, model, writer, run, stop)


def batches_of(plan: Plan, model: Model, batch_size: int | None = None) -> Batches:
    """The batches of a training as begun, by step; of another size than the recipe's if asked.

    Raises UsageError for a model that does not learn by steps.
    """
    from makemore.batches import Batches, Lines
    from makemore.models.neural import NeuralModel

    if not isinstance(model, NeuralModel) or plan.kind.mixes:
        what = "is several models" if plan.kind.mixes else "does not learn by steps"
        raise UsageError(f"{plan.config.model} {what}", "--model", "choose another")
    train = plan.split.train
    text, labels = plan.vocabulary.encode(train), plan.vocabulary.encode_labels(train)
    lines = Lines(text.ids, text.offsets, model.reads, model.block_size, model.device, labels)
    size = batch_size or plan.recipe.batch_size
    shares = plan.config.threads if model.shares_batches else 1
    return Batches(lines, size, plan.recipe.seed, model.packs, shares)


def teacher_of(plan: Plan, model: Model) -> Teacher | None:
    """What gives a training its soft targets; None where each line is learned by itself."""
    from makemore.models.neural import NeuralModel
    from makemore.teacher import make_teacher

    if not isinstance(model, NeuralModel):
        return None
    share, windows = plan.recipe.soft_targets, model.reads == "window"
    return make_teacher(plan.split.train, plan.vocabulary, share, windows, model.device)


def losses(plan: Plan, model: Model) -> tuple[float, float | None]:
    """nll of 1,000 lines of train and of at most 20,000 of val (None without), nats a symbol."""
    from makemore.evaluate import score

    means = [score(model, plan.vocabulary, part, plan.label_shares).mean() for part in plan.watched]
    return math.inf if means[0] is None else means[0], means[1]


def _threads(plan: Plan) -> AbstractContextManager[None]:
    """The run's own number of threads: the last bits of a sum depend on it."""
    if issubclass(plan.kind, CountModel):
        return nullcontext()
    from makemore.runtime import threads

    return threads(plan.config.threads)


def _by_steps(
    plan: Plan,
    model: Model,
    writer: RunWriter | None,
    run: Run | None,
    stop: threading.Event | None,
) -> Iterator[Event]:
    from makemore.models.neural import NeuralModel
    from makemore.train import Training, fit

    assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
    batches = batches_of(plan, model)
    training = Training(model, plan.recipe, teacher_of(plan, model))
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
    from makemore.train import Evaluated, Progress, Saved

    train, vocabulary = plan.split.train, plan.vocabulary
    text, labels = vocabulary.encode(train), vocabulary.encode_labels(train)
    if isinstance(model, LabelledCounts):
        model.fit_counts(text.ids, text.offsets, labels)
    else:
        model.fit_counts(text.ids, text.offsets)
    loss, val = losses(plan, model)
    yield Evaluated(1, loss, val, True)
    if writer is not None:
        writer.save(asdict(Progress(1, 1, val, 0, finished=True)), model.tensors())
        yield Saved(1)


# -- an ensemble: member after member -------------------------------------------------------------


def _mix(
    plan: Plan,
    model: Ensemble,
    writer: RunWriter | None,
    run: Run | None,
    stop: threading.Event | None,
) -> Iterator[Event]:
    """Train the members that are missing, and fit the weights anew after each.

    A member in training is a run of its own in members/K: killed there, it goes on there. Steps
    are counted over all members.
    """
    from makemore.pool import fit_weights

    plans, logs = plan.member_plans(), list[NDArray[np.float32]]()
    ends = np.cumsum([0, *(each.recipe.max_steps or 1 for each in plans)]).tolist()
    if run is not None:
        model.load_tensors(run.weights)
        logs = [_of_val(plan, model, member)[0] for _, member in model.mixed]
    else:
        text = plan.vocabulary.encode(plan.split.train)
        model.know(text.ids, text.offsets, plan.vocabulary.encode_labels(plan.split.train))
        yield from _commit(writer, model, 0, None, False)
    for number in range(len(logs), len(plans)):
        if writer is not None:
            writer.remove_members(range(number))  # killed before it came to that
        member = begun(plans[number])
        if number == 0:  # what is sampled meanwhile comes from the first, not from nothing
            model.take_over(0, member)
            model.weights[:, 0] = 1.0
        for event in _member(plans[number], member, writer, number, stop):
            if not _told_again(event, number, member):
                yield _counted_on(event, ends[number])
        if stop is not None and stop.is_set():
            return
        model.take_over(number, member)
        own, targets, new = _of_val(plan, model, member)
        logs.append(own)
        model.weights[:, : len(logs)] = fit_weights(np.stack(logs), targets, new)
        done = ends[number + 1]
        event = _evaluated(plan, model, done)
        yield event
        yield from _commit(writer, model, done, event.val, number + 1 == len(plans))
    if writer is not None:
        writer.remove_members(range(len(plans)))


def _member(
    plan: Plan, model: Model, writer: RunWriter | None, number: int, stop: threading.Event | None
) -> Iterator[Event]:
    """Train one member, or go on with it; one that has finished before is only loaded."""
    from makemore.train import Saved

    if writer is None:
        yield from learn(plan, model, None, None, stop)
        return
    with writer.member(number) as own:
        run = own.resume() if own.manifest is not None else None
        if run is not None and not _same(run.config, plan.config):
            run = None  # of another ensemble or version: it starts over
        if run is not None and run.progress["finished"]:
            model.load_tensors(run.weights)
            return
        for event in learn(plan, model, own, run, stop):
            if isinstance(event, Saved):
                writer.commit_logs()  # what was logged so far will not be done again
            yield event


def _same(one: Config, other: Config) -> bool:
    """Whether two configs are of one training, whatever the device or save interval."""
    keys = ("model", "asked", "data", "vocab_size", "block_size", "threads", "version")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _told_again(event: Event, number: int, member: Model) -> bool:
    """Whether an evaluation of a member says nothing beside the whole's of the same step."""
    from makemore.train import Evaluated

    first = event.step == 0 and number > 0
    return isinstance(event, Evaluated) and (first or isinstance(member, CountModel))


def _counted_on(event: Event, before: int) -> Event:
    """A member's event with the steps of the members before it; the best is the whole's matter."""
    from makemore.train import Evaluated

    moved = dataclasses.replace(event, step=event.step + before)
    return dataclasses.replace(moved, best=False) if isinstance(moved, Evaluated) else moved


def _of_val(
    plan: Plan, model: Ensemble, member: Model
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """A member's log-probabilities (N, V) before each symbol of val, the symbols (N,), which new.

    Of as many lines as memory has room for; of none without val, where all weigh alike.
    """
    from makemore.evaluate import log_probabilities

    vocabulary = plan.vocabulary
    rows = MOST_CELLS // (len(vocabulary) * len(model.kinds))
    val = plan.watched[1].take(slice(max(1, rows // 2)))
    text, labels = vocabulary.encode(val), vocabulary.encode_labels(val)
    if member.n_labels and labels is None:
        none = np.zeros(0, dtype=np.int64)
        return np.zeros((0, len(vocabulary)), dtype=np.float32), none, none > 0
    with _threads(plan):
        found = log_probabilities(model, member, text, labels)
    return found[0][:rows], found[1][:rows], found[2][:rows]


def _evaluated(plan: Plan, model: Model, step: int) -> Evaluated:
    from makemore.train import Evaluated

    with _threads(plan):
        return Evaluated(step, *losses(plan, model), True)


def _commit(
    writer: RunWriter | None, model: Model, step: int, val: float | None, finished: bool
) -> Iterator[Event]:
    from makemore.train import Progress, Saved

    if writer is not None:
        writer.save(asdict(Progress(step, step, val, 0, finished)), model.tensors())
        yield Saved(step)
