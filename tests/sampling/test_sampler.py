"""sampler.py: lines of models of which each line's probability is known, and of trained ones."""

from __future__ import annotations

import itertools
import math
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest
from exact import ABC, Table, draw, of_words, stream

from conftest import is_clean
from kinds import each_kind
from makemore import MakeMore
from makemore.errors import Unsatisfiable, UsageError
from makemore.models.core.state import State
from makemore.sampling.constraints.spelling import encode_prefix
from makemore.text.vocabulary import Vocabulary


@pytest.fixture
def table() -> Table:
    draw = np.random.default_rng(5)
    rows = draw.dirichlet(np.full(4, 2.0), size=(4, 4))
    rows[:, :, 0] += 0.1  # so that lines end
    return Table(rows / rows.sum(axis=2, keepdims=True))


def test_the_reported_nll_is_that_of_the_line(table: Table) -> None:
    for options in ({}, {"temperature": 0.3}, {"top_k": 2}, {"prefix": "ab"}):
        for line in draw(table, 200, all=True, **options):
            assert line.nll == pytest.approx(table.nll(line.text), abs=1e-9)


def test_a_line_that_was_cut_is_scored_as_it_is_shown(table: Table) -> None:
    lines = draw(table, 500, all=True, longest=1)  # cut at 2
    cut = [line for line in lines if line.capped]
    assert len(cut) > 50 and all(len(line.text) == 2 for line in cut)
    assert any(len(line.text) == 2 and not line.capped for line in lines)
    for line in cut:
        assert line.nll == pytest.approx(table.nll(line.text), abs=1e-9)


def test_a_seed_gives_the_same_lines_every_time_and_another_seed_others(table: Table) -> None:
    seeds = (0, 1, 2, 2**63 - 1)
    lines = [[line.text for line in draw(table, 300, seed, all=True)] for seed in seeds]
    again = [[line.text for line in draw(table, 300, seed, all=True)] for seed in seeds]
    assert lines == again
    assert len(set(map(tuple, lines))) == len(seeds)


def test_rounds_differ_and_their_size_is_part_of_what_a_seed_means(table: Table) -> None:
    lines = [line.text for line in draw(table, 384, all=True)]
    assert lines[:128] != lines[128:256]
    by_size = {
        size: [line.text for line in draw(table, 64, all=True, round_size=size)]
        for size in (16, 64, 256)
    }
    assert len(set(map(tuple, by_size.values()))) > 1
    assert by_size[256] == lines[:64]


def test_a_draw_depends_on_its_number_and_not_on_what_the_others_do() -> None:
    # Two models that agree on lines from "a" and differ elsewhere draw those lines alike.
    rows = np.full((2, 4, 4), 0.25)
    other = rows.copy()
    rows[1, 2], other[1, 2] = [1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]
    rows[1, 3], other[1, 3] = [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 0]
    rows[:, 1], other[:, 1] = [0.6, 0.4, 0, 0], [0.6, 0.4, 0, 0]
    left = [line.text for line in draw(Table(rows), 500, all=True)]
    right = [line.text for line in draw(Table(other), 500, all=True)]
    assert left != right
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if set(a) == {"a"}]
    assert len(pairs) > 50 and all(a == b for a, b in pairs)


def test_no_more_rounds_are_drawn_than_are_needed(table: Table) -> None:
    draw(table, 128, all=True)
    one = table.steps
    table.steps = 0
    draw(table, 129, all=True)
    assert one < table.steps < 3 * one


def test_memory_grows_with_the_length_of_lines_and_not_with_its_square() -> None:
    endless = Table(np.full((1, 4, 4), [0.01, 0.33, 0.33, 0.33]))
    tracemalloc.start()
    lines = draw(endless, 3, min_length=250)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 128 draws of up to 500 symbols are half a MB; with all of their prefixes it is some thirty.
    assert len(lines) == 3 and peak < 10 * 2**20


def test_lines_come_as_they_are_drawn(table: Table) -> None:
    endless = stream(table, 10**9, all=True, longest=0)
    assert table.steps == 0
    first = list(itertools.islice(endless, 1000))
    assert first == draw(table, 1000, all=True, longest=0)


def test_a_draw_ends_at_twice_the_longest_line_and_is_then_no_line() -> None:
    endless = Table(np.full((1, 4, 4), [0.05, 0.95, 0, 0]))
    shown = draw(endless, 300, all=True, longest=4)
    assert max(len(line.text) for line in shown) == 8
    assert all(len(line.text) == 8 for line in shown if line.capped)
    assert {len(line.text) for line in shown if not line.capped} == set(range(9))
    lines = draw(endless, 8, longest=4)
    assert sorted(line.text for line in lines) == ["a" * size for size in range(1, 9)]
    # A least length or a prefix that goes beyond it moves the end.
    assert [line.capped for line in draw(endless, 3, longest=4, min_length=12)] == [False] * 3
    assert draw(endless, 1, longest=1, prefix="a" * 50)[0].text.startswith("a" * 50)


