"""Each number has the verdict that its threshold says, and stands in the sentence."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.analysis import verdicts

GUESS = math.log(27)  # 3.296

# train, val, (train, val) at its best -> kind, and what the sentence has to hold
FITS = [
    (1.600, 1.900, None, "fits", "train is 16 % lower"),
    (1.500, 1.600, None, "underfits", "train is 6 % lower"),  # an exercise of the lectures' notes
    (2.126, 2.170, None, "underfits", "train is 2 % lower"),  # lecture 2's MLP
    (1.000, 1.900, None, "overfits", "train is 47 % lower"),
    (0.300, 2.500, (1.500, 2.300), "overfits", "9 % above its best of 2.300"),
    # on the thresholds: 7 and 25 % are the last of their kind, 2 % is no rise
    (1.860, 2.000, None, "underfits", "train is 7 % lower"),
    (1.840, 2.000, None, "fits", "train is 8 % lower"),
    (1.500, 2.000, None, "fits", "train is 25 % lower"),
    (1.480, 2.000, None, "overfits", "train is 26 % lower"),
    (1.500, 2.040, (1.700, 2.000), "overfits", "train is 26 % lower"),
    (1.600, 2.040, (1.700, 2.000), "fits", "train is 22 % lower"),
    (1.600, 2.060, (1.700, 2.000), "overfits", "3 % above its best of 2.000"),
    # what the two numbers alone do not say
    (2.900, 3.000, (2.200, 2.300), "unstable", "after 2.200 and 2.300 at its best"),
    (2.500, 2.200, None, "unclear", "14 % below train"),
    (2.000, 1.900, None, "underfits", "train is no lower than val"),
    (2.000, 2.000, None, "underfits", "train is no lower than val"),
    (3.290, 3.300, None, "nothing learned", "guessing has 3.296"),
    (3.250, 3.300, None, "nothing learned", "train 3.250"),
    (3.240, 3.300, None, "underfits", "train is 2 % lower"),
    (3.350, 3.400, (3.300, 3.300), "nothing learned", "guessing has 3.296"),
    (3.400, 3.300, None, "worse than guessing", "try a smaller learning rate"),
    (20.14, 22.26, (3.302, 3.305), "worse than guessing", "guessing has 3.296"),
    (0.050, 4.500, (2.000, 2.900), "overfits", "55 % above its best of 2.900"),
    (0.000, 0.000, None, "underfits", "train 0.000, val 0.000"),
]  # fmt: skip


@pytest.mark.parametrize("train, val, best, kind, said", FITS)
def test_the_fit(
    train: float, val: float, best: tuple[float, float] | None, kind: str, said: str
) -> None:
    verdict = verdicts.fit(train, val, best, GUESS)
    assert verdict.kind == kind and said in verdict.text
    assert f"train {train:.3f}, val {val:.3f}" in verdict.text


FIRST = [
    (3.32, "as guessing"), (3.30, "as guessing"), (27.0, "confidently wrong"),
    (4.31, "confidently wrong"), (4.30, "somewhat high"), (3.61, "somewhat high"),
    (3.60, "as guessing"), (3.00, "as guessing"), (2.99, "knows something"),
]  # fmt: skip


@pytest.mark.parametrize("first, kind", FIRST)
def test_the_first_loss(first: float, kind: str) -> None:
    verdict = verdicts.first_loss(first, 27)
    assert verdict.kind == kind and f"The first loss is {first:.2f}; guessing" in verdict.text
    if kind != "as guessing":
        assert f"{abs(first - 3.30):.2f} {'above' if first > 3.3 else 'below'}" in verdict.text


# saturated, dead -> the kinds of its verdicts, and what the sentences have to hold
LAYERS = [
    ({"t": 0.0}, {"t": 0.0}, ["open"], "At most 0 % of a layer's values are saturated (t;"),
    ({"t": 0.05}, {"t": 0.0}, ["open"], "At most 5 %"),
    ({"t": 0.054, "u": 0.01}, {}, ["open"], "5 % of a layer's values are saturated (t; about 5 %"),
    ({"t": 0.06}, {"t": 0.0}, ["somewhat saturated"], "At most 6 %"),
    ({"t": 0.25}, {"t": 0.0}, ["somewhat saturated"], "no unit is dead"),
    ({"t": 0.26}, {"t": 0.0}, ["saturated"], "26 % of t, more than 25 %"),
    ({}, {"r": 0.25}, ["open"], "At most 25 % of its units are dead (r)"),
    ({}, {"r": 0.26}, ["dead"], "26 % of r pass no gradient"),
    ({"t": 0.9}, {"t": 0.5}, ["dead", "saturated"], "90 % of t, more"),
    ({f"t{n}": 0.5 + n / 10 for n in range(5)}, {}, ["saturated"],
     "90 % of t4, 80 % of t3, 70 % of t2 and 2 more"),
    ({}, {}, [], ""),
]  # fmt: skip


@pytest.mark.parametrize("saturated, dead, kinds, said", LAYERS)
def test_saturation(
    saturated: dict[str, float], dead: dict[str, float], kinds: list[str], said: str
) -> None:
    found = verdicts.saturation(saturated, dead)
    assert [verdict.kind for verdict in found] == kinds
    assert said in " ".join(verdict.text for verdict in found)


UPDATES = [
    (-1.0, "too fast", "10^-1.0 of its own size, more than 10^-2"),
    (-1.9, "too fast", "10^-1.9"),
    (-2.0, "fast", "10 times the guide of 10^-3"),
    (-2.4, "fast", "10^-2.4 of its own size: 4 times the guide of 10^-3"),
    (-2.6, "fast", "3 times the guide"),
    (-2.7, "as usual", "close to the guide"),
    (-3.0, "as usual", "10^-3.0 of its own size: close to the guide of 10^-3"),
    (-3.3, "as usual", "close to the guide"),
    (-3.4, "slow", "3 times less than the guide"),
    (-4.0, "slow", "10 times less than the guide"),
    (-4.1, "too slow", "10^-4.1 of its own size, less than 10^-4"),
    # a number that the sentence rounds to a threshold is judged as it is read
    (-1.96, "fast", "10^-2.0"), (-4.04, "slow", "10^-4.0"), (-1.94, "too fast", "10^-1.9"),
]  # fmt: skip


@pytest.mark.parametrize("ratio, kind, said", UPDATES)
def test_the_size_of_updates(ratio: float, kind: str, said: str) -> None:
    verdict = verdicts.update_ratio(ratio)
    assert verdict.kind == kind and said in verdict.text
    assert "as it should" not in verdict.text  # what was said of 10^-2.4, too


def test_muon_has_no_guide() -> None:
    verdict = verdicts.update_ratio(-1.4, {"w": -1.4, "v": -1.3}, "muon")
    assert verdict.kind == "no guide" and "10^-1.4 of its own size. That is not" in verdict.text


BATCHES = [
    (3.30, 0.21, 0.18, "by heart", "from 3.30 to 0.21"),
    (3.30, 1.80, 0.18, "not by heart", "48 % of the way"),
    (3.00, 0.30, 0.00, "by heart", "from 3.00 to 0.30"),  # 90 %
    (3.00, 0.33, 0.00, "not by heart", "89 % of the way"),
    (0.50, 0.48, 0.45, "by heart", "nothing can get below 0.45"),  # there is nothing to learn
    (2.00, 2.60, 0.10, "not by heart", "0 % of the way"),
    (3.00, math.nan, 0.00, "diverged", "no finite number"),
]


@pytest.mark.parametrize("first, last, lowest, kind, said", BATCHES)
def test_one_batch(first: float, last: float, lowest: float, kind: str, said: str) -> None:
    verdict = verdicts.one_batch(first, last, lowest)
    assert verdict.kind == kind and said in verdict.text


LOSS = st.floats(0, 10)


@given(LOSS, LOSS, st.none() | st.tuples(LOSS, LOSS), LOSS.filter(lambda guess: guess > 0.1))
def test_a_fit_is_what_its_own_numbers_say(
    train: float, val: float, best: tuple[float, float] | None, guess: float
) -> None:
    """Whoever reads the sentence alone comes to the same verdict: rounding cannot part them."""
    verdict = verdicts.fit(train, val, best, guess)
    written = re.findall(r"(?:train|val) (\d+\.\d{3})", verdict.text)
    own_train, own_val = map(float, written[:2])
    again = verdicts.fit(own_train, own_val, best and (round(best[0], 3), round(best[1], 3)), guess)
    assert again == verdict


@given(st.floats(-8, 1))
def test_an_update_is_what_its_own_number_says(ratio: float) -> None:
    verdict = verdicts.update_ratio(ratio)
    [written] = re.findall(r"about 10\^(-?\d+\.\d)", verdict.text)
    assert verdicts.update_ratio(float(written)) == verdict
