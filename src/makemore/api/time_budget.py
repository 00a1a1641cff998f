"""Time budget: model, size and steps for the time there is, from the text and a calibration.

A few steps of each candidate are timed here, on this machine, with these lines. What is chosen
becomes options like any others, so a run records it, and never calibrates again.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from makemore.api.fit import fit
from makemore.api.fit_model import initialize_model, losses
from makemore.api.plan import Members, Plan, members_of, text_of
from makemore.errors import UsageError
from makemore.models import CountModel, Model, get_model
from makemore.options import options_of
from makemore.text import Split, TextConfig
from makemore.training import Evaluated, Step, TrainingConfig
from makemore.training.device import threads

USED = 0.88  # of the time: a machine that others share may be slower later than when it was timed
CALIBRATION = 0.06  # of the time, for all candidates together
WARM_UP, TIMED = 2, 12  # steps of a candidate
GLIMPSED = 32  # draws at an evaluation
SHORTEST = 5.0  # seconds in which more than counting can be done
FEW_STEPS = 30  # with fewer, a model of gradients has learned nothing
LEAST_SHARE = 1.2  # of the steps that a member has by itself: rather one member fewer
LARGER = 1.1  # share of its own steps that a larger model needs to be better than a smaller one
MORE_DROPPED = 0.15  # by models that are larger, or learn for longer, than the recipe's
FEW_EPOCHS = 0.4  # share below which no line is seen often enough to be learned by heart
MOST_SHARE = 2.5  # more steps would be learned by heart
SMALL_TEXT = 8_000  # training lines below which more is dropped


# Counts cost next to nothing; what they differ in says how far each length of context is to be
# trusted. Then what is added while there is time.
COUNTS = ("ngram order=3", "ngram order=5", "ngram", "ngram order=9")
LINEUP = (
    "transformer", "transformer n_embd=80", "lstm", "transformer n_embd=80",
    "transformer n_layer=6", "transformer n_embd=80", "gru", "transformer n_embd=80",
    "transformer n_layer=6", "transformer n_embd=80", "wavenet", "transformer n_embd=80",
)  # fmt: skip
SIZES: tuple[dict[str, Any], ...] = ({}, {"n_embd": 80}, {"n_embd": 96}, {"n_embd": 128})


@dataclass(frozen=True)
class Choice:
    """A model, the options that were chosen for it, and one line that says why."""

    model: str
    options: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Candidate:
    """A model with options, and what it costs here, in seconds.

    steps: those that it has by itself for this text; step, evaluation: seconds of one; glimpse:
    seconds of a few lines that are drawn at an evaluation; every: steps between evaluations, if
    that was typed
    """

    name: str
    options: dict[str, Any]
    steps: int
    step: float
    evaluation: float
    glimpse: float
    every: int | None = None

    def seconds(self, share: float, beside: float) -> float:
        """Of a training of this share of its steps; `beside`: a glimpse of those before it."""
        steps = self.scaled(share)
        evaluations = steps / (self.every or max(10, steps // 20)) + 2
        return steps * self.step + evaluations * (self.evaluation + beside)

    def scaled(self, share: float) -> int:
        return max(1, round(share * self.steps))


def choose(
    parts: Split, asked: Mapping[str, Any], model: str | None, limit: float, began: float
) -> Choice:
    """What to train in `limit` seconds, of which some have gone since `began` (monotonic).

    asked: the options that were typed; they stay as they are. model: the one that was typed.
    Raises UsageError for options that leave nothing to choose.
    """
    if asked.get("max_steps") is not None:
        raise UsageError("time and steps both", "--time", "give --time or --max-steps")
    lines = f"{len(parts.train):,} lines in {limit:g} s"
    if model is None and (limit < SHORTEST or not len(parts.val)):
        reason = "no time for more than counts" if len(parts.val) else "too few lines to weigh by"
        return Choice("ngram", {}, f"ngram for {lines}: {reason}")
    pilot = BudgetPlanner(parts, asked, limit, began)
    if model is not None and not get_model(model).is_ensemble:
        return pilot.one(model, lines)
    return pilot.several(lines, model is not None)


def plan_within(
    split: Split,
    requested: Mapping[str, Any],
    model: str | None,
    limit: float,
    name: str,
    began: float,
) -> tuple[Plan, str]:
    """Plan a training of `limit` seconds, of which some have gone since `began`; and say why so.

    model: the one that was named, None to choose among all; name: what the text is called
    """
    named = model or ("ensemble" if "members" in requested else None)
    choice = choose(split, requested, named, limit, began)
    own = {key: value for key, value in requested.items() if key != "members"}
    plan = Plan.make(choice.model, {**own, **choice.options}, split, name)
    return plan.with_time_budget(requested, limit), choice.why


class BudgetPlanner:
    """Candidates, timed once each, and how many steps of them fill the time."""

    def __init__(self, parts: Split, asked: Mapping[str, Any], limit: float, began: float) -> None:
        self.parts, self.asked, self.limit, self.began = parts, asked, limit, began
        self.drop = 0.2 if len(parts.train) < SMALL_TEXT else 0.1

    @property
    def left(self) -> float:
        """Seconds that may be planned with."""
        return USED * self.limit - (time.monotonic() - self.began)

    def one(self, model: str, lines: str) -> Choice:
        """The size and steps of a model that was typed."""
        kind = get_model(model)
        if issubclass(kind, CountModel):
            return Choice(model, {}, f"{model} for {lines}: counts take no steps")
        sizes: Sequence[dict[str, Any]] = SIZES if model == "transformer" else ({},)
        budget = CALIBRATION * self.limit / len(sizes)
        fits = self.timed(model, self.fitting(kind, {}), budget)
        for size in sizes[1:]:
            larger = self.fitting(kind, size)
            if larger == fits.options or fits.seconds(LARGER * 1.3, 0) > self.left:
                break  # the next size takes at least a third as long again
            candidate = self.timed(model, larger, budget)
            if candidate.seconds(LARGER, 0) > self.left:
                break
            fits = candidate
        share = fill([fits], self.left)
        options = {**fits.options, "max_steps": fits.scaled(share)}
        if "dropout" in options:  # by how often each line is seen
            more = MORE_DROPPED if share >= LARGER else 0.0
            options["dropout"] = 0.0 if share < FEW_EPOCHS else max(options["dropout"], more)
        return Choice(model, options, f"{self.told([(model, options)])} for {lines}{note(share)}")

    def several(self, lines: str, typed: bool) -> Choice:
        """The members of an ensemble and their steps; only counts where there is no time."""
        given = self.asked.get("members")
        wanted = members_of(given or ", ".join((*COUNTS, *LINEUP)))
        counts = [kind for kind in wanted if issubclass(get_model(kind[0]), CountModel)]
        learning = [kind for kind in wanted if kind not in counts]
        found: list[Candidate] = []
        for name, own in learning:
            options = own if given else self.fitting(get_model(name), own)
            candidate = self.timed(name, options, CALIBRATION * self.limit / len(learning), found)
            if not given and total([*found, candidate], LEAST_SHARE) > self.left and found:
                break
            found.append(candidate)
        share = fill(found, self.left)
        if not typed and (not found or found[0].scaled(share) < FEW_STEPS):
            return Choice("ngram", {}, f"ngram for {lines}: no time for more than counts")
        steps = iter([{**each.options, "max_steps": each.scaled(share)} for each in found])
        members: Members = [
            (name, own) if (name, own) in counts else (name, next(steps))
            for name, own in (wanted if given else [*counts, *learning[: len(found)]])
        ]
        why = f"{self.told(members)} for {lines}{note(share)}"
        return Choice("ensemble", {"members": text_of(members)}, why)

    def fitting(self, kind: type[Model], own: Mapping[str, Any]) -> dict[str, Any]:
        """A size's options, without what was typed; dropout by how much text there is."""
        dropout = {}
        if kind.name == "transformer":  # whose dropout was measured on little text and on much
            dropout = {"dropout": max(self.drop, MORE_DROPPED if own else 0.0)}
        return {k: v for k, v in {**own, **dropout}.items() if k not in self.asked}

    def timed(
        self, name: str, options: dict[str, Any], budget: float, known: Sequence[Candidate] = ()
    ) -> Candidate:
        """A candidate with its cost, measured in about `budget` seconds unless it is known."""
        for other in known:
            if (other.name, other.options) == (name, options):
                return other
        groups = (get_model(name).Options, TrainingConfig, TextConfig)
        mine = {key for group in groups for key in options_of(group)}
        asked = {key: value for key, value in self.asked.items() if key in mine}
        plan = Plan.make(name, {**asked, **options}, self.parts, "")
        model, moments = initialize_model(plan), list[float]()
        before = started = time.monotonic()
        with contextlib.closing(fit(plan, model)) as events:
            for event in events:
                now = time.monotonic()
                if isinstance(event, Evaluated) and event.step == 0:
                    started = now  # the first evaluation sets up much that is there afterwards
                elif isinstance(event, Step):
                    moments.append(now - before)
                enough = len(moments) >= WARM_UP + TIMED or now - started > budget
                if enough and len(moments) > WARM_UP:
                    break
                before = time.monotonic()
        before = time.monotonic()
        with threads(plan.config.threads):
            losses(plan, model)
        evaluation = time.monotonic() - before
        step = statistics.median(moments[WARM_UP:] or moments or [evaluation])
        steps, every = plan.recipe.max_steps or 1, self.asked.get("eval_interval")
        return Candidate(
            name, options, steps, step, evaluation, preview_seconds(plan, model), every
        )

    def told(self, members: Members) -> str:
        each = [
            f"{name} ({own['max_steps']} steps{size(own)})" if "max_steps" in own else name
            for name, own in members
        ]
        return " + ".join(each)


