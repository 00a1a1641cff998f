"""Budget clock: how much of a time budget is used, and when each part of a training has to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from makemore.api.machine_load import MachineLoad
from makemore.api.members import members_of, text_of
from makemore.api.plan import Plan
from makemore.models import CountModel
from makemore.options import options_of
from makemore.runs import Run
from makemore.training.pace import Clock, write_ends

KEPT = 0.93  # of the time is for training: the last evaluation and the new lines come after it
LAST_SECONDS = 1.8  # for what takes as long whatever the time: the last lines, the process's end
MOST_SHARE = 2.5  # of the steps of a model's own recipe: more would learn lines by heart
TOO_SHORT = 0.3  # of what a member was planned to take: with less time left it is not begun


@dataclass
class BudgetClock:
    """Measures a time budget from `began`, monotonic seconds.

    limit: its seconds; before: those that earlier calls had used, up to what they committed
    load: measures how many times as long as alone work takes, beside that of other processes
    """

    limit: float
    began: float
    before: float = 0.0
    load: Callable[[], float] = lambda: 1.0
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
        return None if limit is None else cls(float(limit), began - used, used, MachineLoad())

    def count_from(self, used: float) -> None:
        """Count on from these seconds, if earlier calls had used more than was known so far."""
        more = max(0.0, used - self.before)
        self.began, self.before = self.began - more, self.before + more

    @property
    def used(self) -> float:
        """Return how many seconds of the budget are used."""
        return self.now() - self.began

    @property
    def left(self) -> float:
        """Return the seconds that are left to train in."""
        return max(0.0, KEPT * self.limit - self.at_end() - self.used)

    def at_end(self) -> float:
        """Predict the seconds of what comes after the training, as busy as the machine is now."""
        return LAST_SECONDS * self.load()

    def is_enough(self, plans: Sequence[Plan]) -> bool:
        """Tell whether the time that is left is worth beginning the first of these members."""
        return self.left >= TOO_SHORT * self.limit * first_share(plans)

    def of_first(self, plans: Sequence[Plan], after: float = 1.0) -> Clock:
        """Make the clock of the first of these members, which leaves time for the others.

        after: evaluations that come after its last step
        """
        share, most = first_share(plans), most_steps(plans[0])
        if share < 1.0:
            deadline = self.now() + self.left * share
            return Clock(deadline, most, self.began, self.now, after=after)
        # The last one: what is kept back for the end changes with the load while it trains.
        deadline = self.began + KEPT * self.limit
        return Clock(deadline, most, self.began, self.now, after=after, at_end=self.at_end)


def first_share(plans: Sequence[Plan]) -> float:
    """Compute which fraction of all costs is the first plan's; 0 if it counts."""
    costs = [cost(plan) for plan in plans]
    return costs[0] / (sum(costs) or 1.0)


def most_steps(plan: Plan) -> int:
    """Compute the steps from which on a model would learn lines by heart."""
    # From a prior the recipe's steps are all that are of use.
    share = MOST_SHARE if plan.prior_lines is None else 1.0
    return max(1, round(share * plan.recipe_steps))


def cost(plan: Plan) -> float:
    """Estimate what a member costs, in no unit: steps by width and depth; counts are 0.

    Of cells such as an LSTM's the hidden state has the width, and a step half of the products.
    """
    if issubclass(plan.kind, CountModel):
        return 0.0
    width = max(getattr(plan.options, "n_embd", 64), getattr(plan.options, "n_hidden", 0) / 2)
    width *= getattr(plan.options, "n_layer", 4) ** 0.5
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
