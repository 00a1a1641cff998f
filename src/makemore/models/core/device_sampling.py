"""Device sampling: filters, draws of the next symbol and their random numbers, as tensors.

They do what filters.py and categorical.py of sampling/ do in numpy, in float64 as there: a draw on
a GPU has the same random numbers, and so the same line, up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from makemore.models.core.draw_rules import DrawRules


def _signed(constant: int) -> int:
    """Return the integer of 64 bits that has the same bits with a sign: torch has no other."""
    return constant - 2**64 if constant >= 2**63 else constant


GOLDEN = _signed(0x9E3779B97F4A7C15)  # the constants of SplitMix64, as in text/line_hashes.py
MULTIPLIERS = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def uniforms(starts: Tensor, draws: Tensor) -> Tensor:
    """Compute random numbers (R,) in [0, 1), float64, to the bit those of DrawBatch.uniforms.

    starts: (R,) where the sequence of each draw's part starts; draws: (R,) indices in the batch
    """
    x = starts + draws * GOLDEN  # int64 overflows as uint64 does: the lowest 64 bits stay
    x = (x ^ _shifted(x, 30)) * MULTIPLIERS[0]
    x = (x ^ _shifted(x, 27)) * MULTIPLIERS[1]
    return _shifted(x ^ _shifted(x, 31), 11).double() * 2.0**-53


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift 64-bit integers to the right as if they had no sign: zeros come in on the left."""
    # torch fills up with copies of the sign, which the mask takes off again.
    return (x >> bits) & (2 ** (64 - bits) - 1)


def apply_filters(logs: Tensor, rules: DrawRules) -> Tensor:
    """Turn log-probabilities (R, V) into weights (R, V): temperature, then top-k, top-p, min-p."""
    if rules.temperature == 0:  # all weight on the likeliest, the first of equals
        return torch.zeros_like(logs).scatter_(1, logs.argmax(1, keepdim=True), 1.0)
    weights = logs - logs.amax(1, keepdim=True)  # the largest weight will be 1
    if rules.temperature != 1:
        weights = weights / rules.temperature
    weights = weights.exp()
    # A very high temperature makes all weights equal; what is likeliest the logs still say.
    ranks = weights if rules.temperature == 1 else logs
    if rules.top_k is not None and rules.top_k < logs.shape[1]:
        order = (-ranks).argsort(stable=True, dim=1)
        weights = weights.scatter(1, order[:, rules.top_k :], 0.0)
    if rules.top_p is not None and rules.top_p < 1:
        order = (-ranks).argsort(stable=True, dim=1)
        sorted_ = weights.gather(1, order)  # (R, V) the likeliest first
        probs = sorted_ / sorted_.sum(1, keepdim=True)
        before = probs.cumsum(1) - probs  # 0 for the likeliest, which always stays
        weights = weights.scatter(1, order, sorted_ * (before < rules.top_p))
    if rules.min_p is not None:
        least = rules.min_p * weights.amax(1, keepdim=True)
        weights = torch.where(weights >= least, weights, 0.0)
    return weights


def sample_categorical(weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw symbols: weights (R, V), not normalised, uniform (R,) in [0, 1) -> ids (R,).

    The symbol is the first whose cdf is above the number.
    """
    V = weights.shape[1]
    cdf = weights.cumsum(1)  # (R, V)
    cdf = cdf / cdf[:, -1:]
    symbols = torch.arange(V, device=weights.device, dtype=torch.int32)
    drawable = weights > 0
    # A GPU adds in another order for each symbol, so a symbol of weight 0 may have another cdf than
    # the one before it in the last bit. It is never drawn.
    above = drawable & (cdf > uniform[:, None])
    picked = torch.where(above, symbols, V).amin(1)
    # And no cdf may be above a number just below 1: then the last symbol with a weight is drawn. Of
    # weights that are no numbers 0 is drawn, as by sample_from_cdf, and the nll tells.
    last = torch.where(drawable, symbols, 0).amax(1)
    return torch.minimum(picked, last).long()
