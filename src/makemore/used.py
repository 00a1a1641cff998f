"""What is used up: the share of a model's mass that is left below each prefix.

Lines that were given, that are known, or that no condition lets through are taken out of a tree of
prefixes, and the next draws go by what is left. So nothing is drawn twice, the last lines of a
small space still come, and it is known when there are no more.

Paper: Shi, Bieber and Sutton 2020, Incremental Sampling Without Replacement for Sequence Models
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_NUMBERS = 2**25  # of either table: 256 MB; prefixes beyond are drawn but not remembered
NONE = -1  # no prefix of the tree


class UsedMass:
    """A tree of prefixes; a node is a row of two tables.

    shares: (n, V) probabilities of what comes next, as draws have them
    left: (n, V) the share of each one's mass that is not used up; what is dead has 0 from the start
    """

    def __init__(self, vocab_size: int) -> None:
        self.V, self.size = vocab_size, 0
        self.shares = np.zeros((64, vocab_size))
        self.left = np.zeros((64, vocab_size))
        self.children: dict[int, int] = {}  # node * V + symbol -> node

    def find(self, parents: Ints, symbols: Ints) -> Ints:
        """Nodes (n,) that these symbols lead to; NONE where there is none yet."""
        get, V = self.children.get, self.V
        codes = (parents * V + symbols).tolist()
        return np.array([get(code, NONE) if code >= 0 else NONE for code in codes], dtype=np.int64)

    def add(self, shares: Floats, alive: NDArray[np.bool_]) -> Ints:
        """Nodes for new prefixes: shares (n, V) of what comes next, and (n, V) what may come."""
        room = max(0, MOST_NUMBERS // self.V - self.size)
        count = min(len(shares), room)
        first, self.size = self.size, self.size + count
        while self.size > len(self.shares):
            self.shares = np.concatenate([self.shares, np.zeros_like(self.shares)])
            self.left = np.concatenate([self.left, np.zeros_like(self.left)])
        self.shares[first : self.size] = shares[:count]
        self.left[first : self.size] = alive[:count]
        nodes = np.full(len(shares), NONE, dtype=np.int64)
        nodes[:count] = np.arange(first, self.size)
        return nodes

    def link(self, parents: Ints, symbols: Ints, nodes: Ints) -> None:
        """Make nodes the children of their parents; both NONE where they are not in the tree."""
        kept = (parents != NONE) & (nodes != NONE)
        codes = (parents[kept] * self.V + symbols[kept]).tolist()
        self.children.update(zip(codes, nodes[kept].tolist(), strict=True))

    def use(self, nodes: Ints) -> None:
        """The lines that end after these prefixes are used up."""
        self.left[nodes[nodes != NONE], BOUNDARY] = 0.0

    def mass(self, nodes: Ints) -> Floats:
        """(n,) the share of each prefix's mass that is left."""
        return np.asarray((self.shares[nodes] * self.left[nodes]).sum(axis=1))

    def settle(self, parents: Ints, symbols: Ints, nodes: Ints) -> None:
        """Tell parents what is left below their children; from the longest prefixes to the root.

        What is exactly used up is exactly 0: these are sums, nothing is taken off a sum.
        """
        kept = (parents != NONE) & (nodes != NONE)
        self.left[parents[kept], symbols[kept]] = self.mass(nodes[kept])
