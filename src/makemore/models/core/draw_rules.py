"""Draw rules: what a model needs to draw whole lines itself, on its own device. No torch.

sampling/ knows constraints, filters and random numbers as numpy arrays; a model on a GPU gets them
all at once, and gives back the finished lines. In between nothing is copied to the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# position -> (parts,) where the random numbers of each part of a batch start (SplitMix64)
Counters = Callable[[int], NDArray[np.uint64]]


@dataclass(frozen=True)
class DrawRules:
    """Holds what all draws go by: how a line begins, the filters, and the automaton.

    inputs: (L,) first inputs, a label's id or the boundary; prefix: ids that every line starts with
    temperature, top_k, top_p, min_p: filters on the next symbol's probabilities, None: off
    next (S, V), accepts (S,), can_complete (max_length + 1, S), min_length, max_length: the
        automaton of the constraints, with S states; a state of -1 is dead
    keeps_cut: whether a line that is cut at max_length is a result, too
    """

    inputs: Ints
    prefix: tuple[int, ...]
    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    next: NDArray[np.int32]
    accepts: NDArray[np.bool_]
    can_complete: NDArray[np.bool_]
    min_length: int
    max_length: int
    keeps_cut: bool


@dataclass(frozen=True)
class DrawnLines:
    """Holds the n finished lines of a batch, sorted by length; cut ones before those that ended.

    ids: (n, T) symbols after the prefix, of a small type; what stands beyond a line's end is free
    length: (n,) symbols of each line, its prefix included; cut: (n,) whether max_length cut it
    nll: (n,) in nats, the end included; draws: (n,) indices in the batch
    """

    ids: NDArray[Any]
    length: Ints
    cut: NDArray[np.bool_]
    nll: NDArray[np.float64]
    draws: Ints


class LineDrawer(Protocol):
    """Draws many lines together on the device where its model is."""

    @property
    def most(self) -> int:
        """Return how many draws there is memory for at the same time."""

    def draw(self, bounds: Ints, counters: Counters, first: Ints) -> DrawnLines:
        """Draw the lines of a batch.

        bounds: (parts + 1,) the draw that each part begins with, and the number R of draws
        first: (R,) the index in `inputs` of the first input of each draw; (1,): of all
        """
