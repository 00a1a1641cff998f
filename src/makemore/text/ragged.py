"""Ragged arrays: pieces of different lengths in one flat array, with the offset of each piece.

An index takes 8 bytes and a symbol often 1. So whatever needs an index for each symbol works on a
block of pieces at a time, and the memory for indices does not grow with the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


BLOCK = 2**16  # symbols or pieces of a block: its indices fit into a core's cache


def offsets_of(lengths: NDArray[Any]) -> Ints:
    """Turn lengths (n,) into offsets (n + 1,): where each piece starts, and where the last ends.

    offsets_of([4, 2]) -> [0, 4, 6]
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def in_blocks(offsets: Ints) -> Iterator[tuple[slice, slice]]:
    """Yield blocks of whole pieces, in order, as two slices: of the pieces, and of their symbols.

    offsets: (n + 1,)
    """
    first, pieces = 0, len(offsets) - 1
    while first < pieces:
        # At most BLOCK of both, but always one piece, however long it is.
        fit = int(np.searchsorted(offsets, offsets[first] + BLOCK, side="right")) - 1
        last = max(first + 1, min(fit, first + BLOCK, pieces))
        yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
        first = last


def positions(offsets: Ints, begin: Ints) -> Iterator[tuple[slice, slice, Ints]]:
    """Yield the blocks of in_blocks with the index of each symbol if piece i began at begin[i].

    offsets: (n + 1,); begin: (n,)
    """
    for rows, symbols in in_blocks(offsets):
        starts = offsets[rows.start : rows.stop + 1]
        shift = begin[rows] - starts[:-1]  # one number moves a whole piece
        yield rows, symbols, np.arange(symbols.start, symbols.stop) + shift.repeat(np.diff(starts))


def gathered(values: NDArray[Any], begin: Ints, offsets: Ints) -> NDArray[Any]:
    """Gather pieces out of `values` into one array (offsets[-1],), one after another.

    begin: (n,) where each piece begins in `values`; offsets: (n + 1,) in the result
    """
    pieces = np.empty(int(offsets[-1]), dtype=values.dtype)
    for _, symbols, where in positions(offsets, begin):
        pieces[symbols] = values[where]
    return pieces


def scatter(values: NDArray[Any], offsets: Ints, begin: Ints, out: NDArray[Any]) -> None:
    """Scatter pieces of `values` into `out`: the inverse of `gathered`.

    offsets: (n + 1,) in `values`; begin: (n,) where each piece is to begin in `out`
    """
    for _, symbols, where in positions(offsets, begin):
        out[where] = values[symbols]
