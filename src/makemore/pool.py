"""Weights of a logarithmic opinion pool: how much each of several models has to say. No torch.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_ROUNDS = 50  # of Newton's method
SETTLED = 1e-10  # nats a symbol that a round has to gain
PRIOR = 10.0  # pull of each weight to that of the others, in symbols: for short val parts
PRIOR_APART = 100.0  # pull of the weights of known or new prefixes to those of all
LOWEST = -30.0  # log-probability: what a model holds for impossible, another may still allow


def fit_weights(
    logs: NDArray[np.float32], targets: NDArray[np.int64], new: NDArray[np.bool_]
) -> Floats:
    """Log-probabilities (K, N, V) of K models, and what came (N,) -> the likeliest weights (2, K).

    new (N,): whether no training line begins like that. Weights are those of prefixes that are
    known, and of those that are new: pulled to the ones that are likeliest for all.
    """
    K, N, V = logs.shape
    alike = np.full(K, 1 / K)
    if N == 0 or K == 1:
        return np.stack([alike, alike])
    each = np.maximum(logs, LOWEST).astype(np.float64).transpose(1, 2, 0)  # (N, V, K)
    of_all = _likeliest(each, targets, alike, PRIOR)
    return np.stack(
        [_likeliest(each[rows], targets[rows], of_all, PRIOR_APART) for rows in (~new, new)]
    )


def _likeliest(each: Floats, targets: NDArray[np.int64], near: Floats, prior: float) -> Floats:
    """Log-probabilities (N, V, K), what came (N,) -> weights (K,), held near those given.

    The nll of softmax(sum_k weight_k logs_k) is convex in the weights, so Newton's method finds the
    lowest one: its gradient is what the logs are expected to be less what they are at the targets,
    its curvature their covariance. The prior holds the weights where N is small.
    """
    N, V, K = each.shape
    if N == 0:
        return near
    came, pull = each[np.arange(N), targets], prior / N  # (N, K)

    def objective(weights: Floats) -> tuple[float, Floats]:
        mixed = each @ weights  # (N, V)
        mixed -= mixed.max(axis=1, keepdims=True)
        chances = np.exp(mixed)
        total = chances.sum(axis=1, keepdims=True)
        nats = float((np.log(total[:, 0]) - mixed[np.arange(N), targets]).mean())
        return nats + pull / 2 * float(((weights - near) ** 2).sum()), chances / total

    weights = near
    before, chances = objective(weights)
    for _ in range(MOST_ROUNDS):
        expected = np.einsum("nv,nvk->nk", chances, each)
        gradient = (expected - came).mean(axis=0) + pull * (weights - near)
        around = (each - expected[:, None]).reshape(N * V, K)
        curvature = (around * chances.reshape(N * V, 1)).T @ around / N + pull * np.eye(K)
        step = np.linalg.solve(curvature, gradient)
        for halved in range(30):  # far from the lowest point a whole step may lead away from it
            nats, found = objective(weights - step / 2**halved)
            if nats < before:
                break
        if nats > before - SETTLED:
            break
        weights, before, chances = weights - step / 2**halved, nats, found
    return weights
