"""Corpus: the lines of a text, cleaned and counted, copies known.

All lines lie in one array of code points, one after another, with the offset at which each starts;
Python strings are made on demand. Ten million names are two arrays and no list of strings.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError, MakemoreError, UsageError
from makemore.escaping import visible
from makemore.text.config import TextConfig
from makemore.text.ragged import gathered, in_blocks, offsets_of, places, scatter
from makemore.text.reading import Cleaned, Counts, blocks, clean, code_points, text_of
from makemore.text.table import is_table, joined, lines_of, listed, one_line

MANY = 2**18  # lines that are compared at once to find copies
MOST_LABELS = 1000  # distinct ones: more are no labels but texts of their own


@dataclass(frozen=True)
class Corpus:
    """Lines of text.

    codes: (n_symbols,) code points of all lines, one after another
    offsets: (n_lines + 1,) where each line starts; the last is n_symbols
    labels: (n_lines,) the number of each line's label in label_names, or None
    """

    codes: NDArray[Any]
    offsets: NDArray[np.int64]
    counts: Counts = field(default_factory=Counts)
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()  # sorted

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], options: TextConfig | None = None, fewest: int = 1
    ) -> Corpus:
        """The lines of a file (``-`` is standard input). Raises DataError, naming the place."""
        options = options or TextConfig()
        name = "standard input" if os.fspath(path) == "-" else visible(os.fspath(path), 200)
        try:
            if os.fspath(path) == "-":
                corpus = cls._from_stream(sys.stdin.buffer, name, options)
            else:
                with open(path, "rb") as stream:
                    corpus = cls._from_stream(stream, name, options)
        except (OSError, ValueError) as error:
            if isinstance(error, MakemoreError):
                raise
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(f"cannot read '{name}'", reason, "give a text file") from None
        return corpus._finished(name, options, fewest)

    @classmethod
    def from_lines(
        cls,
        lines: Iterable[str],
        options: TextConfig | None = None,
        labels: Iterable[str] | None = None,
        fewest: int = 1,
    ) -> Corpus:
        """The given strings, cleaned like the lines of a file. Raises DataError, UsageError.

        labels: one for each line; without them options.labels takes them from the lines.
        """
        options = options or TextConfig()
        if labels is not None:
            lines = joined(lines, labels)
            options = replace(options, labels=True, label_column=None, text_column=None)
        if is_table(options):
            raise UsageError("lines have no columns", "--label-column", "give a file, or labels")
        pieces = [one_line(line, number) for number, line in enumerate(listed(lines), 1)]
        try:
            codes = code_points("\n".join(pieces) + "\n" * bool(pieces))
        except UnicodeEncodeError as error:
            number = "\n".join(pieces)[: error.start].count("\n") + 1
            raise DataError(f"line {number} holds half a surrogate pair", "lines") from None
        return _corpus(clean(codes, options))._finished("lines", options, fewest)

    @classmethod
    def exactly(cls, lines: Sequence[str], labels: Sequence[str] | None = None) -> Corpus:
        """The given strings as they are: nothing cleaned, nothing dropped. Raises DataError."""
        lines = listed(lines)
        try:
            codes = code_points("".join(lines))
        except UnicodeEncodeError:
            raise DataError("a line holds half a surrogate pair", "lines") from None
        lengths = np.array([len(line) for line in lines], dtype=np.int64)
        offsets = offsets_of(lengths)
        if labels is None:
            return cls(codes, offsets)
        return cls(codes, offsets, Counts(), *_numbered(labels))

    @classmethod
    def _from_stream(cls, stream: BinaryIO, name: str, options: TextConfig) -> Corpus:
        texts = blocks(stream, name, options.encoding, options.errors)
        if is_table(options):
            texts = lines_of(texts, name, options)
            options = replace(options, labels=options.label_column is not None)
        return cls.from_texts(texts, options, name)

    @classmethod
    def from_texts(cls, texts: Iterable[str], options: TextConfig, name: str = "lines") -> Corpus:
        """The lines of texts that each end where one does, cleaned; copies are kept, uncounted."""
        parts, first = list[Corpus](), 1
        for text in texts:
            parts.append(_corpus(clean(code_points(text), options, name, first)))
            first += parts[-1].counts.read
        return concatenate(parts)

    def _finished(self, name: str, options: TextConfig, fewest: int = 1) -> Corpus:
        """Copies counted and, unless they are to be kept, dropped; the limits of a text held."""
        if len(self) < fewest:
            counts = self.counts
            reason = f"{counts.blank} blank, {counts.too_long} longer than {options.max_line}"
            raise DataError("no lines to learn from", f"{name}: {reason}", "give one thing a line")
        first = self.first_of_each()
        corpus = replace(self, counts=self.counts + Counts(copies=len(self) - len(first)))
        if not options.keep_copies and len(first) < len(self):
            corpus = corpus.take(first)
        if len(self.label_names) > MOST_LABELS:
            raise DataError(
                f"{len(self.label_names)} different labels, more than {MOST_LABELS}", name,
                "give labels that many lines share",
            )  # fmt: skip
        vocabulary = len(corpus.characters())
        if vocabulary > options.max_vocab:
            raise DataError(
                f"{vocabulary} different symbols, more than {options.max_vocab}", name,
                "raise --max-vocab if that is what you want",
            )  # fmt: skip
        return corpus

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return text_of(self.codes[self.offsets[row] : self.offsets[row + 1]])

    def __iter__(self) -> Iterator[str]:
        for part in self.blocks():  # decoding many lines at once is 20 times faster
            yield from part.text().split("\n")[:-1]

    def blocks(self) -> Iterator[Corpus]:
        """The lines in order, some at a time: what is made of them takes little memory."""
        for rows, _ in in_blocks(self.offsets):
            yield self.take(rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n_lines,) symbols in each line."""
        return np.diff(self.offsets)

    @property
    def longest(self) -> int:
        return int(self.lengths.max()) if len(self) else 0

    def characters(self) -> NDArray[Any]:
        """The distinct code points, sorted."""
        found = [np.unique(self.codes[symbols]) for _, symbols in in_blocks(self.offsets)]
        return np.unique(np.concatenate([*found, self.codes[:0]]))

    def text(self) -> str:
        """All lines, each ended by a line feed."""
        ended = np.full(len(self.codes) + len(self), 10, dtype=self.codes.dtype)
        scatter(self.codes, self.offsets, self.offsets[:-1] + np.arange(len(self)), ended)
        return text_of(ended)

    def written(self) -> str:
        """All lines as a file has them: with `--labels`, each is TEXT<tab>LABEL."""
        names = self.label_of_each()
        if names is None:
            return self.text()
        return "".join(f"{line}\t{name}\n" for line, name in zip(self, names, strict=True))

    def label_of_each(self) -> list[str] | None:
        """The name of each line's label; None without labels."""
        if self.labels is None:
            return None
        return [self.label_names[number] for number in self.labels.tolist()]

    def take(self, rows: NDArray[Any] | slice) -> Corpus:
        """The corpus of these lines, in this order."""
        begin, end = self.offsets[:-1][rows], self.offsets[1:][rows]
        offsets = offsets_of(end - begin)
        labels = None if self.labels is None else self.labels[rows]
        codes = gathered(self.codes, begin, offsets)
        return Corpus(codes, offsets, self.counts, labels, self.label_names)

    def lowest(self, most: int) -> Corpus:
        """At most `most` lines, of the lowest hashes: the same ones however the text is ordered.

        Of two such parts the smaller lies within the larger.
        """
        if len(self) <= most:
            return self
        hashes = self.hashes()
        low = np.flatnonzero(hashes <= np.partition(hashes, most)[most])  # these and few more
        return self.take(np.sort(low[np.argsort(hashes[low], kind="stable")[:most]]))

    def hashes(self) -> NDArray[np.uint64]:
        """(n_lines,) a 64-bit hash of each line's text, the same on every machine and run."""
        hashes = np.zeros(len(self), dtype=np.uint64)
        starts, nowhere = self.offsets[:-1], np.broadcast_to(np.int64(0), len(self))
        for rows, symbols, position in places(self.offsets, nowhere):
            high = position.astype(np.uint64) << np.uint64(32)
            mixed = mix(self.codes[symbols].astype(np.uint64) + high)
            lengths = np.diff(self.offsets[rows.start : rows.stop + 1])
            filled = lengths > 0
            sums = np.zeros(len(lengths), dtype=np.uint64)
            if filled.any():  # reduceat would give an empty line the first symbol of the next
                sums[filled] = np.add.reduceat(mixed, starts[rows][filled] - symbols.start)
            hashes[rows] = mix(sums + lengths.astype(np.uint64))
        return hashes

    def first_of_each(self) -> NDArray[np.int64]:
        """The rows of the first occurrence of every distinct line, ascending.

        A line is a copy if text and label are those of another.
        """
        hashes = self.hashes()
        if self.labels is not None:
            hashes = mix(hashes ^ mix(self.labels.astype(np.uint64)))
        copies = np.zeros(len(self), dtype=bool)
        for rows in _by_hash(hashes):
            order = rows[np.argsort(hashes[rows], kind="stable")]
            again = np.zeros(len(order), dtype=bool)
            again[1:] = hashes[order[1:]] == hashes[order[:-1]]
            leader = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
            other, leader = order[again], leader[again]
            # Equal hashes are compared symbol by symbol: a collision must not drop a line.
            same = self.take(other).equal_lines(self.take(leader))
            if self.labels is not None:
                same &= self.labels[other] == self.labels[leader]
            copies[other[same]] = True
        return np.flatnonzero(~copies)

    def equal_lines(self, other: Corpus) -> NDArray[np.bool_]:
        """(n_lines,) whether each line equals the line of `other` in the same row."""
        same = self.lengths == other.lengths
        both, theirs = self.take(same), other.take(same)
        differs = np.zeros(len(both) + 1, dtype=np.int64)
        rows = np.repeat(np.arange(len(both)), both.lengths)
        np.add.at(differs, rows[both.codes != theirs.codes], 1)
        same[same] = differs[:-1] == 0
        return same

    def digest(self) -> str:
        """sha256 of the lines, with their labels, as UTF-8, each ended by a line feed."""
        found = hashlib.sha256()
        for part in self.blocks():
            found.update(part.written().encode())
        return found.hexdigest()


