"""Weighted: chooses among guided lines by their weights, so that they come as often as by p."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.categorical import uniforms
from makemore.sampling.results import RoundCompletions

Ints = NDArray[np.int64]

# Random numbers that choose among weighted lines: a stream beside the decoder's stream of labels.
WEIGHTS_STREAM = 2**32 + 1


def chosen_by_weight(lines: RoundCompletions, fresh: Ints, seed: int, round_no: int) -> Ints:
    """Choose among guided lines by weight, without replacement: indices, the first drawn first.

    fresh: (F,) indices of the lines to choose among
    As many as two thirds of the effective sample size: if most were taken, weights would not
    matter. Gumbel-top-k (Kool, van Hoof and Welling 2019).
    """
    if not len(fresh):
        return fresh
    # A line's weight is the sum of p / q over its draws; as logs, which do not overflow.
    logs = np.log(lines.draws[fresh]) + lines.log_weight[fresh]  # (F,)
    weights = np.exp(logs - logs.max())
    each = weights / lines.draws[fresh]  # (F,) of a single draw
    # Kish 1965, in draws: (sum of all draws' weights)^2 / (sum of their squares). A line's draws
    # have equal weights, so weights * each sums the squares of its draws.
    effective = float(weights.sum() ** 2 / (weights * each).sum())
    uniform = uniforms(seed, round_no, WEIGHTS_STREAM, np.arange(len(fresh)))
    keys = logs - np.log(-np.log1p(-uniform) + 1e-300)  # log weight + Gumbel noise
    return np.asarray(fresh[np.argsort(-keys, kind="stable")][: max(1, int(effective * 2 / 3))])
