"""filters.py: probabilities after temperature, top-k, top-p and min-p; options that cannot be."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import UsageError
from makemore.models.core.base import log_softmax
from makemore.options import make
from makemore.sampling.categorical import sample_categorical
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters

GRID = 20_000  # uniform numbers in equal steps: frequencies are exact to 1 / GRID
EVEN = (np.arange(GRID) + 0.5) / GRID
LOGITS = [0.5, -1.0, 2.0, 1.5, -3.0, 0.25]
P = [math.log(p) for p in (0.1, 0.4, 0.2, 0.3)]


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp((x - max(row)) / temperature) for x in row]
    return [power / sum(powers) for power in powers]


def frequencies(row: list[float], **options: Any) -> np.ndarray:
    """How often each id is drawn."""
    logits = np.broadcast_to(np.array(row, dtype=np.float32), (GRID, len(row)))
    ids = sample_categorical(apply_filters(logits, make(SamplingConfig, options)), EVEN)
    assert ids.shape == (GRID,)
    return np.bincount(ids, minlength=len(row)) / GRID


def close(found: np.ndarray, expected: list[float]) -> bool:
    return bool(np.abs(found - np.array(expected)).max() < 1.5 / GRID)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 3.0])
def test_a_symbol_is_drawn_by_the_softmax_of_logits_over_temperature(temperature: float) -> None:
    assert close(frequencies(LOGITS, temperature=temperature), softmax(LOGITS, temperature))


def test_great_logits_do_not_overflow() -> None:
    expected = [0.0900306, 0.2447285, 0.6652410]
    assert close(frequencies([1000, 1001, 1002]), expected)
    assert close(frequencies([-2000, -1999, -1998]), expected)
    found = np.exp(log_softmax(np.array([[1000.0, 1001, 1002]])))[0]
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("temperature", [1e15, 1e18, 1e300])
def test_at_any_temperature_the_likeliest_stay(temperature: float) -> None:
    """All weights are equal there: the order is that of the logits, and not of the ids."""
    assert frequencies(LOGITS, temperature=temperature, top_k=1).tolist() == [0, 0, 1, 0, 0, 0]
    assert close(frequencies(LOGITS, temperature=temperature, top_k=2), [0, 0, 0.5, 0.5, 0, 0])
    assert close(frequencies(LOGITS, temperature=temperature, top_p=0.3), [0, 0, 0.5, 0.5, 0, 0])


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 1e-6])
def test_temperature_near_nothing_is_greedy(temperature: float) -> None:
    assert frequencies(LOGITS, temperature=temperature).tolist() == [0, 0, 1, 0, 0, 0]
    few = frequencies([-np.inf, 3, -np.inf, 2], temperature=temperature)
    assert few.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("temperature", [1e300, 1.7e308])
def test_temperature_near_infinity_is_uniform(temperature: float) -> None:
    assert close(frequencies(LOGITS, temperature=temperature), [1 / 6] * 6)
    # What has no probability gets none at any temperature.
    assert close(frequencies([1, -np.inf, 9], temperature=temperature), [0.5, 0, 0.5])


TWO, WARM = softmax([2.0, 1.5]), softmax([0.5, 2.0, 1.5], 2.0)


@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        # top_k: the likeliest; of equals k of them; all symbols or more are no limit
        (LOGITS, {"top_k": 1}, [0, 0, 1, 0, 0, 0]),
        (LOGITS, {"top_k": 2}, [0, 0, TWO[0], TWO[1], 0, 0]),
        (LOGITS, {"top_k": 3, "temperature": 2.0}, [WARM[0], 0, WARM[1], WARM[2], 0, 0]),
        ([1, 1, 1, 1], {"top_k": 2}, [0.5, 0.5, 0, 0]),
        ([0, 2, 1, 1, 1], {"top_k": 2}, [0, *softmax([2, 1]), 0, 0]),
        *((LOGITS, {"top_k": top_k}, softmax(LOGITS)) for top_k in (6, 7, 10**18, None)),
        # top_p: the fewest that hold the probability, of what temperature and top-k have left
        (P, {"top_p": 5e-324}, [0, 1, 0, 0]),
        (P, {"top_p": 0.39}, [0, 1, 0, 0]),
        (P, {"top_p": 0.41}, [0, 4 / 7, 0, 3 / 7]),
        (P, {"top_p": 0.69}, [0, 4 / 7, 0, 3 / 7]),
        (P, {"top_p": 0.71}, [0, 4 / 9, 2 / 9, 3 / 9]),
        (P, {"top_p": 0.91}, [0.1, 0.4, 0.2, 0.3]),
        (P, {"top_p": 1}, [0.1, 0.4, 0.2, 0.3]),
        ([1, 1, 1, 1], {"top_p": 0.5}, [0.5, 0.5, 0, 0]),
        (P, {"top_p": 0.5, "top_k": 3}, [0, 4 / 7, 0, 3 / 7]),
        (P, {"top_p": 0.57, "top_k": 2}, [0, 1, 0, 0]),
        (P, {"top_p": 0.8, "temperature": 0.5}, [0, 0.16 / 0.25, 0, 0.09 / 0.25]),
        # min_p: none that is below this part of the likeliest
        (P, {"min_p": 0.0}, [0.1, 0.4, 0.2, 0.3]),
        (P, {"min_p": 0.24}, [0.1, 0.4, 0.2, 0.3]),
        (P, {"min_p": 0.26}, [0, 4 / 9, 2 / 9, 3 / 9]),
        (P, {"min_p": 0.7}, [0, 4 / 7, 0, 3 / 7]),
        (P, {"min_p": 1.0}, [0, 1, 0, 0]),
    ],
)
def test_top_k_top_p_and_min_p_keep_the_likeliest(
    row: list[float], options: dict[str, Any], expected: list[float]
) -> None:
    found = frequencies(row, **options)
    assert close(found, expected) and not found[np.array(expected) == 0].any()


# Rounded: what differs by less has the same probability, so either may be kept.
LOGIT = st.floats(-30, 30).map(lambda logit: round(logit, 9)) | st.just(-math.inf)
ROWS = st.lists(LOGIT, min_size=1, max_size=8).filter(lambda row: max(row) > -math.inf)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0.0, 1e-300, 0.1, 1.0, 50.0, 1e300]),
        "top_k": st.integers(1, 9),
        "top_p": st.floats(0, 1, exclude_min=True),
        "min_p": st.floats(0, 1),
    },
)


@given(ROWS, OPTIONS, st.floats(0, 1, exclude_max=True))
def test_what_has_no_probability_is_never_drawn(
    row: list[float], options: dict[str, Any], uniform: float
) -> None:
    weights = apply_filters(np.array([row]), make(SamplingConfig, options))
    for number in (0.0, uniform, 1 - 2**-53):
        (id,) = sample_categorical(weights, np.array([number]))
        assert 0 <= id < len(row) and row[id] > -math.inf
        if options.get("temperature") == 1e300:
            continue  # all are as likely, so any may be kept
        kept = sorted(row, reverse=True)[: options.get("top_k", len(row))]
        assert row[id] >= kept[-1]
        if options.get("temperature") == 0 or options.get("top_k") == 1:
            assert row[id] == max(row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1), ("temperature", math.nan), ("temperature", math.inf),
        ("temperature", "abc"), ("top_k", 0), ("top_k", -1), ("top_p", 0.0), ("top_p", 1.5),
        ("top_p", math.nan), ("min_p", -0.5), ("min_length", -1), ("max_length", 0),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(f'{name} cannot be {value!r}')}"):
        make(SamplingConfig, {name: value})


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"^unknown option 'topk': did you mean 'top_k'\?"):
        make(SamplingConfig, {"topk": 3})
