"""Unicode: the scripts of lines, characters that nobody sees, rare characters, equal spellings.

Scripts are Unicode's (UAX 24). A line that mixes them often mixes letters that look alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.text.corpus import Corpus

# The scripts that languages are written in today (UAX 31, tables 5 and 7); any other is OTHER.
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Armenian", "Georgian", "Hebrew", "Arabic", "Syriac", "Thaana",
    "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada",
    "Malayalam", "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Khmer", "Mongolian", "Ethiopic",
    "Cherokee", "Canadian_Aboriginal", "Nko", "Tifinagh", "Vai", "Javanese", "Balinese", "Yi",
    "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul",
)  # fmt: skip
OTHER = "another script"
TOGETHER = SCRIPTS[SCRIPTS.index("Han") :]  # one line of Japanese or Korean may hold several


# Marks, embeddings, overrides and isolates that set the direction of the text around them.
_BIDI = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
HIDDEN = (
    "replacement characters", "control characters", "bidirectional marks", "invisible characters",
    "unusual spaces", "characters without a meaning",
)  # fmt: skip


# -- a character ----------------------------------------------------------------------------------


def hidden_kind(symbol: str) -> str | None:
    """Classify a character as one of HIDDEN; None for one that people see."""
    category = unicodedata.category(symbol)
    if symbol == "\ufffd":
        return "replacement characters"
    if category == "Cf":
        return "bidirectional marks" if ord(symbol) in _BIDI else "invisible characters"
    if category in ("Zs", "Zl", "Zp"):
        return None if symbol == " " else "unusual spaces"
    kinds = {"Cc": "control characters", "Co": "characters without a meaning"}
    return kinds.get(category, kinds["Co"] if category == "Cn" else None)


def scripts(symbols: Iterable[str]) -> dict[str, str]:
    """Look up the script of each letter; digits, signs and letters of all scripts have none."""
    import regex  # type: ignore[import-untyped]

    # The standard library knows no scripts: one pattern with a named group for each of them.
    names = (*SCRIPTS, "Common", "Inherited")
    pattern = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}})" for name in names))
    script_of = {}
    for symbol in symbols:
        if unicodedata.category(symbol)[0] == "L":
            match = pattern.match(symbol)
            script_of[symbol] = match.lastgroup if match else OTHER
    return {symbol: script for symbol, script in script_of.items() if script not in names[-2:]}


def system(script: str) -> str:
    """Name a script's writing system: one for Han, kana and Hangul, which one line may mix."""
    return "East Asian" if script in TOGETHER else script


def named(symbol: str) -> str:
    """Name a character as Unicode does: `U+0430 CYRILLIC SMALL LETTER A`."""
    control = unicodedata.category(symbol) == "Cc"
    other = "control character" if control else "without a name"
    return f"U+{ord(symbol):04X} {unicodedata.name(symbol, other)}"


def same_form(text: str) -> str:
    """Bring `text` into normal form C: é is one character, not e and an accent (UAX 15)."""
    return unicodedata.normalize("NFC", text)


def same_case(text: str) -> str:
    """Bring `text` into normal form C and lower case."""
    return same_form(same_form(text).lower())


def same_accents(text: str) -> str:
    """Remove accents, points and tone marks: the marks above and below letters.

    Signs that make another letter of a letter (the dots of が, nukta, virama) stay.
    """
    apart = unicodedata.normalize("NFD", text)  # a letter and its marks as characters of their own
    # Unicode's combining classes up to 9 are those signs; above are marks by their position.
    marks = {symbol for symbol in set(apart) if unicodedata.combining(symbol) > 9}
    return same_form(apart.translate(dict.fromkeys(map(ord, marks))))


# -- the characters of lines ----------------------------------------------------------------------


def symbols_of(corpus: Corpus) -> list[str]:
    """List the distinct characters of a corpus, sorted."""
    return [chr(code) for code in np.flatnonzero(np.bincount(corpus.codes))]


def rows_of(corpus: Corpus) -> NDArray[np.int64]:
    """Give the row of each character's line (n_symbols,)."""
    return np.repeat(np.arange(len(corpus)), corpus.lengths)


def valued(corpus: Corpus, values: Mapping[str, int]) -> NDArray[np.int64]:
    """Look up a value for each character of a corpus (n_symbols,), 0 where there is none."""
    table = np.zeros(max(map(ord, values), default=0) + 2, dtype=np.int64)
    for symbol, value in values.items():
        table[ord(symbol)] = value
    return np.asarray(table[np.minimum(corpus.codes.astype(np.intp), len(table) - 1)])


