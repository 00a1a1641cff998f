"""Fit: trains a model as its plan says: by counting, by gradient steps, or member after member.

Each of the three is a generator of events: training happens while it is consumed. An ensemble
trains its members one after the other, and fits their weights on the validation lines
(mixture_weights.py). torch is imported late.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from makemore.api.fit_model import _by_steps, _count, _threads, initialize_model, losses
from makemore.api.mixture_weights import expected_weights, fit_ensemble_weights
from makemore.api.plan import Plan
from makemore.models import CountModel, Model
from makemore.runs import Run, RunConfig, RunWriter

if TYPE_CHECKING:
    from makemore.api.budget_clock import BudgetClock
    from makemore.models.ensemble import Ensemble
    from makemore.training import Evaluated
    from makemore.training.events import Event
    from makemore.training.pace import Clock
    from makemore.training.ranks import Ranks


# Evaluations after the last step: its own, of val once more for the weights, of all members.
AFTER_MEMBER = 3.0
MAX_VAL_CELLS = 2**23  # log-probabilities (symbols * V * members) that weights are fitted on


def fit(
    plan: Plan,
    model: Model,
    writer: RunWriter | None = None,
    run: Run | None = None,
    stop: threading.Event | None = None,
    budget: BudgetClock | None = None,
    ranks: Ranks | None = None,
) -> Generator[Event, None, None]:
    """Train a model with initial weights, or go on with `run`; yields Step, Evaluated and Saved.

    writer: writes a run directory; without one nothing is written. run: the run in that directory,
    None to create it; stop: once set, the current step is the last one.
    budget: the clock of a time budget, which ends the training
    ranks: processes of which this one is the first, and which compute each batch together
    """
    if plan.kind.is_ensemble:
        from makemore.models.ensemble import Ensemble

        assert isinstance(model, Ensemble)  # noqa: S101 (the only class with is_ensemble)
        yield from fit_ensemble(plan, model, writer, run, stop, budget, ranks)
    else:
        clock = budget.of_first([plan]) if budget else None
        yield from _fit_one(plan, model, writer, run, stop, clock, ranks)


def _fit_one(
    plan: Plan, model: Model, writer: RunWriter | None, run: Run | None,
    stop: threading.Event | None, clock: Clock | None, ranks: Ranks | None,
) -> Iterator[Event]:  # fmt: skip
    """Train one model, by counting or by steps; arguments as in `fit`."""
    if writer is not None and run is None:
        writer.create(plan.config, plan.vocabulary, plan.split, plan.prior_lines)
    if isinstance(model, CountModel):
        yield from _count(plan, model, writer)
    else:
        yield from _by_steps(plan, model, writer, run, stop, clock, ranks)


# -- an ensemble: member after member -------------------------------------------------------------


def fit_ensemble(
    plan: Plan,
    model: Ensemble,
    writer: RunWriter | None,
    run: Run | None,
    stop: threading.Event | None,
    budget: BudgetClock | None = None,
    ranks: Ranks | None = None,
) -> Iterator[Event]:
    """Train the members that are missing, and fit all weights anew after each; yields events.

    A member in training is a run of its own in members/K, so after a kill it goes on where it was.
    The ensemble's run commits finished members only. Steps are counted over all members.
    Under a budget each member gets a part of the time that is left, and the last ones may be left
    out; without weights they are not mixed.
    """
    # logs: of each finished member, its log-probabilities of the validation lines (N, V).
    plans, logs = plan.member_plans(), list[NDArray[np.float32]]()
    done, moves = 0, list[list[int]]()  # steps taken; moved ends: member, step, end
    val = run.progress["best_val"] if run else None
    if writer is not None and run is None:
        writer.create(plan.config, plan.vocabulary, plan.split, plan.prior_lines)
    if run is not None:
        done, moves = run.progress["step"], [*run.progress.get("ends", [])]
        model.load_tensors(run.weights)
        logs = [_of_val(plan, model, member)[0] for _, member in model.mixed]
    else:
        yield from _begin_ensemble(plan, model, writer)
    for number in range(len(logs), len(plans)):
        if writer is not None:  # a kill may have come before a finished member was removed
            writer.remove_members(range(number))
        member = initialize_model(plans[number])
        if budget and logs and not budget.is_enough(plans[number:]):
            break
        if number == 0:  # previews while the first member learns are drawn from it
            model.take_over(0, member)
            model.weights[:, 0] = 1.0
        taken = MemberSteps()
        for event in _fit_member(
            plans[number:], member, writer, number, stop, budget, taken, ranks
        ):
            if not is_duplicate_report(event, number, member):
                yield _shift_steps(event, done)
        if stop is not None and stop.is_set():
            return  # its own run holds the member as it is
        _add_member(plan, model, plans[: number + 1], member, logs)
        done += taken.step
        moves.extend([number, *move] for move in taken.moves)
        report = _evaluated(plan, model, done)
        val = report.val
        yield report
        last = number + 1 == len(plans)
        yield from _commit(writer, model, done, val, last, moves, budget)
    if len(logs) < len(plans):  # no time for the others
        yield from _commit(writer, model, done, val, True, moves, budget)
    if writer is not None:
        writer.remove_members(range(len(plans)))


@dataclass
class MemberSteps:
    """Counts the steps that a member has taken, and the moves of its schedule's end."""

    step: int = 0
    moves: list[list[int]] = field(default_factory=list)

    def counted(self, events: Iterator[Event], clock: Clock | None) -> Iterator[Event]:
        """Pass on the events of a member, and note what they say."""
        for event in events:
            self.step = event.step
            yield event
        self.moves = clock.moves if clock else []


