"""The likeliest lines without near copies: of known lines, and of better ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from makemore import MakeMore
from makemore.sampling.apart import MOST_ASKED, rows_apart, top_apart, worth_a_distance
from makemore.sampling.search import RankedLine
from makemore.text import Corpus

TEXTS = st.lists(st.text("abc", min_size=1, max_size=5), max_size=12, unique=True)
NAMES = ["anna", "hanna", "anne", "hans", "johanna", "susanna", "ann", "joanna", "marianne"]


@given(TEXTS, TEXTS, st.integers(1, 5))
def test_each_line_is_as_far_as_it_was_asked_from_all_that_count(
    texts: list[str], known: list[str], distance: int
) -> None:
    rows = rows_apart(texts, distance, [Corpus.exactly(known)] if known else [])
    expected: list[int] = []
    for row, text in enumerate(texts):
        others = [texts[other] for other in expected] + (known if distance > 1 else [])
        if all(Levenshtein.distance(text, other) >= distance for other in others):
            expected.append(row)
    assert rows == expected


def ranked(count: int) -> list[RankedLine]:
    """Lines "aaa0", "aaa1", ... of which each is one edit from nine others."""
    return [RankedLine(f"{n:04d}", "new", n, n, False) for n in range(count)]


def test_more_lines_are_searched_until_enough_are_apart() -> None:
    asked: list[int] = []

    def top(n: int) -> list[RankedLine]:
        asked.append(n)
        return ranked(n)

    found = [line.text for line in top_apart(top, 9, 2, [Corpus.exactly(["0000"])])]
    assert found == ["0011", "0022", "0033", "0044", "0055", "0066", "0077", "0088", "0099"]
    assert asked == [36, 144]


def test_the_search_ends_where_there_are_no_more_lines_or_too_many() -> None:
    found = top_apart(lambda n: ranked(min(n, 30)), 20, 2, [])
    assert [line.text for line in found] == ["0000", "0011", "0022"]
    asked: list[int] = []

    def alike(n: int) -> list[RankedLine]:
        asked.append(n)
        return [RankedLine("a" * (1 + k % 7), "new", k, k, False) for k in range(n)]

    assert [line.text for line in top_apart(alike, 3, 7, [])] == ["a"]
    assert asked[-1] == MOST_ASKED and len(asked) == 6


def test_top_leaves_near_copies_out() -> None:
    maker = MakeMore("ngram", order=3).fit(NAMES)
    near = [line.text for line in maker.top(20)]
    far = [line.text for line in maker.top(20, min_distance=3)]
    assert min(Levenshtein.distance(a, b) for a in near for b in NAMES) == 1
    for row, text in enumerate(far):
        assert all(Levenshtein.distance(text, other) >= 3 for other in [*NAMES, *far[:row]])
    assert len(far) >= 5
    assert [line.text for line in maker.top(20, min_distance=1)] == near
    shown = [line.text for line in maker.top(5, min_distance=3, all=True)]
    assert shown[0] in NAMES  # with all, lines of the text count as any other
    with pytest.raises(ValueError, match="min_distance"):
        maker.top(5, min_distance=0)


def test_a_distance_is_suggested_where_half_of_the_lines_are_near_copies() -> None:
    alike = ["bosnia and herzegovine", "bosnia and herzego", "mosnia and herzegovina", "chad"]
    assert worth_a_distance(alike, []) == 5
    assert worth_a_distance(["togo", "chad", "peru", "cuba"], []) is None
    assert worth_a_distance(["togos", "chade", "perua"], [Corpus.exactly(["togo", "chad"])]) == 2
    assert worth_a_distance(["togo"], []) is None