def hidden(corpus: Corpus) -> dict[str, NDArray[np.int64]]:
    """Find the rows of lines with characters that nobody sees: kind of HIDDEN -> rows."""
    kinds = {symbol: hidden_kind(symbol) for symbol in symbols_of(corpus)}
    present = [kind for kind in HIDDEN if kind in kinds.values()]
    numbers = {symbol: 1 + present.index(kind) for symbol, kind in kinds.items() if kind}
    kind_of_each, rows = valued(corpus, numbers), rows_of(corpus)
    return {kind: np.unique(rows[kind_of_each == n]) for n, kind in enumerate(present, 1)}


def rare(corpus: Corpus, fewer_than: int) -> list[tuple[str, list[int]]]:
    """Find the characters in fewer lines than this, with the rows of these, the rarest first."""
    often, n = np.bincount(corpus.codes), max(1, len(corpus))
    # A character that occurs more often than so few lines have characters is not rare.
    maybe = np.flatnonzero((often > 0) & (often < fewer_than * max(1, corpus.longest)))
    chosen = np.flatnonzero(valued(corpus, dict.fromkeys(map(chr, maybe), 1)))
    # Each pair (character, row) once, as the one number character * n + row.
    pairs = np.unique(corpus.codes[chosen].astype(np.int64) * n + rows_of(corpus)[chosen])
    codes, starts, counts = np.unique(pairs // n, return_index=True, return_counts=True)
    order = [int(i) for i in np.argsort(counts, kind="stable") if counts[i] < fewer_than]
    return [(chr(codes[i]), (pairs[starts[i] : starts[i] + counts[i]] % n).tolist()) for i in order]


@dataclass(frozen=True)
class Written:
    """Summarizes the scripts that the lines of a corpus are written in.

    shares: script -> its fraction of all letters, the largest first
    mixed: rows of lines with letters of several scripts; those of Japanese and Korean count as one
    other: rows of lines with letters, but none of the first script
    """

    shares: dict[str, float]
    mixed: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus) -> Written:
        """Count the letters of each script, and find the lines that mix scripts."""
        often, script_of = np.bincount(corpus.codes), scripts(symbols_of(corpus))
        letters: dict[str, int] = {}
        for symbol, script in script_of.items():
            letters[script] = letters.get(script, 0) + int(often[ord(symbol)])
        order = sorted(letters, key=lambda script: (-letters[script], script))
        shares = {script: letters[script] / sum(letters.values()) for script in order}
        # One bit for each writing system: a line's bits are the OR over its letters.
        bits: dict[str, int] = {}
        for script in order:
            bits.setdefault(system(script), 1 << len(bits))
        numbers = {symbol: bits[system(script)] for symbol, script in script_of.items()}
        each = np.zeros(len(corpus), dtype=np.int64)
        filled = corpus.lengths > 0
        if filled.any():
            starts = corpus.offsets[:-1][filled]
            each[filled] = np.bitwise_or.reduceat(valued(corpus, numbers), starts)
        # More than one bit is set; bit 0, that of the first script, is not.
        several, other = (each & (each - 1)) != 0, (each != 0) & ((each & 1) == 0)
        return cls(shares, np.flatnonzero(several), np.flatnonzero(other))


def groups(corpus: Corpus, fold: Callable[[str], str], before: Callable[[str], str] | None = None
           ) -> list[list[int]]:  # fmt: skip
    """Group the rows of lines that `fold` makes equal and that still differ after `before`.

    Both functions get all lines as one text, each ended by a line feed: that is far faster.
    """
    text = corpus.text()
    fine = corpus.hashes() if before is None else _hashes(before(text))
    # One row for each distinct line after `before`; then rows whose folded hashes are equal.
    rows, coarse = np.sort(np.unique(fine, return_index=True)[1]), _hashes(fold(text))
    _, group, sizes = np.unique(coarse[rows], return_inverse=True, return_counts=True)
    together: dict[int, list[int]] = {}
    for row in rows[sizes[group] > 1].tolist():
        together.setdefault(int(coarse[row]), []).append(row)
    return list(together.values())


def _hashes(text: str) -> NDArray[np.uint64]:
    """Hash each line of a text (n_lines,)."""
    return Corpus.exactly(text.split("\n")[:-1]).hashes()
