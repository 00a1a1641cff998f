"""config.py: styles are filters, chosen by the size of the list where nobody names one."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from makemore import MakeMore
from makemore.errors import Unsatisfiable, UsageError
from makemore.sampling.config import TIDY, WILD_TEMPERATURE, with_style
from makemore.text.builtin_lists import builtin_names

SHORT, LONG = TIDY[0][0] - 1, TIDY[-1][0]
MIN_P = {"min_p": TIDY[0][1]}


@pytest.mark.parametrize(
    ("given", "lines", "style", "filters"),
    [
        ({}, SHORT, "tidy", MIN_P),
        ({}, SHORT + 1, "tidy", {"min_p": TIDY[1][1]}),
        ({}, LONG, "plain", {}),
        ({"prefix": "a"}, SHORT, "tidy", {**MIN_P, "prefix": "a"}),
        ({"style": None}, SHORT, "tidy", MIN_P),
        ({"style": "plain"}, SHORT, "plain", {}),
        ({"style": "wild"}, SHORT, "wild", {"temperature": WILD_TEMPERATURE}),
        ({"style": "tidy"}, LONG, "tidy", {"min_p": TIDY[-1][1]}),
        ({"temperature": 1.0}, SHORT, None, {"temperature": 1.0}),  # named, so it holds alone
        ({"style": "tidy", "temperature": 0.9}, SHORT, "tidy", {**MIN_P, "temperature": 0.9}),
        ({"style": "tidy", "min_p": 0.3}, SHORT, "tidy", {"min_p": 0.3}),
    ],
    ids=str,
)
def test_a_style_is_its_filters(
    given: dict[str, Any], lines: int, style: str | None, filters: dict[str, Any]
) -> None:
    assert {"style": None, **with_style(given, lines)} == {**filters, "style": style}


def test_the_more_lines_the_less_is_left_out() -> None:
    sizes, min_ps = zip(*TIDY, strict=True)
    assert list(sizes) == sorted(sizes) and list(min_ps) == sorted(min_ps, reverse=True)


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    return MakeMore("ngram", order=4).fit(builtin_names()[::20])


def test_a_short_list_is_drawn_from_tidily_and_plainly_if_asked(maker: MakeMore) -> None:
    tidy = maker.sample(50, 3)
    assert tidy == maker.sample(50, 3, style="tidy") == maker.sample(50, 3, min_p=TIDY[1][1])
    plain = maker.sample(50, 3, style="plain")
    assert plain == maker.sample(50, 3, temperature=1.0) != tidy
    assert maker.score(tidy) > maker.score(plain) > maker.score(maker.sample(50, 3, style="wild"))
    with pytest.raises(UsageError, match="choose one of tidy, plain, wild"):
        maker.sample(1, style="neat")


def test_plain_lines_follow_where_no_tidy_one_is_left() -> None:
    maker = MakeMore("ngram", order=2).fit(["ab", "ba", "aab", "bbab", "bb", "c"] * 2)
    with pytest.raises(Unsatisfiable, match="--style plain"):
        maker.sample(99, 1, max_length=2, style="tidy")
    every = {a + b for a, b in product("abc", ["", *"abc"])} - {"ab", "ba", "bb", "c"}
    sampler = maker.sampler(1, max_length=2)
    lines = [sample.text for sample in maker.drawn(sampler, len(every))]
    assert set(lines) == every and len(lines) == len(every)
    tidy = sampler.found_strict
    assert tidy is not None and 0 < tidy < len(every)
    assert lines[:tidy] == maker.sample(tidy, 1, max_length=2, style="tidy")
    with pytest.raises(Unsatisfiable):
        maker.sample(len(every) + 1, 1, max_length=2)


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
