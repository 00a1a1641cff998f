"""Mixture weights: fits how much each member of an ensemble counts, by Newton's method.

The nll of a mixture of log-probabilities is convex in its weights, so there is one minimum. Where
few validation symbols tell, a penalty holds the weights near equal ones, or near those that were
the best for other lists.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from makemore.models import CountModel

if TYPE_CHECKING:
    from makemore.api.plan import Plan

Floats = NDArray[np.float64]

MAX_NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10  # nats a symbol: a step that gains less is the last one
# Strengths of quadratic penalties, in symbols of val: they decide where val is small. The first
# pulls the weights for all prefixes, the second those for known and for new ones towards these.
STRENGTHS = 10.0, 100.0
STRENGTHS_BESIDE_PRIOR = 200.0, 200.0  # these expected weights are known better than equal ones
# The best weights for the lists of bench/line_kinds.py's TUNE, 60 and 300 lines: of models that
# start from a prior, of other networks, of the longest counts, the shortest, and the others. What
# longer counts have above short ones is what the list alone says.
FROM_PRIOR, OTHER_NETWORKS = 0.65, 0.1
LONGEST_COUNTS, SHORTEST_COUNTS, OTHER_COUNTS = 0.4, -0.3, 0.05  # none is 0: all are mixed


def expected_weights(plans: Sequence[Plan]) -> tuple[Floats, tuple[float, float]]:
    """Guess the weights (K,) of members before validation lines are seen, and how sure that is.

    Equal ones, unless a member starts from a prior: then those that were the best for other lists.
    The second are the strengths of the penalties, as `fit_ensemble_weights` takes them.
    """
    tuned = np.array([plan.prior_lines is not None for plan in plans])
    counts = np.array([issubclass(plan.kind, CountModel) for plan in plans])
    if not tuned.any():
        return np.full(len(plans), 1 / len(plans)), STRENGTHS
    others = ~tuned & ~counts
    weights = tuned * FROM_PRIOR / tuned.sum() + others * OTHER_NETWORKS / max(1, others.sum())
    if counts.any():
        contexts = np.where(counts, [plan.config.block_size for plan in plans], -1)
        weights[counts] = OTHER_COUNTS
        weights[contexts.argmax()] = LONGEST_COUNTS
        if counts.sum() > 1:
            weights[np.where(counts, contexts, contexts.max() + 1).argmin()] = SHORTEST_COUNTS
    return weights, STRENGTHS_BESIDE_PRIOR


def fit_ensemble_weights(
    logs: NDArray[np.float32],
    targets: NDArray[np.int64],
    new: NDArray[np.bool_],
    expected: Floats | None = None,
    strengths: tuple[float, float] = STRENGTHS,
) -> Floats:
    """Fit the weights (2, K) of K models that maximize the likelihood of the validation symbols.

    logs: (K, N, V) log-probabilities of each model; targets: (N,) the symbols that followed
    new: (N,) whether no training line begins with the prefix. The first row of weights is for known
    prefixes, the second for new ones; both are held near the best weights for all prefixes, and
    these near the expected ones (K,), without any near equal ones. strengths: of both, in symbols
    """
    K, N, V = logs.shape
    equal = np.full(K, 1 / K) if expected is None else expected
    if K == 1:
        equal = np.ones(1)
    if N == 0 or K == 1:
        return np.stack([equal, equal])
    from makemore.models.ensemble import MIN_LOG_PROBABILITY  # which needs torch

    each = np.maximum(logs, MIN_LOG_PROBABILITY).astype(np.float64).transpose(1, 2, 0)  # (N, V, K)
    of_all = _newton(each, targets, equal, strengths[0])
    return np.stack(
        [_newton(each[rows], targets[rows], of_all, strengths[1]) for rows in (~new, new)]
    )


def _newton(each: Floats, targets: NDArray[np.int64], near: Floats, prior: float) -> Floats:
    """Minimize a mixture's nll over its weights (K,), under a prior that holds them near `near`.

    each: (N, V, K) log-probabilities; targets: (N,). The mixture is p = softmax(sum_k w_k log p_k).
    Its nll is convex in w, so Newton's method finds the minimum: the gradient is E_p[log p_k] less
    log p_k of the target, the Hessian is the covariance of the log p_k under p, both as means of N.
    """
    N, V, K = each.shape
    if N == 0:
        return near
    at_target, pull = each[np.arange(N), targets], prior / N  # (N, K)

    def objective(weights: Floats) -> tuple[float, Floats]:
        """Compute nll plus prior, nats a symbol, and the mixture's probabilities (N, V)."""
        mixed = each @ weights  # (N, V)
        mixed -= mixed.max(axis=1, keepdims=True)  # or exp could overflow
        unnormalized = np.exp(mixed)
        total = unnormalized.sum(axis=1, keepdims=True)
        nats = float((np.log(total[:, 0]) - mixed[np.arange(N), targets]).mean())
        return nats + pull / 2 * float(((weights - near) ** 2).sum()), unnormalized / total

    weights = near
    before, p = objective(weights)
    for _ in range(MAX_NEWTON_STEPS):
        expected = np.einsum("nv,nvk->nk", p, each)  # (N, K)
        gradient = (expected - at_target).mean(axis=0) + pull * (weights - near)  # (K,)
        centred = (each - expected[:, None]).reshape(N * V, K)
        hessian = (centred * p.reshape(N * V, 1)).T @ centred / N + pull * np.eye(K)  # (K, K)
        step = np.linalg.solve(hessian, gradient)
        for halvings in range(30):  # far from the minimum a whole step may go beyond it
            nats, new_p = objective(weights - step / 2**halvings)
            if nats < before:
                break
        if nats > before - NEWTON_TOLERANCE:
            break
        weights, before, p = weights - step / 2**halvings, nats, new_p
    return weights
