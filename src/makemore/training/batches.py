"""Batches: windows (N, block_size) or sequences (B, T) by step, without wasted padding.

All lines of a part lie in one flat tensor, boundaries between them; a batch is gathered from it by
index, so there is no data loader and nothing is copied from the host while training.

    windows, block_size 3:   . . . e m m a . . . o l ...    [. . .] -> e   [. . e] -> m   ...
    sequences:               . e m m a . o l i v i a .      [. e m m a] -> [e m m a .]
    packed, for attention:   [. e m m a . o l i v i a] -> [e m m a . o l i v i a .]

With labels, the label's id stands where a sequence's boundary does, and before each window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.scoring.line_tensors import MAX_ROW_SYMBOLS, LineTensors

MOST_GROUPS = 4  # of lines of like length in a batch of sequences
FEWEST_SYMBOLS = 800  # in a group: smaller ones cost more in calls than they save in padding
FEWEST_SHARED = 200  # in a part that a thread computes beside the others


class Batches:
    """Training batches: batch number `step` is a function of (seed, step) alone.

    An epoch is one permutation of all lines (or windows), cut into batches of like size. A batch is
    a list of (inputs, targets): one for windows; for sequences up to 4 groups of lines of like
    length, which hold far less padding than one group would (13 % against 45 % of 512 names).
    A model that packs gets its lines one after another in rows (5 %), long lines apart.
    A packed batch of which `shares` parts are computed at the same time has so many groups.
    """

    def __init__(
        self, lines: LineTensors, batch_size: int, seed: int, packs: bool = False, shares: int = 1
    ) -> None:
        self.lines, self.seed, self._epoch = lines, seed, -1
        self.packs, self.shares = packs, shares
        self.items = lines.n_targets if lines.input_kind == "window" else len(lines)
        # Never a batch of 1 unless it was asked for: BatchNorm has no variance there.
        most = self.items if batch_size == 1 else self.items // 2
        self.per_epoch = max(1, min(most, round(self.items / batch_size)))

    def __call__(self, step: int) -> list[tuple[Tensor, Tensor]]:
        epoch, number = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            key = np.array([self.seed, epoch], dtype=np.uint64)
            # Shuffled like this, they are generator.permutation(items) in half of the memory.
            self._order = np.arange(self.items, dtype=np.int32 if self.items < 2**31 else np.int64)
            np.random.Generator(np.random.Philox(key=key)).shuffle(self._order)
            self._epoch = epoch
        # As np.array_split cuts them: the first batches have one more where it does not come out.
        size, more = divmod(self.items, self.per_epoch)
        start = number * size + min(number, more)
        part = self._order[start : start + size + (number < more)]
        if self.lines.input_kind == "window":
            ends = torch.from_numpy(self.lines.ends(part))
            return [self.lines.windows(ends.to(self.lines.device))]
        longest = self.lines.block_size
        if self.packs:
            groups = [rows for like in self._bucket_by_length(part) for rows in self._shared(like)]
            return [self.lines.packed(rows, longest) for rows in groups]
        return [self.lines.sequences(rows, longest) for rows in self._groups(part)]

    def _groups(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows sorted by length and cut where each group holds as many symbols as the others."""
        rows = rows[np.argsort(self.lines.lengths[rows], kind="stable")]
        symbols = np.cumsum(np.minimum(self.lines.lengths[rows] + 1, self.lines.block_size))
        groups = min(MOST_GROUPS, max(1, int(symbols[-1]) // FEWEST_SYMBOLS))
        cuts = np.searchsorted(symbols, symbols[-1] * np.arange(1, groups) / groups) + 1
        return [group for group in np.split(rows, cuts) if len(group)]

    def _bucket_by_length(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows sorted by length and cut at ROW, 2 * ROW, 4 * ROW symbols ...

        Attention costs what a row is wide, so that short lines are not to be packed in long rows.
        """
        counts = np.minimum(self.lines.lengths[rows] + 1, self.lines.block_size)
        order = np.argsort(counts, kind="stable")
        groups, start, width = [], 0, MAX_ROW_SYMBOLS
        while start < len(rows):
            end = int(np.searchsorted(counts[order], width, side="right"))
            if end == len(rows) or counts[order[start:end]].sum() >= FEWEST_SYMBOLS:
                groups.append(rows[order[start:end]])
                start = end
            width *= 2
        return groups

    def _shared(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows dealt out to so many groups, as long as each has enough to do."""
        symbols = int(self.lines.lengths[rows].sum()) + len(rows)
        number = max(1, min(self.shares, symbols // FEWEST_SHARED, len(rows)))
        return [rows[start::number] for start in range(number)]
