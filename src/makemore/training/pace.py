"""Pace: where a training's schedule ends, and how a clock moves that end. No torch.

A schedule goes from step 0 to max_steps. Under a time budget nobody knows beforehand how many steps
fit: the machine may become slower or faster. So the end is moved while the training runs, and what
is left of the schedule is stretched or squeezed into the steps that are left: the learning rate
still falls to 0, without a jump. Each move is recorded, so the same steps can be taken again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from makemore.errors import UsageError

Ends = Sequence[Sequence[int]]  # [[step, end], ...]: after `step` steps the end was moved to `end`

FIRST_LOOK = 4  # steps before the clock is trusted: the first ones are slower
WORTH = 0.03  # the end moves if it is wrong by this fraction of the steps that are left


def end_of(ends: Ends, max_steps: int) -> int:
    """Return the step at which a schedule of max_steps ends after all moves."""
    return ends[-1][1] if ends else max_steps


def position(ends: Ends, step: int, max_steps: int) -> float:
    """Map a step to its position in a schedule of max_steps, from 0 to max_steps.

    position([[10, 20]], 15, 100): 10 steps are taken as planned, then the other 90 are squeezed
    into 10, of which 5 are taken: 10 + 5 / 10 * 90 = 55. Without moves it is the step itself.
    """
    start, at, end = 0, 0.0, max_steps
    for moved, new_end in ends:
        if moved >= step:
            break
        at += (moved - start) / max(1, end - start) * (max_steps - at)
        start, end = moved, new_end
    if not start:
        return step
    return at + (step - start) / max(1, end - start) * (max_steps - at)


def write_ends(ends: Ends) -> str:
    """Write moves as the option `ends` has them: `120:260/200:240`."""
    return "/".join(f"{step}:{end}" for step, end in ends)


def read_ends(text: str) -> list[list[int]]:
    """Parse the option `ends`. Raises UsageError for what is no list of moves."""
    if not re.fullmatch(r"(\d{1,9}:\d{1,9}(/\d{1,9}:\d{1,9})*)?", text, re.ASCII):
        raise UsageError(f"{text[:60]!r} are no moves", "--ends", "give STEP:END/STEP:END")
    ends = [[int(number) for number in move.split(":")] for move in text.split("/") if move]
    steps = [step for step, _ in ends]
    if steps != sorted(set(steps)) or any(step > end for step, end in ends):
        raise UsageError("moves are in order, each to a later step", "--ends", "give 120:260")
    return ends


@dataclass
class Clock:
    """Moves the end of a training to the step at which its time is over.

    deadline: seconds of `now`; most_steps: the end is never later, as more would not help
    began: seconds of `now` when the whole budget began; now: the clock, monotonic seconds
    moves: the ends that were moved so far; step: the steps taken
    after: evaluations that come after the last step; evaluation: seconds of the latest one
    at_end: says how many seconds are needed, as busy as the machine is, for what else comes then
    """

    deadline: float
    most_steps: int
    began: float
    now: Callable[[], float] = time.monotonic
    moves: list[list[int]] = field(default_factory=list)
    step: int = 0
    after: float = 1.0
    evaluation: float = 0.0
    at_end: Callable[[], float] = lambda: 0.0
    _since: float = field(default=0.0, init=False)
    _first: int = field(default=-1, init=False)  # the step at which the clock began to measure

    @property
    def used(self) -> float:
        """Return the seconds of the whole budget that are used."""
        return self.now() - self.began

    def moved_end(self, step: int, end: int) -> int | None:
        """Say where the schedule should end, seen after `step` steps; None to leave it at `end`.

        The seconds of a step are those of all since the clock began, evaluations included.
        """
        now, self.step = self.now(), step
        left = self.deadline - now - self.after * self.evaluation - self.at_end()
        if left <= 0:
            return step if end > step else None
        if self._first < 0 or step < self._first:
            self._first, self._since = step, now
        taken = step - self._first
        if taken < FIRST_LOOK:
            return None
        each = (now - self._since) / taken  # seconds
        fits = max(step + 1, min(self.most_steps, step + int(left / each)))
        # Small errors are left for later: each move is recorded.
        return fits if abs(fits - end) > max(1, WORTH * (end - step)) else None
