"""Training progress: follows a training by its events, as the texts that a person is shown.

The command line and Python show them each in its own way: a bar, lines, or one line rewritten.
"""

from __future__ import annotations

import math
import time

from makemore.api.duration import in_words
from makemore.api.plan import Plan
from makemore.training.events import Evaluated, Step


class TrainingProgress:
    """Counts the steps and symbols of a training, and says how far and how fast it is."""

    def __init__(self, plan: Plan) -> None:
        self.steps = plan.recipe.max_steps or 1
        # Under a time budget the last step is only planned, and the clock may move it.
        self.planned = "about " if "time" in plan.config.asked else ""
        # log V is the loss of guessing evenly among V symbols; 1.5 leaves room for a bad start.
        self.worse_than_guessing = 1.5 * math.log(len(plan.vocabulary))
        self.began, self.symbols, self.speed = time.monotonic(), 0, 0.0
        self.first: int | None = None  # the first step that this process took; timed from its end
        self.at = 0  # the last step
        self.last: Evaluated | None = None

    def step(self, event: Step) -> None:
        """Count a step, and measure the speed in symbols a second."""
        self.at = event.step
        if self.first is None:
            # Counts come before it, and the first evaluation: a rate of steps has neither.
            self.first, self.began = event.step, time.monotonic()
            return
        self.symbols += event.symbols
        self.speed = self.symbols / max(time.monotonic() - self.began, 1e-9)

    def seconds_left(self, step: int) -> float:
        """Estimate the seconds until the last step by those since the first; 0 if unknown."""
        done = 0 if self.first is None else step - self.first
        return (time.monotonic() - self.began) / done * (self.steps - step) if done > 0 else 0.0

    def evaluated(self, event: Evaluated) -> str:
        """Say the losses of an evaluation, in nats a symbol, and the remaining seconds."""
        self.last, left = event, self.seconds_left(event.step)
        best = " (best)" * event.best
        speed = f"  {self.speed:,.0f} symbols/s  {in_words(left)} left" if left >= 1 else ""
        return f"step {event.step}/{self.planned}{self.steps}  {losses_of(event, best)}{speed}"

    def __str__(self) -> str:
        """Say how far it is between two evaluations, which may be minutes apart."""
        if self.first is None:
            return "measuring the loss before the first step"
        left = self.seconds_left(self.at)
        return f"step {self.at}/{self.steps}" + (f", about {in_words(left)} left" if left else "")

    def warning(self) -> str | None:
        """Warn if the training learns nothing; None if it does."""
        if self.last is None:
            return None
        loss = self.last.train if self.last.val is None else self.last.val
        if self.last.step and loss > self.worse_than_guessing:
            return "makemore: warning: worse than guessing; try a smaller --learning-rate"
        return None


def losses_of(event: Evaluated, best: str = "") -> str:
    """Say the losses of an evaluation, nats a symbol: `train 2.1000  val 2.2000`."""
    val = "" if event.val is None else f"  val {event.val:.4f}{best}"
    return f"train {event.train:.4f}{val}"
