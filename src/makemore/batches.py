"""Tensors on the device: windows (N, block_size) or sequences (B, T), without wasted padding.

All lines of a part lie in one flat tensor, boundaries between them; a batch is gathered from it by
index, so there is no data loader and nothing is copied from the host while training.

    windows, block_size 3:   . . . e m m a . . . o l ...    [. . .] -> e   [. . e] -> m   ...
    sequences:               . e m m a . o l i v i a .      [. e m m a] -> [e m m a .]
    packed, for attention:   [. e m m a . o l i v i a] -> [e m m a . o l i v i a .]

With labels, the label's id stands where a sequence's boundary does, and before each window.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.pieces import scatter

MOST_GROUPS = 4  # of lines of like length in a batch of sequences
FEWEST_SYMBOLS = 800  # in a group: smaller ones cost more in calls than they save in padding
FEWEST_SHARED = 200  # in a part that a thread computes beside the others
ROW = 24  # symbols of a packed row, or its longest line: wider ones cost more in attention
IGNORED = -1  # target of a padded place


class Lines:
    """Encoded lines of one part on a device.

    ids: (n_symbols,) one line after another; offsets: (n_lines + 1,). A window model's lines are
    preceded by block_size boundaries, a sequence's by one. labels: (n_lines,) ids, or None.
    """

    def __init__(
        self,
        ids: NDArray[Any],
        offsets: NDArray[np.int64],
        reads: str,
        block_size: int,
        device: torch.device | str = "cpu",
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        self.reads, self.block_size, self.device = reads, block_size, torch.device(device)
        self.lengths: NDArray[Any] = np.diff(offsets).astype(np.int32)
        self.margin = max(block_size, 1) if reads == "window" else 1
        # (n_lines,) the place of each line's first symbol.
        self.first = offsets[:-1] + self.margin * np.arange(1, len(offsets))
        flat = np.zeros(len(ids) + self.margin * len(self) + 1, dtype=ids.dtype)
        scatter(ids, offsets, self.first, flat)
        self.flat = torch.from_numpy(flat).to(self.device)
        self.labels = None if labels is None else torch.from_numpy(labels).to(self.device)
        self._starts = torch.from_numpy(self.first).to(self.device) if labels is not None else None

    def __len__(self) -> int:
        return len(self.lengths)

    def windows(self, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Places of targets (N,) -> inputs (N, block_size), targets (N,)."""
        reach = torch.arange(-self.block_size, 0, device=self.device)
        inputs = self._at(ends[:, None] + reach)
        if self.labels is not None and self._starts is not None:
            rows = (
                torch.searchsorted(self._starts, ends, right=True) - 1
            )  # the lines of the targets
            inputs[:, 0] = self.labels[rows]
        return inputs, self._at(ends)

    def _at(self, places: Tensor) -> Tensor:
        """The ids there, as a model reads them: in memory they are of their smallest type."""
        return self.flat[places].long()

    def sequences(self, rows: NDArray[Any], longest: int) -> tuple[Tensor, Tensor]:
        """Rows (B,) -> inputs (B, T) and targets (B, T), -1 after a line's end.

        T is the longest of these lines and their end, at most `longest`: of a longer line the first
        `longest` symbols are targets, and its end is not.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        place = torch.arange(int(counts.max()), device=self.device)  # (T,)
        inside = place < torch.from_numpy(counts).to(self.device)[:, None]  # (B, T)
        first = torch.from_numpy(self.first[rows]).to(self.device)
        targets = torch.where(inside, first[:, None] + place, 0)  # as places in flat
        inputs = self._at(torch.where(inside, targets - 1, 0))
        if self.labels is not None:
            inputs[:, 0] = self.labels[torch.from_numpy(rows).to(self.device)]
        return inputs, torch.where(inside, self._at(targets), IGNORED)

    def packed(self, rows: NDArray[Any], longest: int) -> tuple[Tensor, Tensor]:
        """Rows -> inputs (B, T) and targets (B, T), several lines in a row one after another.

        T is the longest of these lines and their end, at least ROW. The boundary that a line starts
        with tells it from the one before; what is left of a row holds boundaries, its targets -1.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        width = max(ROW, int(counts.max()))
        order, begins, size = fill(counts, width)
        rows, counts = rows[order], counts[order]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        to = torch.from_numpy(np.repeat(begins, counts) + within).to(self.device)
        places = torch.from_numpy(np.repeat(self.first[rows], counts) + within).to(self.device)
        inputs = torch.zeros(size * width, dtype=torch.long, device=self.device)
        targets = torch.full_like(inputs, IGNORED)
        inputs[to], targets[to] = self._at(places - 1), self._at(places)
        if self.labels is not None:
            lines = torch.from_numpy(rows).to(self.device)
            inputs[torch.from_numpy(begins).to(self.device)] = self.labels[lines]
        return inputs.view(size, width), targets.view(size, width)

    @property
    def n_targets(self) -> int:
        """Symbols and ends of lines."""
        return len(self.flat) - 1 - (self.margin - 1) * len(self)

    def ends(self, numbers: NDArray[Any] | None = None) -> NDArray[np.int64]:
        """The places of the targets of these numbers (N,); without any, of all, in order.

        The targets are each line's symbols and its end: n_symbols + n_lines in all.
        """
        numbers = np.arange(self.n_targets) if numbers is None else numbers
        if self.margin == 1:
            return np.asarray(numbers + 1)
        rows = np.searchsorted(self._first_targets, numbers, side="right")  # from 1
        return np.asarray(numbers + rows * (self.margin - 1) + 1)

    @cached_property
    def _first_targets(self) -> NDArray[np.int64]:
        """(n_lines,) the number of each line's first target among all of them."""
        return self.first - (self.margin - 1) * np.arange(1, len(self) + 1) - 1


