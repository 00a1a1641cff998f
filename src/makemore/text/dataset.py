"""Dataset: the split of a corpus into train, validation and test lines.

A split comes before everything that is learned. No torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError, UsageError
from makemore.options import make
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.line_hashes import MANY, mix
from makemore.text.source import fix_words
from makemore.text.table import is_table

MIN_LINES_TO_SPLIT = 50  # distinct lines under which all of them train


@dataclass(frozen=True)
class Split:
    """Holds the three parts of a corpus: train to learn from, val to choose by, test to report."""

    train: Corpus
    val: Corpus
    test: Corpus

    def __iter__(self) -> Iterator[tuple[str, Corpus]]:
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))

    @property
    def n_lines(self) -> int:
        """Count the lines of all parts."""
        return sum(len(part) for _, part in self)

    def digest(self) -> str:
        """Compute the sha256 over the digests of the three parts."""
        return digest_of_parts([part.digest() for _, part in self])


def digest_of_parts(digests: Sequence[str]) -> str:
    """Compute the sha256 of a split over the digests of its three parts."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def train_val_test_split(corpus: Corpus) -> Split:
    """Split a corpus 80 / 10 / 10 into train, val and test by a hash of each line's text.

    Where a line goes depends on its text alone: neither order, growth of the file nor copies move
    it. Under 50 distinct lines all of them train.
    """
    hashes = corpus.hashes()
    # Most files show 50 distinct lines among their first: the rest need not be sorted.
    if all(len(np.unique(some)) < MIN_LINES_TO_SPLIT for some in (hashes[:MANY], hashes)):
        nothing = corpus.take(slice(0))
        return Split(corpus, nothing, nothing)
    part = part_of_each(hashes)
    del hashes
    return Split(*(corpus.take(part == index) for index in range(3)))


def part_of_each(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Choose the part of each line by its hash (n,): 0 train, 1 val, 2 test."""
    # The key keeps this choice independent of `Corpus.lowest`, which samples by the same hashes.
    bits = mix(hashes ^ np.uint64(0x6D616B656D6F7265)) >> np.uint64(32)  # "makemore"
    # 32 random bits times 10, over 2^32, is an even draw from 0 to 9 without floating point.
    tenth = (bits * np.uint64(10) >> np.uint64(32)).astype(np.uint8)
    return np.maximum(tenth, 7) - np.uint8(7)


def read_split(
    file: str | None, config: TextConfig, val: str | None = None, test: str | None = None
) -> tuple[Corpus, Split]:
    """Read a file (without one, the built-in names) and split it: its corpus and its split.

    val, test: files to use as these parts instead of a split; copies in them stay.
    Raises DataError, UsageError.
    """
    if [file, val, test].count("-") > 1:
        raise UsageError("standard input is one file", "FILE, --val, --test", "name the others")
    if file is None:
        # Imported here: fetch, beside it, loads urllib and ssl, which drawing does not need.
        from makemore.text.builtin_lists import builtin_names

        corpus = Corpus.from_lines(builtin_names(), config)
    else:
        corpus = Corpus.read(file, config)
    if val is None and test is None:
        return corpus, train_val_test_split(corpus)
    with_copies, nothing = dataclasses.replace(config, keep_copies=True), corpus.take(slice(0))
    parts = (_read_part(each, with_copies) if each else nothing for each in (val, test))
    return corpus, Split(corpus, *parts)


def _read_part(file: str, config: TextConfig) -> Corpus:
    """Read a file of its own for a part, as the text was read. Raises DataError.

    What would mend it is no option of the training, which reads the text, too: it gets a copy.
    """
    try:
        return Corpus.read(file, config)
    except DataError as error:
        add = {"text_column": "1"} if "labels" in error.add else dict(error.add)
        mends = {"encoding", "errors", "text_column"} & set(add)
        if not mends or config.encoding != TextConfig().encoding or is_table(config):
            raise
        to_do = f"type makemore {shlex.join(fix_words(file, make(TextConfig, add)))}"
        raise DataError(error.what, error.where, to_do) from None
