"""Transition table: a whole model of few states as arrays, so that drawing looks up. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_TABLE_CELLS = 2**22  # states times symbols of a table: 50 MB, and as much while it is made


@dataclass(frozen=True, eq=False)
class TransitionTable:
    """A whole model as a table of its states: for the models that have few enough of them.

    logs: (S, V) log p of the next symbol in each state; after: (S, V) the state that it leads to
    start: first input -> state; empty: first input -> the state in which nothing else is known
    """

    logs: NDArray[np.float64]
    after: NDArray[np.int32]
    start: Mapping[int, int]
    empty: Mapping[int, int]
