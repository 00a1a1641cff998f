"""Batches: the windows (N, block_size) or sequences (B, T) of one training step.

All lines of a part lie in one flat tensor on the device, with boundaries between them. A batch is
gathered from it by index: no data loader, and only a few numbers of each line are copied there.

    windows, block_size 3:   . . . e m m a . . . o l ...    [. . .] -> e   [. . e] -> m   ...
    sequences:               . e m m a . o l i v i a .      [. e m m a] -> [e m m a .]
    packed, for attention:   [. e m m a . o l i v i a] -> [e m m a . o l i v i a .]

With labels, the label's id replaces the boundary that starts a sequence, and is the first column of
every window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.on_device import to_device
from makemore.scoring.line_tensors import MAX_ROW_SYMBOLS, Examples, LineTensors

MOST_GROUPS = 4  # groups of lines of like length in a batch of sequences
FEWEST_SYMBOLS = 800  # in a group: smaller ones cost more in calls than they save in padding
FEWEST_SHARED = 200  # symbols in a group that one thread computes beside the others
# Padding to few shapes: a captured step is captured once for each shape (cuda_graphs.py).
ROW_MULTIPLE = 16  # of rows, at least
ROWS_SPARED = 8  # padding adds at most an eighth of the rows
WIDTH_MULTIPLE = 4  # of the positions of a sequence


class BatchSource(Protocol):
    """Gives the training batch of each step: of lines in memory (Batches), or on the disk."""

    @property
    def per_epoch(self) -> int:
        """Count the batches of an epoch, in which each line (or window) comes once."""

    def __call__(self, step: int) -> list[Examples]:
        """Gather the batch of a step, counted from 0: (inputs, targets) of each of its groups."""


class Part(list[Examples]):
    """Holds the groups of a batch that one of several processes computes.

    numbers: of each group, counted in the whole batch; symbols: targets of the whole batch
    rank: the number of the process
    """

    def __init__(
        self, groups: Sequence[Examples], numbers: Sequence[int], symbols: int, rank: int
    ) -> None:
        super().__init__(groups)
        self.numbers, self.symbols, self.rank = numbers, symbols, rank


class Batches:
    """Gives the training batch of each step: a function of (seed, step) and of nothing else.

    An epoch is a random permutation of all lines (or windows), cut into batches of like size.
    A batch is a list of (inputs, targets), one for each of its groups:

    windows: one group; inputs (N, block_size), targets (N,)
    sequences: up to 4 groups of lines of like length, inputs and targets (B, T); they hold far less
        padding than one group would (13 % against 45 % of 512 names)
    packed sequences: several lines in each row (5 % padding), long lines in groups of their own

    packs: whether the model reads packed rows
    shares: threads that compute groups of a packed batch at the same time, in all processes
    padded: whether batches have one of a few shapes, as a captured step wants: sequences are one
        group, packed ones one for each width, and some rows and positions more are padding. Not
        for BatchNorm, as padding would count in its statistics. Windows have two shapes anyway.
    per_epoch: None for as many as the batch size gives
    stream: which of the random streams of (seed, epoch) shuffles; those of two numbers differ
    rank, ranks: of several processes that compute a batch together, which one this is, and how
        many there are; each gets a Part, whose groups it alone computes
    """

    def __init__(
        self,
        lines: LineTensors,
        batch_size: int,
        seed: int,
        packs: bool = False,
        shares: int = 1,
        padded: bool = False,
        per_epoch: int | None = None,
        stream: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.lines, self.seed, self.stream, self._epoch = lines, seed, stream, -1
        self.packs, self.shares, self.padded = packs, shares, padded
        self.rank, self.ranks = rank, ranks
        # What is shuffled: a window model learns from each window alone, the others from lines.
        self.items = lines.n_targets if lines.input_kind == "window" else len(lines)
        self.per_epoch = per_epoch or batches_of_epoch(self.items, batch_size)

    def __call__(self, step: int) -> list[Examples]:
        """Gather the batch of a step, counted from 0: (inputs, targets) of each of its groups."""
        rows = self._rows_of(step)
        groups = self._groups_of(rows)
        if self.ranks == 1:
            return [self._gather(group) for group in groups]
        # As many neighbouring groups as a process has threads, and then as many for the next one.
        threads = max(1, self.shares // self.ranks)
        own = [n for n in range(len(groups)) if n // threads % self.ranks == self.rank]
        windows = self.lines.input_kind == "window"
        symbols = len(rows) if windows else int(self._counts(rows).sum())
        return Part([self._gather(groups[n]) for n in own], own, symbols, self.rank)

    def _groups_of(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Cut the lines (or windows) of a batch into its groups: the same ones in each process."""
        if self.lines.input_kind == "window":
            groups = np.array_split(rows, self.ranks)
        elif self.packs:
            buckets = self._bucket_by_length(rows)
            groups = [part for bucket in buckets for part in self._deal(bucket, self.shares)]
        else:
            groups = self._groups(rows)
            # More processes than groups: the groups are dealt out further.
            parts = -(-self.shares // len(groups)) if self.ranks > 1 else 1
            groups = [part for group in groups for part in self._deal(group, parts)]
        return [group for group in groups if len(group)]

    def _gather(self, rows: NDArray[Any]) -> Examples:
        """Gather the examples of a group."""
        if self.lines.input_kind == "window":
            ends = to_device(self.lines.ends(rows), self.lines.device)  # (N,) where targets are
            return self.lines.windows(ends)
        return self._packed(rows) if self.packs else self._sequences(rows)

    def _packed(self, rows: NDArray[Any]) -> Examples:
        """Gather a group of packed rows."""
        block_size = self.lines.block_size
        if not self.padded:
            return self.lines.packed(rows, block_size)
        counts, width = self._counts(rows), MAX_ROW_SYMBOLS
        # As wide as the bucket, however long its longest line is this time.
        while width < counts.max():
            width *= 2
        width = min(width, max(MAX_ROW_SYMBOLS, block_size))
        multiple = row_multiple(-(-int(counts.sum()) // width))
        return self.lines.packed(rows, block_size, width, multiple)

    def _sequences(self, rows: NDArray[Any]) -> Examples:
        """Gather a group of sequences."""
        block_size = self.lines.block_size
        if not self.padded:
            return self.lines.sequences(rows, block_size)
        # Batches differ by one line at most: all have the rows of the larger ones.
        most = _up_to_multiple(-(-self.items // self.per_epoch), ROW_MULTIPLE)
        longest = _up_to_multiple(int(self._counts(rows).max()), WIDTH_MULTIPLE)
        return self.lines.sequences(rows, block_size, (most, min(longest, block_size)))

    def _counts(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Count the targets of each of these lines (n,): its symbols and its end."""
        return np.asarray(np.minimum(self.lines.lengths[rows] + 1, self.lines.block_size))

    def _rows_of(self, step: int) -> NDArray[Any]:
        """Indices of the lines (or windows) in the batch of a step, in their shuffled order."""
        epoch, batch = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            # A generator keyed by (seed, epoch) gives any epoch's order without those before it:
            # a training that is resumed sees the batches that it would have seen.
            self._order = shuffled(self.items, self.seed, epoch, self.stream)
            self._epoch = epoch
        # The cuts of np.array_split: the first `remainder` batches have one item more.
        size, remainder = divmod(self.items, self.per_epoch)
        start = batch * size + min(batch, remainder)
        return self._order[start : start + size + (batch < remainder)]

    def _groups(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Sort rows by length, and cut them into groups that hold about as many symbols each.

        Each group is padded to its longest line only. With equal symbols, not equal lines, the
        groups cost about the same: many short lines in one, few long ones in another.
        """
        if self.padded:
            return [rows]
        rows = rows[np.argsort(self.lines.lengths[rows], kind="stable")]
        symbols = np.cumsum(self._counts(rows))
        groups = min(MOST_GROUPS, max(1, int(symbols[-1]) // FEWEST_SYMBOLS))
        # The running sum passes 1/groups, 2/groups ... of the total at the cuts.
        cuts = np.searchsorted(symbols, symbols[-1] * np.arange(1, groups) / groups) + 1
        # Two cuts can fall on one long line: the group between them is empty.
        return [group for group in np.split(rows, cuts) if len(group)]

    def _bucket_by_length(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Sort rows by length, and cut them at MAX_ROW_SYMBOLS, and 2, 4, 8 ... times as many.

        Attention compares each position of a row with all of it: a short line that is packed in a
        row as wide as the longest line would cost as much as that one.
        """
        counts = self._counts(rows)
        order = np.argsort(counts, kind="stable")
        groups, start, width = [], 0, MAX_ROW_SYMBOLS
        while start < len(rows):
            end = int(np.searchsorted(counts[order], width, side="right"))
            # A bucket with few symbols is not worth its calls: it joins the next, wider one.
            if end == len(rows) or counts[order[start:end]].sum() >= FEWEST_SYMBOLS:
                groups.append(rows[order[start:end]])
                start = end
            width *= 2
        return groups

    def _deal(self, rows: NDArray[Any], parts: int) -> list[NDArray[Any]]:
        """Deal rows out to so many groups, or to fewer where a group would be too small."""
        symbols = int(self.lines.lengths[rows].sum()) + len(rows)
        count = max(1, min(parts, symbols // FEWEST_SHARED, len(rows)))
        # Every count-th row, not a slice: rows are sorted by length, and the groups come out alike.
        return [rows[start::count] for start in range(count)]


def batches_of_epoch(items: int, batch_size: int) -> int:
    """Choose the number of batches of an epoch of so many lines (or windows)."""
    # Never a batch of 1 unless it was asked for: BatchNorm has no variance there.
    most = items if batch_size == 1 else items // 2
    # The remainder is spread over all batches: no small last one, with its noisy gradient.
    return max(1, min(most, round(items / batch_size)))


def shuffled(items: int, seed: int, epoch: int, stream: int = 0) -> NDArray[Any]:
    """Shuffle the numbers 0 to items - 1 by the generator of (seed, epoch), or a stream of it."""
    key = np.array([seed, epoch], dtype=np.uint64)
    # A generator counts up from 0 in the first of these words, and never comes to the last one.
    counter = np.array([0, 0, 0, stream], dtype=np.uint64)
    # Shuffled like this, they are generator.permutation(items) in half of the memory.
    order = np.arange(items, dtype=np.int32 if items < 2**31 else np.int64)
    np.random.Generator(np.random.Philox(counter=counter, key=key)).shuffle(order)
    return order


def row_multiple(rows: int) -> int:
    """Choose the multiple to which so many rows are padded: few shapes, and little padding.

    72 -> 16, 2,427 -> 256. It is an eighth of the rows at most, or ROW_MULTIPLE.
    """
    return max(ROW_MULTIPLE, 2 ** (rows.bit_length() - 1) // ROWS_SPARED)


def _up_to_multiple(number: int, multiple: int) -> int:
    return number + -number % multiple
