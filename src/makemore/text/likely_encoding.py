"""Likely encoding: in which encoding bytes that are no UTF-8 were probably written.

Nothing is read by this guess: an error names it, and shows how a line would read.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

LOOKED_AT = 2**14  # bytes
FEW = 2  # bytes beyond ASCII, by which no rare encoding is told from a usual one
# Where letters of another script than Latin are written in one byte each: the ten or so letters
# that are the most frequent there. In a wrong encoding they turn into rarer ones.
FREQUENT = {
    "cp1251": "оеаинтсрвл", "koi8_r": "оеаинтсрвл", "cp866": "оеаинтсрвл",
    "cp1253": "αοιενάτσηρςλκί", "cp1255": "יוהלאמרתנשב", "cp1256": "اليمنروبتةدعه",
    "cp874": "านรกอเงมยลวสิ่ั",
}  # fmt: skip
# Two bytes a character: what is frequent, by its code points (kana, Hangul, ideographs).
KANA, HANGUL, IDEOGRAPHS = ("\u3041", "\u30ff"), ("\uac00", "\ud7a3"), ("\u4e00", "\u9fff")
# One byte a letter, of Latin script; the first of equal ones is taken.
LATIN = ("latin-1", "cp1252", "cp1250", "cp850", "mac_roman")
PUNCTUATION = set("‘’‚“”„–—…€«»°·\xa0")


def is_damaged(block: bytes, encoding: str) -> bool:
    """Tell whether bytes are of this encoding, but for a few: more letters are right than wrong."""
    text = block.decode(encoding, "replace")
    wrong = text.count("\ufffd")
    return sum(not symbol.isascii() for symbol in text) - wrong > wrong


def likely_encoding(block: bytes) -> str:
    """Choose the encoding to try first for bytes that are no UTF-8, by which letters result."""
    some = block.removeprefix(codecs.BOM_UTF8)
    if len(some) > LOOKED_AT:
        some = some[: some.rfind(b"\n", 0, LOOKED_AT) + 1] or some[:LOOKED_AT]
    n_high = sum(byte > 127 for byte in some)
    # Letters of another script stand side by side, or their second byte is that of a Latin letter.
    n_pairs = len(re.findall(rb"[\x80-\xff][\x40-\xff]", some))
    if 2 * n_pairs > max(FEW, len(re.findall(rb"(?<![\x80-\xff])[A-Za-z]", some))):
        fitness = {encoding: _fitness(some, encoding) for encoding in _OTHER_SCRIPTS}
        best = max(fitness, key=lambda encoding: fitness[encoding])
        if fitness[best] > 0.5:
            return best
    latin = {encoding: _latin_fitness(some, encoding) for encoding in LATIN}
    usual = max(LATIN[:2], key=lambda encoding: latin[encoding])
    best = max(LATIN, key=lambda encoding: latin[encoding])
    return best if n_high > FEW and latin[best] > latin[usual] + 0.25 else usual


_OTHER_SCRIPTS = ("shift_jis", "euc_jp", "euc_kr", "gb18030", "big5", *FREQUENT)


def _fitness(block: bytes, encoding: str) -> float:
    """Rate the text that an encoding of another script than Latin gives: 0 (none) to about 1."""
    try:
        beyond = [symbol for symbol in block.decode(encoding) if symbol > "\x7f"]
    except UnicodeDecodeError:
        return 0.0
    if not beyond:
        return 0.0
    if encoding in FREQUENT:
        regular = _regular_case(block.decode(encoding))
        frequent = sum(symbol.lower() in FREQUENT[encoding] for symbol in beyond) / len(beyond)
        return regular * (0.4 + 0.6 * frequent) * _letters(beyond)
    kana = _within(beyond, KANA) if encoding in ("shift_jis", "euc_jp") else 0.0
    if kana:  # any two Chinese bytes are Japanese ideographs, too, but no kana
        return kana + _within(beyond, IDEOGRAPHS)
    if encoding == "euc_kr":  # half of Chinese would be Hangul
        return 1.0 if _within(beyond, HANGUL) > 0.97 else 0.0
    # The frequent ideographs stand first: what a wrong encoding gives is mostly rare ones.
    lead = {"gb18030": ("gb2312", 0xB0, 0xD7), "big5": ("big5", 0xA4, 0xC6)}
    charset, first, last = lead.get(encoding, (encoding, 0x88, 0x97))
    frequent = sum(
        first <= symbol.encode(charset, "replace")[0] <= last and "\u4e00" <= symbol <= "\u9fff"
        for symbol in beyond
    )
    return 0.95 * frequent / len(beyond)


def _within(symbols: list[str], bounds: tuple[str, str]) -> float:
    return sum(bounds[0] <= symbol <= bounds[1] for symbol in symbols) / len(symbols)


def _letters(symbols: list[str]) -> float:
    return sum(unicodedata.category(symbol)[0] in "LM" for symbol in symbols) / len(symbols)


def _regular_case(text: str) -> float:
    """Compute the part of the words in which capitals stand at most at the start."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    regular = sum(
        0.5 if len(word) > 1 and word.isupper() else word[1:] == word[1:].lower() for word in words
    )
    return regular / len(words) if words else 1.0


def _latin_fitness(block: bytes, encoding: str) -> float:
    """Rate the Latin text of an encoding: the part of its letters that can stand where they do.

    Bytes 0x80 to 0x9F are quotes, dashes and € in cp1252; in Latin-1 they are control characters.
    """
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError:  # five bytes have no character in cp1252
        return -1.0
    good = Counter(
        _fits(text, at) for at, symbol in enumerate(text) if symbol > "\x7f"
    )  # fmt: skip
    return good[True] / max(1, good.total())


def _fits(text: str, at: int) -> bool:
    """Tell whether a character may stand there: a letter, or punctuation at the end of a word."""
    symbol, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if symbol.isalpha():
        # A capital within a word is none: "Bj”rn" and "Dvo®ák" have neither.
        return not (symbol.isupper() and before.islower())
    within = before.isalpha() and after.isalpha()
    return symbol in PUNCTUATION and (not within or symbol == "\u2019")
