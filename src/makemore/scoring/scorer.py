"""Scorer: the surprisal -log p of each symbol, the nll of each line and their mean, in nats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models import CountModel, Model
from makemore.scoring.count_scorer import count_surprisals
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import UNKNOWN, Encoded

MAX_BLOCK_LINES = 2**17  # lines that are sorted together: memory stays bounded


def surprisals(
    model: Model,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """Compute -log p of each line's symbols and of its end, in nats (n_symbols + n_lines,).

    ids (n_symbols,) one line after another, none UNKNOWN; offsets (n_lines + 1,); labels (n_lines,)
    ids, for a model with labels
    """
    if len(offsets) - 1 > MAX_BLOCK_LINES:
        parts = []
        for start in range(0, len(offsets) - 1, MAX_BLOCK_LINES):
            own = offsets[start : start + MAX_BLOCK_LINES + 1]
            block = None if labels is None else labels[start : start + MAX_BLOCK_LINES]
            parts.append(surprisals(model, ids[own[0] : own[-1]], own - own[0], block))
        return np.concatenate(parts)
    if isinstance(model, CountModel):
        return count_surprisals(model, ids, offsets, labels)
    from makemore.scoring.neural_scorer import neural_surprisals  # which needs torch

    return neural_surprisals(model, ids, offsets, labels)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scores:
    """Holds the negative log-likelihood of each line of a corpus under a model.

    nll: (n_lines,) nats of each whole line, end included; inf where a symbol is unknown
    symbols: (n_lines,) symbols of each line, its end included
    posterior: (n_lines, n_labels) p(label | line), by a model with labels for lines without
    """

    nll: NDArray[np.float64]
    symbols: NDArray[np.int64]
    posterior: NDArray[np.float64] | None = None

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell the lines without unknown symbols (n_lines,)."""
        return np.isfinite(self.nll)

    def mean(self, rows: NDArray[np.bool_] | None = None) -> float | None:
        """Average the nll, nats a symbol, over these rows (None: all), unknown symbols left out.

        None where no line is left. The mean is over symbols, so a long line counts for more.
        """
        chosen = self.known if rows is None else self.known & rows
        symbols = int(self.symbols[chosen].sum())
        return float(self.nll[chosen].sum() / symbols) if symbols else None


def score(
    model: Model, vocabulary: Vocabulary, corpus: Corpus, shares: NDArray[np.float64] | None = None
) -> Scores:
    """Compute the exact nll of every line of a corpus, in nats.

    A model with labels gives -log p(line | label). For lines without labels it gives the marginal
    -log sum_l p(l) p(line | l), and the posterior p(l) p(line | l) over that sum (Bayes' rule).
    shares: (n_labels,) the prior p(l), None for a uniform one. The posterior of a line with an
    unknown symbol is the prior.
    """
    encoded = vocabulary.encode(corpus)
    if not model.n_labels:
        return Scores(_of_lines(model, encoded, None), encoded.lengths + 1)
    labels = vocabulary.encode_labels(corpus)
    if labels is not None:
        return Scores(_of_lines(model, encoded, labels), encoded.lengths + 1)
    shares = np.full(model.n_labels, 1 / model.n_labels) if shares is None else shares
    joint = _given_each_label(model, encoded)
    with np.errstate(divide="ignore"):  # a label that no training line has: log 0
        joint = np.log(shares) - joint
    # log sum exp: the highest term is subtracted first, or exp(-1000) of a long line would be 0.
    highest = joint.max(axis=1, keepdims=True)
    known = np.isfinite(highest[:, 0])
    highest[~known] = 0.0
    each = np.exp(joint - highest)
    total = each.sum(axis=1, keepdims=True)
    posterior = np.where(known[:, None], each / np.where(total > 0, total, 1.0), shares)
    # Unknown lines stay inf. Their total may be 0: the guards above and below avoid log 0 and 0/0.
    marginal = np.full(len(corpus), np.inf)
    marginal[known] = -(highest + np.log(total, where=total > 0, out=np.zeros_like(total)))[
        known, 0
    ]
    return Scores(marginal, encoded.lengths + 1, posterior)


def _given_each_label(model: Model, encoded: Encoded) -> NDArray[np.float64]:
    """Compute -log p(line | label) of each line given each label, nats (n_lines, n_labels)."""
    rows = len(encoded.lengths)
    each = [
        _of_lines(model, encoded, np.full(rows, model.vocab_size + number, dtype=np.int64))
        for number in range(model.n_labels)
    ]
    return np.stack(each, axis=1)


def _of_lines(
    model: Model, encoded: Encoded, labels: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Compute the nll of each line, nats (n_lines,): inf with an unknown symbol or label."""
    lengths = encoded.lengths
    known = np.ones(len(lengths), dtype=bool) if labels is None else labels != UNKNOWN
    unknown = np.flatnonzero(encoded.ids == UNKNOWN)  # mostly none: then nothing is copied
    known[np.searchsorted(encoded.offsets, unknown, side="right") - 1] = False
    ids, offsets, own = encoded.ids, encoded.offsets, labels
    if not known.all():
        # Only lines without unknown symbols are scored, by offsets of their own.
        ids = ids[np.repeat(known, lengths)]
        offsets = np.concatenate([[0], np.cumsum(lengths[known])]).astype(np.int64)
        own = None if labels is None else labels[known]
    each = surprisals(model, ids, offsets, own)
    result = np.full(len(lengths), np.inf)
    # The surprisals of a line, end included, begin one further right for every line before it.
    starts = offsets[:-1] + np.arange(len(offsets) - 1)
    result[known] = np.add.reduceat(each, starts) if len(starts) else 0.0
    return result
