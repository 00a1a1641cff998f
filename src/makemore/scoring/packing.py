"""Packing: which lines share a row, so that rows of one width hold as little padding as may be."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Piece = tuple[int, int, int, int, int, int, int]


def pack_first_fit(
    counts: NDArray[Any], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Pack lines of these lengths into rows of `width`: the longest that fits, again and again.

    counts: (n,) from 1 to width. Returns the lines in the order of packing (n,), where each begins
    in the rows laid end to end (n,), and the number of rows.

        pack_first_fit([3, 1, 2], 4) -> lines [0 1 2], begins [0 3 4], 2 rows
    """
    # No loop over lines or rows: many rows are filled alike. A piece says what such rows have in
    # common for one length, and all pieces are written out here at once.
    numbers = np.bincount(counts)  # lines of each length
    pieces = list(_pieces(numbers.tolist(), width))
    table = np.array(pieces, dtype=np.int64).reshape(-1, 7).T
    sizes = table[0] * table[1]  # lines of each piece
    start = np.cumsum(sizes) - sizes
    index = np.arange(len(counts)) - np.repeat(start, sizes)  # (n,) of a line in its piece
    _, alike, length, last, begin, at, in_row = np.repeat(table, sizes, axis=1)  # (n,) each
    row, place = np.divmod(index, alike)
    packed = at + row * in_row + place  # (n,) a line's place in the order of packing
    order, begins = np.empty((2, len(counts)), dtype=np.int64)
    # Lines of one length are taken from the last one back.
    order[packed] = np.argsort(counts, kind="stable")[last - index]
    begins[packed] = begin + row * width + place * length
    rows = int(begins[-1]) // width + 1 if len(counts) else 0
    return order, begins, rows


def _pieces(left: list[int], width: int) -> Iterator[Piece]:
    """Yield what rows that are filled alike have of one length, from the first row on.

    left: how many lines there are of each length from 0 on; it is used up
    A piece: so many rows; lines of the length in each row; the length; its last line that is not
    packed, among all lines by length; where the first of them begins in the rows; its place in the
    order of packing; all lines of such a row.
    """
    ends, total = list[int](), 0
    for number in left:
        ends.append(total := total + number)  # in the order by length
    taken, row, packed = [0] * len(left), 0, 0
    lengths = [length for length, number in enumerate(left) if number]  # that are not used up
    while packed < total:
        free, pattern = width, list[tuple[int, int, int]]()  # (length, lines in a row, begin)
        index = len(lengths)
        while index := bisect_right(lengths, free, 0, index):  # the longest that fits is before it
            index -= 1
            length = lengths[index]
            alike = min(free // length, left[length])
            pattern.append((length, alike, width - free))
            free -= alike * length
        # The next rows are filled in the same way while there are lines enough for all of it.
        rows = min(left[length] // alike for length, alike, _ in pattern)
        in_row, at = sum(alike for _, alike, _ in pattern), packed
        for length, alike, begin in pattern:
            last = ends[length] - 1 - taken[length]
            yield rows, alike, length, last, row * width + begin, at, in_row
            taken[length] += rows * alike
            left[length] -= rows * alike
            if not left[length]:
                del lengths[bisect_left(lengths, length)]
            at += alike
        row, packed = row + rows, packed + rows * in_row
