"""Folding: makes lines equal that differ in case or accents alone. No torch."""

from __future__ import annotations

import unicodedata

from makemore.text.corpus import Corpus

# Unicode composes these letters of no mark that could be taken off; people type them without.
STROKES = str.maketrans("łøđħŧıɨƀ", "lodhtiib")
ABOVE_OR_BELOW = 200  # combining classes from here on: accents of Latin, Greek, Cyrillic
# Below are vowels and signs of other scripts, without which a word is another word.


def fold(text: str) -> str:
    """Fold case and accents of a text: Ångström, ÅNGSTRÖM and angstrom give the same."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFC", text).casefold())
    plain = "".join(char for char in apart if unicodedata.combining(char) < ABOVE_OR_BELOW)
    return unicodedata.normalize("NFC", plain.translate(STROKES))


def fold_lines(corpus: Corpus) -> Corpus:
    """Fold each line of a corpus; lines that become equal are kept."""
    # A block of lines at once: no folding makes or takes away a line feed.
    lines = [line for part in corpus.blocks() for line in fold(part.text()).split("\n")[:-1]]
    return Corpus.exactly(lines)
