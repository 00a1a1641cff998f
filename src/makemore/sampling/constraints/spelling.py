"""Spelling: writes constraints with accents as the text has them, in one character or in two.

A letter with an accent is one character (NFC, é) or a letter and a mark (NFD, e and U+0301). They
look the same, and which of them a keyboard or a file name gives depends on the system.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from makemore.text import Vocabulary

TEXTS = ("prefix", "suffix", "contains")  # may be spelt in both ways
SETS = ("exclude", "pattern")  # of single characters: two for one would mean something else


def spelled(vocabulary: Vocabulary, text: str, forms: tuple[str, ...] = ("NFC", "NFD")) -> str:
    """Return a text with its accents as the vocabulary has them, if that makes all symbols known.

    Else the text as it is: nothing that is known already is ever changed.
    """
    if text.isascii() or not _unknown(vocabulary, text):
        return text
    for form in forms:
        other = unicodedata.normalize(form, text)  # type: ignore[arg-type]
        if not _unknown(vocabulary, other):
            return other
    return text


def _unknown(vocabulary: Vocabulary, text: str) -> bool:
    """Tell whether a text has symbols, other than those of ASCII, that no line of the text has."""
    return any(not symbol.isascii() for symbol in vocabulary.unknown_in(text))


def as_in_text(vocabulary: Vocabulary, constraints: Mapping[str, Any]) -> dict[str, Any]:
    """Return constraints with their accents as the text has them."""
    values = dict(constraints)
    for name in (*TEXTS, *SETS):
        if isinstance(value := values.get(name), str):
            forms = ("NFC", "NFD") if name in TEXTS else ("NFC",)
            values[name] = spelled(vocabulary, value, forms)
    return values
