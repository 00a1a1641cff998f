"""Near: what is within a few edits of known lines, against every pair worked out by itself."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from makemore.errors import UsageError
from makemore.text import edit_distance as module
from makemore.text.corpus import Corpus
from makemore.text.edit_distance import EditDistanceIndex, near_duplicates

SCRIPTS = {
    "Latin": "abcé", "Cyrillic": "анйё", "Arabic": "ابتث", "Han": "山川田中", "emoji": "😀😁👍🏽",
}  # fmt: skip


@cache
def distance(a: str, b: str) -> int:
    """Levenshtein's distance by its definition."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return distance(a[1:], b[1:])
    return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))


def words(alphabet: str, number: int, random: Random, longest: int = 6) -> list[str]:
    """Distinct words, dense enough that many are near each other."""
    found: dict[str, None] = {}
    while len(found) < number:
        found["".join(random.choices(alphabet, k=random.randint(1, longest)))] = None
    return list(found)


@pytest.fixture(params=["hashes that differ", "hashes that do not"])
def hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same must come out where anagrams and many other lines have one hash."""
    if request.param == "hashes that do not":
        monkeypatch.setattr(module, "BASE", 1)
    return str(request.param)


@pytest.mark.parametrize("most", [1, 2, 3, 7])
@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_what_every_pair_says(script: str, most: int, hashes: str) -> None:
    random = Random(f"{script}{most}")
    known = words(SCRIPTS[script], 40, random)
    asked = ["", *known[:5], *words(SCRIPTS[script] + "x.", 60, random, longest=12)]
    expected = [any(distance(text, line) <= most for line in known) for text in asked]
    half = Corpus.exactly(known[:20]), Corpus.exactly(known[20:])
    assert EditDistanceIndex(Corpus.exactly(known), most).near(asked).tolist() == expected
    assert EditDistanceIndex(half, most).near(asked).tolist() == expected
    if most < 7:
        assert 0 < sum(expected) < len(asked)


TEXTS = st.lists(st.text("abλ", max_size=7), max_size=12)


@given(known=TEXTS, asked=TEXTS, most=st.integers(1, 4))
def test_any_texts(known: list[str], asked: list[str], most: int) -> None:
    expected = [any(distance(text, line) <= most for line in known) for text in asked]
    assert EditDistanceIndex(Corpus.exactly(known), most).near(asked).tolist() == expected


def test_each_kind_of_edit_at_each_place() -> None:
    known = EditDistanceIndex(Corpus.exactly(["maria"]), 1)
    places = range(5)
    changed = ["maria"[:i] + "x" + "maria"[i + 1 :] for i in places]
    added = ["maria"[:i] + "x" + "maria"[i:] for i in range(6)]
    less = ["maria"[:i] + "maria"[i + 1 :] for i in places]
    assert known.near(["maria", *changed, *added, *less]).all()
    # Two characters that change places are two edits; so are one less and one more.
    assert not known.near(["amria", "mraia", "ariam", "mar", "mariaxx", "Mxria", ""]).any()


def test_lengths_that_no_line_has_and_nothing_known() -> None:
    known = EditDistanceIndex(Corpus.exactly(["a" * 300]), 1)
    asked = ["a" * 299, "a" * 301, "a" * 298, "b" + "a" * 299]
    assert known.near(asked).tolist() == [True, True, False, True]
    for most in (1, 2):
        assert EditDistanceIndex([], most).near(["a", ""]).tolist() == [False, False]
        assert EditDistanceIndex(Corpus.exactly(["a"]), most).near([]).shape == (0,)


def test_a_distance_beyond_all_lengths_and_one_that_is_none() -> None:
    index = EditDistanceIndex(Corpus.exactly(["a" * 10]), 400)
    assert index.near(["b" * 300, "b" * 401]).tolist() == [True, False]
    with pytest.raises(UsageError, match="give 1 or more"):
        EditDistanceIndex(Corpus.exactly(["a"]), 0)


@pytest.mark.parametrize("most", [1, 2])
def test_parts_of_the_work_are_put_together(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is hashed, asked and compared at once changes nothing."""
    random = Random(most)
    known, asked = words("abcde", 120, random), words("abcdef", 120, random, 9)
    whole = EditDistanceIndex(Corpus.exactly(known), most).near(asked)
    pairs = near_duplicates(Corpus.exactly(known), 10**6)
    for name, size in (("LINES", 7), ("SHARED", 5), ("CELLS", 50)):
        monkeypatch.setattr(module, name, size)
    assert np.array_equal(EditDistanceIndex(Corpus.exactly(known), most).near(asked), whole)
    assert 0 < whole.sum() < len(asked)
    assert near_duplicates(Corpus.exactly(known), 10**6) == pairs


# -- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_pairs_are_those_of_every_pair(script: str, hashes: str) -> None:
    lines = words(SCRIPTS[script], 60, Random(script))
    apart = {frozenset(pair) for pair in combinations(lines, 2) if distance(*pair) == 1}
    found = near_duplicates(Corpus.exactly(lines), 10**6)
    assert found.pairs == len(apart) > 20
    assert found.lines == len(frozenset().union(*apart))
    assert len(set(found.examples)) == len(found.examples)
    assert {frozenset(pair) for pair in found.examples} <= apart


@given(lines=st.lists(st.text("ab", max_size=6), max_size=30, unique=True))
def test_pairs_of_any_lines(lines: list[str]) -> None:
    apart = [pair for pair in combinations(lines, 2) if distance(*pair) == 1]
    found = near_duplicates(Corpus.exactly(lines))
    assert (found.pairs, found.lines) == (len(apart), len(set().union(*apart)))


def test_pairs_of_the_longest_lines_are_shown() -> None:
    lines = ["ab", "ac", "wilhelmina", "wilhelmine", "anna", "ana", "otto"]
    found = near_duplicates(Corpus.exactly(lines), 2)
    assert (found.pairs, found.lines) == (3, 6)
    assert found.examples == (("wilhelmina", "wilhelmine"), ("anna", "ana"))
    assert near_duplicates(Corpus.exactly(["otto"])) == module.NearDuplicates(0, 0, ())


def test_as_many_pairs_as_the_square_are_counted_at_once() -> None:
    """Every two of 20,000 lines of one character are one edit apart: 200 million pairs."""
    lines = [chr(0x4E00 + number) for number in range(20_000)]
    found = near_duplicates(Corpus.exactly(lines))
    assert (found.pairs, found.lines) == (20_000 * 19_999 // 2, 20_000)
    dense = ["".join(letters) for letters in product("abcdefgh", repeat=4)]
    assert near_duplicates(Corpus.exactly(dense)).pairs == len(dense) * 4 * 7 // 2


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_names_of_the_lectures(most: int, names_file: Path) -> None:
    lines = sorted(set(names_file.read_text(encoding="utf-8").split()))
    asked = [line[::-1] for line in lines[::200]] + [line + "q" for line in lines[::600]]
    each = cdist(asked, lines, scorer=Levenshtein.distance, score_cutoff=most, workers=1)
    expected = each.min(axis=1) <= most
    assert np.array_equal(EditDistanceIndex(Corpus.exactly(lines), most).near(asked), expected)
    assert 0.1 < expected.mean() < 0.99
