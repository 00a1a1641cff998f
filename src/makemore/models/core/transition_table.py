"""Transition table: a whole model of few states as arrays, so that drawing looks up. No torch.

An n-gram depends on the last few symbols alone: it is a finite automaton with probabilities, a
Markov chain. Computed once for each state, its answers are all there before the first draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# States times symbols of a table: 50 MB, a float and an int32 each, and as much while it is built.
MAX_TABLE_CELLS = 2**22


@dataclass(frozen=True, eq=False)
class TransitionTable:
    """Holds a model with S states: what comes next in each, and which state follows.

    logs: (S, V) log-probabilities of the next symbol in each state, in nats
    after: (S, V) the state after that symbol
    start: first input (the boundary, or a label's id) -> the state at the start of a line
    empty: first input -> the state of the empty context: no symbol and no boundary read yet
    """

    logs: NDArray[np.float64]
    after: NDArray[np.int32]
    start: Mapping[int, int]  # the same for all lines without labels: {0: state}
    empty: Mapping[int, int]
