"""Filters on the next symbol's probabilities: temperature, top-k, top-p and min-p."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.options import options_of
from makemore.sampling.categorical import Floats
from makemore.sampling.config import Filters, SamplingConfig


def filters_of(options: SamplingConfig) -> Filters:
    """Take the filters out of a configuration, as the key of a table that depends on them alone."""
    return Filters(**{name: getattr(options, name) for name in options_of(Filters)})


def apply_filters(logits: NDArray[Any], options: Filters) -> Floats:
    """Turn logits (B, V) into weights (B, V): temperature, then top-k, top-p and min-p.

    A filter sets weights to 0. Rows do not sum to 1; divided by their sums they are probabilities.
    Sources: top-k, Fan et al. 2018; top-p, Holtzman et al. 2020; min-p, Nguyen et al. 2024
    """
    logits = logits.astype(np.float64, copy=False)
    if options.temperature == 0:  # the limit: all weight on the likeliest, the first of equals
        likeliest = logits.argmax(axis=1)
        return np.asarray(np.arange(logits.shape[1]) == likeliest[:, None], dtype=np.float64)
    with np.errstate(over="ignore"):  # at a temperature near 0 all but the likeliest go to -inf
        weights = logits - logits.max(axis=1, keepdims=True)  # the largest weight will be 1
        if options.temperature != 1:
            weights /= options.temperature
        np.exp(weights, out=weights)
    # A very high temperature makes all weights equal; what is likeliest the logits still say.
    ranks = weights if options.temperature == 1 else logits
    if options.top_k is not None and options.top_k < logits.shape[1]:
        order = np.argsort(-ranks, axis=1, kind="stable")
        np.put_along_axis(weights, order[:, options.top_k :], 0.0, axis=1)
    if options.top_p is not None and options.top_p < 1:
        order = np.argsort(-ranks, axis=1, kind="stable")
        probs = np.take_along_axis(weights, order, axis=1)  # (B, V) the likeliest first
        probs /= probs.sum(axis=1, keepdims=True)
        before = np.cumsum(probs, axis=1) - probs  # 0 for the likeliest, which always stays
        cut = np.take_along_axis(weights, order, axis=1) * (before < options.top_p)
        np.put_along_axis(weights, order, cut, axis=1)
    if options.min_p is not None:
        weights = np.where(
            weights >= options.min_p * weights.max(axis=1, keepdims=True), weights, 0.0
        )
    return np.asarray(weights)
