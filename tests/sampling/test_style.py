"""config.py: styles are filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from makemore import MakeMore
from makemore.errors import UsageError
from makemore.sampling.config import TIDY_MIN_P, WILD_TEMPERATURE, with_style
from makemore.text.builtin_lists import builtin_names


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"style": None, "prefix": "a"}, {"prefix": "a"}),
        ({"style": "plain"}, {}),
        ({"style": "tidy"}, {"min_p": TIDY_MIN_P}),
        ({"style": "wild"}, {"temperature": WILD_TEMPERATURE}),
        ({"style": "tidy", "temperature": 0.9}, {"min_p": TIDY_MIN_P, "temperature": 0.9}),
        ({"style": "tidy", "min_p": 0.3}, {"min_p": 0.3}),
    ],
    ids=str,
)
def test_a_style_is_its_filters(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert with_style(given) == expected


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    return MakeMore("ngram", order=4).fit(builtin_names()[::20])


def test_a_model_is_drawn_from_in_a_style(maker: MakeMore) -> None:
    tidy = maker.sample(50, 3, style="tidy")
    assert tidy == maker.sample(50, 3, min_p=TIDY_MIN_P)
    plain = maker.sample(50, 3)
    assert plain == maker.sample(50, 3, style="plain") != tidy
    assert maker.score(tidy) > maker.score(plain) > maker.score(maker.sample(50, 3, style="wild"))
    with pytest.raises(UsageError, match="choose one of tidy, plain, wild"):
        maker.sample(1, style="neat")


def test_ranks_are_by_nll_a_symbol_and_in_total_if_asked(maker: MakeMore) -> None:
    lines = list(maker.samples(40, 1, rank=True))
    each = [line.nll / (len(line.text) + 1) for line in lines]
    assert each == sorted(each)
    total = [line.nll for line in maker.samples(40, 1, rank=True, total=True)]
    assert total == sorted(total) and sorted(line.nll for line in lines) == total


def test_top_by_symbol_finds_what_a_full_search_finds() -> None:
    maker = MakeMore("ngram", order=2).fit(["ab", "ba", "aab", "bbab"] * 2)
    found = maker.top(12, all=True)  # lines of 4 symbols at most: the beam holds all prefixes
    every = [
        "".join("ab"[n >> i & 1] for i in range(length))
        for length in range(1, 5)
        for n in range(2**length)
    ]
    scores = -maker.score_samples(every) / np.array([len(text) + 1 for text in every])
    best = np.sort(scores)[:12]
    np.testing.assert_allclose([line.nll_per_symbol for line in found], best, rtol=1e-6)
    assert all(line.proven for line in found)
    assert [line.nll for line in maker.top(5, total=True)] == sorted(
        line.nll for line in maker.top(5, total=True)
    )
