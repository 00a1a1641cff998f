"""Ended: the lines that ended in a round of draws, and which of them were drawn first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.corpus import Corpus
from makemore.symbols import CHARACTER
from makemore.vocabulary import Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass
class Finished:
    """The distinct lines that ended at one place, n of them, and the draws of each."""

    ids: Ints  # (n, place)
    nll: Floats
    label: Ints
    nodes: Ints
    lead: Floats
    rows: Ints  # (draws,) numbers of the draws, sorted
    which: Ints | None  # (draws,) the line of each; None where each draw is a line of its own
    capped: bool = False

    def among(self, first: int, after: int) -> Finished:
        """What came of the draws `first` to `after` - 1 alone."""
        start, stop = np.searchsorted(self.rows, [first, after])
        if self.which is None:
            lines: Any = slice(start, stop)
            which = None
        else:
            lines = np.zeros(len(self.nll), dtype=bool)
            lines[self.which[start:stop]] = True
            which = (np.cumsum(lines) - 1)[self.which[start:stop]]
        return Finished(
            self.ids[lines], self.nll[lines], self.label[lines], self.nodes[lines],
            self.lead[lines], self.rows[start:stop], which, self.capped,
        )  # fmt: skip


class Ended:
    """All that ended in a round, n distinct lines; draws (n,) came to each, first (n,) is one."""

    def __init__(self, finished: list[Finished], vocabulary: Vocabulary) -> None:
        counts = [len(part.nll) for part in finished]
        starts = np.cumsum([0, *counts])

        def joined(name: str, dtype: Any) -> NDArray[Any]:
            parts = [np.asarray(getattr(part, name)) for part in finished]
            return np.concatenate([*parts, np.zeros(0, dtype=dtype)]).astype(dtype)

        self.nll, self.lead = joined("nll", np.float64), joined("lead", np.float64)
        self.label, self.nodes = joined("label", np.int64), joined("nodes", np.int64)
        self.rows = joined("rows", np.int64)
        shifted = [
            start + (np.arange(len(part.rows)) if part.which is None else part.which)
            for part, start in zip(finished, starts, strict=False)
        ]
        self.which = np.concatenate([*shifted, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self.capped = np.repeat([part.capped for part in finished], counts).astype(bool)
        self.draws = np.bincount(self.which, minlength=len(self.nll))
        self.first = np.full(len(self.nll), np.iinfo(np.int64).max)
        np.minimum.at(self.first, self.which, self.rows)
        lengths = np.repeat([part.ids.shape[1] for part in finished], counts).astype(np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        parts = [part.ids.ravel() for part in finished]
        self.ids = np.concatenate([*parts, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self.texts = vocabulary.decode_lines(self.ids, self.offsets)
        self.hashes = self.texts.hashes()

    def __len__(self) -> int:
        return len(self.nll)

    def earliest(self) -> tuple[NDArray[np.uint64], Ints]:
        """The distinct hashes, sorted, and the line of each that was drawn first."""
        # Not a stable sort, which takes twice as long: of equal ones the first draw decides.
        order = np.argsort(self.hashes)
        hashes = self.hashes[order]
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
        if not len(starts):
            return hashes, order
        line_of = np.empty(int(self.first.max()) + 1, dtype=np.int64)  # by its first draw
        line_of[self.first] = np.arange(len(self))
        return hashes[starts], line_of[np.minimum.reduceat(self.first[order], starts)]

    def canonical(self, vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """(n,) whether each text is read as the symbols that were drawn: `C` and `l` is no `Cl`."""
        if vocabulary.rule == CHARACTER:
            return np.ones(len(self), dtype=bool)
        read = vocabulary.encode(self.texts)
        ours = Corpus(self.ids, self.offsets)
        return ours.equal_lines(Corpus(read.ids, read.offsets))
