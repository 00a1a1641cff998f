"""Results: the finished draws of one round, grouped by text; and the samples that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.text import Corpus, Split, Vocabulary
from makemore.text.tokenizer import CHARACTER

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass
class Completions:
    """The distinct lines that ended at one place, n of them, and the draws of each."""

    ids: Ints  # (n, place)
    nll: Floats
    label: Ints
    nodes: Ints
    log_weight: Floats
    rows: Ints  # (draws,) numbers of the draws, sorted
    which: Ints | None  # (draws,) the line of each; None where each draw is a line of its own
    capped: bool = False

    def for_draws(self, first: int, after: int) -> Completions:
        """What came of the draws `first` to `after` - 1 alone."""
        start, stop = np.searchsorted(self.rows, [first, after])
        if self.which is None:
            lines: Any = slice(start, stop)
            which = None
        else:
            lines = np.zeros(len(self.nll), dtype=bool)
            lines[self.which[start:stop]] = True
            which = (np.cumsum(lines) - 1)[self.which[start:stop]]
        return Completions(
            self.ids[lines], self.nll[lines], self.label[lines], self.nodes[lines],
            self.log_weight[lines], self.rows[start:stop], which, self.capped,
        )  # fmt: skip


class RoundCompletions:
    """All that ended in a round, n distinct lines; draws (n,) came to each, first (n,) is one."""

    def __init__(self, finished: list[Completions], vocabulary: Vocabulary) -> None:
        counts = [len(part.nll) for part in finished]
        starts = np.cumsum([0, *counts])

        def joined(name: str, dtype: Any) -> NDArray[Any]:
            parts = [np.asarray(getattr(part, name)) for part in finished]
            return np.concatenate([*parts, np.zeros(0, dtype=dtype)]).astype(dtype)

        self.nll = joined("nll", np.float64)
        self.log_weight = joined("log_weight", np.float64)
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

    def first_of_each_text(self) -> tuple[NDArray[np.uint64], Ints]:
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


ORIGINS = ("new", "train", "val", "test", "avoid", "given")


class Sample(NamedTuple):
    """A drawn line: where it stands already, its nll in nats (end included), whether it was cut.

    exact: drawn by the model's own distribution among the lines that the conditions allow
    """

    text: str
    origin: str
    nll: float
    capped: bool = False
    exact: bool = True
    label: str | None = None


@dataclass(frozen=True)
class SampleBatch:
    """The lines of a round as columns, n of them; iterate for Samples.

    origins: (n,) places in ORIGINS; labels: (n,) places in label_names
    """

    texts: Corpus
    origins: Ints
    nll: Floats
    capped: NDArray[np.bool_]
    exact: bool
    labels: Ints
    label_names: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Sample]:
        columns = zip(
            self.texts, map(ORIGINS.__getitem__, self.origins.tolist()), self.nll.tolist(),
            self.capped.tolist(), repeat(self.exact),
            map(self.label_names.__getitem__, self.labels.tolist()),
        )  # fmt: skip
        return map(partial(tuple.__new__, Sample), columns)  # Sample(*each), but quicker


class KnownLines:
    """Which lines are known and from where, by a 64-bit hash of their text: 8 bytes a line."""

    def __init__(
        self, split: Split, avoid: Corpus | None = None, given: Corpus | None = None
    ) -> None:
        parts = (split.train, split.val, split.test, avoid, given)  # in the order of ORIGINS
        self.parts = {
            origin: np.sort(part.hashes())
            for origin, part in enumerate(parts, 1)
            if part is not None and len(part)
        }

    def origins(self, hashes: NDArray[np.uint64]) -> NDArray[Any]:
        """(n,) hashes -> (n,) places in ORIGINS, the first of several; 0 is new."""
        found = np.zeros(len(hashes), dtype=np.int64)
        for origin, known in reversed(self.parts.items()):
            found[is_in_sorted(hashes, known)] = origin
        return found


def is_in_sorted(hashes: NDArray[np.uint64], those: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n,) whether each hash is among `those`, which are sorted."""
    if not len(those):
        return np.zeros(len(hashes), dtype=bool)
    place = np.searchsorted(those, hashes)
    return np.asarray(those[np.minimum(place, len(those) - 1)] == hashes)
