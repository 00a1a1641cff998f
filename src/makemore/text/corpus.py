"""Corpus: the cleaned lines of a text in one array of code points, with offsets, labels and counts.

A code point is the number that Unicode gives a character. All lines lie one after another, with
the offset at which each starts; Python strings are made on demand. Ten million names are two arrays
and no list of strings.

    ["anna", "bo"]  ->  codes [97 110 110 97 98 111], offsets [0 4 6]
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.text.config import TextConfig
from makemore.text.limits import check_labels, check_vocabulary, no_lines
from makemore.text.line_hashes import HashSet, SortedHashes, hash_lines, mix, rows_by_hash
from makemore.text.opening import Kept, is_decoded, is_file, reading
from makemore.text.python_lines import Lines, half_pair, strings_of, utf8_of
from makemore.text.ragged import gathered, in_blocks, offsets_of, scatter
from makemore.text.reading import MARK, Cleaned, Counts, Remark, clean, code_points, text_of
from makemore.text.source import Source, refusal
from makemore.text.table import is_table, joined, one_line


@dataclass(frozen=True)
class Corpus:
    """Holds lines of text as one array of code points, with a label for each line if there are any.

    codes: (n_symbols,) code points of all lines, one after another
    offsets: (n_lines + 1,) where each line starts; the last is n_symbols
    counts: how many lines were read, blank, too long, copies
    labels: (n_lines,) the index of each line's label in label_names, or None
    label_names: the distinct labels, sorted
    remarks: what looked wrong in the file that was read
    """

    codes: NDArray[Any]
    offsets: NDArray[np.int64]
    counts: Counts = field(default_factory=Counts)
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @classmethod
    def read(
        cls, path: str | os.PathLike[str] | BinaryIO, options: TextConfig | None = None,
        fewest: int = 1, refuses: bool = True,
    ) -> Corpus:  # fmt: skip
        """Read the lines of a file (``-`` is standard input), or of one open for bytes; clean them.

        fewest: lines that must be left; refuses: a text that is no plain list is an error, unless
        options.as_is. Raises DataError, naming the file and the line.
        """
        options = options or TextConfig()
        with reading(path) as (stream, name):
            typed = os.fspath(path) if isinstance(path, (str, os.PathLike)) else name
            corpus = cls._from_stream(Source(stream, typed, name, options, refuses))
        for remark in corpus.remarks:  # all in one line, which may be too long to be learned
            if len(corpus) < fewest:
                raise refusal(remark, typed, name, options)
        return corpus._finished(name, options, fewest)

    @classmethod
    def from_lines(
        cls, lines: Lines, options: TextConfig | None = None,
        labels: Lines | None = None, fewest: int = 1,
    ) -> Corpus:  # fmt: skip
        """Clean strings like the lines of a file; a Path, or a file that is open, is read as one.

        labels: one for each line; without them options.labels takes them from the lines.
        fewest: lines that must be left
        Raises DataError, UsageError.
        """
        options = options or TextConfig()
        if labels is None and is_decoded(lines):
            decoded = Kept(utf8_of(strings_of(lines)), str(getattr(lines, "name", "lines")))
            return cls.read(decoded, replace(options, encoding="utf-8"), fewest)
        if labels is None and is_file(lines):
            return cls.read(lines, options, fewest)
        if labels is not None:
            # Lines with labels take the way of a labelled file, so that both are cleaned alike.
            lines = joined(lines, labels)
            options = replace(options, labels=True, label_column=None, text_column=None)
        if is_table(options):
            raise UsageError("lines have no columns", "--label-column", "give a file, or labels")
        pieces = [one_line(line, number) for number, line in enumerate(strings_of(lines), 1)]
        try:
            codes = code_points("\n".join(pieces) + "\n" * bool(pieces))
        except UnicodeEncodeError:  # UTF-32 has no half of a surrogate pair
            raise half_pair(pieces) from None
        # Whoever read the lines may have left byte order marks in them.
        text = codes[codes != ord(MARK)]
        corpus = _corpus(clean(text, options))
        counts = corpus.counts + Counts(marks=len(codes) - len(text))
        return replace(corpus, counts=counts)._finished("lines", options, fewest)

    @classmethod
    def exactly(cls, lines: Sequence[str], labels: Sequence[str] | None = None) -> Corpus:
        """Make a corpus of strings as they are: none is cleaned or dropped. Raises DataError."""
        try:
            codes = code_points("".join(lines))
        except UnicodeEncodeError:
            raise half_pair(lines) from None
        lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
        offsets = offsets_of(lengths)
        if labels is None:
            return cls(codes, offsets)
        return cls(codes, offsets, Counts(), *_numbered(labels))

    @classmethod
    def _from_stream(cls, source: Source) -> Corpus:
        """Clean the lines of a source of text."""
        corpus = cls.from_texts(source.texts(), source.line_options, source.name)
        counts = corpus.counts + Counts(marks=source.marks)
        return replace(corpus, counts=counts, remarks=source.remarks)

    @classmethod
    def from_texts(cls, texts: Iterable[str], options: TextConfig, name: str = "lines") -> Corpus:
        """Clean texts that each end at the end of a line; copies stay in and are not counted."""
        parts, first = list[Corpus](), 1  # first: the number of a text's first line, for errors
        for text in texts:
            parts.append(_corpus(clean(code_points(text), options, name, first)))
            first += parts[-1].counts.read
        return concatenate(parts)

    def _finished(self, name: str, options: TextConfig, fewest: int = 1) -> Corpus:
        """Count copies, drop them unless they are to be kept, and check a text's limits."""
        if len(self) < fewest:
            raise no_lines(name, self.counts, options)
        first = self.first_of_each()
        # Copies are counted even where they are kept.
        corpus = replace(self, counts=self.counts + Counts(copies=len(self) - len(first)))
        if not options.keep_copies and len(first) < len(self):
            corpus = replace(corpus.take(first), remarks=corpus.remarks)
        check_labels(len(self.label_names), name)
        # By characters; the symbols of another rule are counted where they are cut (Vocabulary.of).
        check_vocabulary(len(corpus.characters()), name, options)
        return corpus

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return text_of(self.codes[self.offsets[row] : self.offsets[row + 1]])

    def __iter__(self) -> Iterator[str]:
        for part in self.blocks():  # decoding many lines at once is 20 times faster
            yield from part.text().split("\n")[:-1]

    def blocks(self) -> Iterator[Corpus]:
        """Yield the lines in order, a block at a time, so that work on them takes little memory."""
        for rows, _ in in_blocks(self.offsets):
            yield self.take(rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Count the characters of each line (n_lines,)."""
        return np.diff(self.offsets)

    @property
    def longest(self) -> int:
        """Count the characters of the longest line; 0 without lines."""
        return int(self.lengths.max()) if len(self) else 0

    def characters(self) -> NDArray[Any]:
        """Return the distinct code points, sorted."""
        # np.unique sorts a copy: of a block at a time it is small, of the whole text it is not.
        distinct = [np.unique(self.codes[symbols]) for _, symbols in in_blocks(self.offsets)]
        return np.unique(np.concatenate([*distinct, self.codes[:0]]))  # works without lines, too

    def count_of(self, character: str) -> int:
        """Count how often a character occurs."""
        return int(np.count_nonzero(self.codes == ord(character)))

    def text(self) -> str:
        """Return all lines as one string, each ended by a line feed."""
        # An array full of line feeds (10): line i moves right by i, which leaves one after each.
        ended = np.full(len(self.codes) + len(self), 10, dtype=self.codes.dtype)
        scatter(self.codes, self.offsets, self.offsets[:-1] + np.arange(len(self)), ended)
        return text_of(ended)

    def written(self) -> str:
        """Return all lines as a file has them: with labels, each is TEXT<tab>LABEL."""
        names = self.label_of_each()
        if names is None:
            return self.text()
        return "".join(f"{line}\t{name}\n" for line, name in zip(self, names, strict=True))

    def label_of_each(self) -> list[str] | None:
        """Return the name of each line's label; None without labels."""
        if self.labels is None:
            return None
        return [self.label_names[index] for index in self.labels.tolist()]

    def unlabelled(self) -> Corpus:
        """Return the same lines without their labels."""
        return replace(self, labels=None, label_names=())

    def take(self, rows: NDArray[Any] | slice) -> Corpus:
        """Select lines: the corpus of these rows, in this order. `counts` stay the whole text's."""
        # The lines may lie anywhere in the old array; in the new one they lie side by side.
        begin, end = self.offsets[:-1][rows], self.offsets[1:][rows]
        offsets = offsets_of(end - begin)
        labels = None if self.labels is None else self.labels[rows]
        codes = gathered(self.codes, begin, offsets)
        return Corpus(codes, offsets, self.counts, labels, self.label_names)

    def lowest(self, most: int) -> Corpus:
        """Take a sample of at most `most` lines, those with the lowest hashes, in their order.

        It is the same sample however the text is ordered, and a smaller one lies within a larger.
        """
        if len(self) <= most:
            return self
        hashes = self.hashes()
        # A partition is linear in the lines; only the few that it leaves are sorted.
        low = np.flatnonzero(hashes <= np.partition(hashes, most)[most])
        return self.take(np.sort(low[np.argsort(hashes[low], kind="stable")[:most]]))

    def hashes(self) -> NDArray[np.uint64]:
        """Hash each line's text to 64 bits (n_lines,), the same on every machine and run."""
        return hash_lines(self.codes, self.offsets)

    def hash_set(self) -> HashSet:
        """Collect the hashes of the lines, in which those of others are looked up."""
        return SortedHashes(np.sort(self.hashes()))

    def first_of_each(self) -> NDArray[np.int64]:
        """Find the row of the first occurrence of every distinct line, ascending.

        A line is a copy if its text and its label are those of a line before it.
        """
        hashes = self.hashes()
        if self.labels is not None:
            hashes = mix(hashes ^ mix(self.labels.astype(np.uint64)))
        copies = np.zeros(len(self), dtype=bool)
        for rows in rows_by_hash(hashes):
            # A stable sort keeps rows of equal hash in order: the first of them is the leader.
            order = rows[np.argsort(hashes[rows], kind="stable")]
            again = np.zeros(len(order), dtype=bool)
            again[1:] = hashes[order[1:]] == hashes[order[:-1]]
            # The running maximum carries each leader's index over the rows that follow it.
            leader = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
            other, leader = order[again], leader[again]
            # Equal hashes are compared symbol by symbol: a collision must not drop a line.
            same = self.take(other).equal_lines(self.take(leader))
            if self.labels is not None:
                same &= self.labels[other] == self.labels[leader]
            copies[other[same]] = True
        return np.flatnonzero(~copies)

    def equal_lines(self, other: Corpus) -> NDArray[np.bool_]:
        """Compare each line with the line of `other` in the same row (n_lines,)."""
        same = self.lengths == other.lengths
        both, theirs = self.take(same), other.take(same)  # of equal lengths, so of equal offsets
        differs = np.zeros(len(both) + 1, dtype=np.int64)  # different characters of each line
        rows = np.repeat(np.arange(len(both)), both.lengths)
        np.add.at(differs, rows[both.codes != theirs.codes], 1)
        same[same] = differs[:-1] == 0
        return same

    def digest(self) -> str:
        """Compute the sha256 of the lines, with labels, as UTF-8, each ended by a line feed."""
        sha256 = hashlib.sha256()
        for part in self.blocks():
            sha256.update(part.written().encode())
        return sha256.hexdigest()


def concatenate(parts: Iterable[Corpus]) -> Corpus:
    """Join corpora into one, in order; labels only if every part has labels."""
    parts = list(parts)
    if not parts:  # an empty file
        return Corpus(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    codes = np.concatenate([part.codes for part in parts])
    # The lengths are written where the offsets will be: no second array of that size.
    offsets = np.zeros(sum(map(len, parts)) + 1, dtype=np.int64)
    np.concatenate([part.lengths for part in parts], out=offsets[1:])
    np.cumsum(offsets, out=offsets)
    counts = sum((part.counts for part in parts), Counts())
    if any(part.labels is None for part in parts):
        return Corpus(codes, offsets, counts)
    # A label has another index in each part: all are looked up in the names of all parts.
    names = tuple(sorted({name for part in parts for name in part.label_names}))
    labels = np.concatenate([renumbered(part, names) for part in parts])
    return Corpus(codes, offsets, counts, labels, names)


def renumbered(corpus: Corpus, names: Sequence[str]) -> NDArray[np.int64]:
    """Look up each line's label in other names (n_lines,): its index, -1 where it is missing.

    Raises ValueError for a corpus without labels.
    """
    if corpus.labels is None:
        raise ValueError("these lines have no labels")
    index = {name: i for i, name in enumerate(names)}
    here = np.array([index.get(name, -1) for name in corpus.label_names], dtype=np.int64)
    return here[corpus.labels]


def _corpus(cleaned: Cleaned) -> Corpus:
    """Turn cleaned lines into a corpus, with an index for each label."""
    lines, labels = cleaned.lines, cleaned.labels
    if labels is None:
        return Corpus(lines.codes, lines.offsets, cleaned.counts)
    indices = _numbered(Corpus(labels.codes, labels.offsets))
    return Corpus(lines.codes, lines.offsets, cleaned.counts, *indices)


def _numbered(labels: Iterable[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give each label the index (n,) of its name in sorted order; and those names."""
    seen: dict[str, int] = {}
    indices = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    names = sorted(seen)
    rank = np.empty(len(names), dtype=np.int64)  # order of first occurrence -> sorted order
    rank[[seen[name] for name in names]] = np.arange(len(names))
    return rank[indices], tuple(names)