def fill(counts: NDArray[Any], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Pack lines of so many symbols in rows of `width`: the longest that fits, again and again.

    Gives the lines in order, where each begins in the rows laid end to end, and how many rows.
    """
    waiting: list[list[int]] = [[] for _ in range(width + 1)]
    for line, count in enumerate(counts.tolist()):
        waiting[count].append(line)
    order: list[int] = []
    begins: list[int] = []
    row = 0
    while len(order) < len(counts):
        free = size = width
        while size:
            if waiting[size]:
                order.append(waiting[size].pop())
                begins.append(row * width + width - free)
                free -= size
                size = min(size, free)
            else:
                size -= 1
        row += 1
    return np.array(order), np.array(begins), row


class Batches:
    """Training batches: batch number `step` is a function of (seed, step) alone.

    An epoch is one permutation of all lines (or windows), cut into batches of like size. A batch is
    a list of (inputs, targets): one for windows; for sequences up to 4 groups of lines of like
    length, which hold far less padding than one group would (13 % against 45 % of 512 names).
    A model that packs gets its lines one after another in rows (5 %), long lines apart.
    A packed batch of which `shares` parts are computed at the same time has so many groups.
    """

    def __init__(
        self, lines: Lines, batch_size: int, seed: int, packs: bool = False, shares: int = 1
    ) -> None:
        self.lines, self.seed, self._epoch = lines, seed, -1
        self.packs, self.shares = packs, shares
        self.items = lines.n_targets if lines.reads == "window" else len(lines)
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
        if self.lines.reads == "window":
            ends = torch.from_numpy(self.lines.ends(part))
            return [self.lines.windows(ends.to(self.lines.device))]
        longest = self.lines.block_size
        if self.packs:
            groups = [rows for like in self._like(part) for rows in self._shared(like)]
            return [self.lines.packed(rows, longest) for rows in groups]
        return [self.lines.sequences(rows, longest) for rows in self._groups(part)]

    def _groups(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows sorted by length and cut where each group holds as many symbols as the others."""
        rows = rows[np.argsort(self.lines.lengths[rows], kind="stable")]
        symbols = np.cumsum(np.minimum(self.lines.lengths[rows] + 1, self.lines.block_size))
        groups = min(MOST_GROUPS, max(1, int(symbols[-1]) // FEWEST_SYMBOLS))
        cuts = np.searchsorted(symbols, symbols[-1] * np.arange(1, groups) / groups) + 1
        return [group for group in np.split(rows, cuts) if len(group)]

    def _like(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows sorted by length and cut at ROW, 2 * ROW, 4 * ROW symbols ...

        Attention costs what a row is wide, so that short lines are not to be packed in long rows.
        """
        counts = np.minimum(self.lines.lengths[rows] + 1, self.lines.block_size)
        order = np.argsort(counts, kind="stable")
        groups, start, width = [], 0, ROW
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
