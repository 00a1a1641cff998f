"""Cleaning: a text's code points as lines, with white space at their ends removed, all counted.

A text is one array of code points, and so is what comes of it: no string is made of any line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError
from makemore.pieces import gathered, offsets_of
from makemore.settings import TextOptions

Codes = NDArray[Any]
Ints = NDArray[np.int64]

LINE_FEED, TAB = 10, 9

_SPACES = np.array([c for c in range(0x3001) if chr(c).isspace()], dtype=np.uint32)


@dataclass(frozen=True)
class Counts:
    """What cleaning a text did: lines read, and lines left out by reason."""

    read: int = 0
    blank: int = 0
    too_long: int = 0
    copies: int = 0  # second and later occurrences, whether they were dropped or kept
    control: int = 0  # lines with control characters, which are kept

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__))


@dataclass(frozen=True)
class Pieces:
    """Pieces of a text: their code points, one after another, and offsets (n + 1,) of each."""

    codes: Codes
    offsets: Ints


@dataclass(frozen=True)
class Cleaned:
    """The lines that are left of a text, and a label for each where it has labels."""

    lines: Pieces
    labels: Pieces | None
    counts: Counts


def code_points(text: str) -> Codes:
    """(len(text),) the code points, in the smallest type that holds them."""
    wide = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    largest = int(wide.max()) if len(wide) else 0
    return wide.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)


def text_of(codes: Codes) -> str:
    """The string of these code points."""
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def clean(codes: Codes, options: TextOptions, name: str = "lines", first: int = 1) -> Cleaned:
    """Lines ended by LF: white space at their ends removed; blank and too long ones left out.

    With options.labels a line ends with a tab and its label. Raises DataError for a line without,
    by its number; `first` is that of the first line here, `name` says of what.
    """
    ends = np.flatnonzero(codes == LINE_FEED)
    if len(codes) and codes[-1] != LINE_FEED:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
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
        control=_with_control(lines),
    )  # fmt: skip
    of_kept = labels and _gathered(codes, labels[0][kept], labels[1][kept])
    return Cleaned(lines, of_kept, counts)


def _trimmed(solid: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Where each piece begins and ends without white space; a blank one ends where it begins."""
    first, last = np.searchsorted(solid, starts), np.searchsorted(solid, ends)
    filled = last > first
    begin, end = starts.copy(), starts.copy()
    begin[filled], end[filled] = solid[first[filled]], solid[last[filled] - 1] + 1
    return begin, end


def _tabs(
    codes: Codes, starts: Ints, ends: Ints, solid: Ints, place: tuple[str, int]
) -> Ints:  # fmt: skip
    """(n_lines,) the last tab of each line; the start of a blank one. Raises DataError."""
    tabs = np.concatenate([[-1], np.flatnonzero(codes == TAB)])
    last = tabs[np.searchsorted(tabs, ends) - 1]
    blank = np.searchsorted(solid, starts) == np.searchsorted(solid, ends)
    after = np.searchsorted(solid, last + 1) == np.searchsorted(solid, ends)
    name, first = place
    for wrong, what in ((last < starts, "no tab, so no label"), (after, "an empty label")):
        rows = np.flatnonzero(wrong & ~blank)
        if len(rows):
            raise DataError(
                f"line {first + rows[0]} has {what}", name, "each line is TEXT<tab>LABEL"
            )
    return np.where(blank, starts, last)


def _gathered(codes: Codes, begin: Ints, end: Ints) -> Pieces:
    offsets = offsets_of(end - begin)
    return Pieces(gathered(codes, begin, offsets), offsets)


def _with_control(lines: Pieces) -> int:
    codes = lines.codes
    places = np.flatnonzero((codes < 32) | ((codes >= 127) & (codes < 160)))
    return len(np.unique(np.searchsorted(lines.offsets, places, "right")))
