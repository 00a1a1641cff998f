"""Prefix trie: prefixes of lines as nodes of a tree, and its edges as sorted integers. No torch.

A node of a trie is a prefix, its children are that prefix with one more input. Here a node is an
index, and the edge from a node to its child is one integer: parent * width + input. So a million
prefixes are an array, not a million objects, and a child is found by binary search. All that goes
by prefixes uses this: the n-gram's contexts (last symbol first), an ensemble's known prefixes,
soft targets, and the sampler's cache, its groups of draws and its tree of used lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


MOST_PREFIXES = 2**22  # 32 MB; with more than that the trie stays empty, and every prefix is new
START = 0  # the node of the empty prefix: the root
NEW = -1  # instead of a node, for a prefix that the tree does not have


def edge_codes(parents: Ints, inputs: Ints, width: int) -> Ints:
    """Encode edges as integers: parents (n,), inputs (n,) below width -> codes (n,).

    After NEW, which is -1, a code is below 0: no node has such a code, so what follows is NEW, too.
    """
    return parents * width + inputs


class Edges(NamedTuple):
    """Lists distinct edges (E,), sorted by their codes, and which of them each of n rows takes."""

    codes: Ints  # (E,)
    parents: Ints  # (E,)
    inputs: Ints  # (E,)
    first: Ints  # (E,) the first row that takes the edge
    edge_of_row: Ints  # (n,) the index of each row's edge
    times: Ints  # (E,) how many rows take it


def distinct_edges(parents: Ints, inputs: Ints, width: int) -> Edges:
    """Find the distinct edges among n: parents (n,), inputs (n,) below width.

    Of the parents 1 1 0 and the inputs 2 2 3 the edges are 0-3 and 1-2, edge_of_row is 1 1 0.
    """
    codes, first, index, times = np.unique(
        edge_codes(parents, inputs, width),
        return_index=True, return_inverse=True, return_counts=True,
    )  # fmt: skip
    return Edges(codes, *np.divmod(codes, width), first, index, times)


def find_sorted(codes: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Find codes among sorted ones by binary search: wanted (n,) -> indices (n,), found (n,)."""
    if not len(codes):
        return np.zeros_like(wanted), np.zeros(len(wanted), dtype=bool)
    # The search gives where a code would be inserted; it is known if it stands there.
    index = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return index, codes[index] == wanted


class Children:
    """Maps edges (parent, input) to child nodes, and grows: the edges of a tree in memory.

    codes: (N,) sorted; nodes: (N,) the child at the end of each edge
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.codes, self.nodes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        """Count the edges, N."""
        return len(self.codes)

    def find(self, parents: Ints, inputs: Ints) -> Ints:
        """Look up children: parents (n,), inputs (n,) -> nodes (n,), or NEW."""
        index, known = find_sorted(self.codes, edge_codes(parents, inputs, self.width))
        return np.where(known, self.nodes[index], NEW) if len(self) else np.full(len(known), NEW)

    def add(self, parents: Ints, inputs: Ints, nodes: Ints) -> None:
        """Add edges that the tree does not have yet: parents, inputs, nodes, all (n,)."""
        codes = edge_codes(parents, inputs, self.width)
        order = np.argsort(codes, kind="stable")
        codes, nodes = codes[order], nodes[order]
        at = np.searchsorted(self.codes, codes)  # merged, so that all stay sorted
        self.codes, self.nodes = np.insert(self.codes, at, codes), np.insert(self.nodes, at, nodes)


@dataclass(frozen=True)
class PrefixTrie:
    """Stores the prefixes of lines as a tree: node i + 1 has codes[i] = parent * base + last input.

    Of the lines "ab" and "ac" (boundary 0, a 1, b 2, c 3; base 4): node 1 is ".", 0 * 4 + 0; node 2
    is ".a", 1 * 4 + 1; node 3 is ".ab", 2 * 4 + 2; node 4 is ".ac", 2 * 4 + 3.

    codes: (n,) sorted; a node comes after its parent
    base: number of different inputs (the width of an edge's code): symbols, the boundary, labels
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
        # Level by level: all prefixes of one input, then of two. Nodes of a longer level have
        # greater indices, so their children's codes, parent * base + input, are greater than all
        # codes before: the levels one after another are sorted.
        while len(rows):
            edges = distinct_edges(nodes[rows], inputs, base)
            nodes[rows] = n_nodes + 1 + edges.edge_of_row  # equal prefixes are one node
            levels.append(edges.codes)
            n_nodes += len(edges.codes)
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
        # Code i is that of node i + 1, whose parent is node i at most.
        return in_order and bool(((parents >= 0) & (parents <= np.arange(len(parents)))).all())

    def step(self, nodes: Ints, inputs: Ints) -> Ints:
        """Append one input to each prefix: nodes (B,), inputs (B,) -> nodes (B,), or NEW."""
        index, known = find_sorted(self.codes, edge_codes(nodes, inputs, self.base))
        return np.where(known, index + 1, NEW)

    def walk(self, inputs: Ints) -> Ints:
        """Find the prefix up to each input, itself included: inputs (B, T) -> nodes (B, T)."""
        path = np.empty(inputs.shape, dtype=np.int64)
        nodes = np.full(len(inputs), START)
        for position in range(inputs.shape[1]):
            nodes = path[:, position] = self.step(nodes, inputs[:, position])
        return path
