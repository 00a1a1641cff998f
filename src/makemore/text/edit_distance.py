"""Edit distance: which texts lie within a few edits of known lines, and which lines of each other.

An edit changes, adds or leaves out one character (Levenshtein 1966). Two texts are one edit apart
exactly if one of them is the other without a character, or both are equal but for one position. So
every line gets a hash with each character left out, and one with each position left open, and equal
hashes are looked up instead of comparing every pair (deleting from both sides: Mor and Fraenkel
1982). Equal hashes only propose a pair; its characters are compared, so the result is exact.

    anna   left out: nna ana ana ann     one position open: ?nna a?na an?a ann?
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.text.corpus import Corpus, concatenate

# A hash is a polynomial in BASE modulo 2^64. BASE is odd, so it has an inverse there.
BASE = 0x9E3779B97F4A7C15
ANYTHING = 2**32  # the "character" of an open position: no code point is as large
LINES = 2**14  # lines hashed, or looked up, at once
SHARED = 2**18  # entries with a hash in common that are compared at once
CELLS = 2**23  # distances computed at once


Hashes = NDArray[np.uint64]
Rows = NDArray[np.uint32]


@dataclass(frozen=True)
class Edits:
    """Holds the hashes of lines, and of each line with one character left out or left open.

    whole: (n_lines,) the hash of each line
    without: (n_symbols,) for each character, the hash of its line without it
    holed: (n_symbols,) for each character, the hash of its line with that position left open
    rows: (n_symbols,) the row of each character's line
    """

    whole: Hashes
    without: Hashes
    holed: Hashes
    rows: Rows

    @classmethod
    def of(cls, corpus: Corpus) -> Edits:
        """Hash all lines and their edits, 8 bytes a hash."""
        # A few lines at a time: the sums and powers on the way take many times that memory.
        parts = [
            _hashed(corpus.take(slice(start, start + LINES)))
            for start in range(0, max(len(corpus), 1), LINES)
        ]
        rows = np.repeat(np.arange(len(corpus), dtype=np.uint32), corpus.lengths)
        whole, without, holed = map(np.concatenate, zip(*parts, strict=True))
        return cls(whole, without, holed, rows)


def _hashed(corpus: Corpus) -> tuple[Hashes, Hashes, Hashes]:
    """Hash a few lines: whole, without and holed.

    The hash of a line is the sum over positions j of (character j + 1) * BASE^j, modulo 2^64. So
    the hash of every edited line follows from prefix sums, in constant time for each character.
    """
    power = np.full(corpus.longest + 1, BASE, dtype=np.uint64)
    power[0] = 1
    power = np.cumprod(power, dtype=np.uint64)
    lengths, starts = corpus.lengths, corpus.offsets[:-1]
    powers = power[np.arange(len(corpus.codes)) - np.repeat(starts, lengths)]
    terms = (corpus.codes.astype(np.uint64) + np.uint64(1)) * powers
    # sums[i]: of all terms before character i, lines before included, which a difference takes out.
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    whole = sums[corpus.offsets[1:]] - sums[starts]
    before = sums[:-1] - np.repeat(sums[starts], lengths)
    after = np.repeat(sums[corpus.offsets[1:]], lengths) - sums[1:]
    # Without character j, those behind it move one position forward: their sum is over BASE.
    back = np.uint64(pow(BASE, -1, 2**64))
    return whole, before + after * back, before + after + np.uint64(ANYTHING + 1) * powers


class EditDistanceIndex:
    """Finds the texts that are at most `distance` edits away from a line of the known corpora.

    distance: Levenshtein's, in characters, 1 or more; a line itself is at distance 0. Raises
    UsageError for less. Distance 1 looks up hashes. For more, a text is compared with every line of
    about its length, so the time grows with the number of known lines.

        EditDistanceIndex(Corpus.exactly(["anna"]), 1).near(["ana", "bob"]) -> [True, False]
    """

    def __init__(self, known: Corpus | Iterable[Corpus], distance: int) -> None:
        if distance < 1:
            raise UsageError(f"a distance of {distance} is none", None, "give 1 or more")
        self.distance = distance
        self.known = known if isinstance(known, Corpus) else concatenate(known)
        edits = Edits.of(self.known)
        rows = np.arange(len(self.known), dtype=np.uint32)
        # Tables of hashes in sorted order, each with its line's row, for a binary search.
        self._whole = _sorted(edits.whole, rows)
        self._without = _sorted(edits.without, edits.rows)
        self._holed = _sorted(edits.holed, edits.rows)
        self._by_length: dict[int, list[str]] = {}
        if distance > 1:
            for text in self.known:
                self._by_length.setdefault(len(text), []).append(text)

    def near(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Check whether each text is `distance` edits or fewer away from a known line (n,)."""
        parts = [self._near(texts[start : start + LINES]) for start in range(0, len(texts), LINES)]
        return np.concatenate([np.zeros(0, dtype=bool), *parts])

    def _near(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Check at most LINES texts: by hashes, then the others by comparison, length by length."""
        near = self._within_one(texts)
        if self.distance > 1:
            lengths = np.array([len(text) for text in texts])
            for length in np.unique(lengths[~near]):
                rows = np.flatnonzero(~near & (lengths == length))
                near[rows] = self._by_comparing([texts[int(row)] for row in rows])
        return near

    def _within_one(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Check whether each text is at most one edit away from a known line (n,)."""
        edits, near = Edits.of(Corpus.exactly(texts)), np.zeros(len(texts), dtype=bool)
        rows = np.arange(len(texts), dtype=np.uint32)
        self._look_up(self._whole, edits.whole, rows, texts, near)  # text == line
        self._look_up(self._without, edits.whole, rows, texts, near)  # the line has one more
        self._look_up(self._whole, edits.without, edits.rows, texts, near)  # ... one less
        self._look_up(self._holed, edits.holed, edits.rows, texts, near)  # ... another one
        return near

    def _look_up(
        self, table: tuple[Hashes, Rows], hashes: Hashes, rows: Rows,
        texts: Sequence[str], near: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Mark in `near` the texts with a hash in the table whose line is one edit away.

        table: sorted hashes and the row of each one's known line; rows: the text of each hash
        """
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist

        known, lines = table
        entry = np.searchsorted(known, hashes)
        while len(rows):
            # Go on with the texts not marked yet whose hash stands here in the table.
            inside = np.minimum(entry, len(known) - 1)
            left = ~near[rows] & (entry < len(known))
            left[left] = known[inside[left]] == hashes[left]
            rows, hashes, entry = rows[left], hashes[left], entry[left]
            each = cpdist([texts[int(row)] for row in rows], list(self.known.take(lines[entry])),
                          scorer=Levenshtein.distance, score_cutoff=1, workers=1)  # fmt: skip
            near[rows[each <= 1]] = True
            entry += 1  # several lines may have this hash: the next one may be near

    def _by_comparing(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Check texts of one length by their distance to every line of about that length (n,).

        Lines of the same length come first: a text that is near one of them is compared with no
        others. In a long list of lines, that is most of the texts that a model draws.
        """
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        near, length = np.zeros(len(texts), dtype=bool), len(texts[0])
        for other in sorted(self._by_length, key=lambda other: abs(other - length)):
            if abs(other - length) > self.distance:
                break  # a distance is never less than the difference of the lengths
            lines, left = self._by_length[other], np.flatnonzero(~near)
            for start in range(0, len(left), size := max(1, CELLS // len(lines))):
                rows = left[start : start + size]
                each = cdist([texts[int(row)] for row in rows], lines, scorer=Levenshtein.distance,
                             score_cutoff=self.distance, dtype=np.int32, workers=1)  # fmt: skip
                near[rows] = each.min(axis=1) <= self.distance
        return near


def _sorted(hashes: Hashes, rows: Rows) -> tuple[Hashes, Rows]:
    """Sort hashes, and their rows with them."""
    order = np.argsort(hashes, kind="stable")
    return hashes[order], rows[order]


@dataclass(frozen=True)
class NearDuplicates:
    """Counts the pairs of distinct lines that are one edit apart.

    pairs: the number of pairs; lines: the number of lines in at least one pair
    examples: the pairs of the longest lines, where one edit is most likely a misspelling
    """

    pairs: int
    lines: int
    examples: tuple[tuple[str, str], ...]


def near_duplicates(corpus: Corpus, most: int = 10) -> NearDuplicates:
    """Count the pairs of lines that are one edit apart, in a corpus without copies.

    most: examples to keep. Pairs are counted by groups and never listed: a group of n lines has
    n * (n - 1) / 2 of them.
    """
    pairs, paired = 0, np.zeros(len(corpus), dtype=bool)
    examples: list[tuple[int, tuple[int, int]]] = []
    lengths = corpus.lengths
    for rows in _one_edit_apart(corpus):
        pairs += len(rows) * (len(rows) - 1) // 2
        paired[rows] = True
        # A heap of the `most` best: longest first, then the earliest rows (hence the minus signs).
        heapq.heappush(examples, (int(lengths[rows[0]]), (-rows[0], -rows[1])))
        if len(examples) > most:
            heapq.heappop(examples)
    shown = tuple((corpus[-a], corpus[-b]) for _, (a, b) in sorted(examples, reverse=True))
    return NearDuplicates(pairs, int(paired.sum()), shown)


def _one_edit_apart(corpus: Corpus) -> Iterator[list[int]]:
    """Yield groups of rows whose lines are all one edit apart; each pair is in one group only."""
    edits = Edits.of(corpus)
    # Lines that differ in one position only: they agree in what stands before and after it.
    for block in _shared(edits.holed):
        groups: dict[tuple[str, str], list[int]] = {}
        for row, position, text in _located(corpus, edits, block):
            groups.setdefault((text[:position], text[position + 1 :]), []).append(row)
        yield from (group for group in groups.values() if len(group) > 1)
    yield from _one_less(corpus, edits)


def _one_less(corpus: Corpus, edits: Edits) -> Iterator[list[int]]:
    """Yield pairs of rows [longer, shorter]: the shorter line is the longer without a character."""
    # In a run of equal characters each one left out gives the same line: take the first alone.
    starts = np.ones(len(corpus.codes), dtype=bool)
    starts[1:] = (corpus.codes[1:] != corpus.codes[:-1]) | (edits.rows[1:] != edits.rows[:-1])
    starts[starts] = _among(edits.without[starts], edits.whole)
    hits = np.flatnonzero(starts)  # characters without which their line may be another one
    # Only lines whose hash was hit become Python strings.
    shorter = np.flatnonzero(_among(edits.whole, edits.without[hits]))
    row_of = dict(zip(corpus.take(shorter), shorter.tolist(), strict=True))
    for start in range(0, len(hits), SHARED):
        for row, position, text in _located(corpus, edits, hits[start : start + SHARED]):
            other = row_of.get(text[:position] + text[position + 1 :])
            if other is not None:
                yield [row, other]


def _located(
    corpus: Corpus, edits: Edits, symbols: NDArray[np.int64]
) -> Iterator[tuple[int, int, str]]:
    """Yield the row, the position in its line and the line of these characters of a corpus."""
    rows = edits.rows[symbols]
    return zip(rows.tolist(), symbols - corpus.offsets[rows], corpus.take(rows), strict=True)


def _among(hashes: Hashes, others: Hashes) -> NDArray[np.bool_]:
    """Check which hashes are among the others (n,); by a binary search, faster than np.isin."""
    others = np.sort(others)
    entry = np.searchsorted(others, hashes)
    among = entry < len(others)
    among[among] = others[entry[among]] == hashes[among]
    return among


def _shared(hashes: Hashes) -> Iterator[NDArray[np.int64]]:
    """Yield blocks of the entries whose hash occurs again; entries of one hash share a block."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.ones(len(order) + 1, dtype=bool)
    first[1:-1] = ordered[1:] != ordered[:-1]
    alone = first[:-1] & first[1:]  # a new hash begins here and at the next entry, too
    order, starts = order[~alone], np.flatnonzero(first[:-1][~alone])
    start = 0
    while start < len(order):
        after = np.searchsorted(starts, start + SHARED)
        end = int(starts[after]) if after < len(starts) else len(order)
        yield order[start:end]
        start = end
