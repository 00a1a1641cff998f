"""Results: the finished draws of one round, grouped by text, and the samples chosen from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.text import Corpus, Split, Vocabulary
from makemore.text.folding import fold_lines
from makemore.text.line_hashes import PriorLines, is_in_sorted
from makemore.text.tokenizer import CHARACTER

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Near = Callable[[list[str]], NDArray[np.bool_]]  # texts (n,) -> whether each is near a known line


@dataclass
class Completions:
    """Holds the n distinct lines that end at one position, and the draws that gave each of them.

    Draws 2, 5 and 7 gave `ann`, `eve`, `ann`: n = 2, rows 2 5 7, which 0 1 0.
    """

    ids: Ints  # (n, position) symbols, without the boundary
    nll: Floats  # (n,) in nats, the end included
    label: Ints  # (n,) first inputs: a label's id, or the boundary
    nodes: Ints  # (n,) of the tree of used lines; NONE outside of it
    log_weight: Floats  # (n,) log(p / q); 0 where draws are not guided
    rows: Ints  # (draws,) indices of the draws in their batch, sorted
    which: Ints | None  # (draws,) the line of each; None where each draw is a line of its own
    capped: bool = False  # whether the lines were cut at the greatest length
    # (draws,) the draw of the batch that each began as, before resampling; None: each as itself
    ancestors: Ints | None = None

    def for_draws(self, first: int, after: int) -> Completions:
        """Select the draws `first` to `after` - 1, and the lines that they gave."""
        # rows is sorted, so the selected draws stand together.
        start, stop = np.searchsorted(self.rows, [first, after])
        if self.which is None:
            lines: Any = slice(start, stop)
            which = None
        else:
            lines = np.zeros(len(self.nll), dtype=bool)
            lines[self.which[start:stop]] = True  # (n,) mask of the lines that are kept
            # The new index of a kept line is the number of kept lines before it.
            which = (np.cumsum(lines) - 1)[self.which[start:stop]]
        return Completions(
            self.ids[lines], self.nll[lines], self.label[lines], self.nodes[lines],
            self.log_weight[lines], self.rows[start:stop], which, self.capped,
            None if self.ancestors is None else self.ancestors[start:stop],
        )  # fmt: skip


class RoundCompletions:
    """Joins the finished draws of a round, of all lengths: n lines.

    A table decoder makes every draw a line of its own, so a text may stand here several times;
    `first_of_each_text` chooses one of each.

    rows, which, ancestors: (all draws,) as in Completions, with indices of all lines
    draws: (n,) number of draws of each line; first: (n,) the lowest index of its draws
    ids, offsets: line i is ids[offsets[i] : offsets[i + 1]]; texts, hashes: (n,) of the lines
    """

    def __init__(self, finished: list[Completions], vocabulary: Vocabulary) -> None:
        counts = [len(part.nll) for part in finished]
        starts = np.cumsum([0, *counts])  # where each part's lines begin

        def joined(name: str, dtype: Any) -> NDArray[Any]:
            """Join one column of all parts; empty, of this type, if there are none."""
            parts = [np.asarray(getattr(part, name)) for part in finished]
            return np.concatenate([*parts, np.zeros(0, dtype=dtype)]).astype(dtype)

        self.nll = joined("nll", np.float64)
        self.log_weight = joined("log_weight", np.float64)
        self.label, self.nodes = joined("label", np.int64), joined("nodes", np.int64)
        self.rows = joined("rows", np.int64)
        began = [part.rows if part.ancestors is None else part.ancestors for part in finished]
        self.ancestors = np.concatenate([*began, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        shifted = [  # indices of lines within a part -> within all of them
            start + (np.arange(len(part.rows)) if part.which is None else part.which)
            for part, start in zip(finished, starts, strict=False)
        ]
        self.which = np.concatenate([*shifted, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self.capped = np.repeat([part.capped for part in finished], counts).astype(bool)
        self.draws = np.bincount(self.which, minlength=len(self.nll))
        self.first = np.full(len(self.nll), np.iinfo(np.int64).max)
        np.minimum.at(self.first, self.which, self.rows)  # a line may be in `which` several times
        lengths = np.repeat([part.ids.shape[1] for part in finished], counts).astype(np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Lines of one length are a matrix; of several lengths, one flat array with offsets.
        parts = [part.ids.ravel() for part in finished]
        self.ids = np.concatenate([*parts, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self.texts = vocabulary.decode_lines(self.ids, self.offsets)
        self.hashes = self.texts.hashes()

    def __len__(self) -> int:
        """Count the lines, n."""
        return len(self.nll)

    def first_of_each_text(self) -> tuple[NDArray[np.uint64], Ints]:
        """Find the distinct texts: sorted hashes (m,), and the line (m,) that was drawn first.

        A text may be several lines: the symbols `Cl` and `C`, `l`, or one name with two labels.
        """
        # Not a stable sort, which takes twice as long: which of equal texts was drawn first is
        # found below, as the least of their first draws.
        order = np.argsort(self.hashes)
        hashes = self.hashes[order]
        # Equal hashes stand together; a group starts where a hash differs from the one before.
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
        if not len(starts):
            return hashes, order
        line_of = np.empty(int(self.first.max()) + 1, dtype=np.int64)  # first draw -> line
        line_of[self.first] = np.arange(len(self))
        return hashes[starts], line_of[np.minimum.reduceat(self.first[order], starts)]

    def canonical(self, vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """Check whether each text (n,) would be cut into the symbols that were drawn.

        If `Cl` is a symbol, the symbols `C`, `l` give a text that is read as one symbol: False.
        """
        if vocabulary.rule == CHARACTER:  # one symbol a character: there is only one way to cut
            return np.ones(len(self), dtype=bool)
        read = vocabulary.encode(self.texts)
        ours = Corpus(self.ids, self.offsets)
        return ours.equal_lines(Corpus(read.ids, read.offsets))


# Where a line stands already, in the order of KnownLines; `given`: returned by an earlier call.
ORIGINS = ("new", "train", "val", "test", "avoid", "given", "prior")


class Sample(NamedTuple):
    """Holds a drawn line: its origin (one of ORIGINS), its nll in nats, whether it was cut.

    nll: of all symbols and the end; emma under a bigram has about 12.6 nats
    exact: drawn from the model's own distribution over the lines that the constraints allow
    """

    text: str
    origin: str
    nll: float
    capped: bool = False
    exact: bool = True
    label: str | None = None

    def record(self) -> dict[str, Any]:
        """Collect what JSON says of the line: all but a label that it does not have."""
        return {key: value for key, value in self._asdict().items() if value is not None}


@dataclass(frozen=True)
class SampleBatch:
    """Holds the n samples of a round as columns (n,); iterate for Samples.

    origins: indices into ORIGINS; labels: indices into label_names; nll: in nats
    """

    texts: Corpus
    origins: Ints
    nll: Floats
    capped: NDArray[np.bool_]
    exact: bool
    labels: Ints
    label_names: tuple[str | None, ...]

    def __len__(self) -> int:
        """Count the samples, n."""
        return len(self.texts)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples one by one."""
        # tolist: Python's own numbers, converted all at once.
        columns = zip(
            self.texts, map(ORIGINS.__getitem__, self.origins.tolist()), self.nll.tolist(),
            self.capped.tolist(), repeat(self.exact),
            map(self.label_names.__getitem__, self.labels.tolist()),
        )  # fmt: skip
        return map(partial(tuple.__new__, Sample), columns)  # Sample(*each), but quicker


