"""Reading: bytes of a stream -> blocks of text -> clean lines as code points, with counts.

Bytes are read block by block, within bounds of memory. What is no text (an archive, a picture,
another encoding) is refused with its position and what to do. Cleaning removes white space at the
ends of lines and drops blank and too long lines; it works on arrays of code points and makes no
string of any line.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError
from makemore.escaping import visible
from makemore.options import without_options
from makemore.text.config import TextConfig
from makemore.text.file_kinds import check_kind
from makemore.text.likely_encoding import is_damaged, likely_encoding
from makemore.text.ragged import gathered, offsets_of

Codes = NDArray[Any]
Ints = NDArray[np.int64]


LINE_FEED, TAB = 10, 9
MARK = "\ufeff"  # the byte order mark; one within a text was the start of a file that was added


# Python's white space; U+3000, the ideographic space, is the highest of it.
_SPACES = np.array([c for c in range(0x3001) if chr(c).isspace()], dtype=np.uint32)


@dataclass(frozen=True)
class Counts:
    """Counts the lines of a text: those read, and those left out by reason."""

    read: int = 0  # all lines, those left out included
    blank: int = 0
    too_long: int = 0
    copies: int = 0  # second and later occurrences, whether they were dropped or kept
    control: int = 0  # lines with control characters, which are kept
    marks: int = 0  # byte order marks within the text, which were dropped
    # characters of the longest line, whether it was left out or not; it counts no lines
    longest: int = field(default=0, compare=False)

    def __add__(self, other: Counts) -> Counts:
        sums = {k: getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__}
        return Counts(**{**sums, "longest": max(self.longest, other.longest)})


@dataclass(frozen=True)
class Remark:
    """Says what looks wrong in a text, and with which options of `add` it is read otherwise.

    kind: its name, such as "table" or "numbered list"
    """

    kind: str
    says: str
    add: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pieces:
    """Holds pieces of a text: code points, one piece after another, and offsets (n + 1,)."""

    codes: Codes
    offsets: Ints


@dataclass(frozen=True)
class Cleaned:
    """Holds the lines that are left of a text, and the label of each where it has labels."""

    lines: Pieces
    labels: Pieces | None
    counts: Counts


def code_points(text: str) -> Codes:
    """Return the code points of a text (len(text),), in the smallest type that holds them.

    Raises UnicodeEncodeError for half of a surrogate pair.
    """
    wide = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    largest = int(wide.max()) if len(wide) else 0
    return wide.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)


def text_of(codes: Codes) -> str:
    """Return the string of these code points: the inverse of `code_points`."""
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def clean(codes: Codes, options: TextConfig, name: str = "lines", first: int = 1) -> Cleaned:
    """Cut code points into lines, strip white space, and leave out blank and too long lines.

    With options.labels a line is TEXT<tab>LABEL; raises DataError for one without a label, by its
    number. first: the number of the first line here; name: what the text is called in errors
    """
    ends = np.flatnonzero(codes == LINE_FEED)
    if len(codes) and codes[-1] != LINE_FEED:
        ends = np.append(ends, len(codes))  # the last line need not end with a line feed
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    # Positions of all characters but white space: a line is stripped by a search among them.
    solid = np.flatnonzero(~np.isin(codes, _SPACES))
    labels = None
    text_ends = ends
    if options.labels:
        text_ends = _tabs(codes, starts, ends, solid, (name, first))
        labels = _trimmed(solid, text_ends + 1, ends)
    begin, end = _trimmed(solid, starts, text_ends)
    filled = end > begin
    short = end - begin <= options.max_line
    kept = filled & short
    lines = _gathered(codes, begin[kept], end[kept])
    counts = Counts(
        read=len(starts), blank=int((~filled).sum()), too_long=int((~short).sum()),
        control=_with_control(lines), longest=int((end - begin).max(initial=0)),
    )  # fmt: skip
    of_kept = labels and _gathered(codes, labels[0][kept], labels[1][kept])
    return Cleaned(lines, of_kept, counts)


def _trimmed(solid: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Strip pieces: where each begins and ends without white space; a blank one ends at its start.

    solid: positions of all characters that are no white space, ascending
    """
    first, last = np.searchsorted(solid, starts), np.searchsorted(solid, ends)
    filled = last > first
    begin, end = starts.copy(), starts.copy()
    begin[filled], end[filled] = solid[first[filled]], solid[last[filled] - 1] + 1
    return begin, end


def _tabs(
    codes: Codes, starts: Ints, ends: Ints, solid: Ints, where: tuple[str, int]
) -> Ints:  # fmt: skip
    """Find the last tab of each line (n_lines,); of a blank line, its start.

    Raises DataError for a line without a tab, or with nothing behind it; `where` is the name of
    the text and the number of its first line here.
    """
    tabs = np.concatenate([[-1], np.flatnonzero(codes == TAB)])  # -1: there is always one before
    last = tabs[np.searchsorted(tabs, ends) - 1]
    blank = np.searchsorted(solid, starts) == np.searchsorted(solid, ends)
    after = np.searchsorted(solid, last + 1) == np.searchsorted(solid, ends)
    name, first = where
    for wrong, what in ((last < starts, "no tab, so no label"), (after, "an empty label")):
        rows = np.flatnonzero(wrong & ~blank)
        if len(rows):
            raise DataError(
                f"line {first + rows[0]} has {what}",
                name,
                "each line is TEXT<tab>LABEL; leave --labels out, or give "
                "--label-column where it is a table",
            )
    return np.where(blank, starts, last)


