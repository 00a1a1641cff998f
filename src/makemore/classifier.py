"""Classifier: which label a line has, by a model that learned lines with labels."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.corpus import Corpus
from makemore.evaluate import Scores, score
from makemore.models.base import Model
from makemore.posterior import Posterior
from makemore.vocabulary import Vocabulary

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

    def by_bayes(self, corpus: Corpus) -> Scores:
        """Scores with p(label | line) by Bayes' rule; the lines' own labels are not looked at."""
        plain = dataclasses.replace(corpus, labels=None, label_names=())
        return score(self.model, self.vocabulary, plain, self.shares)

    def numbers(self, corpus: Corpus) -> NDArray[np.int64]:
        """(n,) the number of each line's label among the labels; below 0 for others."""
        ids = self.vocabulary.encode_labels(corpus)
        return np.zeros(0, dtype=np.int64) if ids is None else ids - len(self.vocabulary)

    @cached_property
    def certainty(self) -> Posterior:
        """How sure p(label | line) may be, by the validation lines; as it is where there are none.

        By the lines of the lowest hashes, as each is scored once a label.
        """
        val = self.val.lowest(max(1, MOST_FITTED // len(self.shares)))
        found, truth = self.by_bayes(val), self.numbers(val)
        if found.posterior is None or not len(truth):
            return Posterior()
        return Posterior.fitted(found.posterior[found.known], truth[found.known])

    def sure(self, scores: Scores) -> Scores:
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
        return np.asarray(self.by_bayes(corpus).posterior).argmax(axis=1)

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
