"""A table as people read it: aligned text for a terminal, Markdown for a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def cell(value: Any) -> str:
    """A number with 4 decimals, a count with thousands, `-` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def numeric(cells: Sequence[Sequence[str]], columns: int) -> list[bool]:
    """Which columns hold nothing but numbers and `-`."""
    number = re.compile(r"-|[+-]?[\d,]+(\.\d+)?(e[+-]?\d+)?( ?(%|s))?|-?inf")
    return [
        bool(cells) and all(number.fullmatch(row[column]) for row in cells)
        for column in range(columns)
    ]


def aligned(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a table: the first column and other texts to the left, numbers to the right."""
    from rich.cells import cell_len  # a Chinese character is two cells wide, an accent none

    cells = [[cell(value) for value in row] for row in rows]
    right = numeric(cells, len(header))
    widths = [max(map(cell_len, column)) for column in zip(header, *cells, strict=True)]
    lines = []
    for row in [list(header), *cells]:
        padded = [
            " " * (width - cell_len(text)) + text
            if is_right
            else text + " " * (width - cell_len(text))
            for text, width, is_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a Markdown table; what a cell holds cannot leave it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"

    cells = [[cell(value) for value in row] for row in rows]
    right = numeric(cells, len(header))
    rule = "|" + "|".join("--:" if is_right else "---" for is_right in right) + "|"
    return [line(header), rule, *map(line, cells)]