class KnownLines:
    """Remembers which lines are known and their origin, by a 64-bit hash of the text (8 bytes).

    Two different texts have the same hash with a probability of 2^-64, which is neglected.
    """

    def __init__(
        self,
        split: Split,
        avoid: Corpus | None = None,
        given: Corpus | None = None,
        prior: PriorLines | None = None,
        avoid_like: Corpus | None = None,
    ) -> None:
        """Collect lines; prior: those of the prior that the training started from.

        avoid_like: lines that are avoided whatever their case and accents
        """
        parts = (split.train, split.val, split.test, avoid, given)  # in the order of ORIGINS
        self.parts = {  # index into ORIGINS -> hashes
            origin: part.hash_set()
            for origin, part in enumerate(parts, 1)
            if part is not None and len(part)
        }
        self.prior = prior
        # Sorted hashes of lines without case and accents; None where none are avoided like that.
        self.folded = np.sort(fold_lines(avoid_like).hashes()) if avoid_like is not None else None
        self.issues = given is not None  # whether lines are recorded, so that none comes again

    def is_avoided_like(self, lines: Corpus) -> NDArray[np.bool_]:
        """Tell of lines (n,) which are avoided but for their case and accents."""
        if self.folded is None:
            return np.zeros(len(lines), dtype=bool)
        return is_in_sorted(fold_lines(lines).hashes(), self.folded)

    def acceptable(
        self, lines: RoundCompletions, rows: Ints, vocabulary: Vocabulary, near: Near | None
    ) -> tuple[Ints, Ints]:
        """Choose among unknown lines those to return, and those that are too near to known ones.

        rows: their indices in `lines`; what cleaning would change, or is avoided, is in neither
        """
        rows = rows[lines.canonical(vocabulary)[rows]]
        if self.folded is not None:
            rows = rows[~self.is_avoided_like(lines.texts.take(rows))]
        if near is None or not len(rows):
            return rows, rows[:0]
        is_near = near(list(lines.texts.take(rows)))  # last, as edit distances take the longest
        return rows[~is_near], rows[is_near]

    def origins_of(self, lines: Corpus) -> NDArray[Any]:
        """Look up lines (n,) -> indices (n,) into ORIGINS, the lowest of several; 0 is new."""
        found, avoided = self.origins(lines.hashes()), ORIGINS.index("avoid")
        found[self.is_avoided_like(lines) & ((found == 0) | (found > avoided))] = avoided
        return found

    def origins(self, hashes: NDArray[np.uint64]) -> NDArray[Any]:
        """Look up hashes (n,) -> indices (n,) into ORIGINS; `avoid_like` needs the lines."""
        found = np.zeros(len(hashes), dtype=np.int64)
        if self.prior is not None:
            found[self.prior.is_known(hashes)] = ORIGINS.index("prior")
        for origin, known in reversed(self.parts.items()):  # the lowest is written last
            found[known.holds(hashes)] = origin
        return found