def test_lengths_count_symbols() -> None:
    draws = np.random.default_rng(0).dirichlet(np.ones(3), size=(1, 3))
    vocabulary = Vocabulary(["\u0301", "😀"])
    lines = draw(Table(draws), 20, vocabulary=vocabulary, min_length=3, max_length=6)
    assert {len(line.text) for line in lines} <= {3, 4, 5, 6} and len(lines) == 20


class Untouched(Table):
    def __init__(self) -> None:
        super().__init__(np.full((1, 4, 4), 0.25))

    def step(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        raise AssertionError("a symbol was drawn")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"min_length": 5, "max_length": 4}, "--min-length 5, --max-length 4"),
        ({"prefix": "abcab", "max_length": 4}, "--prefix abcab, --max-length 4"),
        ({"prefix": "ab", "suffix": "c", "max_length": 2}, "--prefix ab, --suffix c, "),
        ({"contains": "b", "exclude": "xb"}, "--contains b, --exclude xb"),
        ({"contains": "x"}, "--contains x, no line of the text holds 'x'"),
        ({"pattern": "a{3}", "max_length": 2}, "--pattern a\\{3\\}, --max-length 2"),
        ({"pattern": "a+", "suffix": "b"}, "--suffix b, --pattern a\\+"),
    ],
)
def test_conditions_that_no_line_satisfies_are_refused_at_once(
    options: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unsatisfiable, match=rf"^no line satisfies all conditions \({named}"):
        draw(Untouched(), 1, **options)


def test_nothing_asked_is_nothing_drawn_but_the_prefix_is_still_checked(table: Table) -> None:
    assert draw(table, 0) == [] and draw(table, 0, max_length=1) == []
    with pytest.raises(UsageError):
        draw(table, 0, prefix="x")


@pytest.mark.parametrize(
    ("prefix", "named"),
    [("xay", "'x' 'y'"), ("a\n", r"'\\n'"), ("X", "'X'"), ("\x1b[", r"'\\x1b' '\['")],
)
def test_unknown_symbols_of_a_prefix_are_named(table: Table, prefix: str, named: str) -> None:
    message = rf"^the model does not know {named} \(--prefix\): use symbols of the text$"
    with pytest.raises(UsageError, match=message):
        draw(table, 1, prefix=prefix)


def test_a_prefix_of_white_space_is_refused() -> None:
    with pytest.raises(UsageError, match="no line starts with white space"):
        encode_prefix(Vocabulary([" ", "a"]), " a")
    assert encode_prefix(Vocabulary([" ", "a"]), "a ") == [2, 1]
    assert encode_prefix(ABC, "") == []


def test_a_prefix_that_the_model_holds_for_impossible_still_starts_the_line() -> None:
    model, vocabulary = of_words({"a": 0.5, "b": 0.5})
    lines = draw(model, 5, vocabulary=vocabulary, prefix="ab", all=True, longest=3)
    assert all(line.text.startswith("ab") and line.nll == math.inf for line in lines)


def like_names(number: int, seed: int = 7) -> list[str]:
    """Distinct lines of consonants and vowels by turns."""
    draws = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        pairs = draws.randint(2, 4)
        found["".join(draws.choice("bdklmnrst") + draws.choice("aeio") for _ in range(pairs))] = (
            None
        )
    return list(found)


@pytest.fixture(scope="module")
def counts() -> MakeMore:
    return MakeMore("ngram", order=4).fit(like_names(1500))


@pytest.fixture(scope="module", params=each_kind(["ngram", "gru", "mlp", "transformer"]))
def maker(request: pytest.FixtureRequest) -> MakeMore:
    if request.param == "ngram":
        return MakeMore("ngram", order=4).fit(like_names(300))
    options: dict[str, Any] = {"n_embd": 8, "max_steps": 5, "batch_size": 64, "threads": 1}
    if request.param == "transformer":
        options |= {"n_head": 2, "n_layer": 1}
    else:
        options |= {"n_hidden": 8}
    return MakeMore(request.param, **options).fit(like_names(300))


def test_ten_thousand_lines_of_a_count_model_are_new_and_distinct(counts: MakeMore) -> None:
    lines = counts.sample(10_000, random_state=0)
    assert len(lines) == len(set(lines)) == 10_000
    assert not set(lines) & set(like_names(1500))
    assert all(is_clean(line) for line in lines)


def test_the_reported_nll_is_what_score_samples_says(maker: MakeMore) -> None:
    for options in ({}, {"prefix": "ka"}, {"all": True, "temperature": 2.0}):
        lines = list(maker.samples(50, random_state=3, **options))
        scores = maker.score_samples([line.text for line in lines])
        assert [line.nll for line in lines] == pytest.approx((-scores).tolist(), rel=1e-4)


def test_a_prefix_longer_than_all_the_model_can_read(maker: MakeMore) -> None:
    prefix = "kalimo" * 8
    lines = list(maker.samples(5, random_state=3, prefix=prefix, all=True))
    assert len(lines) == 5 and all(line.text.startswith(prefix) for line in lines)
    scores = maker.score_samples([line.text for line in lines])
    assert [line.nll for line in lines] == pytest.approx((-scores).tolist(), rel=1e-4)
