"""Ragged arrays: texts one after another in one array, with offsets; read in blocks of lines.

An index takes 8 bytes and a symbol one. So whatever needs an index for each symbol works on a block
of lines at a time, and the memory that this takes does not grow with the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


BLOCK = 2**16  # symbols or lines of a block: its indices fit into a core's cache


def offsets_of(lengths: NDArray[Any]) -> Ints:
    """Lengths (n,) of pieces -> (n + 1,) where each starts; the last is where all end."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def in_blocks(offsets: Ints) -> Iterator[tuple[slice, slice]]:
    """Blocks of whole pieces, in order: which pieces, and which symbols they are."""
    first, pieces = 0, len(offsets) - 1
    while first < pieces:
        # At most BLOCK of both, but always one piece, however long it is.
        fit = int(np.searchsorted(offsets, offsets[first] + BLOCK, side="right")) - 1
        last = max(first + 1, min(fit, first + BLOCK, pieces))
        yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
        first = last


def places(offsets: Ints, begin: Ints) -> Iterator[tuple[slice, slice, Ints]]:
    """The same blocks, and (n_symbols,) where each symbol stands if piece i begins at begin[i]."""
    for rows, symbols in in_blocks(offsets):
        starts = offsets[rows.start : rows.stop + 1]
        shift = begin[rows] - starts[:-1]
        yield rows, symbols, np.arange(symbols.start, symbols.stop) + shift.repeat(np.diff(starts))


def gathered(values: NDArray[Any], begin: Ints, offsets: Ints) -> NDArray[Any]:
    """(offsets[-1],) the values of pieces that begin there, one after another."""
    found = np.empty(int(offsets[-1]), dtype=values.dtype)
    for _, symbols, where in places(offsets, begin):
        found[symbols] = values[where]
    return found


def scatter(values: NDArray[Any], offsets: Ints, begin: Ints, out: NDArray[Any]) -> None:
    """Put pieces where they are to begin in `out`."""
    for _, symbols, where in places(offsets, begin):
        out[where] = values[symbols]
