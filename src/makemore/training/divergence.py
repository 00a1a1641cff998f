"""Divergence: tells a training that ended far above blind guessing from one that only began badly.

Guessing evenly among V symbols has a loss of log V nats. Steps that are too large throw the weights
about until the model is surer of wrong symbols than a guess would be, and its loss is 10 or 1e28,
though still a number. Weights that were only drawn too large have a high loss, too (27 nats in the
lectures), but theirs falls from the first step on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FAR = 100.0  # nats above guessing: no weights that only begin badly have as much


@dataclass
class LossWatch:
    """Watches the training loss, in nats a symbol, from evaluation to evaluation.

    lowest: of all evaluations so far; last: the last one, None before the first
    """

    vocab_size: int
    lowest: float = math.inf
    last: float | None = None

    @property
    def guessing(self) -> float:
        """Return the loss of guessing evenly among the symbols, log V nats."""
        return math.log(self.vocab_size)

    @property
    def margin(self) -> float:
        """Return how far above is far, in nats: half of the loss of guessing, at least 1."""
        return max(1.0, self.guessing / 2)

    def resume(self, best_val: float | None) -> None:
        """Go on with a training whose evaluations before were not kept, but for its best one."""
        self.lowest = self.guessing + FAR if best_val is None else best_val

    def see(self, train: float) -> None:
        """Note the loss of an evaluation."""
        self.last, self.lowest = train, min(self.lowest, train)

    @property
    def diverged(self) -> bool:
        """Tell whether the last loss is far above guessing, and far above the lowest before."""
        if self.last is None:
            return False
        return self.last > max(self.guessing, self.lowest) + self.margin
