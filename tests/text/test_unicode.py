"""What is said of characters, against Unicode's own words and against every line by itself."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from makemore.text.audit.unicode import (  # fmt: skip
    HIDDEN,
    Written,
    groups,
    hidden,
    hidden_kind,
    named,
    rare,
    rows_of,
    same_accents,
    same_case,
    same_form,
    scripts,
    symbols_of,
    valued,
)
from makemore.text.corpus import Corpus

LETTERS = {
    "Latin": "azAÉøßªʰ", "Cyrillic": "аяЁӂ", "Greek": "αΩς", "Arabic": "ابپ", "Hebrew": "אש",
    "Devanagari": "कख", "Thai": "กข", "Han": "山田々", "Hiragana": "あん", "Katakana": "アン",
    "Hangul": "한ㄱ", "Georgian": "აბ", "Ethiopic": "ሀለ", "another script": "𓀀𐎀",
}  # fmt: skip


def test_letters_have_their_script_and_nothing_else_has_one() -> None:
    expected = {letter: script for script, letters in LETTERS.items() for letter in letters}
    # The long-vowel sign of kana and the micro sign are of all scripts; accents are no letters.
    others = "1 .-_'😀ーµ\u0301\u093e\u200d\t"
    assert scripts([*expected, *others]) == expected


def test_a_script_is_in_the_name_that_unicode_gives_its_letters() -> None:
    """A truth from outside: the first word of a letter's name."""
    words = {"LATIN": "Latin", "CYRILLIC": "Cyrillic", "GREEK": "Greek", "ARABIC": "Arabic",
             "HEBREW": "Hebrew", "ARMENIAN": "Armenian", "THAI": "Thai", "HANGUL": "Hangul",
             "HIRAGANA": "Hiragana", "TAMIL": "Tamil", "BENGALI": "Bengali"}  # fmt: skip
    letters = [chr(c) for c in range(0x10000) if unicodedata.category(chr(c)) in ("Ll", "Lu", "Lo")]
    found, checked = scripts(letters), 0
    for letter in letters:
        script = words.get(unicodedata.name(letter, "").partition(" ")[0])
        if script and letter in found:
            assert found[letter] == script, named(letter)
            checked += 1
    assert checked > 13_000


HIDE = {
    "replacement characters": "\ufffd",
    "control characters": "\t\x00\x1b\x7f\x85",
    "bidirectional marks": "\u061c\u200e\u200f\u202a\u202e\u2066\u2069",
    "invisible characters": "\u200b\u200c\u200d\u2060\ufeff\u00ad",
    "unusual spaces": "\u00a0\u3000\u202f\u2009\u2028\u2029",
    "characters without a meaning": "\ue000\uf8ff\u0378\U0010ffff",
}


def test_what_nobody_sees_is_of_one_kind() -> None:
    assert tuple(HIDE) == HIDDEN
    for kind, symbols in HIDE.items():
        assert {hidden_kind(symbol) for symbol in symbols} == {kind}
    assert {hidden_kind(symbol) for symbol in " aЯé山\u0301😀-._1\u0600"[:-1]} == {None}


def test_lines_with_what_nobody_sees() -> None:
    lines = ["anna", "an\u200bna", "\tx\u200by", "na\u00a0na", "", "x\u200b\u200b"]
    found = hidden(Corpus.exactly(lines))
    assert {kind: rows.tolist() for kind, rows in found.items()} == {
        "control characters": [2], "invisible characters": [1, 2, 5], "unusual spaces": [3],
    }  # fmt: skip
    assert list(found) == [kind for kind in HIDDEN if kind in found]
    assert hidden(Corpus.exactly(["anna", "мария", "山田"])) == {}


def test_characters_have_names() -> None:
    assert named("а") == "U+0430 CYRILLIC SMALL LETTER A"
    assert named("\t") == "U+0009 control character"
    assert named("\ue000") == "U+E000 without a name"
    assert named("😀") == "U+1F600 GRINNING FACE"


ANY = st.lists(st.text("abаא山🙂 ", max_size=6), min_size=1, max_size=30)


