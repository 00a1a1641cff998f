"""Stratum: draws from some of the prefixes of lines alone, by the model's own probabilities.

At a node of the tree of prefixes (prefix_shares.py) the probability of each symbol is multiplied
by the fraction of it that lies below, among the prefixes that are drawn from. So a draw never
leaves them, and by the chain rule it has the model's distribution, given that it is one of them.

    symbol        a     b     c          behind b: 0.5 * 0.2 of all lines
    p             0.3   0.5   0.2
    below         1     0.2   0          drawn by 0.3, 0.1, 0 over their sum

Textbook: Cochran 1977, Sampling Techniques (stratified random sampling)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.categorical import cumulative, sample_from_cdf
from makemore.sampling.prefix_shares import PrefixShares
from makemore.sampling.prefix_tree import NONE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TreeProbabilities:
    """Holds the probabilities of the next symbol at the nodes of a tree, after filters.

    probs: (L, N, V) for each label that a line may begin with, and each node
    labels: (L,) probability of each label
    """

    tree: PrefixShares
    probs: Floats
    labels: Floats

    @cached_property
    def mass(self) -> Floats:
        """Compute the probability (N, V) of all lines behind each node and symbol."""
        tree, reach = self.tree, np.zeros(self.probs.shape[:2])
        reach[:, 0] = self.labels  # (L, N) the probability that a line comes by a node
        for first, after in zip(tree.levels[1:-1], tree.levels[2:], strict=True):
            up, symbols = tree.parents[first:after], tree.symbols[first:after]
            reach[:, first:after] = reach[:, up] * self.probs[:, up, symbols]
        return np.asarray((reach[:, :, None] * self.probs).sum(axis=0))

    def stratum(self, ends: NDArray[np.bool_]) -> Stratum:
        """Make the stratum of the prefixes at some ends of the tree: a mask (N, V)."""
        tree = self.tree
        below = np.repeat(ends[None].astype(np.float64), len(self.labels), axis=0)  # (L, N, V)
        # From the longest prefixes up: a parent's fraction needs those of its children.
        levels = list(zip(tree.levels[1:-1], tree.levels[2:], strict=True))
        for first, after in reversed(levels):
            up, symbols = tree.parents[first:after], tree.symbols[first:after]
            sums = (self.probs[:, first:after] * below[:, first:after]).sum(axis=2)
            below[:, up, symbols] = sums
        flat = below.reshape(-1, below.shape[2])
        weights = self.probs.reshape(flat.shape) * flat
        return Stratum(tree.child, flat, weights)


class Stratum:
    """Holds a set of prefixes to draw from. A node is one of the tree, with one of L labels.

    below: (L * N, V) the fraction of each symbol's probability that lies in the stratum
    share: (L,) the fraction of all lines with a label that lies in it
    """

    def __init__(self, child: Ints, below: Floats, weights: Floats) -> None:
        """weights: (L * N, V) the probability of each symbol times what lies below it."""
        self.child, self.below, self.N = child, below, len(child)
        totals = weights.sum(axis=1)
        self.share = totals[:: self.N]
        # A node without anything below is never drawn from; its row must not be divided by 0.
        self.reach = np.ones((len(weights), 1 << (weights.shape[1] - 1).bit_length()))
        self.reach[totals > 0] = cumulative(weights[totals > 0])

    def roots(self) -> Ints:
        """Return the node (L,) of each label that all lines start from."""
        return np.arange(0, len(self.below), self.N)

    def after(self, nodes: Ints, symbols: Ints) -> Ints:
        """Append a symbol (n,) to prefixes at nodes (n,): the nodes, NONE outside of the tree."""
        child = self.child[nodes % self.N, symbols]
        outside = (nodes == NONE) | (child == NONE)
        return np.where(outside, NONE, nodes - nodes % self.N + child)

    def redraw(self, nodes: Ints, picked: Ints, uniform: Floats) -> Ints:
        """Draw again by the stratum what was picked (R,) at nodes (R,) of the tree, in place."""
        there = np.flatnonzero(nodes != NONE)
        picked[there] = sample_from_cdf(self.reach, nodes[there], uniform[there])
        return picked

    def restrict(self, nodes: Ints, weights: Floats) -> Floats:
        """Multiply weights (n, V) of next symbols by what lies below them, in place."""
        there = np.flatnonzero(nodes != NONE)
        weights[there] *= self.below[nodes[there]]
        return weights
