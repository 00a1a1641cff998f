"""Gram levels: the contexts and n-grams of every length, from one pass over sorted grams.

The digits of a gram are its context, last symbol first, and its target (gram_codes.py). So in
sorted order all grams of a context stand together, whatever its length, and one pass meets the
contexts of each length in order. Level L is that of contexts of L symbols:

    grams (context read backwards, target)   am.e  am.n  m..a      boundary "."
    level 1: contexts a, m                    level 2: am, m.       level 3: am.

A context that has reached the boundary grows no more: nothing is before a line. Blocks of grams
come one after the other; of each level only the n-grams of its last context, which the next block
may go on with, are kept back: at most V of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.gram_codes import GramCodes
from makemore.models.core.sorted_runs import Run, combined, distinct

Ints = NDArray[np.int64]

NO_ENTRIES = Run(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
READ_ROWS = 2**18  # numbers of a column that are read back at once


class Column:
    """Appends blocks of integers to a list, or to a file, and gives them back in order."""

    def __init__(self, path: Path | None) -> None:
        self.length, self.largest, self.path = 0, 0, path
        self.blocks = list[NDArray[Any]]()
        if path is not None:
            path.write_bytes(b"")

    def append(self, block: Ints) -> None:
        """Append a block (n,) of numbers that are not negative. Raises OSError."""
        self.length += len(block)
        self.largest = max(self.largest, int(block.max(initial=0)))
        if self.path is not None:
            with open(self.path, "ab") as file:
                file.write(block.data)
        elif len(block):  # in the smallest type that holds it: most counts are small
            self.blocks.append(block.astype(np.min_scalar_type(int(block.max()))))

    def read(self) -> Iterator[Ints]:
        """Yield the blocks (n,), once: those in memory are forgotten as they are read."""
        if self.path is None:
            self.blocks.reverse()
            while self.blocks:
                yield self.blocks.pop().astype(np.int64)
            return
        with open(self.path, "rb") as file:
            while chunk := file.read(8 * READ_ROWS):
                yield np.frombuffer(chunk, dtype=np.int64)


class Joined:
    """Gives columns one after another as one, the numbers of each moved up.

    columns: each with what is added to its numbers
    """

    def __init__(self, columns: Sequence[tuple[Column, int]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        """Count the numbers."""
        return sum(column.length for column, _ in self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Choose the smallest unsigned type that holds all numbers."""
        moved = [column.largest + by for column, by in self.columns if column.length]
        return np.min_scalar_type(max(moved, default=0))

    def blocks(self) -> Iterator[Ints]:
        """Yield the numbers in blocks (n,), once."""
        for column, by in self.columns:
            yield from (block + by for block in column.read())

    def array(self) -> Ints:
        """Return the numbers as one array (len,), once."""
        joined, at = np.empty(len(self), dtype=np.int64), 0
        for block in self.blocks():
            joined[at : at + len(block)] = block
            at += len(block)
        return joined


class Level:
    """Holds what was found of one length of context.

    contexts: codes (index of the suffix within its level) * V + the first symbol, sorted
    ngrams: codes (index of the context within the level) * V + the target, sorted; counts: of each
    n_contexts: contexts so far; suffixes: of the last of them, the index of each one's suffix
    open: the n-grams of the last context
    """

    def __init__(self, folder: Path | None, number: int) -> None:
        self.contexts, self.ngrams, self.counts = (
            Column(None if folder is None else folder / f"{name}-{number}")
            for name in ("contexts", "ngrams", "counts")
        )
        self.n_contexts, self.open = 0, NO_ENTRIES
        self.suffixes = np.zeros(0, dtype=np.int64)


class Rows(NamedTuple):
    """Describes the grams of a block (n,): their digits, and how far each has a context.

    digits: (order,) arrays (n,); counts: (n,)
    change: (n,) the first digit, from 0, that differs from those of the gram before
    lengths: (n,) symbols of the longest context, the boundary included
    """

    digits: list[Ints]
    counts: Ints
    change: NDArray[np.int8]
    lengths: NDArray[np.int8]


