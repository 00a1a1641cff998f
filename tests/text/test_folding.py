"""folding.py: what is the same line but for case and accents, and what is another word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.text.corpus import Corpus
from makemore.text.folding import fold, fold_lines

SAME = [
    ("Emma", "eMMA"), ("Ångström", "ANGSTROM"), ("Łukasz", "lukasz"), ("Øre", "ore"),
    ("Straße", "STRASSE"), ("İstanbul", "istanbul"), ("ΟΔΟΣ", "οδος"), ("Άννα", "αννα"),
    ("Ёлка", "елка"), ("e\u0301", "\u00c9"), ("Việt", "viet"), ("\u212bngstrom", "ångstrom"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_and_accents_fold_away(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("が", "か"), ("हिन्दी", "हनद"), ("น้ำ", "นำ"), ("a", "b"), ("a b", "ab"), ("ά", "a")],
)
def test_marks_that_make_another_word_stay(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))))
def test_lines_are_folded_one_by_one(lines: list[str]) -> None:
    folded = [fold(line) for line in lines]
    assert list(fold_lines(Corpus.exactly(lines))) == folded
    assert [fold(line) for line in folded] == folded
