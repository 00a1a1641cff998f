"""Streaming: lines of a file or a pipe, some at a time, as they arrive, in constant memory.

A text to learn from is read as a whole (reading.py). Lines to score need not be: each has its
result before the next ones are read. The bounds are those of reading, and every line counts: blank
lines stay, so that results stand beside their lines.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeAlias

from makemore.errors import DataError
from makemore.text.line_blocks import LineBlocks
from makemore.text.reading import blocks

PAUSE = 0.1  # seconds without new bytes, after which what has come is handed on


class Arriving:
    """Reads what has arrived on a stream, without waiting until a whole block is there.

    bytes: how many were read; size: how many there are, None where nobody knows (a pipe)
    """

    from_start = True  # its first line is that of the file

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.bytes = stream, 0
        self.size: int | None = None
        self._descriptor: int | None = None
        try:
            self._descriptor = stream.fileno()
            self.size = os.fstat(self._descriptor).st_size or None
        except (OSError, AttributeError):  # bytes in memory have no descriptor
            pass

    def read(self, most: int) -> bytes:
        """Read at most so many bytes, as soon as there are any; b"" at the end."""
        stream: Any = self.stream  # a buffered stream has read1, any other returns what it has
        chunk: bytes = getattr(stream, "read1", stream.read)(most)
        self.bytes += len(chunk)
        return chunk

    def is_idle(self) -> bool:
        """Tell whether nothing has come for PAUSE seconds; never true of a file."""
        if self._descriptor is None:
            return False
        return not select.select([self._descriptor], [], [], PAUSE)[0]


LineStream: TypeAlias = Arriving | LineBlocks


def line_chunks(
    stream: LineStream, name: str, max_line: int, most: tuple[int, int], encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[list[str]]:  # fmt: skip
    """Read lines without white space at their ends: as many at a time as have come.

    most: the lines, and the characters of them, that are handed on together at most
    Raises DataError, naming the line, for bytes that are no text and for a line of more than
    max_line characters; the lines before it are handed on first.
    """
    chunk, characters, number = list[str](), 0, 0
    for block in blocks(stream, name, encoding, errors, from_start=stream.from_start):  # type: ignore[arg-type]
        for line in block.removesuffix("\n").split("\n"):
            number += 1
            text = line.strip()
            if len(text) > max_line:
                yield chunk
                raise DataError(
                    f"line {number} has {len(text)} characters, more than {max_line}", name,
                    f"leave it out, or give --max-line {len(text)}",
                )  # fmt: skip
            if len(chunk) == most[0] or characters + len(text) > most[1]:
                yield chunk
                chunk, characters = [], 0
            chunk.append(text)
            characters += len(text)
        if stream.is_idle():
            yield chunk
            chunk, characters = [], 0
    yield chunk