class GramLevels:
    """Turns a stream of sorted grams into the arrays of a model, level by level.

    continued: for Kneser-Ney, which counts an n-gram of a shorter context by the distinct symbols
        that stand before it; otherwise n-grams are kept only where nothing longer was counted
    folder: for columns that memory need not hold; None: they are arrays
    """

    def __init__(self, codes: GramCodes, continued: bool, folder: Path | None = None) -> None:
        self.codes, self.V, self.order, self.continued = codes, codes.V, codes.order, continued
        self.levels = [Level(folder, number) for number in range(codes.order)]
        self.levels[0].n_contexts = 1  # the empty context
        self.last: list[int] | None = None  # the digits of the last gram so far

    def add(self, block: Run) -> None:
        """Take the next block of distinct grams, sorted, and the count of each."""
        if not len(block.codes):
            return
        rows = self._rows(block)
        self._settle(self._add_contexts(rows), int(rows.lengths[-1]))

    def finish(self) -> None:
        """Add the n-grams that were kept back: no block follows."""
        self._settle([NO_ENTRIES] * self.order, -1)

    def _rows(self, block: Run) -> Rows:
        digits, n, order = self.codes.decode(block.codes), len(block.codes), self.order
        change = np.full(n, order - 1, dtype=np.int8)
        lengths = np.full(n, order - 1, dtype=np.int8)
        # From the last digit of the context to the first, so that the first one that differs, and
        # the first boundary, are what is left.
        for position in range(order - 2, -1, -1):
            digit = digits[position]
            change[1:][digit[1:] != digit[:-1]] = position
            if self.last is None or digit[0] != self.last[position]:
                change[0] = position
            lengths[digit == 0] = position + 1
        self.last = [int(digit[-1]) for digit in digits]
        return Rows(digits, block.values, change, lengths)

    def _add_contexts(self, rows: Rows) -> list[Run]:
        """Add the new contexts of each level -> by level, the n-grams of those that are whole.

        A context is whole if nothing longer was counted: it has order - 1 symbols or starts a line.
        """
        index = np.zeros(len(rows.change), dtype=np.int64)  # of each gram's context in its level
        whole = list[Run]()
        for length, level in enumerate(self.levels):
            if length:
                # Equal symbols so far and another one now: a context that was not seen before.
                is_new = (rows.change < length) & (rows.lengths >= length)
                new = np.flatnonzero(is_new)
                level.contexts.append(index[new] * self.V + rows.digits[length - 1][new])
                level.suffixes = np.append(level.suffixes[-1:], index[new])
                index = np.cumsum(is_new)
                index += level.n_contexts - 1
                level.n_contexts += len(new)
            at = np.flatnonzero(rows.lengths == length)
            codes = index[at] * self.V + rows.digits[-1][at]
            whole.append(Run(codes, rows.counts[at]))
        return whole

    def _settle(self, whole: list[Run], longest: int) -> None:
        """Add the n-grams of each level, but those of its last context where that may go on.

        whole: by level, the n-grams of this block's whole contexts
        longest: symbols of the last gram's context; longer contexts do not go on
        """
        shorter = NO_ENTRIES  # n-grams of this level that follow from those of the longer one
        for length in range(self.order - 1, -1, -1):
            level, found = self.levels[length], whole[length]
            entries = _with_whole(_with_open(level.open, shorter), found)
            last = len(entries.codes)
            if length <= longest:
                last = int(np.searchsorted(entries.codes, (level.n_contexts - 1) * self.V))
            codes, counts = entries.codes[:last], entries.values[:last]
            level.open = Run(entries.codes[last:], entries.values[last:])
            level.ngrams.append(codes)
            level.counts.append(counts)
            shorter = self._suffixes(level, codes) if self.continued else NO_ENTRIES

    def _suffixes(self, level: Level, codes: Ints) -> Run:
        """Count by how many n-grams of a level each of the level below is continued -> a run.

        Each n-gram with a context is another n-gram, its suffix, with one symbol before. So it adds
        1 to the suffix, however often it was seen itself (Kneser and Ney 1995).
        """
        if level is self.levels[0]:
            return NO_ENTRIES
        context = codes // self.V
        target = codes - context * self.V
        suffix = level.suffixes[context - (level.n_contexts - len(level.suffixes))]
        return distinct(suffix * self.V + target)

    def columns(self) -> dict[str, Joined]:
        """Return the model's tensors: contexts, ngrams and counts, of all levels together.

        A context's node is its index, behind those of all shorter ones: so nodes that levels
        counted from 0 move by the number of nodes before them.
        """
        nodes = np.cumsum([0, *(level.n_contexts for level in self.levels)])  # where each begins
        parts: dict[str, list[tuple[Column, int]]] = {"contexts": [], "ngrams": [], "counts": []}
        for length, level in enumerate(self.levels):
            parts["ngrams"].append((level.ngrams, int(nodes[length]) * self.V))
            parts["counts"].append((level.counts, 0))
            if length:  # its code holds the node of its suffix
                parts["contexts"].append((level.contexts, int(nodes[length - 1]) * self.V))
        return {name: Joined(columns) for name, columns in parts.items()}


def _with_open(opened: Run, entries: Run) -> Run:
    """Add the n-grams of the last context so far to those that follow."""
    if not len(opened.codes):
        return entries
    # Only its own n-grams may stand in both, and they come first.
    end = int(np.searchsorted(entries.codes, opened.codes[-1], side="right"))
    head = combined(
        np.concatenate([opened.codes, entries.codes[:end]]),
        np.concatenate([opened.values, entries.values[:end]]),
    )
    return Run(
        np.concatenate([head.codes, entries.codes[end:]]),
        np.concatenate([head.values, entries.values[end:]]),
    )


def _with_whole(entries: Run, whole: Run) -> Run:
    """Merge the n-grams of whole contexts into those of others: no code stands in both."""
    at = np.searchsorted(entries.codes, whole.codes)
    return Run(
        np.insert(entries.codes, at, whole.codes), np.insert(entries.values, at, whole.values)
    )