def _begin_ensemble(plan: Plan, model: Ensemble, writer: RunWriter | None) -> Iterator[Event]:
    """Record which prefixes the training lines have, and commit an ensemble without members."""
    text = plan.vocabulary.encode(plan.split.train)
    model.know(text.ids, text.offsets, plan.vocabulary.encode_labels(plan.split.train))
    yield from _commit(writer, model, 0, None, False)


def _add_member(
    plan: Plan,
    model: Ensemble,
    plans: list[Plan],
    member: Model,
    logs: list[NDArray[np.float32]],
) -> None:
    """Add a trained member to an ensemble, its predictions to `logs`, and fit all weights anew.

    plans: of all members so far, with the new one
    """
    model.take_over(len(plans) - 1, member)
    own_logs, targets, new = _of_val(plan, model, member)
    logs.append(own_logs)
    model.weights[:, : len(logs)] = fit_ensemble_weights(
        np.stack(logs), targets, new, *expected_weights(plans)
    )


def _fit_member(
    plans: list[Plan],
    model: Model,
    writer: RunWriter | None,
    number: int,
    stop: threading.Event | None,
    budget: BudgetClock | None,
    taken: MemberSteps,
    ranks: Ranks | None = None,
) -> Iterator[Event]:
    """Train one member, or go on with it; one that has finished before is only loaded.

    plans: of this member and of those after it, which need time, too
    """
    plan = plans[0]
    if writer is None:
        clock = budget.of_first(plans, AFTER_MEMBER) if budget else None
        yield from taken.counted(_fit_one(plan, model, None, None, stop, clock, ranks), clock)
        return
    with writer.member(number) as member_writer:
        run = member_writer.resume() if member_writer.manifest is not None else None
        if run is not None and not _same_training(run.config, plan.config):
            run = None  # of another ensemble or version: it starts over
        if run is not None and run.progress["finished"]:  # killed before the ensemble's commit
            model.load_tensors(run.weights)
            taken.step, taken.moves = run.progress["step"], run.progress.get("ends", [])
            return
        if budget and run is not None:  # it was saved after the ensemble was
            budget.count_from(run.progress.get("seconds", 0.0))
        clock = budget.of_first(plans, AFTER_MEMBER) if budget else None
        if run is None:  # entries of an earlier attempt go: its steps are taken again
            writer.cut_logs()
        events = _fit_one(plan, model, member_writer, run, stop, clock, ranks)
        yield from taken.counted(events, clock)


def _same_training(one: RunConfig, other: RunConfig) -> bool:
    """Check that two configs are of one training, whatever the device or save interval."""
    keys = ["model", "asked", "data", "vocab_size", "block_size", "version"]
    if one.ranks == other.ranks:  # among more processes there are fewer threads each
        keys.append("threads")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def is_duplicate_report(event: Event, number: int, member: Model) -> bool:
    """Check whether a member's evaluation repeats the ensemble's evaluation of the same step.

    It does before a member's first step, unless that is the ensemble's first step, too, and after
    a member's last step, when the ensemble with it is evaluated next: so a step has one entry of
    each kind in the logs.
    """
    from makemore.training import Evaluated

    if not isinstance(event, Evaluated):
        return False
    first = event.step == 0 and number > 0
    return first or event.last or isinstance(member, CountModel)


def _shift_steps(event: Event, before: int) -> Event:
    """Add the steps of the members before to a member's event."""
    from makemore.training import Evaluated

    moved = dataclasses.replace(event, step=event.step + before)
    # `best` compares losses of the ensemble, and a member's are others.
    return dataclasses.replace(moved, best=False) if isinstance(moved, Evaluated) else moved


def _of_val(
    plan: Plan, model: Ensemble, member: Model
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Compute a member's log-probabilities (N, V) before each of N symbols of val.

    Returns them, the symbols (N,), and whether the prefix before each is new (N,). N is bounded by
    MAX_VAL_CELLS; it is 0 without validation lines, where all members get the same weight.
    """
    from makemore.scoring.neural_scorer import log_probabilities

    vocabulary = plan.vocabulary
    rows = MAX_VAL_CELLS // (len(vocabulary) * len(model.kinds))
    val = plan.evaluation_lines[1]
    n_targets = len(vocabulary.encode(val).ids) + len(val)
    if n_targets > rows:  # a sample by hashes: the first lines of a sorted list are all alike
        val = val.lowest(max(1, len(val) * rows // n_targets))
    text, labels = vocabulary.encode(val), vocabulary.encode_labels(val)
    if member.n_labels and labels is None:  # val lines without the labels that the model reads
        none = np.zeros(0, dtype=np.int64)
        return np.zeros((0, len(vocabulary)), dtype=np.float32), none, none > 0
    with _threads(plan):
        logs, targets, new = log_probabilities(model, member, text, labels)
    return logs[:rows], targets[:rows], new[:rows]


def _evaluated(plan: Plan, model: Model, step: int) -> Evaluated:
    """Measure the ensemble's losses after this step."""
    from makemore.training import Evaluated

    with _threads(plan):
        return Evaluated(step, *losses(plan, model), True)


def _commit(
    writer: RunWriter | None,
    model: Model,
    step: int,
    val: float | None,
    finished: bool,
    moves: list[list[int]] | None = None,
    budget: BudgetClock | None = None,
) -> Iterator[Event]:
    """Save the ensemble's run after this step, if it is written; yields Saved."""
    from makemore.training import Saved
    from makemore.training.events import Progress

    if writer is not None:
        seconds = round(budget.used, 3) if budget else 0.0
        progress = Progress(step, step, val, 0, finished, moves or [], seconds)
        writer.save(progress.record(), model.tensors())
        yield Saved(step)
