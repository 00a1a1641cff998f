"""Posterior: p(label | line), with a certainty that lines held back bear out.

Bayes' rule gives it from p(line | label) of a model. But what a model makes of one line is off by a
little at each symbol, at random, so a posterior says 95 % here and 60 % there where 80 % of the
labels are right everywhere. Two numbers, fitted on lines held back, mend that: how sharply to tell
the labels apart, and how often a label is just wrong. The likeliest label stays what it is.

Papers: Guo et al. 2017, On Calibration of Modern Neural Networks (sharpness is 1 / temperature);
Sukhbaatar et al. 2014, Training Convolutional Networks with Noisy Labels
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARPNESSES = np.geomspace(1 / 8, 8, 49)  # 1 is one of them
NOISES = np.linspace(0, 0.98, 50)
CLEAN = 10  # lines that count as seen without noise, so that a few lines do not make it great


@dataclass(frozen=True)
class Posterior:
    """p = (1 - noise) * (p by Bayes' rule)^sharpness, normalized, + noise / n_labels."""

    sharpness: float = 1.0
    noise: float = 0.0

    @classmethod
    def fitted(cls, bayes: Floats, truth: NDArray[np.int64]) -> Posterior:
        """The likeliest for labels truth (n,) of lines with p by Bayes' rule (n, n_labels).

        A prior holds them near 1 and 0 where lines are few: no line gives exactly these.
        """
        best, found = -np.inf, cls()
        rows = np.arange(len(truth))
        for sharpness in SHARPNESSES.tolist():
            right = _sharpened(bayes, sharpness)[rows, truth]
            mixed = (1 - NOISES) * right[:, None] + NOISES / bayes.shape[1]  # (n, noises)
            with np.errstate(divide="ignore"):  # log 0: a label that cannot be, and was
                score = np.log(mixed).sum(axis=0) + CLEAN * np.log(1 - NOISES)
            score -= np.log(sharpness) ** 2 / 2
            if score.max() > best:
                best, found = float(score.max()), cls(sharpness, float(NOISES[score.argmax()]))
        return found

    def __call__(self, bayes: Floats) -> Floats:
        """(n, n_labels) p by Bayes' rule -> p that is as sure as it may be."""
        sharp = _sharpened(bayes, self.sharpness)
        return (1 - self.noise) * sharp + self.noise / bayes.shape[1]


def _sharpened(bayes: Floats, sharpness: float) -> Floats:
    with np.errstate(divide="ignore"):
        logs = sharpness * np.log(bayes)
    each = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(each / each.sum(axis=1, keepdims=True))