def concatenate(parts: Iterable[Corpus]) -> Corpus:
    """One corpus of all lines, in order."""
    parts = list(parts)
    if not parts:
        return Corpus(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    codes = np.concatenate([part.codes for part in parts])
    offsets = np.zeros(sum(map(len, parts)) + 1, dtype=np.int64)
    np.concatenate([part.lengths for part in parts], out=offsets[1:])
    np.cumsum(offsets, out=offsets)
    counts = sum((part.counts for part in parts), Counts())
    if any(part.labels is None for part in parts):
        return Corpus(codes, offsets, counts)
    names = tuple(sorted({name for part in parts for name in part.label_names}))
    labels = np.concatenate([renumbered(part, names) for part in parts])
    return Corpus(codes, offsets, counts, labels, names)


def renumbered(corpus: Corpus, names: Sequence[str]) -> NDArray[np.int64]:
    """(n_lines,) the place of each line's label in other names; -1 for one that they lack."""
    if corpus.labels is None:
        raise ValueError("these lines have no labels")
    place = {name: number for number, name in enumerate(names)}
    here = np.array([place.get(name, -1) for name in corpus.label_names], dtype=np.int64)
    return here[corpus.labels]


def is_clean(text: str) -> bool:
    """Whether reading `text` as a line of a file would give it back unchanged."""
    return bool(text) and text == text.strip() and "\n" not in text


def _corpus(cleaned: Cleaned) -> Corpus:
    lines, labels = cleaned.lines, cleaned.labels
    if labels is None:
        return Corpus(lines.codes, lines.offsets, cleaned.counts)
    found = _numbered(Corpus(labels.codes, labels.offsets))
    return Corpus(lines.codes, lines.offsets, cleaned.counts, *found)


def _numbered(labels: Iterable[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(n,) the number of each label, and their names in sorted order."""
    seen: dict[str, int] = {}
    found = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    names = sorted(seen)
    rank = np.empty(len(names), dtype=np.int64)
    rank[[seen[name] for name in names]] = np.arange(len(names))
    return rank[found], tuple(names)


def _by_hash(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """All rows, ascending, in parts of about MANY: equal hashes are in one part."""
    parts = 1 + len(hashes) // MANY
    part = ((hashes >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.uint16)
    for number in range(parts):
        yield np.flatnonzero(part == number)


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): every bit reaches every other."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x
