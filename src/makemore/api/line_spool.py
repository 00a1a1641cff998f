"""Line spool: the lines of one part of a split in a file, from which the copies are dropped.

A list may be larger than memory, and a copy may stand far from its first. So of each line 128 bits
are kept, and the row where it stands: sorted (models/core/sorted_runs.py), equal lines are side by
side, and the least row of each is the line that stays. Two lines have the same 128 bits by chance
with a probability of 10^-20 among 10^9 lines.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.sorted_runs import Run, SortedRuns, combined
from makemore.text import Corpus
from makemore.text.line_hashes import hash_lines
from makemore.text.reading import LINE_FEED, code_points

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

READ_AT_ONCE = 2**22  # bytes of lines that are read back at once
# A code point has 21 bits: with one bit more, all that a hash is made of differs.
SECOND = np.uint32(2**21)


class Spooled(NamedTuple):
    """Holds lines for a spool: their text, their rows (n,), and a run of hashes and least rows."""

    text: bytes
    rows: Ints
    firsts: Run

    def moved(self, by: int) -> Spooled:
        """Return the same lines with rows that count from another line."""
        return Spooled(
            self.text, self.rows + by, Run(self.firsts.codes, self.firsts.values + by)
        )  # fmt: skip


def spooled(lines: Corpus, hashes: Hashes, rows: Ints) -> Spooled:
    """Prepare lines for a spool: hashes (n,) of their texts, rows (n,) where they stand."""
    second = hash_lines(lines.codes.astype(np.uint32) + SECOND, lines.offsets)
    both = np.stack([hashes, second], axis=1).astype(">u8").view("S16")[:, 0]  # (n,) 128 bits
    return Spooled(lines.text().encode(), rows, combined(both, rows, np.minimum))


class LineSpool:
    """Collects lines in files, and gives back the first of each text, in order.

    folder: of the files; room: bytes of memory for what is sorted
    """

    def __init__(self, folder: Path, name: str, room: int) -> None:
        self.text, self.rows = folder / f"{name}.text", folder / f"{name}.rows"
        self.hashes, self.kept = folder / f"{name}.hashes", folder / f"{name}.kept"
        self.room = room
        for inside in (self.hashes, self.kept):
            inside.mkdir()
        for file in (self.text, self.rows):
            file.write_bytes(b"")
        self.firsts = SortedRuns(self.hashes, room, np.minimum)

    def add(self, lines: Spooled) -> None:
        """Add lines that stand behind all before them. Raises OSError."""
        if not len(lines.rows):
            return
        with open(self.text, "ab") as text, open(self.rows, "ab") as rows:
            text.write(lines.text)
            rows.write(lines.rows.data)
        self.firsts.add(lines.firsts)

    def distinct_rows(self) -> SortedRuns:
        """Find the first row of each text, sorted; once. Raises OSError."""
        rows = SortedRuns(self.kept, self.room // 2, np.minimum, width=1)
        for block in self.firsts.merged():
            found = np.sort(block.values)
            rows.add(Run(found, np.zeros(len(found), dtype=np.uint8)))
        self.firsts = SortedRuns()  # gives its memory back
        return rows

    def remove(self) -> None:
        """Remove the files, which take as much of the disk as the lines. Raises OSError."""
        for file in (self.text, self.rows):
            file.unlink()
        for folder in (self.hashes, self.kept):
            shutil.rmtree(folder)

    def lines(self) -> Iterator[tuple[Corpus, Ints]]:
        """Yield all lines in order, some at a time, and their rows (n,). Raises OSError."""
        return lines_and_rows(self.text, self.rows, READ_AT_ONCE)


def lines_and_rows(text: Path, rows: Path, at_once: int) -> Iterator[tuple[Corpus, Ints]]:
    """Read lines that were cleaned before, and their rows (n,), about `at_once` bytes at a time."""
    with open(text, "rb") as text_file, open(rows, "rb") as rows_file:
        rest = b""
        while chunk := text_file.read(at_once):
            body = rest + chunk
            cut = body.rfind(b"\n") + 1
            rest = body[cut:]
            if cut:
                lines = _corpus_of(body[:cut])
                yield lines, np.frombuffer(rows_file.read(8 * len(lines)), dtype=np.int64)


def _corpus_of(body: bytes) -> Corpus:
    """Make a corpus of clean lines, each ended by a line feed."""
    codes = code_points(body.decode())
    is_end = codes == LINE_FEED
    ends = np.flatnonzero(is_end)
    return Corpus(codes[~is_end], np.append(0, ends - np.arange(len(ends))))


class Kept:
    """Tells which of ascending rows are among sorted ones, of which a block is in memory."""

    def __init__(self, rows: Iterator[Run]) -> None:
        self._blocks = (block.codes for block in rows)
        self._held: NDArray[Any] = np.zeros(0, dtype=np.int64)

    def __call__(self, rows: Ints) -> NDArray[np.bool_]:
        """Return whether each row (n,) is among them; later calls have later rows."""
        while len(rows) and (not len(self._held) or self._held[-1] < rows[-1]):
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, block])
        at = np.searchsorted(self._held, rows)
        found = np.zeros(len(rows), dtype=bool)
        inside = at < len(self._held)
        found[inside] = self._held[at[inside]] == rows[inside]
        if len(rows):
            self._held = self._held[np.searchsorted(self._held, rows[-1], side="right") :]
        return found
