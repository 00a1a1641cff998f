"""Prefix trie: the prefixes that a set of lines begins with, as one sorted array. No torch.

A node of a trie is a prefix, its children are that prefix with one more input. Here a node is an
index and its edge one integer, so a million prefixes are an array, not a million objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


MOST_PREFIXES = 2**22  # 32 MB; with more than that the trie stays empty, and every prefix is new
START = 0  # the node of the empty prefix: the root
NEW = -1  # instead of a node, for a prefix that no line begins with


@dataclass(frozen=True)
class PrefixTrie:
    """Stores the prefixes of lines as a tree: node i + 1 has codes[i] = parent * base + last input.

    Of the lines "ab" and "ac" (boundary 0, a 1, b 2, c 3; base 4): node 1 is ".", 0 * 4 + 0; node 2
    is ".a", 1 * 4 + 1; node 3 is ".ab", 2 * 4 + 2; node 4 is ".ac", 2 * 4 + 3.

    codes: (n,) sorted; a node comes after its parent
    base: number of different inputs: symbols, the boundary, labels
    """

    codes: Ints
    base: int

    @classmethod
    def of(cls, ids: Ints, offsets: Ints, starts: Ints | None, base: int) -> PrefixTrie:
        """Build the trie of all prefixes of lines; it is empty if they are more than MOST_PREFIXES.

        ids (n_symbols,): the lines one after another; offsets (n + 1,): where each starts
        starts: (n,) the first input of each line, the id of its label; None: the boundary, 0
        """
        lengths = np.diff(offsets)
        rows, inputs = np.arange(len(lengths)), starts
        if inputs is None:
            inputs = np.zeros(len(lengths), dtype=np.int64)
        nodes = np.full(len(lengths), START)  # (n,) the node that each line has come to
        levels, n_nodes, position = list[Ints](), 0, 0
        # Level by level: all prefixes of one input, then of two. A parent has its index before its
        # children get theirs, and greater parents give greater codes: the levels are sorted.
        while len(rows):
            level, index = np.unique(nodes[rows] * base + inputs, return_inverse=True)
            nodes[rows] = n_nodes + 1 + index  # equal prefixes are one node
            levels.append(level)
            n_nodes += len(level)
            if n_nodes > MOST_PREFIXES:
                return cls(np.zeros(0, dtype=np.int64), base)
            rows = rows[lengths[rows] > position]  # lines that have a symbol there
            inputs = ids[offsets[rows] + position]
            position += 1
        return cls(np.concatenate([np.zeros(0, dtype=np.int64), *levels]), base)

    @property
    def sound(self) -> bool:
        """Whether the codes are those of a trie: sorted, and each parent before its children.

        They may come from a damaged file, and `step` would then look up nonsense.
        """
        parents = self.codes // self.base  # (n,)
        in_order = bool((np.diff(self.codes) > 0).all())
        return in_order and bool(((parents >= 0) & (parents <= np.arange(len(parents)))).all())

    def step(self, nodes: Ints, inputs: Ints) -> Ints:
        """Append one input to each prefix: nodes (B,), inputs (B,) -> nodes (B,), or NEW."""
        if not len(self.codes):
            return np.full(len(nodes), NEW)
        # After NEW, which is -1, a code is below 0. No node has such a code: it stays NEW.
        codes = nodes * self.base + inputs
        # A binary search gives where the code would be inserted; it is known if it stands there.
        index = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[index] == codes, index + 1, NEW)

    def walk(self, inputs: Ints) -> Ints:
        """Find the prefix up to each input, itself included: inputs (B, T) -> nodes (B, T)."""
        path = np.empty(inputs.shape, dtype=np.int64)
        nodes = np.full(len(inputs), START)
        for position in range(inputs.shape[1]):
            nodes = path[:, position] = self.step(nodes, inputs[:, position])
        return path