def preview_seconds(plan: Plan, model: Model) -> float:
    """Seconds of drawing a few lines."""
    longest = plan.vocabulary.longest([plan.split.train])
    with threads(plan.config.threads):
        began, state = time.monotonic(), model.initial_state(GLIMPSED)
        ids = np.zeros(GLIMPSED, dtype=np.int64)
        for _ in range(min(longest, 50) + 1):
            _, state = model.step(ids, state)
            ids = np.ones(GLIMPSED, dtype=np.int64)
        return time.monotonic() - began


def total(candidates: Sequence[Candidate], share: float) -> float:
    """Seconds of training them one after the other, each with this share of its steps."""
    seconds = beside = evaluations = 0.0
    for each in candidates:
        evaluations += each.evaluation
        seconds += each.seconds(share, beside or each.glimpse) + evaluations
        beside += each.glimpse
    return seconds


def fill(candidates: Sequence[Candidate], left: float) -> float:
    """The share of their steps that fills the seconds that are left; at most MOST_SHARE."""
    low, high = 0.0, MOST_SHARE
    if total(candidates, high) <= left:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if total(candidates, middle) <= left else (low, middle)
    return low


def size(options: Mapping[str, Any]) -> str:
    return "".join(f", {k} {options[k]}" for k in ("n_layer", "n_embd") if k in options)


def note(share: float) -> str:
    return "; more steps would be learned by heart" if share == MOST_SHARE else ""
