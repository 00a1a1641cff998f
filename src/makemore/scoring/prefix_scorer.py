"""Prefix scorer: lines in sorted order, so that each prefix they share is scored once."""

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
    """Lines in the order of their symbols, and of their first inputs before that.

    order: (n,) which of the given lines is at each place
    lengths: (n,) symbols of each; start: (n,) its first input
    symbols: (n, longest) ids, the boundary after the last one
    shared: (n,) inputs that it begins with as the one before does
    """

    order: Ints
    lengths: Ints
    start: Ints
    symbols: Ints
    shared: Ints

    @classmethod
    def of(cls, ids: Ints, offsets: Ints, starts: Ints | None = None) -> SortedPrefixes:
        """Lines as ids (n_symbols,) and offsets (n + 1,); starts (n,) their labels' ids."""
        lengths = np.diff(offsets)
        padded = np.full((len(lengths), 1 + int(lengths.max(initial=0))), BOUNDARY, dtype=np.int64)
        padded[:, 0] = BOUNDARY if starts is None else starts
        rows = np.repeat(np.arange(len(lengths)), lengths)
        padded[rows, 1 + np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)] = ids
        # As bytes, most significant first, a row of numbers compares as one string does.
        words = np.ascontiguousarray(padded.astype(">u4")).view(f"S{4 * padded.shape[1]}")
        order = np.argsort(words.ravel(), kind="stable")
        padded = padded[order]
        differs = padded[1:] != padded[:-1]
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
        """Distinct prefixes of all lines, the empty one (of each first input) included."""
        return int(np.maximum(self.lengths + 1 - self.shared, 0).sum())

    def surprisals(self, model: Model, most: int) -> Iterator[tuple[Ints, int, Floats]]:
        """Lines (k,) of some length or more, that length, and -log p (k,) of what comes after it.

        most: symbols, ends included, of the lines that are looked at together
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
        lengths, symbols = self.lengths[first:last], self.symbols[first:last]
        shared = self.shared[first:last].copy()
        shared[0] = 0
        inputs, group = self.start[first:last], np.zeros(last - first, dtype=np.int64)
        state: State = None
        for place in range(int(lengths.max()) + 1):
            rows = np.flatnonzero(lengths >= place)
            begins = np.cumsum(shared <= place)[rows]  # alike where the whole prefix is
            new = np.flatnonzero(np.diff(begins, prepend=-1))
            if place == 0:
                state = model.initial_state(len(new))
            else:
                state = select(state, group[rows[new]])
            logits, state = model.step(inputs[rows[new]], state)
            group = np.full(last - first, -1)
            group[rows] = np.repeat(np.arange(len(new)), np.diff(new, append=len(rows)))
            inputs = symbols[:, place] if place < symbols.shape[1] else np.zeros_like(inputs)
            yield rows, place, -log_softmax(logits)[group[rows], inputs[rows]]
