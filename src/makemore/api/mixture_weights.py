"""Mixture weights: fits how much each member of an ensemble counts, by Newton's method.

The nll of a mixture of log-probabilities is convex in its weights, so there is one minimum. Priors
hold the weights near equal ones where few validation symbols tell.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10  # nats a symbol: a step that gains less is the last one
# Strengths of quadratic priors, in symbols of val: they decide where val is small.
WEIGHT_PRIOR = 10.0  # pulls the weights for all prefixes towards equal ones
SPLIT_PRIOR = 100.0  # pulls the weights for known and for new prefixes towards those for all


def fit_ensemble_weights(
    logs: NDArray[np.float32], targets: NDArray[np.int64], new: NDArray[np.bool_]
) -> Floats:
    """Fit the weights (2, K) of K models that maximize the likelihood of the validation symbols.

    logs: (K, N, V) log-probabilities of each model; targets: (N,) the symbols that followed
    new: (N,) whether no training line begins with the prefix. The first row of weights is for known
    prefixes, the second for new ones; both are held near the best weights for all prefixes.
    """
    K, N, V = logs.shape
    equal = np.full(K, 1 / K)
    if N == 0 or K == 1:
        return np.stack([equal, equal])
    from makemore.models.ensemble import MIN_LOG_PROBABILITY  # which needs torch

    each = np.maximum(logs, MIN_LOG_PROBABILITY).astype(np.float64).transpose(1, 2, 0)  # (N, V, K)
    of_all = _newton(each, targets, equal, WEIGHT_PRIOR)
    return np.stack(
        [_newton(each[rows], targets[rows], of_all, SPLIT_PRIOR) for rows in (~new, new)]
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
