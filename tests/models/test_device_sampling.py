"""device_sampling.py and dense_cache.py: on tensors what sampling/ does in numpy, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from makemore.models.core import device_sampling, state
from makemore.models.core.dense_cache import DenseCache
from makemore.models.core.draw_rules import DrawRules
from makemore.models.transformer import Transformer
from makemore.sampling.categorical import (
    GOLDEN,
    BatchPart,
    DrawBatch,
    cumulative,
    sample_from_cdf,
    uniforms,
)
from makemore.sampling.config import Filters
from makemore.sampling.filters import apply_filters
from makemore.text.line_hashes import mix

UINT64 = st.integers(0, 2**64 - 1)


def rules(filters: Filters) -> DrawRules:
    none: Any = np.zeros(0)
    return DrawRules(
        none, (), filters.temperature, filters.top_k, filters.top_p, filters.min_p, none, none,
        none, 0, 0, False,
    )  # fmt: skip


@given(st.lists(st.tuples(UINT64, st.integers(0, 2**40)), min_size=1))
def test_random_numbers_are_those_of_numpy_to_the_bit(counters: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in counters], dtype=np.uint64)
    draws = np.array([draw for _, draw in counters], dtype=np.int64)
    expected = (mix(starts + draws.view(np.uint64) * GOLDEN) >> np.uint64(11)) * 2.0**-53
    tensors = torch.from_numpy(starts.view(np.int64)), torch.from_numpy(draws)
    found = device_sampling.uniforms(*tensors).numpy()
    assert found.dtype == np.float64 and (found >= 0).all() and (found < 1).all()
    np.testing.assert_array_equal(found, expected)


def test_a_batch_tells_where_the_numbers_of_each_part_start() -> None:
    parts = (BatchPart(2**63 - 1, 3, 5, 40), BatchPart(7, 0, 0, 9), BatchPart(7, 1, 100, 30))
    batch, rows = DrawBatch(parts), np.arange(79)
    part = np.searchsorted(batch.bounds[1:-1], rows, side="right")
    starts = torch.from_numpy(batch.counters(4).view(np.int64)[part])
    found = device_sampling.uniforms(starts, torch.from_numpy(rows)).numpy()
    each = [uniforms(p.seed, p.round_no, 4, np.arange(p.first, p.first + p.rows)) for p in parts]
    np.testing.assert_array_equal(found, np.concatenate(each))


FILTERS = st.builds(
    Filters,
    temperature=st.sampled_from([0.0, 1e-300, 0.3, 1.0, 2.5, 1e18]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0.01, 1.0),
    min_p=st.none() | st.floats(0.0, 1.0),
)
# Among few values many are equal, and of equals the first one stays.
LOGITS = st.lists(
    st.lists(st.sampled_from([-7.0, -2.0, -1.0, 0.0, 0.5, 3.0]), min_size=6, max_size=6),
    min_size=1, max_size=5,
)  # fmt: skip


def at_an_edge(logits: np.ndarray, filters: Filters) -> bool:
    """Whether a symbol stays or goes by the last bit of a sum."""
    weights = apply_filters(logits, Filters(filters.temperature, filters.top_k))
    probs = -np.sort(-weights / weights.sum(axis=1, keepdims=True), axis=1)
    before = np.cumsum(probs, axis=1) - probs
    least = (filters.min_p or 0) * weights.max(axis=1, keepdims=True)
    near = np.abs(before - (filters.top_p or 2)) < 1e-12
    return bool(near.any() or (np.abs(weights - least) < 1e-12 * least).any())


@given(LOGITS, FILTERS)
def test_filters_are_those_of_numpy(values: list[list[float]], filters: Filters) -> None:
    logs = torch.tensor(values, dtype=torch.float64).log_softmax(1)
    assume(not at_an_edge(logs.numpy(), filters))
    found = device_sampling.apply_filters(logs, rules(filters)).numpy()
    expected = apply_filters(logs.numpy(), filters)
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("V", [1, 2, 8, 9, 300])
def test_a_symbol_is_picked_as_by_numpy_and_none_without_a_weight(V: int) -> None:
    chance = np.random.default_rng(V)
    weights = chance.random((60, V)) * (chance.random((60, V)) < 0.6)
    weights[weights.sum(axis=1) == 0, 0] = 1.0
    uniform = np.concatenate([chance.random(57), [0.0, 0.5, np.nextafter(1, 0)]])
    tensors = torch.from_numpy(weights), torch.from_numpy(uniform)
    picked = device_sampling.sample_categorical(*tensors).numpy()
    expected = sample_from_cdf(cumulative(weights), np.arange(60), uniform)
    np.testing.assert_array_equal(picked, expected)
    assert (weights[np.arange(60), picked] > 0).all()


def test_rounding_of_a_sum_picks_no_symbol_without_a_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GPU adds up each symbol's cdf by itself, so one may be off by a last bit."""
    off = torch.tensor([[0.5, 0.5 + 1e-16, 1.0 - 2e-16, 1.0]], dtype=torch.float64)
    monkeypatch.setattr(torch.Tensor, "cumsum", lambda *_: off.clone())
    weights = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    numbers = (0.5, float(np.nextafter(1, 0)))
    for number in numbers:
        uniform = torch.tensor([number], dtype=torch.float64)
        assert device_sampling.sample_categorical(weights, uniform).tolist() == [2]


def test_what_is_no_number_draws_the_boundary() -> None:
    """As in numpy; a symbol that does not exist would stop a GPU for good."""
    weights = torch.tensor([[torch.nan, 1.0], [torch.nan, torch.nan]], dtype=torch.float64)
    uniform = torch.tensor([0.3, 0.9], dtype=torch.float64)
    assert device_sampling.sample_categorical(weights[1:], uniform[1:]).tolist() == [0]
    assert 0 <= int(device_sampling.sample_categorical(weights, uniform)[0]) < 2


def test_a_dense_cache_answers_as_the_shared_one_beyond_all_positions() -> None:
    """With rows selected at every step, and with two steps one after another."""
    torch.manual_seed(2)
    model = Transformer(5, 6, Transformer.Options(n_layer=2, n_head=2, n_embd=8)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    step: Any = Transformer.step.in_torch  # type: ignore[attr-defined]
    with torch.no_grad():
        _, shared = step(model, torch.tensor([0, 0, 0]), model.initial_state(3))
        own = state.dense(shared)
        assert isinstance(own[1], DenseCache) and len(own[1]) == 3
        for number in range(15):
            rows = torch.tensor([[2, 0, 0, 1], [1, 2, 3, 0, 2]][number % 2])[: 3 + number % 3]
            rows = rows % len(shared[0])
            if number % 4 != 1:  # else the step goes on from the rows as they are
                shared, own = state.select(shared, rows.numpy()), state.select(own, rows)
            ids = torch.arange(len(shared[0])) % 4 + 1
            (expected, shared), (found, own) = step(model, ids, shared), step(model, ids, own)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
            tips = own[1].last_entry(), shared[1].last_entry()
            torch.testing.assert_close(*tips, rtol=1e-5, atol=1e-6)
