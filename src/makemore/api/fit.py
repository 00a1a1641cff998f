"""Fit: a plan and its model, from the first step to the last; by counts, by steps, or by members.

An ensemble trains member after member and fits their weights on the validation lines. Each way is a
generator of events; the generator is the training. torch is imported late.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools (the weights)
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from makemore.api.fit_model import _by_steps, _count, _threads, initialize_model, losses
from makemore.api.plan import Plan
from makemore.models import CountModel, Model
from makemore.runs import Run, RunConfig, RunWriter

if TYPE_CHECKING:
    from makemore.models.ensemble import Ensemble
    from makemore.training import Evaluated
    from makemore.training.events import Event


MAX_VAL_CELLS = 2**24  # symbols of val times vocabulary times members, by which weights are fitted


def fit(
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
    elif plan.kind.is_ensemble:
        from makemore.models.ensemble import Ensemble

        assert isinstance(model, Ensemble)  # noqa: S101 (what mixes is one)
        yield from fit_ensemble(plan, model, writer, run, stop)
    else:
        yield from _by_steps(plan, model, writer, run, stop)


# -- an ensemble: member after member -------------------------------------------------------------


def fit_ensemble(
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
        member = initialize_model(plans[number])
        if number == 0:  # what is sampled meanwhile comes from the first, not from nothing
            model.take_over(0, member)
            model.weights[:, 0] = 1.0
        for event in _member(plans[number], member, writer, number, stop):
            if not is_duplicate_report(event, number, member):
                yield _counted_on(event, ends[number])
        if stop is not None and stop.is_set():
            return
        model.take_over(number, member)
        own, targets, new = _of_val(plan, model, member)
        logs.append(own)
        model.weights[:, : len(logs)] = fit_ensemble_weights(np.stack(logs), targets, new)
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
    from makemore.training import Saved

    if writer is None:
        yield from fit(plan, model, None, None, stop)
        return
    with writer.member(number) as own:
        run = own.resume() if own.manifest is not None else None
        if run is not None and not _same(run.config, plan.config):
            run = None  # of another ensemble or version: it starts over
        if run is not None and run.progress["finished"]:
            model.load_tensors(run.weights)
            return
        for event in fit(plan, model, own, run, stop):
            if isinstance(event, Saved):
                writer.commit_logs()  # what was logged so far will not be done again
            yield event


def _same(one: RunConfig, other: RunConfig) -> bool:
    """Whether two configs are of one training, whatever the device or save interval."""
    keys = ("model", "asked", "data", "vocab_size", "block_size", "threads", "version")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def is_duplicate_report(event: Event, number: int, member: Model) -> bool:
    """Whether an evaluation of a member says nothing beside the whole's of the same step."""
    from makemore.training import Evaluated

    first = event.step == 0 and number > 0
    return isinstance(event, Evaluated) and (first or isinstance(member, CountModel))


def _counted_on(event: Event, before: int) -> Event:
    """A member's event with the steps of the members before it; the best is the whole's matter."""
    from makemore.training import Evaluated

    moved = dataclasses.replace(event, step=event.step + before)
    return dataclasses.replace(moved, best=False) if isinstance(moved, Evaluated) else moved


