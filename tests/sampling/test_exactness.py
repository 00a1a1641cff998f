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

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.models.core.state import select
from makemore.options import make
from makemore.sampling import policy
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.filters import apply_filters
from makemore.sampling.guidance import Guidance
from makemore.sampling.results import KnownLines
from makemore.sampling.sampler import Sampler
from makemore.sampling.strategies import Guided
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split

SEEDS = (11, 12, 13, 14, 15)
STRINGS = ["".join(s) for n in range(7) for s in itertools.product("abcd", repeat=n)]
NOTHING = KnownLines(Split(*(Corpus.exactly([]) for _ in range(3))))


def tail(statistic: float, freedom: int) -> float:
    """P(chi-square >= statistic), by Wilson and Hilferty's cube root: within a tenth of p."""
    spread = math.sqrt(2 / (9 * freedom))
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / spread
    return 0.5 * math.erfc(z / math.sqrt(2))


def chi_square(counts: Mapping[Any, int], shares: Mapping[Any, float]) -> float:
    """The p value of counts under these shares; what is expected under 5 times is one cell."""
    total = sum(counts.values())
    assert set(counts) <= set(shares)
    large = [key for key, share in shares.items() if share * total >= 5]
    pairs = [(counts.get(key, 0), shares[key] * total) for key in large]
    rest = total - sum(cell for _, cell in pairs)
    if rest >= 5:
        pairs.append((total - sum(seen for seen, _ in pairs), rest))
    assert len(pairs) > 10
    return tail(sum((seen - cell) ** 2 / cell for seen, cell in pairs), len(pairs) - 1)


def test_the_tail_of_the_distribution_is_that_of_the_tables() -> None:
    for statistic, freedom, p in [(29.588, 10, 0.001), (149.449, 100, 0.001), (99.334, 100, 0.5)]:
        assert tail(statistic, freedom) == pytest.approx(p, rel=0.1)


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    chance = np.random.default_rng(4)
    lines = ["".join(chance.choice(list("abcd"), size, p=[0.4, 0.3, 0.2, 0.1]))
             for size in chance.integers(1, 7, 60)]  # fmt: skip
    return MakeMore("ngram", order=3).fit(lines)


def shares_of(maker: MakeMore, kept: Callable[[str], bool], temperature: float = 1.0) -> Any:
    """Each kept string's probability among them; what goes on after 6 symbols is left out."""
    model, found = maker.model_, dict[str, float]()
    assert model is not None
    texts, logs, state = [""], np.zeros(1), model.initial_state(1)
    logits, state = model.step(np.zeros(1, dtype=np.int64), state)
    for _ in range(7):
        weights = apply_filters(logits, SamplingConfig(temperature=temperature))
        each = logs[:, None] + np.log(weights / weights.sum(axis=1, keepdims=True))
        found |= {text: math.exp(log) for text, log in zip(texts, each[:, 0], strict=True)}
        symbols = np.tile(np.arange(1, len(maker.vocabulary)), len(texts))
        rows = np.arange(len(texts)).repeat(len(maker.vocabulary) - 1)
        texts = [
            texts[row] + maker.vocabulary.decode([s]) for row, s in zip(rows, symbols, strict=True)
        ]
        logs = each[rows, symbols]
        logits, state = model.step(symbols, select(state, rows))
    found = {text: share for text, share in found.items() if kept(text)}
    total = math.fsum(found.values())
    return {text: share / total for text, share in found.items()}


def sampler(maker: MakeMore, seed: int, **options: Any) -> Sampler:
    assert maker.model_ is not None
    return Sampler(
        maker.model_, maker.vocabulary, NOTHING,
        make(SamplingConfig, {"max_length": 6, **options}), seed,
        longest=6, train=maker.split.train,
    )  # fmt: skip


def drawn(maker: MakeMore, n: int, seed: int, **options: Any) -> Counter[str]:
    rounds = sampler(maker, seed, all=True, **options).rounds(n)
    return Counter(line.text for lines in rounds for line in lines)


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
@pytest.mark.parametrize(("options", "kept"), CASES, ids=[str(options) for options, _ in CASES])
def test_draws_follow_the_model_given_the_conditions(
    maker: MakeMore, options: dict[str, Any], kept: Callable[[str], bool], seed: int
) -> None:
    temperature = options.get("temperature", 1.0)
    shares = shares_of(maker, kept, temperature)
    counts = drawn(maker, 100_000, seed, **options)
    assert chi_square(counts, shares) >= 1e-3
    # The same test finds a sampler whose temperature is a tenth too high.
    wild = drawn(
        maker, 100_000, seed, **{**options, "temperature": 1.1 * options.get("temperature", 1.0)}
    )
    assert chi_square(wild, shares) < 1e-3


# -- without replacement --------------------------------------------------------------------------


