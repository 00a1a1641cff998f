"""State: what a model goes on from, for each line of a batch, and the operations on it.

A State is a nested tuple of arrays, numpy's or torch's, batch first: a hidden state (B, n_hidden),
or a window (B, block_size). A part may also be an object that stores an entry for each input so
far (KVCache), with methods `last_entry` and `append`; an array is its own last entry, since a step
replaces all of it. No torch is imported here: the functions use what tensors and arrays have in
common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

State = Any
Entries = Any  # what one step adds to a state, row by row: nested tuples of arrays, batch first
Ints = NDArray[np.int64]


def select(state: State, rows: Any) -> State:
    """Select rows of a batch, in this order: state of B rows, rows (n,) -> state of n rows.

    A row may come more than once: rows [0, 0, 2] go on twice from row 0. They are an array, or a
    tensor on the state's device.
    """
    if isinstance(state, tuple):
        return tuple(select(part, rows) for part in state)
    # Arrays, tensors and KVCache alike: rows are what __getitem__ selects.
    return state[rows]


def dense(state: State) -> State:
    """Give each row of a batch memory of its own where rows share some (KVCache).

    Quicker for very many rows, of which few are equal. Steps then write into a state that they are
    given, so only the state after the last one is good.
    """
    if isinstance(state, tuple):
        return tuple(dense(part) for part in state)
    return state.dense() if hasattr(state, "dense") else state


def last_entry(state: State) -> Entries:
    """Return what the last step added to each row: only that has to be remembered for a prefix."""
    if isinstance(state, tuple):
        return tuple(last_entry(part) for part in state)
    # An array (a hidden state, a window) is replaced by each step as a whole: it is its last entry.
    return state.last_entry() if hasattr(state, "last_entry") else state


def append(before: State, tips: Entries, rows: Ints) -> State:
    """Append a step's entries to the state before it -> the state after it.

    tips: the entries of N prefixes; rows (B,): which of them is each line's
    """
    if isinstance(before, tuple):
        parts = zip(before, tips, strict=True)
        return tuple(append(part, entries, rows) for part, entries in parts)
    # An array is replaced by its new rows; a cache keeps what came before.
    return before.append(tips, rows) if hasattr(before, "append") else tips[rows]


def empty_like(tips: Entries, rows: int) -> Entries:
    """Make entries of the same shapes and types with so many rows, their values not yet written."""
    if isinstance(tips, tuple):
        return tuple(empty_like(part, rows) for part in tips)
    # new_empty: on the same device, without importing torch.
    shape = (rows, *tips.shape[1:])
    return np.empty(shape, tips.dtype) if isinstance(tips, np.ndarray) else tips.new_empty(shape)


def first_rows(tips: Entries, number: int) -> Entries:
    """Return a view of the first `number` rows; nothing is copied."""
    if isinstance(tips, tuple):
        return tuple(first_rows(part, number) for part in tips)
    return tips[:number]


def write(tips: Entries, first: int, added: Entries) -> None:
    """Write the rows `added` into `tips`, from row `first` on, in place."""
    if isinstance(tips, tuple):
        for part, rows in zip(tips, added, strict=True):
            write(part, first, rows)
    else:
        tips[first : first + len(added)] = added


def row_bytes(tips: Entries) -> int:
    """Return the number of bytes that one row takes."""
    if isinstance(tips, tuple):
        return sum(map(row_bytes, tips))
    # max: entries without rows have no bytes either.
    return int(tips.nbytes) // max(1, len(tips))


def row_bytes_after(state: State, steps: int) -> int:
    """Estimate the bytes of one row after so many steps: only what stores entries grows."""
    if isinstance(state, tuple):
        return sum(row_bytes_after(part, steps) for part in state)
    if hasattr(state, "last_entry"):
        return steps * row_bytes(state.last_entry())
    return row_bytes(state)
