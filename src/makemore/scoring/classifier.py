"""Classifier: p(label | line) by Bayes' rule, calibrated on the validation lines.

Bayes' rule gives the posterior p(label | line) from a model's p(line | label) and the prior
p(label). But a model's log-probability of a line is off by a little at each symbol, so the
posterior may say 95 % for lines of which 80 % have that label. Two parameters, fitted on validation
lines, correct that: sharpness, an exponent of the posterior, and noise, the probability that a
label is just wrong. The most probable label stays the same.

Papers: Guo et al. 2017, On Calibration of Modern Neural Networks (sharpness is 1 / temperature);
Sukhbaatar et al. 2014, Training Convolutional Networks with Noisy Labels
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.scoring.scorer import Scores, score
from makemore.text import Corpus, Vocabulary

MOST_FITTED = 30_000  # lines times labels that are scored to fit the calibration
MOST_COUNTED = 500_000  # lines times labels that are scored for an accuracy


class Classifier:
    """Computes p(label | line) by a model with labels.

    shares: (n_labels,) p(label), the fraction of the training lines that have each label
    val: lines with labels that the model has not learned from
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, shares: NDArray[np.float64], val: Corpus
    ) -> None:
        self.model, self.vocabulary, self.shares, self.val = model, vocabulary, shares, val

    def posterior(self, corpus: Corpus) -> Scores:
        """Score lines with p(label | line) by Bayes' rule, uncalibrated, whatever their labels."""
        plain = corpus.unlabelled()
        return score(self.model, self.vocabulary, plain, self.shares)

    def numbers(self, corpus: Corpus) -> NDArray[np.int64]:
        """Give the index of each line's label (n,), below 0 for an unknown one."""
        ids = self.vocabulary.encode_labels(corpus)
        return np.zeros(0, dtype=np.int64) if ids is None else ids - len(self.vocabulary)

    @cached_property
    def certainty(self) -> LabelPosterior:
        """Fit the calibration on the validation lines; without any, the posterior stays as it is.

        A sample of them by their hashes, as each line is scored once for every label.
        """
        val = self.val.lowest(max(1, MOST_FITTED // len(self.shares)))
        found, truth = self.posterior(val), self.numbers(val)
        if found.posterior is None or not len(truth):
            return LabelPosterior()
        # A line with an unknown symbol says nothing about the model's posteriors.
        return LabelPosterior.fitted(found.posterior[found.known], truth[found.known])

    def calibrated(self, scores: Scores) -> Scores:
        """Calibrate the posteriors of scores; a line with an unknown symbol keeps the prior."""
        if scores.posterior is None:
            return scores
        mended = self.certainty(scores.posterior)
        posterior = np.where(scores.known[:, None], mended, scores.posterior)
        return dataclasses.replace(scores, posterior=posterior)

    def likeliest(self, corpus: Corpus) -> NDArray[np.int64]:
        """Find the index of the most probable label of each line (n,)."""
        return np.asarray(self.posterior(corpus).posterior).argmax(axis=1)

    def accuracy(self, part: Corpus, most: int = MOST_COUNTED) -> dict[str, Any]:
        """Measure how often the most probable label of a line with a label is the right one.

        majority: the accuracy of always saying the most frequent label of the training lines
        labelled: the number of lines scored. Each is scored once for every label, so a sample by
        hashes keeps lines times labels within `most`.
        """
        part = part.lowest(max(1, most // len(self.shares)))
        truth = self.numbers(part)
        if not len(truth):
            return {"accuracy": None, "majority": None, "labelled": 0}
        return {
            "accuracy": float((self.likeliest(part) == truth).mean()),
            "majority": float((truth == self.shares.argmax()).mean()),
            "labelled": len(part),
        }


Floats = NDArray[np.float64]


# A grid is enough: two parameters, and accuracy does not depend on them.
SHARPNESSES = np.geomspace(1 / 8, 8, 49)  # 1 is one of them
NOISES = np.linspace(0, 0.98, 50)
CLEAN = 10  # imagined lines without noise: a prior that keeps noise low where lines are few


@dataclass(frozen=True)
class LabelPosterior:
    """Calibrates a posterior: (1 - noise) * normalized(posterior^sharpness) + noise / n_labels."""

    sharpness: float = 1.0
    noise: float = 0.0

    @classmethod
    def fitted(cls, bayes: Floats, truth: NDArray[np.int64]) -> LabelPosterior:
        """Fit sharpness and noise to posteriors (n, n_labels) and the true label indices (n,).

        The most likely pair on a grid, under a prior that holds it near (1, 0) where lines are few.
        """
        best, found = -np.inf, cls()
        rows = np.arange(len(truth))
        for sharpness in SHARPNESSES.tolist():
            right = _sharpened(bayes, sharpness)[rows, truth]  # (n,) p of the true label
            mixed = (1 - NOISES) * right[:, None] + NOISES / bayes.shape[1]  # (n, noises)
            with np.errstate(divide="ignore"):  # log 0: the true label had probability 0
                score = np.log(mixed).sum(axis=0) + CLEAN * np.log(1 - NOISES)
            score -= np.log(sharpness) ** 2 / 2  # a standard normal prior on log sharpness
            if score.max() > best:
                best, found = float(score.max()), cls(sharpness, float(NOISES[score.argmax()]))
        return found

    def __call__(self, bayes: Floats) -> Floats:
        """Calibrate posteriors by Bayes' rule (n, n_labels) -> (n, n_labels); rows add up to 1."""
        sharp = _sharpened(bayes, self.sharpness)
        return (1 - self.noise) * sharp + self.noise / bayes.shape[1]


def _sharpened(bayes: Floats, sharpness: float) -> Floats:
    """Raise probabilities to the power of sharpness and normalize each row."""
    with np.errstate(divide="ignore"):
        logs = sharpness * np.log(bayes)
    each = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(each / each.sum(axis=1, keepdims=True))
