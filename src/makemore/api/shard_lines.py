"""Shard lines: the lines of one shard of a file, split and without copies, in files of their own.

Every shard reads the whole file: so it knows all symbols and the digest, and of its own lines all
copies. What is kept of them is in three spools, for train, val and test (line_spool.py).
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from makemore.api.line_spool import Kept, LineSpool, Spooled, spooled
from makemore.parallel import parallel_map, pool_size
from makemore.runs.manifest import PARTS
from makemore.runs.scratch import on_scratch
from makemore.text import Corpus, TextConfig, Vocabulary
from makemore.text.dataset import part_of_each
from makemore.text.limits import check_vocabulary, no_lines
from makemore.text.line_hashes import mix
from makemore.text.opening import reading
from makemore.text.reading import CHUNK, Counts, Remark
from makemore.text.source import Source, refusal

SHARD_KEY = np.uint64(0x7368617264)  # "shard": a choice of its own, beside that of the split


class Digested:
    """Reads a stream, and computes size and sha256 of the bytes that were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.size, self.sha256 = stream, 0, hashlib.sha256()

    def read(self, most: int) -> bytes:
        """Read at most so many bytes."""
        chunk = self.stream.read(most)
        self.size += len(chunk)
        self.sha256.update(chunk)
        return chunk

    def facts(self) -> dict[str, Any]:
        """Return the size and the digest of all bytes, those that nobody has read included."""
        while self.read(CHUNK):
            pass
        return {"sha256": self.sha256.hexdigest(), "bytes": self.size}


class Lines:
    """Reads the lines of a shard into three spools, for train, val and test.

    counts: of the whole file; remarks: what looked wrong; vocabulary: of all its lines
    distinct, trained, symbols: lines of this shard, those that train, and their symbols
    check: called again and again while the file is read; it may raise, to stop that
    """

    def __init__(self, folder: Path, room: int, check: Callable[[], None] = lambda: None) -> None:
        self.folder, self.check = folder, check
        # Four of five lines train: the others need less room.
        rooms = (room * 6 // 10, room * 2 // 10, room * 2 // 10)
        self.spools = {
            name: LineSpool(folder, name, each) for name, each in zip(PARTS, rooms, strict=True)
        }
        self.counts, self.characters = Counts(), set[int]()
        self.remarks: tuple[Remark, ...] = ()
        self.distinct = self.trained = self.symbols = 0
        self.keep_copies = False
        self.vocabulary: Vocabulary

    def read(self, file: str, shard: tuple[int, int], text: TextConfig) -> dict[str, Any]:
        """Read the file -> its size and sha256. Raises DataError, SystemFault."""
        with reading(file) as (stream, name):
            digested = Digested(stream)
            source = Source(digested, file, name, text, most=sys.maxsize)  # type: ignore[arg-type]
            n_lines = 0
            for block in self._blocks(source, shard):
                self.check()
                # Here, as `reading` takes any other error for one of the file that is read.
                with on_scratch(self.folder.parent):
                    for part, lines in zip(PARTS, block.parts, strict=True):
                        self.spools[part].add(lines.moved(n_lines))
                n_lines += block.n_lines
                self.counts += block.counts
                self.characters |= block.characters
            facts = digested.facts()
        self.keep_copies = text.keep_copies
        self.counts += Counts(marks=source.marks)
        self.remarks = source.remarks
        if not n_lines:
            for remark in source.remarks:  # all in one line, which may be too long to be learned
                raise refusal(remark, file, name, text)
            raise no_lines(name, self.counts, text)
        check_vocabulary(len(self.characters), name, text)
        self.vocabulary = Vocabulary([chr(code) for code in sorted(self.characters)])
        return facts

    def _blocks(self, source: Source, shard: tuple[int, int]) -> Iterator[Block]:
        """Clean the lines, some megabytes of them at the same time."""
        texts = source.texts()
        options = source.line_options
        while some := list(itertools.islice(texts, pool_size())):
            yield from parallel_map(lambda text: Block.of(text, options, source.name, shard), some)

    def kept(self, part: str) -> Iterator[tuple[Corpus, NDArray[np.int64]]]:
        """Yield the lines of a part in order, without copies, and their rows (n,)."""
        spool = self.spools[part]
        rows = spool.distinct_rows()
        is_kept = Kept(rows.merged())
        for lines, where in spool.lines():
            first = is_kept(where)
            self.distinct += int(first.sum())
            yield (lines, where) if self.keep_copies else (lines.take(first), where[first])


@dataclass(frozen=True)
class Block:
    """Holds what one text of whole lines gives: the shard's lines by part, rows from 0.

    n_lines: of the whole text, after cleaning; characters: code points in them
    """

    parts: list[Spooled]
    n_lines: int
    counts: Counts
    characters: set[int]

    @classmethod
    def of(cls, text: str, options: TextConfig, name: str, shard: tuple[int, int]) -> Block:
        """Clean a text, and choose the lines of a shard (from 1, of how many)."""
        corpus = Corpus.from_texts([text], options, name)
        hashes = corpus.hashes()
        number, of = shard
        part = part_of_each(hashes)
        # 32 random bits times `of`, over 2^32, is an even draw from 0 to of - 1.
        bits = mix(hashes ^ SHARD_KEY) >> np.uint64(32)
        part[bits * np.uint64(of) >> np.uint64(32) != number - 1] = len(PARTS)
        parts = []
        for index in range(len(PARTS)):
            rows = np.flatnonzero(part == index)
            parts.append(spooled(corpus.take(rows), hashes[rows], rows))
        return cls(parts, len(corpus), corpus.counts, set(corpus.characters().tolist()))
