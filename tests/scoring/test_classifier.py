"""classifier.py: two numbers that make p(label | line) as sure as it may be, found again."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from makemore.analysis.calibration import Calibration
from makemore.scoring.classifier import CLEAN, NOISES, SHARPNESSES, LabelPosterior

Floats = NDArray[np.float64]


def drawn(n: int, n_labels: int, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """p of labels, and labels that were drawn by them."""
    luck = np.random.default_rng(seed)
    p = luck.dirichlet(np.full(n_labels, 0.5), n)
    truth = (p.cumsum(axis=1) < luck.random((n, 1))).sum(axis=1)
    return p, np.minimum(truth, n_labels - 1)


def error(p: Floats, truth: NDArray[np.int64]) -> float:
    counted = Calibration.empty()
    counted.add(p, truth)
    return counted.error


def sharpened(p: Floats, by: float) -> Floats:
    powers = p**by
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_what_is_right_already_stays() -> None:
    p, truth = drawn(8_000, 3)
    found = LabelPosterior.fitted(p, truth)
    assert found.sharpness == pytest.approx(1, abs=0.11) and found.noise <= 0.02
    np.testing.assert_allclose(LabelPosterior()(p), p, atol=1e-12)


@pytest.mark.parametrize(
    ("by", "noise"), [(0.5, 0.0), (2.0, 0.0), (1.0, 0.3), (0.5, 0.3), (3, 0.1)]
)
def test_what_was_done_to_it_is_found_again(by: float, noise: float) -> None:
    """p is made too sure (or not sure enough), and some labels are replaced by any."""
    p, truth = drawn(8_000, 3)
    luck = np.random.default_rng(1)
    truth = np.where(luck.random(len(truth)) < noise, luck.integers(0, 3, len(truth)), truth)
    distorted = sharpened(p, by)
    found = LabelPosterior.fitted(distorted, truth)
    assert found.sharpness == pytest.approx(1 / by, rel=0.12)
    assert found.noise == pytest.approx(noise, abs=0.03)
    others, labels = drawn(8_000, 3, seed=2)
    labels = np.where(luck.random(len(labels)) < noise, luck.integers(0, 3, len(labels)), labels)
    mended = found(sharpened(others, by))
    assert error(mended, labels) < 0.015
    assert error(mended, labels) < error(sharpened(others, by), labels)
    np.testing.assert_allclose(mended.sum(axis=1), 1)
    assert (mended.argmax(axis=1) == others.argmax(axis=1)).all()


def test_no_lines_and_a_few_lines_leave_it_as_it_is() -> None:
    nothing = LabelPosterior.fitted(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    assert nothing == LabelPosterior(pytest.approx(1), 0.0)
    few = LabelPosterior.fitted(np.full((2, 2), 0.5) + [[0.1, -0.1]], np.array([0, 0]))
    assert few.noise == 0 and 0.8 < few.sharpness < 2
    wrong = LabelPosterior.fitted(np.array([[0.9, 0.1]] * 3), np.array([1, 1, 0]))
    assert wrong.noise < 0.3 and CLEAN > 3


def test_labels_that_cannot_be() -> None:
    """0 stays 0 where nothing else was seen, and no warning comes of its logarithm."""
    p = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] * 50)
    truth = np.array([0, 1] * 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sure = LabelPosterior.fitted(p, truth)
        assert sure.noise == 0
        np.testing.assert_array_equal(sure(p), p)
        surprised = LabelPosterior.fitted(p, np.array([0, 2] * 50))
        assert surprised.noise > 0.3 and (surprised(p) > 0).all()
    assert SHARPNESSES.min() > 0 and NOISES.max() < 1 and 0 in NOISES
    assert np.abs(SHARPNESSES - 1).min() < 1e-9
