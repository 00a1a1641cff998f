"""State: what a model goes on from, for each line of a batch; and all that is ever done to one.

A State is a nested tuple of arrays, numpy's or torch's, batch first. A part may also be an object
that keeps what each input gave (neural.Cache). Then its tip is what the last one gave; the tip of
an array is the array. No torch is imported here: who has a tensor, has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

State = Any
Tips = Any  # nested tuples of arrays, batch first
Ints = NDArray[np.int64]


def take(state: State, rows: Ints) -> State:
    """The state of these rows of a batch, in this order; a row may be taken more than once."""
    if isinstance(state, tuple):
        return tuple(take(part, rows) for part in state)
    return state[rows]


def tip(state: State) -> Tips:
    """What the last step gave to each row."""
    if isinstance(state, tuple):
        return tuple(tip(part) for part in state)
    return state.tip() if hasattr(state, "tip") else state


def grown(before: State, tips: Tips, rows: Ints) -> State:
    """The state after a step: that before it, and of its tips the one of each row."""
    if isinstance(before, tuple):
        parts = zip(before, tips, strict=True)
        return tuple(grown(part, own, rows) for part, own in parts)
    return before.grown(tips, rows) if hasattr(before, "grown") else tips[rows]


def blank(tips: Tips, rows: int) -> Tips:
    """Tips like these, but so many and without values yet."""
    if isinstance(tips, tuple):
        return tuple(blank(part, rows) for part in tips)
    shape = (rows, *tips.shape[1:])
    return np.empty(shape, tips.dtype) if isinstance(tips, np.ndarray) else tips.new_empty(shape)


def first(tips: Tips, number: int) -> Tips:
    """The first rows, as they are."""
    if isinstance(tips, tuple):
        return tuple(first(part, number) for part in tips)
    return tips[:number]


def put(tips: Tips, first: int, added: Tips) -> None:
    """Write tips over those that stand from row `first` on."""
    if isinstance(tips, tuple):
        for part, own in zip(tips, added, strict=True):
            put(part, first, own)
    else:
        tips[first : first + len(added)] = added


def size(tips: Tips) -> int:
    """Bytes of a row."""
    if isinstance(tips, tuple):
        return sum(map(size, tips))
    return int(tips.nbytes) // max(1, len(tips))
