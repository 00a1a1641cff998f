"""Line blocks: a plain file in blocks of whole lines, and the blocks of one shard of it.

A block has the lines that start within its 2^20 bytes, so where it begins is found without reading
what is before: behind the first line feed from its byte 0 - 1 on. Lines of a block are scored
together, whoever reads it. Sums of floats depend on what is summed together in their last bits, so
with other groups a shard's scores would not be those of one process to the last digit.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from makemore.text.reading import MAX_LINE_BYTES
from makemore.text.shard import Shard

BLOCK = 2**20  # bytes


class LineBlocks:
    """Reads the blocks of one shard of a file that is open for bytes; the interface of Arriving.

    start: the byte that its first line begins with; from_start: it is the file's first one
    bytes: how many were read; size: how many the file has
    """

    def __init__(self, stream: BinaryIO, shard: Shard | None = None) -> None:
        self.stream, self.bytes = stream, 0
        self.size: int | None = os.fstat(stream.fileno()).st_size
        # The last block's number and one; None: all that comes, of a file that grows, too.
        self.end: int | None = None
        self.start = stream.tell()  # somebody may have read some lines of standard input
        self.from_start = True
        if shard is not None:
            blocks = shard.part_of(-(-self.size // BLOCK))
            self.end, self.start = blocks.stop, self._first_line(blocks.start * BLOCK)
            self.from_start = self.start == 0
        self.at = self.start  # the byte that the next line begins with

    def _first_line(self, byte: int) -> int:
        """Find where the first line starts that does so at this byte or later."""
        self.stream.seek(max(0, byte - 1))
        while byte and (some := self.stream.readline(BLOCK)) and not some.endswith(b"\n"):
            pass
        return self.stream.tell()

    def read(self, most: int) -> bytes:
        """Read the next block that a line starts in, whatever `most` is; b"" at the end."""
        block = self.at // BLOCK
        if self.end is not None and block >= self.end:
            return b""
        body = self.stream.read((block + 1) * BLOCK - self.at)
        if body and not body.endswith(b"\n"):
            # The rest of the line that goes on into the next block; too long a line is refused.
            body += self.stream.readline(MAX_LINE_BYTES + 1)
        self.at += len(body)
        self.bytes += len(body)
        return body

    def is_idle(self) -> bool:
        """Tell that the lines read so far are to be handed on: a block is complete."""
        return True
