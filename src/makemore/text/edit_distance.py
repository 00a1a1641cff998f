"""Edit distance: which texts lie within a few edits of known lines, and known lines of each other.

An edit changes, adds or leaves out one character (Levenshtein 1966). Two texts are one edit apart
exactly if one of them is the other without a character, or both are equal but for one place. So
every line has a hash for each character left out and for each place that may hold anything, and
equal hashes are looked up, never every pair (deleting from both sides: Mor and Fraenkel 1982). A
hash finds, the characters decide: what is said is exact whatever the hashes are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.text.corpus import Corpus, concatenate

BASE = (
    0x9E3779B97F4A7C15  # of the polynomial that a hash is, mod 2^64; odd, so it can be divided by
)
ANYTHING = 2**32  # stands for a character that may be any: no code point is as large
LINES = 2**14  # hashed, or asked for, at once
SHARED = 2**18  # entries with a hash in common that are compared at once
CELLS = 2**23  # distances worked out at once


Hashes = NDArray[np.uint64]
Rows = NDArray[np.uint32]


@dataclass(frozen=True)
class Edits:
    """Hashes of lines, and of what is left of them where one character is edited.

    whole: (n_lines,) of each line
    without: (n_symbols,) of its line without this character
    holed: (n_symbols,) of its line with this character replaced by one that may be any
    rows: (n_symbols,) the line of each character
    """

    whole: Hashes
    without: Hashes
    holed: Hashes
    rows: Rows

    @classmethod
    def of(cls, corpus: Corpus) -> Edits:
        """All edits of all lines, in a few arrays of 8 bytes a character."""
        parts = [
            _hashed(corpus.take(slice(start, start + LINES)))
            for start in range(0, max(len(corpus), 1), LINES)
        ]
        rows = np.repeat(np.arange(len(corpus), dtype=np.uint32), corpus.lengths)
        whole, without, holed = map(np.concatenate, zip(*parts, strict=True))
        return cls(whole, without, holed, rows)


def _hashed(corpus: Corpus) -> tuple[Hashes, Hashes, Hashes]:
    """whole, without and holed of a few lines: the sum of character j times BASE to the j."""
    power = np.full(corpus.longest + 1, BASE, dtype=np.uint64)
    power[0] = 1
    power = np.cumprod(power, dtype=np.uint64)
    lengths, starts = corpus.lengths, corpus.offsets[:-1]
    places = power[np.arange(len(corpus.codes)) - np.repeat(starts, lengths)]
    terms = (corpus.codes.astype(np.uint64) + np.uint64(1)) * places
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    whole = sums[corpus.offsets[1:]] - sums[starts]
    before = sums[:-1] - np.repeat(sums[starts], lengths)
    after = np.repeat(sums[corpus.offsets[1:]], lengths) - sums[1:]
    back = np.uint64(pow(BASE, -1, 2**64))  # what stands behind moves one place to the front
    return whole, before + after * back, before + after + np.uint64(ANYTHING + 1) * places


class EditDistanceIndex:
    """Which texts are at most `distance` edits away from a line of the given corpora.

    distance: Levenshtein's, of characters, 1 or more; a line itself is at distance 0. Raises
    UsageError for less. Distance 1 looks hashes up; further ones are compared with every line of
    about the same length, which is slower, and takes the more time the longer the lists are.
    """

    def __init__(self, known: Corpus | Iterable[Corpus], distance: int) -> None:
        if distance < 1:
            raise UsageError(f"a distance of {distance} is none", None, "give 1 or more")
        self.distance = distance
        self.known = known if isinstance(known, Corpus) else concatenate(known)
        edits = Edits.of(self.known)
        rows = np.arange(len(self.known), dtype=np.uint32)
        self._whole = _sorted(edits.whole, rows)
        self._without = _sorted(edits.without, edits.rows)
        self._holed = _sorted(edits.holed, edits.rows)
        self._by_length: dict[int, list[str]] = {}
        if distance > 1:
            for text in self.known:
                self._by_length.setdefault(len(text), []).append(text)

    def near(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether each text is `distance` edits or fewer away from a known line."""
        parts = [self._near(texts[start : start + LINES]) for start in range(0, len(texts), LINES)]
        return np.concatenate([np.zeros(0, dtype=bool), *parts])

    def _near(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        found = self._within_one(texts)
        if self.distance > 1:
            lengths = np.array([len(text) for text in texts])
            for length in np.unique(lengths[~found]):
                rows = np.flatnonzero(~found & (lengths == length))
                found[rows] = self._by_comparing([texts[int(row)] for row in rows])
        return found

    def _within_one(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        edits, found = Edits.of(Corpus.exactly(texts)), np.zeros(len(texts), dtype=bool)
        rows = np.arange(len(texts), dtype=np.uint32)
        self._look_up(self._whole, edits.whole, rows, texts, found)  # the line itself
        self._look_up(self._without, edits.whole, rows, texts, found)  # it has one more
        self._look_up(self._whole, edits.without, edits.rows, texts, found)  # or one less
        self._look_up(self._holed, edits.holed, edits.rows, texts, found)  # or another one
        return found

    def _look_up(
        self, table: tuple[Hashes, Rows], hashes: Hashes, rows: Rows,
        texts: Sequence[str], found: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Mark in `found` the rows of `texts` that have a hash of the table and are near."""
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist

        known, lines = table
        place = np.searchsorted(known, hashes)
        while len(rows):
            inside = np.minimum(place, len(known) - 1)
            left = ~found[rows] & (place < len(known))
            left[left] = known[inside[left]] == hashes[left]
            rows, hashes, place = rows[left], hashes[left], place[left]
            each = cpdist([texts[int(row)] for row in rows], list(self.known.take(lines[place])),
                          scorer=Levenshtein.distance, score_cutoff=1, workers=1)  # fmt: skip
            found[rows[each <= 1]] = True
            place += 1  # another text had that hash: the next one may be the right one

    def _by_comparing(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether each of these texts, all of one length, is near.

        Lines of about the same length come first: what is near one of them need not be compared
        with the others. In a long list that is most of what a model draws.
        """
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        near, length = np.zeros(len(texts), dtype=bool), len(texts[0])
        for other in sorted(self._by_length, key=lambda other: abs(other - length)):
            if abs(other - length) > self.distance:
                break
            lines, left = self._by_length[other], np.flatnonzero(~near)
            for start in range(0, len(left), size := max(1, CELLS // len(lines))):
                rows = left[start : start + size]
                each = cdist([texts[int(row)] for row in rows], lines, scorer=Levenshtein.distance,
                             score_cutoff=self.distance, dtype=np.int32, workers=1)  # fmt: skip
                near[rows] = each.min(axis=1) <= self.distance
        return near


def _sorted(hashes: Hashes, rows: Rows) -> tuple[Hashes, Rows]:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], rows[order]


@dataclass(frozen=True)
class NearDuplicates:
    """Distinct lines that are one edit apart.

    pairs: how many pairs; lines: how many lines are in one of them
    examples: pairs of the longest lines: there, one edit is rarely another word
    """

    pairs: int
    lines: int
    examples: tuple[tuple[str, str], ...]


def near_duplicates(corpus: Corpus, most: int = 10) -> NearDuplicates:
    """All pairs of lines of a corpus without copies that are one edit apart; `most` are shown.

    Counted without being listed, as there may be as many as the square of the lines.
    """
    pairs, paired = 0, np.zeros(len(corpus), dtype=bool)
    examples: list[tuple[int, tuple[int, int]]] = []
    lengths = corpus.lengths
    for rows in _one_edit_apart(corpus):
        pairs += len(rows) * (len(rows) - 1) // 2
        paired[rows] = True
        example = int(lengths[rows[0]]), (-rows[0], -rows[1])
        if len(examples) < most:
            heapq.heappush(examples, example)
        elif example > examples[0]:
            heapq.heapreplace(examples, example)
    shown = tuple((corpus[-a], corpus[-b]) for _, (a, b) in sorted(examples, reverse=True))
    return NearDuplicates(pairs, int(paired.sum()), shown)


def _one_edit_apart(corpus: Corpus) -> Iterator[list[int]]:
    """Rows of lines each of which is one edit from each other; every pair in one group only."""
    edits = Edits.of(corpus)
    for block in _shared(edits.holed):
        rows = edits.rows[block]
        groups: dict[tuple[str, str], list[int]] = {}
        places = block - corpus.offsets[rows]
        for row, place, text in zip(rows.tolist(), places, corpus.take(rows), strict=True):
            groups.setdefault((text[:place], text[place + 1 :]), []).append(row)
        yield from (group for group in groups.values() if len(group) > 1)
    yield from _one_less(corpus, edits)


def _one_less(corpus: Corpus, edits: Edits) -> Iterator[list[int]]:
    """Pairs of rows of which one line is the other without a character."""
    # Of a run of equal characters it is all the same which one is left out: the first will do.
    starts = np.ones(len(corpus.codes), dtype=bool)
    starts[1:] = (corpus.codes[1:] != corpus.codes[:-1]) | (edits.rows[1:] != edits.rows[:-1])
    starts[starts] = _among(edits.without[starts], edits.whole)
    hits = np.flatnonzero(starts)
    shorter = np.flatnonzero(_among(edits.whole, edits.without[hits]))
    row_of = dict(zip(corpus.take(shorter), shorter.tolist(), strict=True))
    for start in range(0, len(hits), SHARED):
        block = hits[start : start + SHARED]
        rows = edits.rows[block]
        places = block - corpus.offsets[rows]
        for row, place, text in zip(rows.tolist(), places, corpus.take(rows), strict=True):
            other = row_of.get(text[:place] + text[place + 1 :])
            if other is not None:
                yield [row, other]


def _among(hashes: Hashes, others: Hashes) -> NDArray[np.bool_]:
    """(n,) which hashes are among the others; far faster than np.isin, which hashes them anew."""
    others = np.sort(others)
    place = np.searchsorted(others, hashes)
    found = place < len(others)
    found[found] = others[place[found]] == hashes[found]
    return found


def _shared(hashes: Hashes) -> Iterator[NDArray[np.int64]]:
    """The entries whose hash another one has, too, in blocks that hold all that share one."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.ones(len(order) + 1, dtype=bool)
    first[1:-1] = ordered[1:] != ordered[:-1]
    alone = first[:-1] & first[1:]
    order, starts = order[~alone], np.flatnonzero(first[:-1][~alone])
    start = 0
    while start < len(order):
        after = np.searchsorted(starts, start + SHARED)
        end = int(starts[after]) if after < len(starts) else len(order)
        yield order[start:end]
        start = end
