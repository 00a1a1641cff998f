"""Line file: the lines of a corpus in files, for a list that memory does not hold.

One file holds the code points of all lines, the other where each line ends. Both are mapped, so a
LineFile is a Corpus like any other. Whoever needs all lines reads them a block at a time: by calls
of `pread` into memory of their own, so that what was read is given back. A block is some 65,536
lines in their order, with a checksum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.text.corpus import Corpus, concatenate
from makemore.text.file_array import FileArray
from makemore.text.hash_file import HashFile
from makemore.text.line_hashes import HashSet

Ints = NDArray[np.int64]


class BlockSize(NamedTuple):
    """Says when a block is full: by its lines, or by their symbols where these are many."""

    lines: int = 2**16
    symbols: int = 2**22


@dataclass(frozen=True)
class LineFile(Corpus):
    """Holds lines in files, with what is known of them since they were written.

    symbols, starts: the files of codes and offsets; checksums: of each block in both
    block_lines, block_symbols: (n_blocks + 1,) the first line, and symbol, of each block
    present: the code points that may occur, sorted; sha256: `digest`; n_bytes: of the text as UTF-8
    sample: the lines with the lowest hashes, in order; hashed: the hashes of all lines
    """

    symbols: FileArray = field(kw_only=True)
    starts: FileArray = field(kw_only=True)
    checksums: Sequence[tuple[int, int]] = field(kw_only=True)
    block_lines: Ints = field(kw_only=True)
    block_symbols: Ints = field(kw_only=True)
    most_symbols: int = field(kw_only=True)  # of a line
    present: NDArray[Any] = field(kw_only=True)
    sha256: str = field(kw_only=True)
    n_bytes: int = field(kw_only=True)
    sample: Corpus = field(kw_only=True)
    hashed: HashFile = field(kw_only=True)

    @property
    def n_blocks(self) -> int:
        """Count the blocks."""
        return len(self.checksums)

    def read_blocks(self, numbers: Sequence[int] | Ints) -> Corpus:
        """Read the lines of blocks, one block after another, into memory. Raises SystemFault."""
        of_lines, of_symbols = np.diff(self.block_lines), np.diff(self.block_symbols)
        codes = np.empty(int(of_symbols[numbers].sum()), self.symbols.dtype)
        offsets = np.zeros(int(of_lines[numbers].sum()) + 1, np.int64)
        line = symbol = 0
        for number in numbers:
            n_lines, n_symbols = int(of_lines[number]), int(of_symbols[number])
            into = codes[symbol : symbol + n_symbols], offsets[line + 1 : line + 1 + n_lines]
            first = int(self.block_symbols[number])
            files = (self.symbols, first), (self.starts, int(self.block_lines[number]) + 1)
            for (file, at), out, was in zip(files, into, self.checksums[number], strict=True):
                if file.read(at, out) != was:
                    raise file.changed(f"block {number} has another checksum")
            into[1][:] += symbol - first
            line, symbol = line + n_lines, symbol + n_symbols
        return Corpus(codes, offsets)

    def blocks(self) -> Iterator[Corpus]:
        """Yield the lines in order, a block at a time. Raises SystemFault."""
        for number in range(self.n_blocks):
            yield self.read_blocks([number])

    @property
    def longest(self) -> int:
        """Return the characters of the longest line."""
        return self.most_symbols

    def characters(self) -> NDArray[Any]:
        """Return the distinct code points of the text that these lines are a part of, sorted."""
        return self.present

    def digest(self) -> str:
        """Return the sha256 of the lines as UTF-8, each ended by a line feed."""
        return self.sha256

    def hashes(self) -> NDArray[np.uint64]:
        """Hash each line's text to 64 bits (n_lines,)."""
        return np.concatenate([np.zeros(0, np.uint64), *(part.hashes() for part in self.blocks())])

    def hash_set(self) -> HashSet:
        """Return the hashes of the lines, of which a few are read where a line is looked up."""
        return self.hashed

    def lowest(self, most: int) -> Corpus:
        """Take a sample of at most `most` lines, those with the lowest hashes, in their order."""
        kept = most <= len(self.sample) or len(self.sample) == len(self)
        return self.sample.lowest(most) if kept else super().lowest(most)