def _gathered(codes: Codes, begin: Ints, end: Ints) -> Pieces:
    """Copy the pieces codes[begin:end] next to each other."""
    offsets = offsets_of(end - begin)
    return Pieces(gathered(codes, begin, offsets), offsets)


def _with_control(lines: Pieces) -> int:
    """Count the lines with control characters of ASCII or Latin-1 (C0, DEL, C1)."""
    codes = lines.codes
    control = np.flatnonzero((codes < 32) | ((codes >= 127) & (codes < 160)))
    return len(np.unique(np.searchsorted(lines.offsets, control, "right")))


MAX_BYTES = 2 * 2**30  # of a file: a log that grows or /dev/zero ends here
MAX_LINE_BYTES = 16 * 2**20  # a line is held in memory whole, so it has a bound before it is read
CHUNK = 2**20  # bytes that are read, and cleaned, at once


def blocks(
    stream: BinaryIO, name: str, encoding: str, errors: str, most: int | None = None,
    from_start: bool = True,
) -> Iterator[str]:  # fmt: skip
    """Decode a stream into blocks of text that end at the end of a line.

    most: bytes that are read, where lines can be told apart in bytes; None: MAX_BYTES
    from_start: the stream begins as a file does: with its kind, and perhaps a byte order mark
    Raises DataError, naming line and byte.
    """
    line_number = 1
    for block in _whole_lines(stream, name, encoding, most, from_start):
        text = _decode(block, name, line_number, encoding, errors)
        if line_number == 1 and from_start:
            text = text.removeprefix(MARK)
        if line_number == 1 and from_start and "\n" not in text and "\r" in text[:-1]:
            raise DataError(
                "the only line ends are lone CR, as on an old Mac", name,
                "turn them into LF: tr '\\r' '\\n' < " + f"{shlex.quote(name)} > lines-lf.txt",
            )  # fmt: skip
        yield text
        line_number += text.count("\n")


def _whole_lines(
    stream: BinaryIO, name: str, encoding: str, most: int | None, from_start: bool
) -> Iterator[bytes]:
    """Read blocks of bytes that end at the end of a line, within the bounds of memory.

    Where byte 10 does not end a line (UTF-16), the whole file is one block.
    """
    by_line = ends_lines_with_lf(encoding)
    most = most if most and by_line else MAX_BYTES
    rest, kept, total = list[bytes](), 0, 0  # rest: chunks without a line end yet
    started = not from_start
    line = 1  # the number of the line that `rest` begins with
    while chunk := stream.read(CHUNK):
        if not started:
            started = True
            check_kind(chunk, name, by_line)
        if by_line and b"\0" in chunk:
            raise DataError("the file looks binary (it holds NUL bytes)", name, "give a text file")
        total += len(chunk)
        if total > most:
            raise DataError(f"more than {most} bytes", name, "give a smaller file")
        cut = chunk.rfind(b"\n") + 1 if by_line else 0
        if cut:
            yield b"".join([*rest, chunk[:cut]])
            line += chunk.count(b"\n")
            rest, kept = [chunk[cut:]], len(chunk) - cut
        else:
            rest.append(chunk)
            kept += len(chunk)
            if by_line and kept > MAX_LINE_BYTES:
                raise DataError(
                    f"line {line} is longer than {MAX_LINE_BYTES} bytes", name, "give shorter lines"
                )
    if kept:
        yield b"".join(rest)


def ends_lines_with_lf(encoding: str) -> bool:
    """Check that byte 10 ends a line, as in UTF-8 and Latin-1 but not in UTF-16.

    Raises DataError for an unknown encoding.
    """
    try:
        return "\n".encode(encoding) == b"\n" or encoding.lower().replace("_", "-") == "utf-8-sig"
    except LookupError:
        raise DataError(
            f"unknown encoding {visible(encoding, 40)!r}", None, "use utf-8, latin-1, ..."
        ) from None


def _decode(block: bytes, name: str, line_number: int, encoding: str, errors: str) -> str:
    """Decode a block that begins at this line. Raises DataError, naming line and byte."""
    try:
        # utf-8-sig would drop a mark at the start of every block.
        text = block.decode(encoding.replace("_", "-").removesuffix("-sig"), errors)
    except UnicodeDecodeError as error:
        before = block[: error.start]
        line = line_number + before.count(b"\n")
        byte = error.start - (before.rfind(b"\n") + 1) + 1
        where = f"{name}:{line}:{byte}: {error.reason}"
        add: dict[str, Any]
        if is_damaged(block, encoding):
            what, add = f"the bytes are no {encoding} here", {"errors": "replace"}
        else:
            likely = likely_encoding(block)
            whole_line = block[before.rfind(b"\n") + 1 :].partition(b"\n")[0]
            shown = visible(whole_line.decode(likely, "replace").strip(), 30)
            what = f"the bytes are no {encoding}, and --errors replace would lose letters"
            what, add = f"{what}; in {likely} the line is {shown!r}", {"encoding": likely}
        raise without_options(DataError, what, where, add) from None
    return text
