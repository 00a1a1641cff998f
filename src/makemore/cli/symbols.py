"""Symbols: how a symbol, a context and what was expected are shown on a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from makemore.escaping import visible

CONTEXT_SHOWN = 12  # symbols


def label(symbol: str | None) -> str:
    """Format a symbol: the boundary (None) is `.` as in the lectures, a symbol `.` is in quotes."""
    if symbol is None:
        return "."
    kind = unicodedata.category(symbol[0])
    if symbol == "." or symbol.isprintable() and symbol.isspace():
        return f"'{symbol}'"
    if len(symbol) > 1:
        return f"◌{visible(symbol)}" if kind[0] == "M" else visible(symbol)
    # `visible` keeps some of these, which shape the letters around them; alone nobody sees them.
    if kind[0] == "C" or kind in ("Zl", "Zp", "Zs"):
        return symbol.encode("unicode_escape", "surrogatepass").decode("ascii")
    return f"◌{symbol}" if kind[0] == "M" else symbol  # a mark needs a circle to stand on


def reading(context: Sequence[str | None], most: int = CONTEXT_SHOWN) -> str:
    """Format what the model read, its last `most` symbols; a mark stays on its letter."""
    shown = context[len(context) - min(most, len(context)) :]
    parts = [
        str(symbol) if _is_mark(symbol) and _bears(before) else label(symbol)
        for before, symbol in zip([None, *shown], shown, strict=False)
    ]
    return ("…" if len(context) > len(shown) else "") + "".join(parts)


def _is_mark(symbol: str | None) -> bool:
    return symbol is not None and unicodedata.category(symbol[0])[0] == "M"


def _bears(symbol: str | None) -> bool:
    """Tell whether a mark may stand on a symbol: on a letter or an emoji, not on a quote or <."""
    kind = "" if symbol is None else unicodedata.category(symbol[-1])
    return kind[:1] in ("L", "M", "N") or kind == "So"


def beginning(text: str) -> str:
    """Format the first symbols of a line, so that a space at an edge and a mark are seen."""
    if text != text.strip() or not text:
        return f"'{visible(text)}'"
    return f"◌{visible(text)}" if _is_mark(text) else visible(text)


def probability(value: float) -> str:
    """Format a probability with 4 decimals; one that is not 0 is never shown as 0."""
    shown = f"{value:.4f}"
    return f"{value:.1e}" if value and not float(shown) else shown


def candidates(expected: Iterable[Any]) -> tuple[str, ...]:
    """Format the symbols that were expected with their probabilities: `a 0.5000`, `e 0.2500`."""
    return tuple(f"{label(each.symbol)} {probability(each.probability)}" for each in expected)
