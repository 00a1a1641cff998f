"""Wrapping: tables and text in lines as wide as the terminal, wrapped where they are wider.

Nothing is cut. A column of numbers keeps its width, one of texts is wrapped at its spaces, and
columns that find no room beside the others stand below them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from makemore.cli.tables import cell, numeric

NARROWEST = 24  # cells of a column of texts, before other columns go below
GAP = 2  # cells between two columns


@dataclass(frozen=True)
class Pieces:
    """Holds a text that is wrapped between its pieces, and inside one only if it is too wide."""

    pieces: tuple[str, ...]
    between: str = " "

    def __str__(self) -> str:
        return self.between.join(self.pieces)


def words(text: str) -> Pieces:
    """Make a text that is wrapped at its spaces."""
    return Pieces(tuple(text.split(" ")))


@dataclass(frozen=True)
class Across:
    """Holds a row of a table that goes across all columns, such as a heading."""

    text: Pieces
    indent: str = ""


def terminal_width() -> int | None:
    """Return the cells of a line of the terminal; None in a pipe, where no line is wrapped.

    COLUMNS, where a shell or a person has set it, holds in a pipe, too.
    """
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return None
    return shutil.get_terminal_size().columns


def wrapped(text: Pieces, width: int | None, indent: str = "") -> list[str]:
    """Wrap a text to lines of `width` cells; all but the first begin with `indent`."""
    from rich.cells import cell_len  # a Chinese character is two cells wide, an accent none

    if width is None:
        return [str(text)]
    lines, line = [], ""
    for number, piece in enumerate(text.pieces):
        longer = line + text.between + piece if number else piece
        if number and cell_len(longer) > width:
            lines.append(line)
            longer = indent + piece
        *full, line = _folded(longer, width)
        lines += full
    return [*lines, line]


def _folded(text: str, width: int) -> list[str]:
    """Fold a text at its spaces, and a longer word between characters as people see them."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return [text]
    if " " in text.strip():
        return wrapped(words(text), width)
    import regex  # type: ignore[import-untyped] # only here: most texts fit

    lines, line = [], ""
    for character in regex.findall(r"\X", text):
        if line and cell_len(line + character) > width:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


def table(
    header: Sequence[str], rows: Sequence[Sequence[Any] | Across], width: int | None
) -> list[str]:
    """Arrange a table in lines of at most `width` cells.

    A cell is a number, a text or Pieces. In very narrow terminals a number may be wider.
    """
    cells = [[_pieces(value) for value in row] for row in rows if not isinstance(row, Across)]
    head = [Pieces((name,)) for name in header]
    layout = _Layout([head, *cells], width)
    each, lines = iter(cells), layout.lines(head)
    for row in rows:
        if isinstance(row, Across):
            room = None if width is None else width - len(row.indent)
            lines += [row.indent + line for line in wrapped(row.text, room, "  ")]
        else:
            lines += layout.lines(next(each))
    return [line.rstrip() for line in lines]


def _pieces(value: Any) -> Pieces:
    return value if isinstance(value, Pieces) else words(cell(value))


class _Layout:
    """Chooses the widths of columns, and which of them stand below the others.

    groups: the columns of each line of a row, side by side
    """

    def __init__(self, rows: Sequence[list[Pieces]], width: int | None) -> None:
        from rich.cells import cell_len

        texts = [[str(each) for each in row] for row in rows]
        columns = range(len(texts[0]))
        self.right = numeric(texts[1:], len(columns))
        natural = [max(cell_len(row[column]) for row in texts) for column in columns]
        least = [
            size if is_number else min(size, max(NARROWEST, cell_len(name)))
            for size, is_number, name in zip(natural, self.right, texts[0], strict=True)
        ]
        self.widths, self.groups = natural, [list(columns)]
        self.indent = " " * (natural[0] + GAP)
        if width is not None:
            self.groups = self._grouped(least, width)
            for group in self.groups:
                self._shrink(group, least, width)

    def _grouped(self, least: Sequence[int], width: int) -> list[list[int]]:
        """Put as many columns side by side as fit with their least widths."""
        groups, used = [[0]], least[0]
        for column in range(1, len(least)):
            used += GAP + least[column]
            if used > width:
                groups.append([])
                used = len(self.indent) + least[column]
            groups[-1].append(column)
        return groups

    def _shrink(self, group: Sequence[int], least: Sequence[int], width: int) -> None:
        """Take from the widest columns of texts what is too wide."""
        room = width - GAP * (len(group) - 1) - (len(self.indent) if 0 not in group else 0)
        texts = [column for column in group if not self.right[column]]
        for _ in range(sum(self.widths[column] for column in group) - room):
            widest = max(texts, key=lambda column: self.widths[column] - least[column], default=-1)
            if widest < 0 or self.widths[widest] == least[widest]:
                return  # narrower than any terminal that a table can be read on
            self.widths[widest] -= 1

    def lines(self, row: Sequence[Pieces]) -> list[str]:
        """Write the lines of a row."""
        from rich.cells import cell_len

        lines = []
        for number, group in enumerate(self.groups):
            blocks = [wrapped(row[column], self.widths[column]) for column in group]
            for parts in zip_longest(*blocks, fillvalue=""):
                padded = []
                for column, text in zip(group, parts, strict=True):
                    space = " " * (self.widths[column] - cell_len(text))
                    padded.append(space + text if self.right[column] else text + space)
                lines.append((self.indent if number else "") + (" " * GAP).join(padded))
        return lines
