"""Unicode: which scripts lines are written in, what nobody sees in them, and what is rare.

Scripts are Unicode's (UAX 24); what mixes them in one line often mixes letters that look alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.text.corpus import Corpus

# Those that languages are written in today (UAX 31, tables 5 and 7); any other one is OTHER.
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Armenian", "Georgian", "Hebrew", "Arabic", "Syriac", "Thaana",
    "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada",
    "Malayalam", "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Khmer", "Mongolian", "Ethiopic",
    "Cherokee", "Canadian_Aboriginal", "Nko", "Tifinagh", "Vai", "Javanese", "Balinese", "Yi",
    "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul",
)  # fmt: skip
OTHER = "another script"
TOGETHER = SCRIPTS[SCRIPTS.index("Han") :]  # one line of Japanese or Korean may hold several


_BIDI = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
HIDDEN = (
    "replacement characters", "control characters", "bidirectional marks", "invisible characters",
    "unusual spaces", "characters without a meaning",
)  # fmt: skip


# -- a character ----------------------------------------------------------------------------------


def hidden_kind(symbol: str) -> str | None:
    """Which of HIDDEN a character is, or None for one that people see."""
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
    """The script of each letter among the symbols; signs and letters of all scripts have none."""
    import regex  # type: ignore[import-untyped]

    names = (*SCRIPTS, "Common", "Inherited")
    pattern = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}})" for name in names))
    found = {}
    for symbol in symbols:
        if unicodedata.category(symbol)[0] == "L":
            match = pattern.match(symbol)
            found[symbol] = match.lastgroup if match else OTHER
    return {symbol: script for symbol, script in found.items() if script not in names[-2:]}


def system(script: str) -> str:
    """The scripts that one language writes in one line have one name, any other has its own."""
    return "East Asian" if script in TOGETHER else script


def named(symbol: str) -> str:
    """A character as Unicode names it: `U+0430 CYRILLIC SMALL LETTER A`."""
    control = unicodedata.category(symbol) == "Cc"
    other = "control character" if control else "without a name"
    return f"U+{ord(symbol):04X} {unicodedata.name(symbol, other)}"


def same_form(text: str) -> str:
    """`text` in normal form C: é is one character, not e and an accent (UAX 15)."""
    return unicodedata.normalize("NFC", text)


def same_case(text: str) -> str:
    """`text` in normal form C without the difference of upper and lower case."""
    return same_form(same_form(text).lower())


def same_accents(text: str) -> str:
    """`text` without accents, points and tone marks: what stands above and below its letters.

    Signs that make another letter of a letter (the dots of が, nukta, virama) stay.
    """
    apart = unicodedata.normalize("NFD", text)
    marks = {symbol for symbol in set(apart) if unicodedata.combining(symbol) > 9}
    return same_form(apart.translate(dict.fromkeys(map(ord, marks))))


# -- the characters of lines ----------------------------------------------------------------------


def symbols_of(corpus: Corpus) -> list[str]:
    """The distinct characters of a corpus, sorted."""
    return [chr(code) for code in np.flatnonzero(np.bincount(corpus.codes))]


def rows_of(corpus: Corpus) -> NDArray[np.int64]:
    """(n_symbols,) the line of each character."""
    return np.repeat(np.arange(len(corpus)), corpus.lengths)


def valued(corpus: Corpus, values: Mapping[str, int]) -> NDArray[np.int64]:
    """(n_symbols,) the value of each character, 0 for those that are not given one."""
    table = np.zeros(max(map(ord, values), default=0) + 2, dtype=np.int64)
    for symbol, value in values.items():
        table[ord(symbol)] = value
    return np.asarray(table[np.minimum(corpus.codes.astype(np.intp), len(table) - 1)])


def hidden(corpus: Corpus) -> dict[str, NDArray[np.int64]]:
    """The lines with characters that nobody sees, by their kind, one of HIDDEN."""
    kinds = {symbol: hidden_kind(symbol) for symbol in symbols_of(corpus)}
    present = [kind for kind in HIDDEN if kind in kinds.values()]
    numbers = {symbol: 1 + present.index(kind) for symbol, kind in kinds.items() if kind}
    found, rows = valued(corpus, numbers), rows_of(corpus)
    return {kind: np.unique(rows[found == n]) for n, kind in enumerate(present, 1)}


def rare(corpus: Corpus, fewer_than: int) -> list[tuple[str, list[int]]]:
    """The characters that stand in fewer lines than this, with these lines, the rarest first."""
    often, n = np.bincount(corpus.codes), max(1, len(corpus))
    # What stands there more often than so few lines can hold it stands in more.
    maybe = np.flatnonzero((often > 0) & (often < fewer_than * max(1, corpus.longest)))
    places = np.flatnonzero(valued(corpus, dict.fromkeys(map(chr, maybe), 1)))
    pairs = np.unique(corpus.codes[places].astype(np.int64) * n + rows_of(corpus)[places])
    codes, starts, counts = np.unique(pairs // n, return_index=True, return_counts=True)
    order = [int(i) for i in np.argsort(counts, kind="stable") if counts[i] < fewer_than]
    return [(chr(codes[i]), (pairs[starts[i] : starts[i] + counts[i]] % n).tolist()) for i in order]


@dataclass(frozen=True)
class Written:
    """The scripts that the lines of a corpus are written in.

    shares: of each script among the letters, the largest first
    mixed: the lines with letters of several scripts; those of Japanese and Korean count as one
    other: the lines without a letter of the first script, and with letters of another
    """

    shares: dict[str, float]
    mixed: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus) -> Written:
        often, script_of = np.bincount(corpus.codes), scripts(symbols_of(corpus))
        letters: dict[str, int] = {}
        for symbol, script in script_of.items():
            letters[script] = letters.get(script, 0) + int(often[ord(symbol)])
        order = sorted(letters, key=lambda script: (-letters[script], script))
        shares = {script: letters[script] / sum(letters.values()) for script in order}
        bits: dict[str, int] = {}
        for script in order:
            bits.setdefault(system(script), 1 << len(bits))
        numbers = {symbol: bits[system(script)] for symbol, script in script_of.items()}
        each = np.zeros(len(corpus), dtype=np.int64)
        filled = corpus.lengths > 0
        if filled.any():
            starts = corpus.offsets[:-1][filled]
            each[filled] = np.bitwise_or.reduceat(valued(corpus, numbers), starts)
        several, other = (each & (each - 1)) != 0, (each != 0) & ((each & 1) == 0)
        return cls(shares, np.flatnonzero(several), np.flatnonzero(other))


def groups(corpus: Corpus, fold: Callable[[str], str], before: Callable[[str], str] | None = None
           ) -> list[list[int]]:  # fmt: skip
    """Rows of lines that `fold` makes one line, and that were several `before`.

    Both are given all lines at once, each ended by a line feed.
    """
    text = corpus.text()
    fine = corpus.hashes() if before is None else _hashes(before(text))
    rows, coarse = np.sort(np.unique(fine, return_index=True)[1]), _hashes(fold(text))
    _, group, sizes = np.unique(coarse[rows], return_inverse=True, return_counts=True)
    together: dict[int, list[int]] = {}
    for row in rows[sizes[group] > 1].tolist():
        together.setdefault(int(coarse[row]), []).append(row)
    return list(together.values())


def _hashes(text: str) -> NDArray[np.uint64]:
    return Corpus.exactly(text.split("\n")[:-1]).hashes()
