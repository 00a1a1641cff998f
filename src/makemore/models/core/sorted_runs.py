"""Sorted runs: (code, value) pairs in sorted arrays, in memory or in files, merged as a stream.

External merge sort (Knuth, The Art of Computer Programming 3, 5.4): sort as much as memory holds,
keep it as a run, and merge all runs block by block. So the pairs may be more than memory holds.
Codes are integers, or bytes of one length (dtype S) where a code has more than 64 bits. Of each
code one value is left: the sum of a gram's counts, or the least of a line's positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from makemore.parallel import parallel_map, pool_size

Codes = NDArray[Any]  # (n,) integers, or S: bytes of one length, which are compared from the left
Values = NDArray[Any]  # (n,) integers

MERGE_ROWS = 2**18  # pairs that one thread merges at once: they fit into a core's cache
LEAST_ROWS = 2**10  # pairs that are read from a run at once, however many runs there are
MOST_FILES = 64  # files of one size that are merged at once


class Run(NamedTuple):
    """Holds distinct codes (n,), sorted, and the value of each (n,)."""

    codes: Codes
    values: Values

    @property
    def nbytes(self) -> int:
        """Count the bytes of the arrays."""
        return int(self.codes.nbytes + self.values.nbytes)


class Source(Protocol):
    """Gives the pairs of a run from its first to its last."""

    def window(self, rows: int) -> Run:
        """Return the next pairs: at least `rows`, or all that are left."""

    def skip(self, rows: int) -> None:
        """Go on behind the next `rows` pairs."""

    @property
    def ends(self) -> bool:
        """Tell whether the last window held all that is left."""


class InMemory:
    """Gives the pairs of arrays."""

    def __init__(self, run: Run) -> None:
        self.run, self.at, self.ends = run, 0, False

    def window(self, rows: int) -> Run:
        stop = self.at + rows
        self.ends = stop >= len(self.run.codes)
        return Run(self.run.codes[self.at : stop], self.run.values[self.at : stop])

    def skip(self, rows: int) -> None:
        self.at += rows


class RunFile(NamedTuple):
    """Names two files that hold a run, and their types: codes one after another, and values."""

    codes: Path
    values: Path
    code_type: np.dtype[Any]
    value_type: np.dtype[Any]

    @classmethod
    def write(cls, codes: Path, values: Path, blocks: Iterable[Run], width: int) -> RunFile:
        """Write a run that comes in blocks; values take `width` bytes each. Raises OSError."""
        code_type, value_type = np.dtype(np.int64), np.dtype(f"<u{width}")
        with open(codes, "wb") as code_file, open(values, "wb") as value_file:
            for block in blocks:
                code_type = block.codes.dtype
                code_file.write(block.codes.data)
                value_file.write(block.values.astype(value_type).data)
        return cls(codes, values, code_type, value_type)

    def remove(self) -> None:
        """Remove both files."""
        self.codes.unlink()
        self.values.unlink()


class OnDisk:
    """Gives the pairs of a file, of which a window is in memory at a time."""

    def __init__(self, file: RunFile) -> None:
        self.file, self.ends = file, False
        self.handles = open(file.codes, "rb"), open(file.values, "rb")
        self.held = Run(np.zeros(0, file.code_type), np.zeros(0, np.int64))

    def window(self, rows: int) -> Run:
        missing = rows - len(self.held.codes)
        if missing > 0 and not self.ends:
            codes, values = (
                np.frombuffer(handle.read(missing * kind.itemsize), kind)
                for handle, kind in zip(self.handles, self.file[2:], strict=True)
            )
            values = values.astype(np.int64)
            self.ends = len(codes) < missing
            self.held = Run(
                np.concatenate([self.held.codes, codes]), np.concatenate([self.held.values, values])
            )
        return self.held

    def skip(self, rows: int) -> None:
        self.held = Run(self.held.codes[rows:], self.held.values[rows:])

    def close(self) -> None:
        """Close the files."""
        for handle in self.handles:
            handle.close()


def distinct(codes: Codes) -> Run:
    """Sort codes (n,), in place, and count equal ones -> the run of their counts."""
    codes.sort()
    first = _first_of_groups(codes)
    return Run(codes[first], np.diff(np.append(first, len(codes))))


def combined(codes: Codes, values: Values, combine: np.ufunc = np.add) -> Run:
    """Sort pairs (n,) by their codes, and combine the values of equal codes -> a run."""
    order = np.argsort(codes, kind="stable")  # fast where parts are in order already
    codes = codes[order]
    first = _first_of_groups(codes)
    if not len(codes):
        return Run(codes, values)
    return Run(codes[first], combine.reduceat(values[order], first))


def _first_of_groups(codes: Codes) -> NDArray[np.int64]:
    """Find where each group of equal codes begins: (groups,) indices into sorted codes (n,)."""
    return np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])


def merged(
    sources: Sequence[Source], combine: np.ufunc = np.add, rows: int | None = None
) -> Iterator[Run]:
    """Merge runs -> blocks of a run, in order: no code stands in two blocks.

    rows: pairs of a block, about. Blocks are merged by `pool_size()` threads at the same time.
    """
    slices = _slices(sources, rows or MERGE_ROWS)
    while batch := [each for _, each in zip(range(pool_size()), slices, strict=False)]:
        yield from parallel_map(lambda parts: _merge(parts, combine), batch)


def _slices(sources: Sequence[Source], rows: int) -> Iterator[list[Run]]:
    """Cut runs at the same codes, again and again -> what each has between two cuts."""
    sources = list(sources)
    while sources:
        share = max(LEAST_ROWS, rows // len(sources))
        windows = [source.window(share) for source in sources]
        # Behind its window, a run goes on with codes above the window's last: all codes up to the
        # least of these are there.
        lasts = [
            window.codes[-1]
            for source, window in zip(sources, windows, strict=True)
            if not source.ends and len(window.codes)
        ]
        parts = windows
        if lasts:
            cut = np.array([min(lasts)], dtype=windows[0].codes.dtype)
            parts = []
            for source, window in zip(sources, windows, strict=True):
                stop = int(np.searchsorted(window.codes, cut, side="right")[0])
                parts.append(Run(window.codes[:stop], window.values[:stop]))
                source.skip(stop)
        if found := [part for part in parts if len(part.codes)]:
            yield found
        if not lasts:
            return


def _merge(parts: list[Run], combine: np.ufunc) -> Run:
    if len(parts) == 1:
        return parts[0]
    return combined(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.values for part in parts]), combine,
    )  # fmt: skip


class SortedRuns:
    """Collects runs, and merges those of like size, so that each pair is merged log n times.

    folder: where runs go that `room` bytes of memory do not hold; None: all stay in memory
    combine: of the values of equal codes: np.add or np.minimum
    width: bytes of a value in a file
    """

    def __init__(
        self, folder: Path | None = None, room: int = 0, combine: np.ufunc = np.add, width: int = 8
    ) -> None:
        self.folder, self.room, self.combine, self.width = folder, room, combine, width
        self.runs = list[Run]()  # in memory, larger ones first
        self.files = list[list[RunFile]]()  # in files, by how often they were merged
        self.written = 0  # files so far, for their names

    def add(self, run: Run) -> None:
        """Take a run; it may be written to a file with those before it. Raises OSError."""
        if not len(run.codes):
            return
        self.runs.append(run)
        while len(self.runs) > 1 and self.runs[-2].nbytes <= 2 * self.runs[-1].nbytes:
            last = [self.runs.pop(), self.runs.pop()]
            self.runs.append(_joined(merged([*map(InMemory, last)], self.combine)))
        if self.folder is not None and sum(run.nbytes for run in self.runs) > self.room:
            self._spill()

    def _spill(self) -> None:
        """Write the runs in memory to a file; where there are many files, merge them to one."""
        file = self._write(merged([*map(InMemory, self.runs)], self.combine))
        self.runs.clear()
        for level in range(len(self.files) + 1):
            if level == len(self.files):
                self.files.append([])
            self.files[level].append(file)
            if len(self.files[level]) < MOST_FILES:
                return
            file = self._write(self._merged_files(self.files[level]))
            for old in self.files[level]:
                old.remove()
            self.files[level].clear()

    def _write(self, blocks: Iterator[Run]) -> RunFile:
        assert self.folder is not None  # noqa: S101 (only then is anything written)
        self.written += 1
        codes, values = (self.folder / f"{self.written}.{kind}" for kind in ("codes", "values"))
        return RunFile.write(codes, values, blocks, self.width)

    def _merged_files(self, files: Sequence[RunFile]) -> Iterator[Run]:
        sources = [OnDisk(file) for file in files]
        try:
            yield from merged([*sources, *map(InMemory, self.runs)], self.combine, self._rows())
        finally:
            for source in sources:
                source.close()

    def _rows(self) -> int:
        """Count the pairs of a merged block: with a folder, some blocks have to fit into `room`."""
        if self.folder is None:
            return MERGE_ROWS
        return max(LEAST_ROWS, min(MERGE_ROWS, self.room // (64 * pool_size())))

    def merged(self) -> Iterator[Run]:
        """Merge all that was added -> blocks of one run, in order. Raises OSError."""
        return self._merged_files([file for level in self.files for file in level])


def _joined(blocks: Iterable[Run]) -> Run:
    """Put the blocks of a run together."""
    parts = list(blocks)
    if len(parts) == 1:
        return parts[0]
    return Run(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
