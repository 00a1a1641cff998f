"""Candidate: a model that may be trained, and what its steps and evaluations cost here."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from makemore.api.budget_clock import MOST_SHARE
from makemore.api.duration import sample_of, seconds_of_evaluation, seconds_of_step
from makemore.api.fit_model import initialize_model
from makemore.api.plan import Plan
from makemore.models import Model
from makemore.training.device import threads

SAMPLE = 1024  # lines of train, and of val, by which a candidate is timed
GLIMPSED = 32  # draws of a preview at an evaluation
FEW_STEPS = 30  # with fewer, and fewer than FEW_EPOCHS of its own, a network has learned nothing
EVALUATING = 0.15  # of the time of a training, at most: a long text is evaluated less often
FEW_EPOCHS = 0.4  # below it no line is seen often enough to be learned by heart


@dataclass(frozen=True)
class Candidate:
    """Holds a model with options and what it costs on this machine.

    steps: of its own recipe for this text; step, evaluation: seconds of one
    glimpse: seconds to draw a preview at an evaluation; every: steps between evaluations, None for
    the default
    """

    name: str
    options: dict[str, Any]
    steps: int
    step: float
    evaluation: float
    glimpse: float
    every: int | None = None

    def seconds(self, share: float, beside: float) -> float:
        """Predict the seconds of a training of `share` times its steps.

        beside: seconds of a preview by the members that were trained before it
        """
        steps = self.scaled(share)
        # As Plan sets eval_interval; two more: before the first step, and after the last.
        every = self.every or max(10, steps // 20, self.least_interval)
        evaluations = steps / every + 2
        return steps * self.step + evaluations * (self.evaluation + beside)

    @property
    def least_interval(self) -> int:
        """Compute the steps between evaluations from which on they take little of the time."""
        return math.ceil((self.evaluation + self.glimpse) / (EVALUATING * max(self.step, 1e-6)))

    def learns_nothing(self, share: float) -> bool:
        """Tell whether so few steps are of no use, beside those that it has by its recipe."""
        return self.scaled(share) < min(FEW_STEPS, FEW_EPOCHS * self.steps)

    def scaled(self, share: float) -> int:
        """Compute the steps of this share, at least 1."""
        return max(1, round(share * self.steps))


def time_candidate(plan: Plan, options: dict[str, Any], budget: float) -> Candidate:
    """Time a plan's steps, in about `budget` seconds, and its evaluation, on a sample of the lines.

    options: those that the candidate has beside requested ones
    """
    from makemore.models import NeuralModel

    small = sample_of(plan, SAMPLE)
    # The weights of a prior take no other time than random ones.
    model = initialize_model(small, from_prior=False)
    assert isinstance(model, NeuralModel)  # noqa: S101 (counts are not timed)
    step = seconds_of_step(small, model, budget)
    # The first evaluation sets up much that is there afterwards. It counts only where a second one
    # would take too much of the time.
    evaluation = seconds_of_evaluation(plan, small, model)
    if evaluation < budget:
        evaluation = seconds_of_evaluation(plan, small, model)
    steps, every = plan.recipe.max_steps or 1, plan.config.asked.get("eval_interval")
    glimpse = preview_seconds(plan, model)
    return Candidate(plan.config.model, options, steps, step, evaluation, glimpse, every)


def preview_seconds(plan: Plan, model: Model) -> float:
    """Time the steps of drawing a few lines, in seconds."""
    longest = plan.vocabulary.longest([plan.split.train])
    with threads(plan.config.threads):
        began, state = time.monotonic(), model.initial_state(GLIMPSED)
        ids = np.zeros(GLIMPSED, dtype=np.int64)
        for _ in range(min(longest, 50) + 1):
            _, state = model.step(ids, state)
            ids = np.ones(GLIMPSED, dtype=np.int64)
        return time.monotonic() - began


def total(candidates: Sequence[Candidate], share: float) -> float:
    """Predict the seconds of training members in turn, each with this share of its steps."""
    seconds = beside = evaluations = 0.0
    for each in candidates:
        # After each member the ensemble of all so far is evaluated. While one learns, previews are
        # drawn from those before it; the first one draws its own.
        evaluations += each.evaluation
        seconds += each.seconds(share, beside or each.glimpse) + evaluations
        beside += each.glimpse
    return seconds


def fill(candidates: Sequence[Candidate], left: float) -> float:
    """Find the share of their steps that fills the seconds left, at most MOST_SHARE (bisection)."""
    low, high = 0.0, MOST_SHARE
    if total(candidates, high) <= left:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if total(candidates, middle) <= left else (low, middle)
    return low
