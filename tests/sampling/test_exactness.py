"""Draws follow p(line | conditions, not drawn before): chi-square tests against brute force.

A small model over 4 symbols has 5,461 strings of up to 6 symbols, each with a known probability.
The tests that must pass are given samplers that are a little wrong, too, and must refuse them.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from exact import (
    ABC,
    Table,
    chi_square,
    draw,
    known,
    line_probabilities,
    of_four_letters,
    stream,
    tail,
    until_unsatisfiable,
)  # fmt: skip

from makemore import MakeMore
from makemore.models.core.base import Model
from makemore.options import make
from makemore.sampling import policy
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.filters import apply_filters
from makemore.sampling.guidance import Guidance
from makemore.sampling.sampler import Sampler
from makemore.sampling.strategies import Guided

SEEDS = (11, 12, 13, 14, 15)
STRINGS = ["".join(s) for n in range(7) for s in itertools.product("abcd", repeat=n)]


def test_the_tail_of_the_distribution_is_that_of_the_tables() -> None:
    for statistic, freedom, p in [(29.588, 10, 0.001), (149.449, 100, 0.001), (99.334, 100, 0.5)]:
        assert tail(statistic, freedom) == pytest.approx(p, rel=0.1)


@pytest.fixture
def table() -> Table:
    """A model that is asked step by step: what follows depends on the position, too."""
    rows = np.random.default_rng(5).dirichlet(np.full(4, 2.0), size=(4, 4))
    rows[:, :, 0] += 0.1  # so that lines end
    return Table(rows / rows.sum(axis=2, keepdims=True))


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    """A model of counts, which is drawn from by a table of its states."""
    return of_four_letters()


def probabilities(maker: MakeMore, kept: Callable[[str], Any], temperature: float = 1.0) -> Any:
    return line_probabilities(maker.model_, maker.vocabulary, 6, kept, temperature)  # type: ignore[arg-type]


def sampler(maker: MakeMore, seed: int, **options: Any) -> Sampler:
    model: Model = maker.model_  # type: ignore[assignment]
    chosen = make(SamplingConfig, {"max_length": 6, **options})
    return Sampler(
        model, maker.vocabulary, known(), chosen, seed, longest=6, train=maker.split.train
    )


def drawn(maker: MakeMore, n: int, seed: int, **options: Any) -> Counter[str]:
    rounds = sampler(maker, seed, all=True, **options).rounds(n)
    return Counter(line.text for lines in rounds for line in lines)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"max_length": 5}, lambda text: True),
        ({"max_length": 1}, lambda text: True),
        ({"max_length": 5, "min_length": 3}, lambda text: len(text) >= 3),
        ({"max_length": 3, "min_length": 3}, lambda text: len(text) == 3),
        ({"max_length": 5, "prefix": "ba"}, lambda text: text.startswith("ba")),
        ({"max_length": 4, "prefix": "abc"}, lambda text: text.startswith("abc")),
        ({"max_length": 5, "prefix": "c", "min_length": 2}, lambda t: t[:1] == "c" and t[1:]),
        ({"max_length": 4, "temperature": 0.5}, lambda text: True),
        ({"max_length": 4, "temperature": 2.0, "prefix": "a"}, lambda text: text[:1] == "a"),
    ],
)
def test_lines_follow_the_model_under_their_conditions(
    table: Table, options: dict[str, Any], kept: Callable[[str], Any]
) -> None:
    longest, temperature = options["max_length"], options.get("temperature", 1.0)
    lines = draw(table, 6000, all=True, **options)
    counts = Counter(line.text for line in lines)
    expected = line_probabilities(table, ABC, longest, kept, temperature)
    assert chi_square(counts, expected) >= 1e-3
    bent = line_probabilities(table, ABC, longest, kept, 1.4 * temperature)
    assert chi_square(counts, bent) < 1e-3
    assert not any(line.capped for line in lines)


def test_without_conditions_lines_follow_the_model(table: Table) -> None:
    lines = draw(table, 8000, all=True, longest=50)
    texts = line_probabilities(table, ABC, 6)
    expected = {text: math.exp(-table.nll(text)) for text in texts}
    counts = Counter(line.text if len(line.text) <= 6 else "longer" for line in lines)
    assert chi_square(counts, {**expected, "longer": 1 - sum(expected.values())}) >= 1e-3


CASES: list[tuple[dict[str, Any], Callable[[str], bool]]] = [
    ({}, lambda text: True),
    ({"suffix": "ab"}, lambda text: text.endswith("ab")),
    (
        {"pattern": "[bc].*a", "min_length": 3},
        lambda t: t[:1] in "bc" and t[-1:] == "a" and len(t) > 2,
    ),
    ({"contains": "d", "exclude": "c"}, lambda text: "d" in text and "c" not in text),
    ({"prefix": "b", "temperature": 0.7}, lambda text: text.startswith("b")),
]


@pytest.mark.parametrize(
    "seed", [SEEDS[0], *(pytest.param(s, marks=pytest.mark.slow) for s in SEEDS[1:])]
)
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        pytest.param(*case, id=str(case[0]), marks=() if n < 2 else pytest.mark.slow)
        for n, case in enumerate(CASES)
    ],
)
def test_draws_follow_the_model_given_the_conditions(
    maker: MakeMore, options: dict[str, Any], kept: Callable[[str], bool], seed: int
) -> None:
    temperature = options.get("temperature", 1.0)
    expected = probabilities(maker, kept, temperature)
    assert chi_square(drawn(maker, 100_000, seed, **options), expected) >= 1e-3
    # The same test finds a sampler whose temperature is a tenth too high.
    wild = drawn(maker, 100_000, seed, **{**options, "temperature": 1.1 * temperature})
    assert chi_square(wild, expected) < 1e-3


# -- without replacement --------------------------------------------------------------------------


def orders(probabilities: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """The probability of each order of all lines: Plackett 1975, each by what is left."""
    found = {}
    for order in itertools.permutations(probabilities):
        left, product = 1.0, 1.0
        for text in order:
            product *= probabilities[text] / left
            left -= probabilities[text]
        found[order] = product
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "runs"), [(1, 250), *((seed, 3000) for seed in SEEDS[1:3])])
def test_the_order_of_draws_without_replacement_is_that_of_what_is_left(
    seed: int, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all six lines of at most two symbols."""
    monkeypatch.setattr(policy, "FIRST_ROUND", 4)
    # What is left counts from the first repetition on.
    monkeypatch.setattr(policy, "MIN_NOVEL_RATE", 0.9)
    pair = MakeMore("ngram", order=2, smoothing="add-k", k=2.0).fit(["a", "ab", "b", "ba", "aab"])
    model: Model = pair.model_  # type: ignore[assignment]
    every = orders(line_probabilities(model, pair.vocabulary, 2, bool))
    found = []
    for number in range(100_000 * seed, 100_000 * seed + runs):
        lines = stream(model, 7, number, vocabulary=pair.vocabulary, round_size=8, max_length=2)
        texts, message = until_unsatisfiable(lines)
        assert "found 6 of 7 " in message and "; and there is no other" in message
        found.append(tuple(texts))
    chance = np.random.default_rng(seed)
    shuffled = [tuple(chance.permutation(list(order)).tolist()) for order in found]
    # The first and the last of the order by themselves: all 720 orders would need 17,000 runs.
    for part in (slice(2), slice(4, None)) if runs < 1000 else (slice(3), slice(3, None)):
        expected: Counter[tuple[str, ...]] = Counter()
        for order, probability in every.items():
            expected[order[part]] += probability  # type: ignore[assignment]
        assert chi_square(Counter(order[part] for order in found), expected) >= 1e-3
        assert chi_square(Counter(order[part] for order in shuffled), expected) < 1e-3


