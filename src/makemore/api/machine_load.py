"""Machine load: how many times as long as alone work takes, beside other processes."""

from __future__ import annotations

import time
from pathlib import Path

# Linux says of each thread for how long it ran, and for how long it waited to run, in nanoseconds.
SCHEDULED = Path("/proc/thread-self/schedstat")
LOOKED_AT = 0.5  # seconds of running after which the load is measured anew
PROBED = 0.03  # seconds of work by which other work is noticed where the system does not say


class MachineLoad:
    """Measures the load since its last look, for the thread that asks: 1 if nothing else runs.

    Example: beside four busy processes on two cores a thread runs for 0.4 of the time: 2.5.
    """

    def __init__(self) -> None:
        # The first look covers all that the thread has done so far.
        self.ran = self.waited = 0.0
        self.value: float | None = None

    def __call__(self) -> float:
        """Return how many times as long as alone work takes."""
        scheduled = _scheduled()
        if scheduled is None:
            self.value = self.value or probed()
            return self.value
        ran, waited = scheduled[0] - self.ran, scheduled[1] - self.waited
        if self.value is None or ran >= LOOKED_AT:
            self.value = 1.0 + waited / ran
            self.ran, self.waited = scheduled
        return self.value


def _scheduled() -> tuple[float, float] | None:
    """Read for how long this thread ran and waited to run, in seconds; None if nobody says."""
    try:
        ran, waited = (int(number) / 1e9 for number in SCHEDULED.read_text().split()[:2])
    except (OSError, ValueError):
        return None
    return (ran, waited) if ran else None  # some kernels do not count


def probed() -> float:
    """Measure the load by working for a moment."""
    began, worked = time.monotonic(), time.process_time()
    while (taken := time.process_time() - worked) < PROBED:
        pass
    return max(1.0, (time.monotonic() - began) / taken)
