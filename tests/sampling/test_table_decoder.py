"""table_decoder.py: a model of counts as a table of states gives the lines that its steps give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import battery
from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.models.bigram import Bigram
from makemore.models.core.base import Model, log_softmax
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.transition_table import TransitionTable
from makemore.models.ngram import NGram
from makemore.options import make
from makemore.sampling import policy, quick_decoders
from makemore.sampling.categorical import cumulative, sample_categorical, sample_from_cdf
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters
from makemore.sampling.table_decoder import GUIDED, SamplingTable, sampling_table

LINES = ["anna", "hanna", "ana", "nahan", "hana", "annah", "bab", "abba", "banana", "nab", "han"]


def counts(order: int, V: int = 9, smoothing: str = "kneser-ney") -> NGram:
    model = NGram(V, order - 1, NGram.Options(order=order, smoothing=smoothing))
    model.fit_counts(*battery.some_lines(V))
    return model


def agree(model: Model, start: int) -> None:
    """The table answers as `step` does, along lines of the model and along lines of anything."""
    states = model.transition_table()
    assert states is not None
    chance = np.random.default_rng(0)
    logits, state = model.step(np.full(400, start), model.initial_state(400))
    here = np.full(400, states.start[start])
    for _ in range(9):
        np.testing.assert_allclose(states.logs[here], logits, rtol=0, atol=1e-12)
        likely = (np.exp(logits).cumsum(axis=1) < chance.random((400, 1))).sum(axis=1)
        anything = chance.integers(1, model.vocab_size, 400)
        ids = np.where(chance.random(400) < 0.5, np.clip(likely, 1, None), anything)
        ids = np.minimum(ids, model.vocab_size - 1)
        logits, state = model.step(ids, state)
        here = states.after[here, ids]


@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
@pytest.mark.parametrize("order", [1, 2, 3, 6, 12])
def test_the_states_of_counts_answer_as_its_steps_do(order: int, smoothing: str) -> None:
    agree(counts(order, smoothing=smoothing), 0)


def test_before_counting_there_is_one_state_and_all_symbols_are_alike() -> None:
    agree(NGram(4, 2, NGram.Options(order=3)), 0)


def test_each_label_has_its_own_states() -> None:
    model = PerLabelCounts(NGram, 9, 4, NGram.Options(order=4), 3)
    battery.fit_labelled(model, *battery.some_lines(9))
    for label in (9, 10, 11):
        agree(model, label)


def test_there_is_no_table_without_room_nor_of_what_was_no_lines() -> None:
    model = counts(4)
    rows = len(model.contexts) + 1
    assert model.transition_table(rows * 9) is not None
    assert model.transition_table(rows * 9 - 1) is None
    three = PerLabelCounts(NGram, 9, 4, NGram.Options(order=4), 3)
    battery.fit_labelled(three, *battery.some_lines(9))
    cells = sum(len(table.contexts) + 1 for table in three.tables) * 9
    assert three.transition_table(cells) is not None
    assert three.transition_table(cells - 1) is None
    # A context of two symbols whose first alone was never followed by anything: no lines are so.
    odd = NGram(3, 2, NGram.Options(order=3))
    odd.hold(np.array([1, 3 + 2]), np.array([0, 1, 3, 6]), np.ones(4, dtype=np.int64))
    assert odd.transition_table() is None
    assert Bigram(5, 1, Bigram.Options()).transition_table() is None  # a model need not have one


@pytest.mark.parametrize("V", [2, 3, 8, 9])
def test_a_symbol_is_picked_as_without_a_table_and_none_without_a_share(V: int) -> None:
    chance = np.random.default_rng(V)
    weights = chance.random((50, V)) * (chance.random((50, V)) < 0.6)
    weights[weights.sum(axis=1) == 0, 0] = 1.0
    uniform = np.concatenate([chance.random(46), [0.0, 0.5, np.nextafter(1, 0), 0.0]])
    for rows in (np.arange(50), chance.integers(0, 50, 50)):
        picked = sample_from_cdf(cumulative(weights), rows, uniform)
        assert (weights[rows, picked] > 0).all()
        np.testing.assert_array_equal(picked, sample_categorical(weights, uniform, rows))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"all": True}, {"prefix": "an"}, {"suffix": "na", "max_length": 6},
        {"temperature": 0.7, "top_p": 0.9}, {"temperature": 2.0, "top_k": 3, "all": True},
        {"temperature": 0.0, "all": True}, {"contains": "b", "min_length": 4},
    ],
)  # fmt: skip
@pytest.mark.parametrize("labels", [None, ["x", "y"] * 5 + ["x"]])
def test_lines_of_a_seed_are_the_same_with_a_table_and_without(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], labels: list[str] | None
) -> None:
    maker = MakeMore("ngram", order=4).fit(LINES, labels)
    found = []
    for tabled in (1, 10**9):
        monkeypatch.setattr(quick_decoders, "TABLE_FROM", tabled)
        monkeypatch.setattr(policy, "MIN_NOVEL_RATE", 0.0)  # neither goes over to what is left
        monkeypatch.setattr(policy, "MIN_PASS_RATE", 0.0)
        sampler = maker.sampler(5, **options)
        found.append((list(maker.drawn(sampler, 40)), sampler.tally.draws))
        assert (sampler.tabled) == (tabled == 1)
    (left, draws), (right, others) = found
    assert draws == others and len(left) == 40
    assert left == right  # the nll to its last bit


def test_few_lines_are_the_first_of_many_which_come_from_a_table() -> None:
    """To the last bit of their nll, which `sample --json` shows."""
    maker = MakeMore("ngram", order=3).fit(LINES)
    many = list(maker.samples(2000, random_state=1))
    for n in (1, 100, 700):
        assert list(maker.samples(n, random_state=1)) == many[:n]


@pytest.mark.parametrize("V", [1, 2, 3, 8, 27, 64, 300])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.2}, {"top_k": 2}, {"temperature": 0.0}])
def test_a_guide_gives_what_bisection_gives(V: int, options: dict[str, Any]) -> None:
    """On the borders of shares and of cells, too, and where symbols have no share."""
    draws = np.random.default_rng(V)
    shares = draws.dirichlet(np.full(V, 0.3), size=40)
    shares[draws.random(shares.shape) < 0.2] = 0.0
    shares[:, 0] += 1e-3
    with np.errstate(divide="ignore"):
        states = TransitionTable(np.log(shares), np.zeros((40, V), dtype=np.int32), {0: 0}, {0: 0})
    found = SamplingTable(states, make(SamplingConfig, options))
    C = found.reach.shape[1]
    borders = np.concatenate([found.reach.ravel(), np.arange(C) / C])
    uniform = np.concatenate([draws.random(5000), borders[borders < 1]])
    rows = draws.integers(0, 40, len(uniform))
    assert len(rows) >= GUIDED
    picked = found.pick(rows, uniform)
    np.testing.assert_array_equal(picked, sample_from_cdf(found.reach, rows, uniform))
    weights = apply_filters(log_softmax(states.logs), make(SamplingConfig, options))
    assert (weights[rows, picked] > 0).all()


def test_the_table_of_a_model_is_made_once_for_draws_of_one_kind() -> None:
    states = MakeMore("ngram", order=3).fit(LINES).model_.transition_table()
    first = sampling_table(states, make(SamplingConfig, {"min_length": 2}))
    assert sampling_table(states, make(SamplingConfig, {"prefix": "a", "all": True})) is first
    cold = sampling_table(states, SamplingConfig(temperature=0.5))
    assert cold is not first
    assert sampling_table(states, SamplingConfig(temperature=0.5)) is cold


@pytest.mark.parametrize("options", [{"suffix": "bab"}, {"suffix": "bab", "exact": True}])
def test_rare_lines_are_waited_for_where_a_table_says_what_is_drawn(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly; and the same lines whether a table stood before or was made since they are rare."""
    maker, found = MakeMore("ngram", order=3).fit(LINES), dict[int, Any]()
    for n in (3, 60, policy.TABLE_FROM):
        sampler = maker.sampler(2, **options)
        found[n] = list(maker.drawn(sampler, n))
        assert sampler.exact and sampler.tabled == (n > 3)
        if n == 60:
            assert sampler.decoder.strategy.with_replacement
            rate = sampler.pass_rate / policy.MIN_PASS_RATE
            assert 1 / policy.TABLE_PATIENCE < rate < 1
    many = found[policy.TABLE_FROM]
    assert all(line.exact for line in found[3]) and len(many) == policy.TABLE_FROM
    assert found[3] == many[:3] and found[60] == many[:60]
    monkeypatch.setattr(policy, "TABLE_PATIENCE", 1)
    sampler = maker.sampler(2, **options)
    assert len(list(maker.drawn(sampler, 60))) == 60
    assert sampler.exact == ("exact" in options)  # else led, as of a model that is no table


def test_what_no_walk_finds_is_looked_for_by_what_is_left() -> None:
    maker = MakeMore("ngram", order=3).fit(LINES)
    sampler = maker.sampler(2, pattern="(ab){6}", exact=True)
    with pytest.raises(Unsatisfiable, match="found 1 of 2 .*; and there is no other"):
        list(maker.drawn(sampler, 2))
    assert sampler.tabled and not sampler.decoder.strategy.with_replacement
