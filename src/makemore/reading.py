"""Reading: the bytes of a stream as text, block by block, never more in memory than its bounds.

What is no text is refused with its place and what to do: archives, pictures, another encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from makemore.errors import DataError, visible

MAX_BYTES = 2 * 2**30  # of a file: a log that grows or /dev/zero ends here
MAX_LINE_BYTES = 16 * 2**20  # a line is held in memory whole, so it has a bound before it is read
CHUNK = 2**20  # bytes that are read, and cleaned, at once

_MAGIC = (
    (b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "a zip archive"), (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
)  # fmt: skip

_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)  # fmt: skip


def blocks(stream: BinaryIO, name: str, encoding: str, errors: str) -> Iterator[str]:
    """The text in blocks that end where a line does. Raises DataError, naming line and byte."""
    line_number = 1
    for block in _whole_lines(stream, name, encoding):
        text = _decode(block, name, line_number, encoding, errors)
        if line_number == 1 and "\n" not in text and "\r" in text[:-1]:
            raise DataError(
                "the only line ends are lone CR, as on an old Mac", name,
                "turn them into LF: tr '\\r' '\\n' < FILE",
            )  # fmt: skip
        yield text
        line_number += text.count("\n")


def _whole_lines(stream: BinaryIO, name: str, encoding: str) -> Iterator[bytes]:
    """Blocks of the stream that end where a line does, never more than the bounds in memory."""
    by_line = _ends_lines_with_lf(encoding)
    rest, kept, total, started = list[bytes](), 0, 0, False  # rest: what has no line end yet
    while chunk := stream.read(CHUNK):
        if not started:
            started = True
            chunk = _checked_start(chunk, name, by_line)
        if by_line and b"\0" in chunk:
            raise DataError("the file looks binary (it holds NUL bytes)", name, "give a text file")
        total += len(chunk)
        if total > MAX_BYTES:
            raise DataError(f"more than {MAX_BYTES} bytes", name, "give a smaller file")
        cut = chunk.rfind(b"\n") + 1 if by_line else 0
        if cut:
            yield b"".join([*rest, chunk[:cut]])
            rest, kept = [chunk[cut:]], len(chunk) - cut
        else:
            rest.append(chunk)
            kept += len(chunk)
            if by_line and kept > MAX_LINE_BYTES:
                raise DataError(f"a line is longer than {MAX_LINE_BYTES} bytes", name)
    if kept:
        yield b"".join(rest)


def _ends_lines_with_lf(encoding: str) -> bool:
    """Whether the byte 10 ends a line, as in UTF-8 and Latin-1 but not in UTF-16."""
    try:
        return "\n".encode(encoding) == b"\n" or encoding.lower().replace("_", "-") == "utf-8-sig"
    except LookupError:
        raise DataError(
            f"unknown encoding {visible(encoding, 40)!r}", None, "use utf-8, latin-1, ..."
        ) from None


def _checked_start(chunk: bytes, name: str, by_line: bool) -> bytes:
    for magic, kind in _MAGIC:
        if chunk.startswith(magic):
            raise DataError(f"the file looks like {kind}", name, "unpack it and give a text file")
    if not by_line:
        return chunk
    for magic, kind in _MARKS:
        if chunk.startswith(magic):
            raise DataError(f"the file looks like {kind}", name, f"use --encoding {kind.lower()}")
    # Without a mark, UTF-16 of Latin text shows by NULs in every second place.
    even, odd = chunk[0:400:2].count(0), chunk[1:400:2].count(0)
    if max(even, odd) > 0.4 * len(chunk[:400]) / 2 and min(even, odd) == 0:
        order = "le" if odd else "be"
        raise DataError("the file looks like UTF-16", name, f"use --encoding utf-16-{order}")
    return chunk


def _decode(block: bytes, name: str, line_number: int, encoding: str, errors: str) -> str:
    try:
        # utf-8-sig would drop a mark at the start of every block.
        text = block.decode(encoding.replace("_", "-").removesuffix("-sig"), errors)
    except UnicodeDecodeError as error:
        before = block[: error.start]
        line = line_number + before.count(b"\n")
        byte = error.start - (before.rfind(b"\n") + 1) + 1
        raise DataError(
            f"the bytes are no {encoding}", f"{name}:{line}:{byte}: {error.reason}",
            "name what they are (--encoding latin-1) or use --errors replace",
        ) from None  # fmt: skip
    # A mark is dropped only where the file starts: elsewhere the character is part of a line.
    return text.removeprefix("\ufeff") if line_number == 1 else text
