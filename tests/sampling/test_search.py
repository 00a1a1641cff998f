"""The likeliest lines against brute force."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from exact import accepted

from makemore import MakeMore
from makemore.errors import Unsatisfiable, UsageError
from makemore.models.core.state import select
from makemore.options import make
from makemore.sampling.config import Constraints
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.search import Search

LONGEST = 6
STRINGS = ["".join(s) for n in range(1, LONGEST + 1) for s in itertools.product("abcd", repeat=n)]


def some_lines() -> list[str]:
    chance = np.random.default_rng(4)
    lengths = chance.integers(1, LONGEST + 1, 80)
    common_first = [0.5, 0.3, 0.15, 0.05]
    return ["".join(chance.choice(list("abcd"), size, p=common_first)) for size in lengths]


@pytest.fixture(scope="module", params=["ngram", "transformer", "gru", "mlp"])
def maker(request: pytest.FixtureRequest) -> MakeMore:
    if request.param == "ngram":
        return MakeMore("ngram", order=3).fit(some_lines())
    sizes = {"n_head": 2, "n_layer": 1} if request.param == "transformer" else {"n_hidden": 8}
    maker = MakeMore(request.param, max_steps=30, threads=1, n_embd=8, **sizes)
    return maker.fit(some_lines())


@pytest.fixture(scope="module")
def nlls(maker: MakeMore) -> dict[str, float]:
    """Of every string of up to 6 of 4 symbols."""
    strings = ["", *STRINGS]
    return dict(zip(strings, -maker.score_samples(strings), strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"all": True}, {"suffix": "a"}, {"contains": "dc", "all": True},
                {"pattern": "[bc].*d", "min_length": 3}],
)  # fmt: skip
def test_the_order_is_that_of_brute_force(
    maker: MakeMore, nlls: dict[str, float], options: dict[str, Any]
) -> None:
    known = set() if options.get("all") else {line for _, part in maker.split for line in part}
    asked = make(Constraints, {**options, "max_length": 6})
    automaton = compile_constraints(maker.vocabulary, asked, 6)
    allowed = sorted(accepted(automaton, maker.vocabulary, LONGEST) - known)
    nll = np.array([nlls[text] for text in allowed])
    order = np.argsort(nll, kind="stable")[:100]
    lines = maker.top(100, max_length=6, **options, total=True)
    assert [line.nll for line in lines] == pytest.approx(nll[order].tolist(), rel=1e-5)
    # Equals aside, the same lines: the cut at 100 is no tie here.
    assert {line.text for line in lines} == {allowed[i] for i in order}
    assert all(line.proven for line in lines)


def test_a_beam_finds_lines_that_are_no_likelier(maker: MakeMore) -> None:
    exact, beam = (
        maker.top(30, max_length=6, total=True),
        maker.top(30, beam=3, max_length=6, total=True),
    )
    assert all(b.nll >= e.nll - 1e-6 for e, b in zip(exact, beam, strict=False))
    assert not all(line.proven for line in beam)
    wide = maker.top(30, beam=10_000, max_length=6, total=True)
    assert [line.text for line in wide] == [line.text for line in exact]


def test_where_memory_ends_the_order_is_proven_as_far_as_it_is(maker: MakeMore) -> None:
    exact = maker.top(200, max_length=6, all=True, total=True)
    automaton = compile_constraints(maker.vocabulary, Constraints(max_length=6), 6)
    search = Search(maker.model_, maker.vocabulary, automaton, {0: 1.0},
                    lambda lines: np.ones(len(lines), dtype=bool))  # fmt: skip
    found = search.top(200, most_open=24)
    proven = int((found.logs > found.dropped).sum())
    assert 0 < proven < 200
    assert list(found.lines)[:proven] == [line.text for line in exact[:proven]]
    # Beyond, lines are missing: a bound that did not count them would be no proof.
    assert list(found.lines) != [line.text for line in exact]


def test_fewer_than_asked_are_all_there_are(maker: MakeMore) -> None:
    lines = maker.top(500, max_length=2, all=True, total=True)
    assert sorted(line.text for line in lines) == sorted(s for s in STRINGS if len(s) <= 2)
    assert maker.top(0, total=True) == []
    with pytest.raises(Unsatisfiable):
        maker.top(5, contains="x", total=True)
    with pytest.raises(UsageError):
        maker.top(5, beam=0, total=True)


def test_probabilities_of_all_lines_and_of_what_is_open_sum_to_one(
    maker: MakeMore, nlls: dict[str, float]
) -> None:
    # 5,461 strings of up to 6 of 4 symbols, and the mass of the prefixes that go on after 6.
    total = math.fsum(math.exp(-nll) for nll in nlls.values())
    open_ = 0.0
    state, logs = maker.model_.initial_state(1), np.zeros(1)
    logits, state = maker.model_.step(np.zeros(1, dtype=np.int64), state)
    for place in range(LONGEST + 1):
        each = logs[:, None] + logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        if place == LONGEST:
            open_ = math.fsum(np.exp(each[:, 1:]).ravel())
            break
        rows = np.arange(len(logs)).repeat(4)
        symbols = np.tile(np.arange(1, 5), len(logs))
        logs = each[rows, symbols].astype(np.float64)
        logits, state = maker.model_.step(symbols, select(state, rows))
        logits = logits.astype(np.float64)
    assert len(nlls) == 5461
    assert total + open_ == pytest.approx(1.0, abs=1e-6)


def test_ranks_are_quick_on_a_list_of_names() -> None:
    parts = (["ka", "lo", "mi", "sen", "ta"], ["ri", "na", "lu", "ko"], ["", "s", "n", "ra"])
    names = MakeMore("ngram").fit(["".join(parts) for parts in itertools.product(*parts)])
    began = time.monotonic()
    lines = names.top(100, total=True)
    assert len(lines) == 100 and time.monotonic() - began < 20
    assert not {line.text for line in lines} & {t for _, part in names.split for t in part}
