"""Gram counts: how often each n-gram of full order stands in lines, counted a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.gram_codes import GramCodes
from makemore.models.core.sorted_runs import Run, SortedRuns, distinct
from makemore.parallel import parallel_map, pool_size

Ints = NDArray[np.int64]

CHUNK = 2**20  # targets that a thread encodes and sorts at once


class GramCounts:
    """Counts the n-grams of `order` symbols of a vocabulary of V ids, in `pool_size()` threads.

    folder: where sorted n-grams go that `room` bytes of memory do not hold; None: all are held
    width: bytes of a count in a file
    """

    def __init__(
        self, V: int, order: int, folder: Path | None = None, room: int = 0, width: int = 8
    ) -> None:
        self.codes, self.order = GramCodes(V, order), order
        self.runs = SortedRuns(folder, room, width=width)

    def add(self, ids: NDArray[Any], offsets: Ints) -> None:
        """Count lines: ids (n_symbols,), offsets (n_lines + 1,). Raises OSError."""
        # Each line and its end, all in a row; `order` zeros before the first. Symbol 0 is the
        # boundary: the end of one line is the start of the next.
        small = np.min_scalar_type(self.codes.V)
        targets = np.zeros(self.order + len(ids) + len(offsets) - 1, dtype=small)
        is_symbol = np.ones(len(targets) - self.order, dtype=bool)
        is_symbol[offsets[1:] + np.arange(len(offsets) - 1)] = False
        targets[self.order :][is_symbol] = ids
        starts = range(0, len(targets) - self.order, CHUNK)
        for first in range(0, len(starts), pool_size()):
            chunks = [
                targets[start : start + CHUNK + self.order]
                for start in starts[first : first + pool_size()]
            ]
            for run in parallel_map(lambda chunk: distinct(self.codes.encode(chunk)), chunks):
                self.runs.add(run)

    def merged(self) -> Iterator[Run]:
        """Yield the distinct n-grams in sorted order, with their counts, in blocks."""
        return self.runs.merged()
