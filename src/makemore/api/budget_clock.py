"""Budget clock: how much of a time budget is used, and when each part of a training has to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from makemore.api.members import members_of, text_of
from makemore.api.plan import Plan, recipe_steps
from makemore.options import options_of
from makemore.runs import Run
from makemore.training.pace import Clock, write_ends

KEPT = 0.93  # of the time is for training: the last evaluation and the new lines come after it
LAST_SECONDS = 0.6  # for what takes as long whatever the time: the end of the process
MOST_SHARE = 2.5  # of the steps of a model's own recipe: more would learn lines by heart
TOO_SHORT = 0.3  # of what a member was planned to take: with less time left it is not begun


@dataclass
class BudgetClock:
    """Measures a time budget from `began`, monotonic seconds.

    limit: its seconds; a training that goes on began earlier, by what was used and committed
    """

    limit: float
    began: float
    now: Callable[[], float] = time.monotonic

    @classmethod
    def of(
        cls, plan: Plan, began: float, progress: Mapping[str, Any] | None = None
    ) -> BudgetClock | None:
        """Make the clock of a plan; None without a time budget.

        progress: of the run that goes on, whose `seconds` are used already
        """
        limit = plan.config.asked.get("time")
        used = progress.get("seconds", 0.0) if progress else 0.0
        return None if limit is None else cls(float(limit), began - used)

    @property
    def used(self) -> float:
        """Return how many seconds of the budget are used."""
        return self.now() - self.began

    @property
    def left(self) -> float:
        """Return the seconds that are left to train in."""
        return max(0.0, KEPT * self.limit - LAST_SECONDS - self.used)

    def whole(self, plan: Plan) -> Clock:
        """Make the clock of a model that trains alone."""
        return Clock(self.now() + self.left, most_steps(plan), self.began, self.now)

    def member(self, plans: Sequence[Plan]) -> Clock | None:
        """Make the clock of the first of these members; None if too little time is left for it.

        What is left is divided by the members' planned steps, and larger ones get more.
        """
        costs = [cost(plan) for plan in plans]
        seconds = self.left * costs[0] / max(1e-9, sum(costs))
        if self.left < TOO_SHORT * self.limit * costs[0] / max(1e-9, sum(costs)):
            return None
        return Clock(self.now() + seconds, most_steps(plans[0]), self.began, self.now)


def most_steps(plan: Plan) -> int:
    """Compute the steps from which on a model would learn lines by heart."""
    return max(1, round(MOST_SHARE * recipe_steps(plan)))


def cost(plan: Plan) -> float:
    """Estimate what a member costs, in no unit: steps times the root of its size; counts are 0."""
    from makemore.models import CountModel

    if issubclass(plan.kind, CountModel):
        return 0.0
    width = getattr(plan.options, "n_embd", 64) * getattr(plan.options, "n_layer", 4) ** 0.5
    return float((plan.recipe.max_steps or 1) * width)


def replay_options(run: Run) -> dict[str, Any]:
    """List the options with which a run under a time budget is trained again, step by step.

    The moves of its schedules are the option `ends`, so no clock is read, and the weights are the
    same to the last bit on the same kind of machine:

        MakeMore(run.config.model, **replay_options(run)).fit(lines)
    """
    plan, moves = Plan.from_run(run), run.progress.get("ends", [])
    options = {key: value for key, value in run.config.asked.items() if key != "time"}
    options["threads"] = run.config.threads
    if not plan.kind.is_ensemble:
        own = {key: run.config.resolved[key] for key in options_of(plan.kind.Options)}
        steps = {key: run.config.resolved[key] for key in ("max_steps", "eval_interval")}
        return {**options, **own, **steps, "ends": write_ends(moves)}
    members = members_of(run.config.resolved["members"])
    for number, (_, values) in enumerate(members):
        if of_member := [move[1:] for move in moves if move[0] == number]:
            values["ends"] = write_ends(of_member)
    return {**options, "members": text_of(members)}