def test_every_string_comes_once_and_then_the_end_is_known(maker: MakeMore) -> None:
    rounds = sampler(maker, 3).rounds(9999)
    found, message = until_unsatisfiable(line for lines in rounds for line in lines)
    assert "found 5460 of 9999 " in message and "; and there is no other" in message
    assert sorted(found) == sorted(STRINGS[1:])


# -- led draws ------------------------------------------------------------------------------------


def plain(logits: Any) -> Any:
    return apply_filters(logits, SamplingConfig())


def test_chances_of_an_order_that_the_lookahead_has_are_exact(maker: MakeMore) -> None:
    # Backward sums over automaton and context are an oracle where the model is one of counts
    # itself: from the start, the chance is the probability of all lines that satisfy.
    whole = MakeMore("ngram", order=3).fit(list(maker.split.train))
    exact = MakeMore("ngram", order=4).fit(list(maker.split.train))
    lines = whole.vocabulary.encode(whole.split.train)
    # The oracle counts the whole train part, as the lookahead does.
    exact.model_.fit_counts(lines.ids, lines.offsets)  # type: ignore[union-attr]
    every = np.exp(exact.score_samples(STRINGS))
    for options, kept in CASES[1:4]:
        asked = make(SamplingConfig, {**options, "max_length": 6})
        automaton = compile_constraints(maker.vocabulary, asked, 12)
        ahead = Guidance(automaton, whole.vocabulary, whole.split.train, plain)
        assert ahead.length == 3
        total = math.fsum(p for p, text in zip(every, STRINGS, strict=True) if kept(text))
        zero = np.zeros(1, dtype=np.int64)
        assert ahead.at(0, zero, zero)[0] == pytest.approx(total, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "bent"), [(300, 0.6), (1500, 1.6)])
def test_led_draws_follow_the_model_and_say_that_they_are_approximate(
    maker: MakeMore, runs: int, bent: float
) -> None:
    counts: Counter[str] = Counter()
    automaton = sampler(maker, 0, suffix="ad").decoder.automaton
    ahead = Guidance(automaton, maker.vocabulary, maker.split.train, plain)
    for seed in range(runs):
        drawing = sampler(maker, seed, suffix="ad")
        drawing.decoder.strategy = Guided(automaton, drawing.decoder.options, ahead)
        (line,) = next(drawing.rounds(1))
        assert not line.exact
        counts[line.text] += 1
    assert 0 < drawing.tally.effective <= drawing.tally.guided
    for temperature, follows in ((1.0, True), (bent, False)):
        expected = probabilities(maker, lambda text: text.endswith("ad"), temperature)
        assert (chi_square(counts, expected) >= 1e-3) == follows


def test_exact_waits_instead_of_leading(maker: MakeMore) -> None:
    drawing = sampler(maker, 1, suffix="dd", exact=True)
    lines = [line for some in drawing.rounds(5) for line in some]
    assert len(lines) == 5 and all(line.exact for line in lines) and drawing.exact


@pytest.mark.parametrize("pilot", [1, 10**9])
def test_in_a_small_space_draws_come_to_an_end_led_or_not(
    monkeypatch: pytest.MonkeyPatch, pilot: int
) -> None:
    monkeypatch.setattr(policy, "PILOT", pilot)
    names = MakeMore("ngram").fit(["karen", "sonja", "mira", "nora", "ben", "zoe", "xaver", "yves"])
    drawing = names.sampler(1, pattern="x[yz]{3}")
    found, message = until_unsatisfiable(line for lines in drawing.rounds(20) for line in lines)
    assert "found 8 of 20 " in message and "; and there is no other" in message
    assert sorted(found) == sorted("x" + "".join(s) for s in itertools.product("yz", repeat=3))
    assert drawing.exact == (pilot > 1)
