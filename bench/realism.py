"""How real drawn lines look: a judge that counts, a classifier, triples of letters, and copies.

Plausible is what a judge, an n-gram of order 5 that learned all other lines of the kind, finds as
likely a symbol as 95 % of the test lines. AUC is how well a classifier tells test lines from drawn
ones; 0.5 says that it cannot. No measure is enough: copies of the train list are all plausible.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from line_kinds import Cut
from makemore import MakeMore
from makemore.text import Corpus, EditDistanceIndex
from splits import AS_GIVEN

Floats = NDArray[np.float64]

ORDER = 5  # of the judge
FOLDS = 5
C = 0.1  # of the classifier: the weight of the data against the penalty


class Judge:
    """Tells which lines are plausible by counts of the others."""

    def __init__(self, parts: Cut) -> None:
        # As validation lines, train and test give their characters to the vocabulary and are not
        # counted: so no character of the kind is unknown, and all of `others` trains.
        self.model = MakeMore(model="ngram", order=ORDER).fit(
            parts.others, val=[*parts.train, *parts.test]
        )
        self.limit = float(np.quantile(self.nll(parts.test), 0.95, method="inverted_cdf"))

    def nll(self, lines: Sequence[str]) -> Floats:
        """Nats a symbol of each line, its end included."""
        scores = self.model.scores(Corpus.from_lines(lines, AS_GIVEN))
        return scores.nll / scores.symbols

    def plausible(self, lines: Sequence[str]) -> float:
        return float((self.nll(lines) <= self.limit).mean())


def grams(line: str) -> set[str]:
    """The character 1- to 4-grams of a line with its ends marked."""
    marked = f"\n{line}\n"
    return {marked[i : i + n] for n in range(1, 5) for i in range(len(marked) - n + 1)}


def shared_grams(lines: Sequence[str]) -> Floats:
    """(n, n): how many distinct grams two lines have in common, X @ X.T of binary features X."""
    lines_with = defaultdict(list)
    for row, line in enumerate(lines):
        for gram in grams(line):
            lines_with[gram].append(row)
    out = np.zeros((len(lines), len(lines)))
    for rows in lines_with.values():
        out[np.ix_(rows, rows)] += 1
    return out


def logistic(kernel: Floats, labels: Floats) -> tuple[Floats, float]:
    """Minimise |w|^2 / 2 + C * sum of log-losses -> a (n,), bias; a line's logit is kernel @ a.

    The best w is X.T @ a, so products of lines are all that is needed; there are fewer lines than
    grams. Newton's method: each step is a weighted least-squares problem.
    """
    n, a, bias = len(labels), np.zeros(len(labels)), 0.0
    logits = np.zeros(n)
    system = np.ones((n + 1, n + 1))
    system[n, n] = 0.0  # the last row says sum(a) = 0: the bias is not penalised
    for _ in range(100):
        p = 1 / (1 + np.exp(-logits))
        weight = np.maximum(p * (1 - p), 1e-6)
        system[:n, :n] = kernel + np.diag(1 / (C * weight))
        solved = np.linalg.solve(system, np.append(logits + (labels - p) / weight, 0.0))
        a, bias, before = solved[:n], float(solved[n]), logits
        logits = kernel @ a + bias
        if np.abs(logits - before).max() < 1e-6:
            break
    return a, bias


def rank_auc(low: Floats, high: Floats) -> float:
    """The probability that one of `high` is above one of `low`; a tie counts half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / 2 / len(low))


def classifier_auc(real: Sequence[str], drawn: Sequence[str], seed: int = 0) -> float:
    """The mean AUC over 5 folds of a classifier that tells drawn lines from as many real ones."""
    n, random = len(real), np.random.default_rng(seed)
    assert len(drawn) == n
    kernel, labels = shared_grams([*real, *drawn]), np.repeat([0.0, 1.0], n)
    fold = np.concatenate([random.permutation(n) % FOLDS for _ in range(2)])  # alike in both
    areas = []
    for k in range(FOLDS):
        seen, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        a, _ = logistic(kernel[np.ix_(seen, seen)], labels[seen])
        logits = kernel[np.ix_(held, seen)] @ a  # without the bias, which moves all of them
        areas.append(rank_auc(logits[labels[held] == 0], logits[labels[held] == 1]))
    return statistics.mean(areas)


def triples(lines: Iterable[str]) -> int:
    """Count the distinct triples of characters; the ends are not marked."""
    return len({line[i : i + 3] for line in lines for i in range(len(line) - 2)})


def copies(lines: Sequence[str], train: Sequence[str]) -> float:
    """The fraction of lines that are in the train list."""
    known = set(train)
    return sum(line in known for line in lines) / len(lines)


def near_copies(lines: Sequence[str], train: Sequence[str]) -> float:
    """The fraction of lines that are at most one edit away from a line of the train list."""
    return float(EditDistanceIndex(Corpus.from_lines(train), 1).near(lines).mean())