def _of_val(
    plan: Plan, model: Ensemble, member: Model
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """A member's log-probabilities (N, V) before each symbol of val, the symbols (N,), which new.

    Of as many lines as memory has room for; of none without val, where all weigh alike.
    """
    from makemore.scoring.neural_scorer import log_probabilities

    vocabulary = plan.vocabulary
    rows = MAX_VAL_CELLS // (len(vocabulary) * len(model.kinds))
    val = plan.evaluation_lines[1].take(slice(max(1, rows // 2)))
    text, labels = vocabulary.encode(val), vocabulary.encode_labels(val)
    if member.n_labels and labels is None:
        none = np.zeros(0, dtype=np.int64)
        return np.zeros((0, len(vocabulary)), dtype=np.float32), none, none > 0
    with _threads(plan):
        found = log_probabilities(model, member, text, labels)
    return found[0][:rows], found[1][:rows], found[2][:rows]


def _evaluated(plan: Plan, model: Model, step: int) -> Evaluated:
    from makemore.training import Evaluated

    with _threads(plan):
        return Evaluated(step, *losses(plan, model), True)


def _commit(
    writer: RunWriter | None, model: Model, step: int, val: float | None, finished: bool
) -> Iterator[Event]:
    from makemore.training import Saved
    from makemore.training.events import Progress

    if writer is not None:
        writer.save(Progress(step, step, val, 0, finished).record(), model.tensors())
        yield Saved(step)


Floats = NDArray[np.float64]


MAX_NEWTON_STEPS = 50  # of Newton's method
NEWTON_TOLERANCE = 1e-10  # nats a symbol that a round has to gain
WEIGHT_PRIOR = 10.0  # pull of each weight to that of the others, in symbols: for short val parts
SPLIT_PRIOR = 100.0  # pull of the weights of known or new prefixes to those of all


def fit_ensemble_weights(
    logs: NDArray[np.float32], targets: NDArray[np.int64], new: NDArray[np.bool_]
) -> Floats:
    """Log-probabilities (K, N, V) of K models, and what came (N,) -> the likeliest weights (2, K).

    new (N,): whether no training line begins like that. Weights are those of prefixes that are
    known, and of those that are new: pulled to the ones that are likeliest for all.
    """
    K, N, V = logs.shape
    alike = np.full(K, 1 / K)
    if N == 0 or K == 1:
        return np.stack([alike, alike])
    from makemore.models.ensemble import MIN_LOG_PROBABILITY  # which needs torch

    each = np.maximum(logs, MIN_LOG_PROBABILITY).astype(np.float64).transpose(1, 2, 0)  # (N, V, K)
    of_all = _likeliest(each, targets, alike, WEIGHT_PRIOR)
    return np.stack(
        [_likeliest(each[rows], targets[rows], of_all, SPLIT_PRIOR) for rows in (~new, new)]
    )


def _likeliest(each: Floats, targets: NDArray[np.int64], near: Floats, prior: float) -> Floats:
    """Log-probabilities (N, V, K), what came (N,) -> weights (K,), held near those given.

    The nll of softmax(sum_k weight_k logs_k) is convex in the weights, so Newton's method finds the
    lowest one: its gradient is what the logs are expected to be less what they are at the targets,
    its curvature their covariance. The prior holds the weights where N is small.
    """
    N, V, K = each.shape
    if N == 0:
        return near
    came, pull = each[np.arange(N), targets], prior / N  # (N, K)

    def objective(weights: Floats) -> tuple[float, Floats]:
        mixed = each @ weights  # (N, V)
        mixed -= mixed.max(axis=1, keepdims=True)
        chances = np.exp(mixed)
        total = chances.sum(axis=1, keepdims=True)
        nats = float((np.log(total[:, 0]) - mixed[np.arange(N), targets]).mean())
        return nats + pull / 2 * float(((weights - near) ** 2).sum()), chances / total

    weights = near
    before, chances = objective(weights)
    for _ in range(MAX_NEWTON_STEPS):
        expected = np.einsum("nv,nvk->nk", chances, each)
        gradient = (expected - came).mean(axis=0) + pull * (weights - near)
        around = (each - expected[:, None]).reshape(N * V, K)
        curvature = (around * chances.reshape(N * V, 1)).T @ around / N + pull * np.eye(K)
        step = np.linalg.solve(curvature, gradient)
        for halved in range(30):  # far from the lowest point a whole step may lead away from it
            nats, found = objective(weights - step / 2**halved)
            if nats < before:
                break
        if nats > before - NEWTON_TOLERANCE:
            break
        weights, before, chances = weights - step / 2**halved, nats, found
    return weights
