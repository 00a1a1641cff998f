"""Prefix scorer: sorts lines, so that each prefix that several lines share is computed once.

In sorted order, lines with a common prefix are neighbours. A model steps through all lines
position by position, one row for each distinct prefix:

    anna       position 0: {}        1 row for 3 lines
    anni       position 1: a, b      2 rows
    bo         position 2: an, bo    2 rows ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core.base import log_softmax
from makemore.models.core.state import State, select
from makemore.text.vocabulary import BOUNDARY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SortedPrefixes:
    """Holds lines sorted by their first input (boundary or label), then by their symbols.

    order: (n,) the row of each sorted line among the lines as they were given
    lengths: (n,) symbols of each sorted line; start: (n,) its first input
    symbols: (n, longest) ids, boundaries after the last one
    shared: (n,) inputs, the first one included, that it shares with the sorted line before it
    """

    order: Ints
    lengths: Ints
    start: Ints
    symbols: Ints
    shared: Ints

    @classmethod
    def of(cls, ids: Ints, offsets: Ints, starts: Ints | None = None) -> SortedPrefixes:
        """Sort lines: ids (n_symbols,), offsets (n + 1,); starts: (n,) labels' ids, or None."""
        lengths = np.diff(offsets)
        padded = np.full((len(lengths), 1 + int(lengths.max(initial=0))), BOUNDARY, dtype=np.int64)
        padded[:, 0] = BOUNDARY if starts is None else starts
        rows = np.repeat(np.arange(len(lengths)), lengths)
        padded[rows, 1 + np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)] = ids
        # As bytes, most significant first, rows of numbers compare like strings: one sort of n keys
        # in place of one over all columns.
        words = np.ascontiguousarray(padded.astype(">u4")).view(f"S{4 * padded.shape[1]}")
        order = np.argsort(words.ravel(), kind="stable")
        padded = padded[order]
        differs = padded[1:] != padded[:-1]
        # argmax gives the first difference; equal lines have none and share the whole row.
        shared = np.where(differs.any(axis=1), differs.argmax(axis=1), padded.shape[1])
        return cls(
            order,
            lengths[order],
            padded[:, 0],
            padded[:, 1:],
            np.insert(shared, 0, 0)[: len(order)],
        )

    @property
    def prefixes(self) -> int:
        """Count the distinct prefixes of all lines, one for each first input included."""
        # A line of n symbols has n + 1 prefixes, those that it shares were counted before.
        return int(np.maximum(self.lengths + 1 - self.shared, 0).sum())

    def surprisals(self, model: Model, most: int) -> Iterator[tuple[Ints, int, Floats]]:
        """Yield rows of lines (k,), a position, and -log p (k,), nats, of their symbols there.

        most: symbols, ends included, of the lines that are computed together. The position after a
        line's last symbol is that of its end.
        """
        ends = np.cumsum(self.lengths + 1)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
            for rows, place, nats in self._of(model, first, last):
                yield self.order[first + rows], place, nats
            first = last

    def _of(self, model: Model, first: int, last: int) -> Iterator[tuple[Ints, int, Floats]]:
        """Step through the sorted lines first .. last together, position by position."""
        lengths, symbols = self.lengths[first:last], self.symbols[first:last]
        shared = self.shared[first:last].copy()
        shared[0] = 0  # the line before the first one is not here
        # group: the row of each line's prefix in the model's state, one row a distinct prefix.
        inputs, group = self.start[first:last], np.zeros(last - first, dtype=np.int64)
        state: State = None
        for place in range(int(lengths.max()) + 1):
            rows = np.flatnonzero(lengths >= place)  # lines that have a symbol or an end here
            # A line that shares at most `place` inputs begins a new prefix: running numbers of
            # prefixes, equal for the lines that share all inputs up to here.
            begins = np.cumsum(shared <= place)[rows]
            new = np.flatnonzero(np.diff(begins, prepend=-1))  # the first line of each prefix
            if place == 0:
                state = model.initial_state(len(new))
            else:
                state = select(state, group[rows[new]])
            logits, state = model.step(inputs[rows[new]], state)  # (distinct prefixes, V)
            group = np.full(last - first, -1)
            group[rows] = np.repeat(np.arange(len(new)), np.diff(new, append=len(rows)))
            inputs = symbols[:, place] if place < symbols.shape[1] else np.zeros_like(inputs)
            yield rows, place, -log_softmax(logits)[group[rows], inputs[rows]]