def orders(shares: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """The probability of each order of all lines: Plackett 1975, each by what is left."""
    found = {}
    for order in itertools.permutations(shares):
        left, product = 1.0, 1.0
        for text in order:
            product *= shares[text] / left
            left -= shares[text]
        found[order] = product
    return found


@pytest.fixture(scope="module")
def pair() -> MakeMore:
    return MakeMore("ngram", order=2, smoothing="add-k", k=2.0).fit(["a", "ab", "b", "ba", "aab"])


def exhausted(maker: MakeMore, seed: int) -> tuple[str, ...]:
    """All lines of at most two symbols, in the order in which they were drawn."""
    found: list[str] = []
    assert maker.model_ is not None
    drawing = Sampler(maker.model_, maker.vocabulary, NOTHING, SamplingConfig(max_length=2), seed,
                      round_size=8, longest=2)  # fmt: skip
    with pytest.raises(Unsatisfiable, match="found 6 of 7 .*; and there is no other"):
        for lines in drawing.rounds(7):
            found += [line.text for line in lines]
    return tuple(found)


@pytest.mark.parametrize(
    ("seed", "runs"),
    [
        (1, 1500),
        pytest.param(1, 17_000, marks=pytest.mark.slow),
        *(pytest.param(seed, 3000, marks=pytest.mark.slow) for seed in SEEDS[1:]),
    ],
)
def test_the_order_of_draws_without_replacement_is_that_of_what_is_left(
    pair: MakeMore, seed: int, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "FIRST_ROUND", 4)
    monkeypatch.setattr(
        policy, "MIN_NOVEL_RATE", 0.9
    )  # what is left counts from the first repetition on
    every = orders(shares_of(pair, lambda text: len(text) <= 2 and set(text) <= set("ab") and text))
    found = [exhausted(pair, 100_000 * seed + number) for number in range(runs)]
    chance = np.random.default_rng(seed)
    shuffled = [tuple(chance.permutation(list(order)).tolist()) for order in found]
    # Few runs: the first three and the last three by themselves, not all 720 orders.
    for part in (slice(None),) if runs > 10_000 else (slice(3), slice(3, None)):
        expected: Counter[tuple[str, ...]] = Counter()
        for order, share in every.items():
            expected[order[part]] += share  # type: ignore[assignment]
        assert chi_square(Counter(order[part] for order in found), expected) >= 1e-3
        assert chi_square(Counter(order[part] for order in shuffled), expected) < 1e-3


def test_a_sampler_with_replacement_repeats_itself_and_one_without_never(maker: MakeMore) -> None:
    with_it = drawn(maker, 1000, 1)
    assert max(with_it.values()) > 5
    rounds = sampler(maker, 1).rounds(3000)
    texts = [line.text for lines in rounds for line in lines]
    assert len(texts) == len(set(texts)) == 3000


def test_every_string_comes_once_and_then_the_end_is_known(maker: MakeMore) -> None:
    found: list[str] = []
    with pytest.raises(Unsatisfiable, match="found 5460 of 9999 .*; and there is no other"):
        for lines in sampler(maker, 3).rounds(9999):
            found += [line.text for line in lines]
    assert sorted(found) == sorted(STRINGS[1:])


# -- led draws ------------------------------------------------------------------------------------


def test_chances_of_an_order_that_the_lookahead_has_are_exact(maker: MakeMore) -> None:
    # Backward sums over automaton and context are an oracle where the model is one of counts
    # itself: from the start, the chance is the probability of all lines that satisfy.
    for options, kept in CASES[1:4]:
        automaton = compile_constraints(
            maker.vocabulary, make(SamplingConfig, {**options, "max_length": 6}), 12
        )
        whole = MakeMore("ngram", order=3).fit(list(maker.split.train))
        ahead = Guidance(automaton, whole.vocabulary, whole.split.train,
                          lambda logits: apply_filters(logits, SamplingConfig()))  # fmt: skip
        assert ahead.length == 3
        exact = MakeMore("ngram", order=4).fit(list(maker.split.train))
        assert exact.model_ is not None
        # The oracle counts the whole train part, as the lookahead does.
        exact.model_.fit_counts(*encoded(whole))
        every = -exact.score_samples(STRINGS)
        total = math.fsum(
            math.exp(-n) for n, text in zip(every, STRINGS, strict=True) if kept(text)
        )
        zero = np.zeros(1, dtype=np.int64)
        assert ahead.at(0, zero, zero)[0] == pytest.approx(total, rel=1e-9)


def encoded(maker: MakeMore) -> tuple[Any, Any]:
    lines = maker.vocabulary.encode(maker.split.train)
    return lines.ids, lines.offsets


def test_led_draws_follow_the_model_and_say_that_they_are_approximate(maker: MakeMore) -> None:
    shares = shares_of(maker, lambda text: text.endswith("ad"))
    counts: Counter[str] = Counter()
    automaton = sampler(maker, 0, suffix="ad").decoder.automaton
    ahead = Guidance(automaton, maker.vocabulary, maker.split.train,
                      lambda logits: apply_filters(logits, SamplingConfig()))  # fmt: skip
    for seed in range(1500):
        drawing = sampler(maker, seed, suffix="ad")
        decoder = drawing.decoder
        decoder.strategy = Guided(automaton, decoder.options, ahead)
        (line,) = next(drawing.rounds(1))
        assert not line.exact
        counts[line.text] += 1
    assert 0 < drawing.tally.effective <= drawing.tally.guided
    assert chi_square(counts, shares) >= 1e-3
    bent = shares_of(maker, lambda text: text.endswith("ad"), temperature=1.6)
    assert chi_square(counts, bent) < 1e-3


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
    found: list[str] = []
    assert names.model_ is not None
    drawing = names.sampler(1, pattern="x[yz]{3}")
    with pytest.raises(Unsatisfiable, match="found 8 of 20 .*; and there is no other"):
        for lines in drawing.rounds(20):
            found += [line.text for line in lines]
    assert sorted(found) == sorted("x" + "".join(s) for s in itertools.product("yz", repeat=3))
    assert drawing.exact == (pilot > 1)
