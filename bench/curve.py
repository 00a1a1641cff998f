"""A loss over the seconds of training: when it passed a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Curve:
    """Points (step, seconds of training, nll in nats), in order.

    target: nll
    """

    target: float
    points: list[tuple[int, float, float]] = field(default_factory=list)

    def add(self, step: int, seconds: float, nll: float) -> None:
        self.points.append((step, seconds, nll))

    @property
    def reached(self) -> tuple[int, float, float] | None:
        """The first point at or below the target."""
        return next((point for point in self.points if point[2] <= self.target), None)

    def told(self) -> dict[str, Any]:
        """What a record needs of it; None for what never came."""
        reached = self.reached
        last = self.points[-1] if self.points else (0, 0.0, None)
        return {
            "seconds": reached and reached[1], "steps": reached and reached[0],
            "nll at the end": last[2], "seconds in all": last[1], "steps in all": last[0],
        }  # fmt: skip
