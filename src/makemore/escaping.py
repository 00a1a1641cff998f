"""Escaping: shows control characters as escapes, so that no text can control a terminal."""

from __future__ import annotations

import json
import unicodedata

# Bidirectional controls can reorder what a terminal shows, so they count as control characters.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # they shape letters and emoji, and reorder nothing


def _hidden(char: str) -> bool:
    """Tell whether a character controls a terminal instead of being shown."""
    return unicodedata.category(char) in _HIDDEN and char not in _JOINERS


def visible(text: str, limit: int | None = None) -> str:
    """Escape the control characters of `text` (``\\x1b``) and cut it to `limit` characters."""
    shown = "".join(
        char.encode("unicode_escape").decode("ascii") if _hidden(char) else char
        for char in text[: limit + 1 if limit else None]
    )
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def quoted(symbol: str) -> str:
    """Quote a symbol for a message; a mark stands on a circle, or the quote would bear it."""
    return f"'{'◌' if unicodedata.category(symbol[:1] or ' ')[0] == 'M' else ''}{visible(symbol)}'"


def visible_json(text: str) -> str:
    """Escape the control characters of JSON text (``\\u009b``), which stays the same value.

    They can only stand in its strings, where JSON has one escape for every UTF-16 unit.
    """
    return "".join(json.dumps(char)[1:-1] if _hidden(char) else char for char in text)