@given(lines=ANY, fewer=st.integers(1, 6))
@example(lines=["zzzzzzzz", "ab", "ab"], fewer=2)  # many times in one line is still one line
def test_rare_ones_are_those_that_few_lines_hold(lines: list[str], fewer: int) -> None:
    corpus = Corpus.exactly(lines)
    holds = {s: [i for i, line in enumerate(lines) if s in line] for s in set("".join(lines))}
    expected = {symbol: rows for symbol, rows in holds.items() if len(rows) < fewer}
    found = rare(corpus, fewer)
    assert dict(found) == expected and len(found) == len(expected)
    assert [len(rows) for _, rows in found] == sorted(len(rows) for rows in expected.values())
    assert symbols_of(corpus) == sorted(holds)


@given(lines=ANY)
def test_values_go_to_their_characters(lines: list[str]) -> None:
    corpus = Corpus.exactly(lines)
    assert valued(corpus, {"a": 3, "א": 2**40}).tolist() == [
        {"a": 3, "א": 2**40}.get(symbol, 0) for line in lines for symbol in line
    ]
    assert valued(corpus, {}).tolist() == [0] * len("".join(lines))
    assert rows_of(corpus).tolist() == [i for i, line in enumerate(lines) for _ in line]


# -- scripts of lines -----------------------------------------------------------------------------


def written(*lines: str) -> Written:
    return Written.of(Corpus.exactly(lines))


def test_lines_that_mix_scripts_and_lines_of_another() -> None:
    found = written("мария", "Mария", "anna", "", "42", "иван 7", "山さん", "山a", "ивановичи")
    assert found.mixed.dtype == np.int64 and found.mixed.tolist() == [1, 7]
    assert found.other.tolist() == [2, 6, 7]
    assert list(found.shares)[0] == "Cyrillic" and sum(found.shares.values()) == pytest.approx(1)
    letters = sum(map(len, ("мария", "ария", "иван", "ивановичи")))
    assert found.shares["Cyrillic"] == pytest.approx(letters / (letters + 1 + 4 + 3 + 2))


def test_what_one_language_mixes_is_one() -> None:
    lines = ["山田さん", "カラオケする", "한국韓國", "ㄅ山"]
    found = written(*lines)
    assert len(found.mixed) == len(found.other) == 0
    assert found.shares.keys() == {"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}
    assert written(*lines, "Tシャツ").mixed.tolist() == [4]


def test_no_letters_at_all() -> None:
    found = written("123", "4-5", "")
    assert found.shares == {} and len(found.mixed) == len(found.other) == 0
    every = written(*[letters[0] for letters in LETTERS.values()])
    assert len(every.shares) == len(LETTERS) and len(every.mixed) == 0


# -- spellings ------------------------------------------------------------------------------------


def test_lines_that_are_one_but_for_their_spelling() -> None:
    lines = [
        "José",
        "Jose\u0301",
        "jose",
        "JOSÉ",
        "Анна",
        "анна",
        "ёлка",
        "елка",
        "か",
        "が",
        "ana",
    ]
    corpus = Corpus.exactly(lines)
    assert groups(corpus, same_form) == [[0, 1]]
    assert groups(corpus, same_case, same_form) == [[0, 3], [4, 5]]  # é of both forms counts once
    assert groups(corpus, same_accents, same_form) == [[6, 7]]
    assert groups(Corpus.exactly(["Jose", "José", "Josè"]), same_accents, same_form) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("text", "bare"),
    [("Ångström", "Angstrom"), ("Nguyễn", "Nguyen"), ("шёлк", "шелк"), ("שָׁלוֹם", "שלום"),
     ("مُحَمَّد", "محمد"), ("がパ", "がパ"), ("क़ि", "क़ि"), ("한국", "한국"), ("øß", "øß")],
)  # fmt: skip
def test_accents(text: str, bare: str) -> None:
    assert same_accents(text) == same_form(bare)
    assert same_accents(unicodedata.normalize("NFD", text)) == same_form(bare)


@given(lines=st.lists(st.text("aAéeE\u0301ςΣσß", max_size=4), min_size=1, max_size=12, unique=True))
def test_all_lines_at_once_are_spelled_as_each_by_itself(lines: list[str]) -> None:
    corpus = Corpus.exactly(lines)
    for fold in (same_form, same_case, same_accents):
        assert fold(corpus.text()).split("\n")[:-1] == [fold(line) for line in lines]
    together: dict[str, list[int]] = {}
    for row, line in enumerate(lines):
        together.setdefault(same_form(line), []).append(row)
    expected = [rows for rows in together.values() if len(rows) > 1]
    assert groups(corpus, same_form) == expected
