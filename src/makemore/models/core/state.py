"""State: what a model goes on from, for each line of a batch, and the operations on it.

A State is a nested tuple of arrays, numpy's or torch's, batch first. A part may also be an object
that keeps what each input gave (neural.Cache). Then its tip is what the last one gave; the tip of
an array is the array. No torch is imported here: who has a tensor, has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

State = Any
Entries = Any  # nested tuples of arrays, batch first
Ints = NDArray[np.int64]


def select(state: State, rows: Ints) -> State:
    """The state of these rows of a batch, in this order; a row may be taken more than once."""
    if isinstance(state, tuple):
        return tuple(select(part, rows) for part in state)
    return state[rows]


def last_entry(state: State) -> Entries:
    """What the last step gave to each row."""
    if isinstance(state, tuple):
        return tuple(last_entry(part) for part in state)
    return state.tip() if hasattr(state, "tip") else state


def append(before: State, tips: Entries, rows: Ints) -> State:
    """The state after a step: that before it, and of its tips the one of each row."""
    if isinstance(before, tuple):
        parts = zip(before, tips, strict=True)
        return tuple(append(part, own, rows) for part, own in parts)
    return before.grown(tips, rows) if hasattr(before, "grown") else tips[rows]


def empty_like(tips: Entries, rows: int) -> Entries:
    """Tips like these, but so many and without values yet."""
    if isinstance(tips, tuple):
        return tuple(empty_like(part, rows) for part in tips)
    shape = (rows, *tips.shape[1:])
    return np.empty(shape, tips.dtype) if isinstance(tips, np.ndarray) else tips.new_empty(shape)


def first_rows(tips: Entries, number: int) -> Entries:
    """The first rows, as they are."""
    if isinstance(tips, tuple):
        return tuple(first_rows(part, number) for part in tips)
    return tips[:number]


def write(tips: Entries, first: int, added: Entries) -> None:
    """Write tips over those that stand from row `first` on."""
    if isinstance(tips, tuple):
        for part, own in zip(tips, added, strict=True):
            write(part, first, own)
    else:
        tips[first : first + len(added)] = added


def row_bytes(tips: Entries) -> int:
    """Bytes of a row."""
    if isinstance(tips, tuple):
        return sum(map(row_bytes, tips))
    return int(tips.nbytes) // max(1, len(tips))
