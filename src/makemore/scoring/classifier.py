"""Classifier: p(label | line) by Bayes' rule, calibrated on lines that were held back.

Bayes' rule gives the posterior from p(line | label) of a model. But what a model makes of one line
is off by a little at each symbol, at random, so a posterior says 95 % here and 60 % there where
80 % of the labels are right everywhere. Two numbers, fitted on lines held back, mend that: how
sharply to tell the labels apart, and how often a label is just wrong. The likeliest label stays
what it is.

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

MOST_FITTED = 30_000  # lines times labels that the certainty is fitted on
MOST_COUNTED = 500_000  # lines times labels that are scored for an accuracy


class Classifier:
    """p(label | line) of a model with these weights.

    shares: (n_labels,) of the training lines; val: labelled lines that nothing was learned from
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, shares: NDArray[np.float64], val: Corpus
    ) -> None:
        self.model, self.vocabulary, self.shares, self.val = model, vocabulary, shares, val

    def posterior(self, corpus: Corpus) -> Scores:
        """Scores with p(label | line) by Bayes' rule; the lines' own labels are not looked at."""
        plain = dataclasses.replace(corpus, labels=None, label_names=())
        return score(self.model, self.vocabulary, plain, self.shares)

    def numbers(self, corpus: Corpus) -> NDArray[np.int64]:
        """(n,) the number of each line's label among the labels; below 0 for others."""
        ids = self.vocabulary.encode_labels(corpus)
        return np.zeros(0, dtype=np.int64) if ids is None else ids - len(self.vocabulary)

    @cached_property
    def certainty(self) -> LabelPosterior:
        """How sure p(label | line) may be, by the validation lines; as it is where there are none.

        By the lines of the lowest hashes, as each is scored once a label.
        """
        val = self.val.lowest(max(1, MOST_FITTED // len(self.shares)))
        found, truth = self.posterior(val), self.numbers(val)
        if found.posterior is None or not len(truth):
            return LabelPosterior()
        return LabelPosterior.fitted(found.posterior[found.known], truth[found.known])

    def calibrated(self, scores: Scores) -> Scores:
        """Scores by Bayes' rule with a p(label | line) that is as sure as it may be.

        A line with an unknown symbol, of which nothing is known, keeps the labels' shares.
        """
        if scores.posterior is None:
            return scores
        mended = self.certainty(scores.posterior)
        posterior = np.where(scores.known[:, None], mended, scores.posterior)
        return dataclasses.replace(scores, posterior=posterior)

    def likeliest(self, corpus: Corpus) -> NDArray[np.int64]:
        """(n,) the number of the likeliest label of each line."""
        return np.asarray(self.posterior(corpus).posterior).argmax(axis=1)

    def accuracy(self, part: Corpus, most: int = MOST_COUNTED) -> dict[str, Any]:
        """How often the likeliest label is the right one, of lines with labels.

        majority: the share of the label that most training lines have. Every line is scored once a
        label, so at most `most` such scores are made, of the lines of the lowest hashes; `labelled`
        says of how many.
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


SHARPNESSES = np.geomspace(1 / 8, 8, 49)  # 1 is one of them
NOISES = np.linspace(0, 0.98, 50)
CLEAN = 10  # lines that count as seen without noise, so that a few lines do not make it great


@dataclass(frozen=True)
class LabelPosterior:
    """p = (1 - noise) * (p by Bayes' rule)^sharpness, normalized, + noise / n_labels."""

    sharpness: float = 1.0
    noise: float = 0.0

    @classmethod
    def fitted(cls, bayes: Floats, truth: NDArray[np.int64]) -> LabelPosterior:
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