class LineFileWriter:
    """Writes lines that come one after another to a LineFile.

    folder: of the files, which begin with `name`; present: as in LineFile
    sampled: lines of the sample
    """

    def __init__(
        self, folder: Path, name: str, present: NDArray[Any], sampled: int, size: BlockSize
    ) -> None:
        """Create the files. Raises OSError."""
        kind = np.min_scalar_type(int(present.max(initial=0)))  # uint8, uint16 or uint32
        self.symbols = FileArray(folder / f"{name}.symbols", kind)
        self.starts = FileArray(folder / f"{name}.starts", np.int64)
        self.starts.append(np.zeros(1, np.int64))
        self.present, self.sampled, self.size = present, sampled, size
        self.sample, self.hashes = concatenate([]), np.zeros(0, np.uint64)  # and those of `sample`
        self.waiting, self.most_symbols = concatenate([]), 0  # lines of blocks that are not full
        self.checksums = list[tuple[int, int]]()
        self.block_lines, self.block_symbols = [0], [0]
        self.sha256, self.n_bytes = hashlib.sha256(), 0

    def add(self, lines: Corpus, hashes: NDArray[np.uint64]) -> None:
        """Append lines, whose hashes are these (n,). Raises OSError."""
        text = lines.written().encode()
        self.sha256.update(text)
        self.n_bytes += len(text)
        self.most_symbols = max(self.most_symbols, lines.longest)
        self._take_sample(lines, hashes)
        waiting = concatenate([self.waiting, lines])
        # A block or more is left waiting: so the last one is not much smaller than the others.
        while self._fill(waiting) >= 2:
            fit = int(np.searchsorted(waiting.offsets, self.size.symbols, side="right")) - 1
            n_lines = max(1, min(self.size.lines, fit))
            self._write(_rows(waiting, 0, n_lines))
            waiting = _rows(waiting, n_lines, len(waiting))
        self.waiting = waiting

    def _fill(self, lines: Corpus) -> float:
        """Compute how many blocks lines would fill; a line alone is one."""
        full = max(len(lines) / self.size.lines, len(lines.codes) / self.size.symbols)
        return full if len(lines) > 1 else min(1.0, full)

    def _take_sample(self, lines: Corpus, hashes: NDArray[np.uint64]) -> None:
        """Keep the lines with the lowest hashes, as Corpus.lowest chooses them."""
        if len(self.hashes) == self.sampled:  # most lines are above all that are kept
            low = np.flatnonzero(hashes < self.hashes.max(initial=0))
            lines, hashes = lines.take(low), hashes[low]
        lines, hashes = concatenate([self.sample, lines]), np.append(self.hashes, hashes)
        kept = np.sort(np.argsort(hashes, kind="stable")[: self.sampled])
        self.sample, self.hashes = lines.take(kept), hashes[kept]

    def _write(self, block: Corpus) -> None:
        ends = block.offsets[1:] + self.block_symbols[-1]
        self.checksums.append((self.symbols.append(block.codes), self.starts.append(ends)))
        self.block_lines.append(self.block_lines[-1] + len(block))
        self.block_symbols.append(self.block_symbols[-1] + len(block.codes))

    def finish(self, hashed: HashFile) -> LineFile:
        """Write what waits, and map the files. Raises OSError."""
        rest = self.waiting
        middle = len(rest) // 2 if self._fill(rest) > 1 else 0
        for part in (_rows(rest, 0, middle), _rows(rest, middle, len(rest))):
            if len(part):
                self._write(part)
        return LineFile(
            self.symbols.mapped(), self.starts.mapped(), symbols=self.symbols, starts=self.starts,
            checksums=self.checksums, block_lines=np.array(self.block_lines),
            block_symbols=np.array(self.block_symbols), most_symbols=self.most_symbols,
            present=self.present, sha256=self.sha256.hexdigest(), n_bytes=self.n_bytes,
            sample=self.sample, hashed=hashed,
        )  # fmt: skip


def _rows(lines: Corpus, first: int, last: int) -> Corpus:
    """Select the lines from `first` to before `last`, without a copy of their symbols."""
    begin, end = lines.offsets[first], lines.offsets[last]
    return Corpus(lines.codes[begin:end], lines.offsets[first : last + 1] - begin)
