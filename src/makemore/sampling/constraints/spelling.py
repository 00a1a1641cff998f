"""Spelling: writes constraints as the text has them: accents in one character or in two, or as ids.

A letter with an accent is one character (NFC, é) or a letter and a mark (NFD, e and U+0301). They
look the same, and which of them a keyboard or a file name gives depends on the system.
"""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Mapping
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import quoted
from makemore.text import Vocabulary
from makemore.text.folding import fold
from makemore.text.tokenizer import CHARACTER
from makemore.text.vocabulary import UNKNOWN

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


def encode_prefix(vocabulary: Vocabulary, prefix: str) -> list[int]:
    """Encode a prefix: the ids that all draws start with; [] where the automaton checks it instead.

    It does where a symbol may be longer than a character: if `Cl` is a symbol, lines that start
    with it start with `C`, too. Raises UsageError for symbols that no line of the text holds.
    """
    if prefix != prefix.lstrip():
        raise UsageError("no line starts with white space", "--prefix", "leave it out")
    if vocabulary.rule != CHARACTER:
        return []
    ids = vocabulary.encode_line(prefix)
    if (ids == UNKNOWN).any():
        unknown = " ".join(map(quoted, vocabulary.unknown_in(prefix)))
        raise UsageError(
            f"the model does not know {unknown}", "--prefix", _known_spelling(vocabulary, prefix)
        )
    return [int(number) for number in ids]


def _known_spelling(vocabulary: Vocabulary, prefix: str) -> str:
    """Say what to type instead: the prefix in another case or without accents, if that is known."""
    folded = fold(prefix)
    for other in (prefix.lower(), prefix.upper(), prefix.title(), folded, folded.title()):
        if not vocabulary.unknown_in(other):
            return f"type --prefix {shlex.quote(other)}"
    return "use symbols of the text"
