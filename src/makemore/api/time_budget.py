"""Time budget: chooses model, size and steps so that a training fills a number of seconds.

A few steps and one evaluation of each candidate are timed on this machine, with these lines. Cost
is taken as proportional to steps, so a bisection finds how many steps fill the time. That is a plan
only: while it trains, a clock moves the end of each member's schedule to where its time is over
(budget_clock.py). The choice becomes options like any others, so a run records it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from makemore.api.budget_clock import MOST_SHARE
from makemore.api.candidates import FEW_EPOCHS, Candidate, fill, time_candidate, total
from makemore.api.lineup import LEAST_SHARE, MOST_STEPS, is_short, lineup_of, prior_of
from makemore.api.machine_load import MachineLoad
from makemore.api.members import Members, members_of, text_of
from makemore.api.plan import Plan
from makemore.api.resolve import options_for
from makemore.errors import UsageError
from makemore.models import CountModel, Model, get_model
from makemore.text import Split
from makemore.training.config import BUDGET_MODEL, NO_PRIOR, names_prior

USED = 0.9  # of the time: what the clock has to correct is then mostly a later end
HURRIED = 0.55  # of the time: with less left, nothing more is timed
TIMING = 3.0  # seconds alone to time a network of a long text
WORTH_TIMING = 0.4  # of the time: what has to be left after that for steps, or no network is timed
CALIBRATION = 0.06  # of the time, to time all candidates together
SHORTEST = 5.0  # seconds in which more than counting can be done
PROBE = 0.2  # seconds in which a network is timed, to say how long the training will take
# A share is a factor on the steps that a model has by its own recipe for this text.
LARGER = 1.1  # that a larger model needs to be better than a smaller one
MORE_DROPPED = 0.15  # dropout of models that are larger, or learn for longer, than the recipe's
SMALL_TEXT = 8_000  # training lines below which the dropout of a transformer is 0.2, not 0.1
# Sizes of a transformer that trains alone; {} is the recipe's.
SIZES: tuple[dict[str, Any], ...] = ({}, {"n_embd": 80}, {"n_embd": 96}, {"n_embd": 128})


@dataclass(frozen=True)
class Choice:
    """Holds the chosen model, the options that were chosen for it, and one line that says why."""

    model: str
    options: dict[str, Any]
    why: str


def choose(
    parts: Split, requested: Mapping[str, Any], model: str | None, limit: float, began: float
) -> Choice:
    """Choose what to train in `limit` seconds, counted from `began` (time.monotonic()).

    requested: options that stay as they are; model: the requested one, None to choose among all.
    Raises UsageError for max_steps, which leave nothing to choose.
    """
    if requested.get("max_steps") is not None:
        raise UsageError("time and steps both", "--time", "give --time or --max-steps")
    lines = f"{len(parts.train):,} lines in {limit:g} s"
    # Weights are fitted on val; beside a prior there are some to expect.
    weighed = len(parts.val) or prior_of(parts, requested) != NO_PRIOR
    if model is None and (limit < SHORTEST or not weighed):
        reason = "no time for more than counts" if weighed else "too few lines to weigh by"
        return Choice("ngram", {}, f"ngram for {lines}: {reason}")
    planner = BudgetPlanner(parts, requested, limit, began)
    if model is not None and not get_model(model).is_ensemble:
        return planner.one(model, lines)
    return planner.several(lines, model is not None)


def plan_within(
    split: Split,
    requested: Mapping[str, Any],
    model: str | None,
    limit: float,
    name: str,
    began: float,
) -> tuple[Plan, str]:
    """Plan a training of `limit` seconds, counted from `began`, and say in one line why so.

    model: the requested one, None to choose among all; name: what the text is called
    """
    named = model or (BUDGET_MODEL if "members" in requested else None)
    choice = choose(split, requested, named, limit, began)
    # The choice has the members with their steps.
    members = {key: value for key, value in requested.items() if key == "members"}
    others = {key: value for key, value in requested.items() if key != "members"}
    if issubclass(get_model(choice.model), CountModel):
        others.pop("prior", None)  # counts have nothing to start from
    plan = Plan.make(choice.model, {**others, **choice.options}, split, name)
    return plan.as_requested(requested, **members, time=limit), choice.why


def predicted_seconds(plan: Plan) -> float:
    """Predict the seconds of training an ensemble here, by timing some steps of each network."""
    timed = [
        time_candidate(member, {}, PROBE)
        for member in plan.member_plans()
        if not issubclass(member.kind, CountModel)
    ]
    return total(timed, 1.0)


class BudgetPlanner:
    """Times candidates, and chooses those whose steps fill the time."""

    def __init__(
        self, parts: Split, requested: Mapping[str, Any], limit: float, began: float
    ) -> None:
        self.parts, self.requested, self.limit, self.began = parts, requested, limit, began
        self.drop = 0.2 if len(parts.train) < SMALL_TEXT else 0.1
        self.threads: int | None = None  # chosen with the first candidate

    @property
    def left(self) -> float:
        """Compute the seconds that are left to plan with."""
        return USED * self.limit - (time.monotonic() - self.began)

    def one(self, model: str, lines: str) -> Choice:
        """Choose size and steps of one model: the largest size that has time for its steps."""
        kind = get_model(model)
        if issubclass(kind, CountModel):
            return Choice(model, {}, f"{model} for {lines}: counts take no steps")
        prior = self.requested.get("prior")
        start = {"prior": prior} if names_prior(prior) else {}
        # A prior has its size.
        sizes = SIZES if model == "transformer" and not start else (start,)
        budget = CALIBRATION * self.limit / len(sizes)
        fits = self.timed(model, self.fitting(kind, sizes[0]), budget)
        for size in sizes[1:]:
            larger = self.fitting(kind, size)
            if larger == fits.options or fits.seconds(LARGER * 1.3, 0) > self.left:
                break  # the next size costs at least 1.3 times as much: timing it is no use
            candidate = self.timed(model, larger, budget)
            if candidate.seconds(LARGER, 0) > self.left:
                break
            fits = candidate
        share = fill([fits], self.left)
        options = self.with_threads(self.member_options(fits, share))
        if "dropout" in options:  # the more often each line is seen, the more dropout
            more = MORE_DROPPED if share >= LARGER else 0.0
            options["dropout"] = 0.0 if share < FEW_EPOCHS else max(options["dropout"], more)
        why = f"{described([(model, options)])} for {lines}{note(share)}"
        return Choice(model, options, why)

    def several(self, lines: str, named: bool) -> Choice:
        """Choose the members of an ensemble and their steps; only counts where there is no time.

        named: the ensemble was requested, so it is trained however little time there is
        """
        requested = self.requested.get("members")
        lineup = members_of(requested) if requested else lineup_of(self.parts, self.requested)
        counts = [kind for kind in lineup if issubclass(get_model(kind[0]), CountModel)]
        networks = [kind for kind in lineup if kind not in counts]
        timed: list[Candidate] = []
        short = is_short(self.parts)
        left = self.left - TIMING * MachineLoad()()
        if not named and not short and left < WORTH_TIMING * self.limit:
            networks = []  # reading took long already, and to time one takes as long again
        for name, values in networks:
            options = values if requested else self.fitting(get_model(name), values)
            candidate = self.timed(name, options, CALIBRATION * self.limit / len(networks), timed)
            if short and not requested:  # more members are worth more than more steps
                most = min(candidate.steps, round(MOST_STEPS / MOST_SHARE))
                candidate = dataclasses.replace(candidate, steps=most)
            least = total([*timed, candidate], LEAST_SHARE[short])  # seconds
            if not requested and least > self.left and timed:
                break
            timed.append(candidate)
        share = fill(timed, self.left)  # all members get the same share of their own steps
        if not named and (not timed or timed[0].learns_nothing(share)):
            return Choice("ngram", {}, f"ngram for {lines}: no time for more than counts")
        steps = iter([self.member_options(each, share) for each in timed])
        members: Members = [
            (name, values) if (name, values) in counts else (name, next(steps))
            for name, values in (lineup if requested else [*counts, *networks[: len(timed)]])
        ]
        why = f"{described(members)} for {lines}{note(share)}"
        return Choice(BUDGET_MODEL, self.with_threads({"members": text_of(members)}), why)

    def member_options(self, candidate: Candidate, share: float) -> dict[str, Any]:
        """Complete the options of a member: its steps, and how seldom it is evaluated."""
        steps = candidate.scaled(share)
        options = {**candidate.options, "max_steps": steps}
        if "eval_interval" not in self.requested and candidate.least_interval > max(
            10, steps // 20
        ):
            options["eval_interval"] = candidate.least_interval
        return options

    def with_threads(self, options: dict[str, Any]) -> dict[str, Any]:
        """Add the number of threads that was chosen, if it was not requested."""
        chosen = {} if self.threads is None else {"threads": self.threads}
        return {**options, **chosen}

    def fitting(self, kind: type[Model], size: Mapping[str, Any]) -> dict[str, Any]:
        """Complete a size's options with a dropout for this text; requested ones are left out."""
        dropout = {}
        if kind.name == "transformer":  # its dropout was measured on small and on large texts
            dropout = {"dropout": max(self.drop, MORE_DROPPED if size else 0.0)}
        own = {**size, **dropout}
        # A requested prior is that of one member, whose option it is.
        return {k: v for k, v in own.items() if k not in self.requested or k == "prior"}

    def timed(
        self, name: str, options: dict[str, Any], budget: float, known: Sequence[Candidate] = ()
    ) -> Candidate:
        """Time a candidate in about `budget` seconds, unless an equal one is among `known`.

        The first one is timed with one thread, too: beside other work two threads that wait for
        each other in every operation take many times as long as one.
        """
        for other in known:
            if (other.name, other.options) == (name, options):
                return other
        plan = self.plan_of(name, options)
        if self.threads is not None or self.requested.get("threads") is not None:
            return self._timed(plan, options, budget)
        self.threads, chosen = 1, plan.config.threads
        alone = self._timed(on_one_thread(plan), options, budget / 2)
        # If it took long, other work wants the cores.
        if chosen == 1 or self.left < HURRIED * self.limit:
            return alone
        together = self._timed(plan, options, budget / 2)
        if alone.step < together.step:
            return alone
        self.threads = chosen
        return together

    def plan_of(self, name: str, options: dict[str, Any]) -> Plan:
        """Make the plan of a candidate, with the chosen number of threads once there is one."""
        kind = get_model(name)
        shared = {key: value for key, value in self.requested.items() if key != "prior"}
        values = self.with_threads({**options_for(kind, shared), **options})
        return Plan.make(name, values, self.parts, "")

    def _timed(self, plan: Plan, options: dict[str, Any], budget: float) -> Candidate:
        """Time a candidate by the threads of its plan."""
        candidate = time_candidate(plan, options, budget)
        if plan.prior_lines is None:
            return candidate
        # Its own steps are the most that are of use, and a share may be up to MOST_SHARE.
        steps = max(1, round(candidate.steps / MOST_SHARE))
        return dataclasses.replace(candidate, steps=steps)


def on_one_thread(plan: Plan) -> Plan:
    """Copy a plan, with one thread for its training."""
    recipe = dataclasses.replace(plan.recipe, threads=1)
    return dataclasses.replace(
        plan, recipe=recipe, config=dataclasses.replace(plan.config, threads=1)
    )


def described(members: Members) -> str:
    """Describe models in one line: `ngram + gru (500 steps)`."""
    return " + ".join(worded(name, values) for name, values in members)


def worded(name: str, options: Mapping[str, Any]) -> str:
    """Word a model and its steps: `transformer (from a prior, 30 steps)`."""
    if "max_steps" not in options:
        return name
    start = "from a prior, " if "prior" in options else ""
    return f"{name} ({start}{options['max_steps']} steps{size(options)})"


def size(options: Mapping[str, Any]) -> str:
    """Word a model's size: `, n_layer 6`."""
    return "".join(f", {k} {options[k]}" for k in ("n_layer", "n_embd") if k in options)


def note(share: float) -> str:
    """Say why some time stays unused, where it does."""
    return "; more steps would be learned by heart" if share == MOST_SHARE else ""
