"""Prefix shares: the first symbols of lines as a tree, whose ends are dealt to shards. No floats.

A shard draws lines that begin with its own prefixes alone, so no line can come from two shards,
and each line has one that can draw it. This holds on whatever machines the shards run, because all
that decides here is counted in whole numbers: the lines of the training text, and the automaton of
the constraints. The model decides nothing: its probabilities may differ in the last bit from one
CPU to another, and prefixes that are dealt by them would then be dealt in two ways.

The counts are a rough estimate of a prefix's probability. They are used to end the tree where a
prefix is rare, and to give every shard about as much.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.prefix_tree import NONE
from makemore.text.vocabulary import BOUNDARY, Encoded

Ints = NDArray[np.int64]

WHOLE = 2**40  # the weight of all lines; times a count below it stays below 2^63
FEWEST_ENDS = 2**14  # a prefix lighter than this part of all lines is not divided further,
ENDS_EACH = 32  # nor one that is lighter than a 32nd of a shard's part
MAX_TREE_CELLS = 2**22  # nodes times symbols times labels: 32 MB for each table
LINES_COUNTED = 20_000  # of the text, those with the lowest hashes: enough for a rough estimate
SEEN = 16  # how much one counted line weighs, beside 1 for each symbol that may come
DEALT_BY_WEIGHT = 2**14  # prefixes, the heaviest ones; the others are light, and go by turns


@dataclass(frozen=True)
class PrefixShares:
    """Holds N nodes (prefixes that are divided further) level by level, and the owners of the ends.

    An end is a node and a symbol after it: all lines that begin like this, or with the boundary
    the one line that ends there.

    child: (N, V) the node after a symbol; NONE where the tree ends
    owner: (N, V) the shard that draws the lines behind an end; NONE where a node is, or no line
    parents, symbols: (N,) of each node; the root's are 0
    levels: (depth + 1,) the number of the first node of each level, and N
    skip: symbols of --prefix, which stand before the root
    """

    child: Ints
    owner: Ints
    parents: Ints
    symbols: Ints
    levels: Ints
    skip: int
    n: int

    def owner_of(self, ids: NDArray[np.int64], offsets: Ints) -> Ints:
        """Find the shard (n_lines,) that draws each line: line i is ids[offsets[i]:offsets[i+1]].

        The lines begin with --prefix, and the constraints allow them.
        """
        lengths = np.diff(offsets)
        nodes, owners = np.zeros(len(lengths), dtype=np.int64), np.full(len(lengths), NONE)
        rows, position = np.arange(len(lengths)), self.skip
        while len(rows):
            inside = position < lengths[rows]
            symbols = np.full(len(rows), BOUNDARY, dtype=np.int64)
            symbols[inside] = ids[offsets[rows[inside]] + position]
            owners[rows] = self.owner[nodes[rows], symbols]
            nodes[rows] = self.child[nodes[rows], symbols]
            rows, position = rows[nodes[rows] != NONE], position + 1
        return owners


def share_prefixes(
    automaton: Automaton, prefix: list[int], lines: Encoded, n: int, n_labels: int
) -> PrefixShares:
    """Deal the prefixes of all lines that an automaton allows to n shards of about equal weight.

    prefix: ids that every line starts with; lines: some of the text; n_labels: 1 without labels
    """
    V = automaton.next.shape[1]
    lightest = WHOLE // max(FEWEST_ENDS, ENDS_EACH * n)
    most = max(1, MAX_TREE_CELLS // (V * n_labels))
    while True:
        tree = _tree(automaton, prefix, lines, lightest, most)
        if tree is not None:
            return _dealt(*tree, len(prefix), n)
        lightest *= 2  # a tree of fewer nodes


Tree = tuple[Ints, Ints, Ints, Ints, Ints]  # child, weights of the ends, parents, symbols, levels


def _tree(
    automaton: Automaton, prefix: list[int], lines: Encoded, lightest: int, most: int
) -> Tree | None:
    """Build the tree whose nodes are heavier than `lightest`; None if they are more than `most`."""
    states, weights = np.zeros(1, dtype=np.int64), np.array([WHOLE])  # (G,) of a level's nodes
    for first in prefix:
        states = automaton.next[states, first].astype(np.int64)
    rows = _starting_with(lines, prefix)  # (k,) lines that are in the tree still
    nodes = np.zeros(len(rows), dtype=np.int64)  # (k,) the node of this level that each is at
    parents, symbols = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
    levels = [0]
    children, ends = list[Ints](), list[Ints]()
    position, count = len(prefix), 1
    while len(states):
        levels.append(count)
        allowed = automaton.allowed(position, states)  # (G, V)
        after = _symbols_at(lines, rows, position)  # (k,)
        each = _divided(weights, allowed, nodes, after)  # (G, V)
        # At the greatest length a draw ends or is cut, both by whoever owns the prefix.
        inner = (each > lightest) & (position + 1 < automaton.max_length)
        inner[:, BOUNDARY] = False
        at, symbol = np.nonzero(inner)
        child = np.full(inner.shape, NONE)
        child[at, symbol] = count + np.arange(len(at))
        children.append(child)
        ends.append(np.where(allowed & ~inner, each, NONE))
        parents.append(levels[-2] + at)
        symbols.append(symbol)
        to = child[nodes, after]
        rows, nodes = rows[to != NONE], to[to != NONE] - count
        states, weights = automaton.next[states[at], symbol].astype(np.int64), each[at, symbol]
        position, count = position + 1, count + len(at)
        if count > most:
            return None
    joined = [np.concatenate(part) for part in (children, ends, parents, symbols)]
    return joined[0], joined[1], joined[2], joined[3], np.array(levels)


def _divided(weights: Ints, allowed: NDArray[np.bool_], nodes: Ints, after: Ints) -> Ints:
    """Divide the weights (G,) of nodes among the symbols that may come next: (G, V).

    allowed: (G, V); nodes, after: (k,) the node of each line, and the symbol that it goes on with
    """
    V = allowed.shape[1]
    counts = np.bincount(nodes * V + after, minlength=allowed.size).reshape(allowed.shape)
    # Each symbol that may come has weight 1, and each line that goes on with it 16 more.
    each = (SEEN * counts + 1) * allowed
    return np.asarray(weights[:, None] * each // np.maximum(1, each.sum(axis=1, keepdims=True)))


def _starting_with(lines: Encoded, prefix: list[int]) -> Ints:
    """Find the lines (k,) that start with a prefix (ids)."""
    rows = np.flatnonzero(lines.lengths >= len(prefix))
    for position, symbol in enumerate(prefix):
        rows = rows[lines.ids[lines.offsets[rows] + position] == symbol]
    return rows


def _symbols_at(lines: Encoded, rows: Ints, position: int) -> Ints:
    """Look up the symbol (k,) of some lines (k,) at a position; the boundary after the last one."""
    symbols = np.full(len(rows), BOUNDARY, dtype=np.int64)
    inside = lines.lengths[rows] > position
    symbols[inside] = lines.ids[lines.offsets[rows[inside]] + position]
    return symbols


def _dealt(
    child: Ints, ends: Ints, parents: Ints, symbols: Ints, levels: Ints, skip: int, n: int
) -> PrefixShares:
    """Deal the ends to n shards: the heaviest first, each to the shard that is lightest so far."""
    at = np.flatnonzero(ends.ravel() != NONE)
    # Of equal weights the one whose node and symbol come first. Neighbours in the tree then go to
    # different shards, so every shard has some of each kind.
    at = at[np.argsort(-ends.ravel()[at], kind="stable")]
    owners = np.empty(len(at), dtype=np.int64)
    loads = [(0, shard) for shard in range(n)]  # a heap: the lightest first, then the lowest number
    heavy = ends.ravel()[at[:DEALT_BY_WEIGHT]].tolist()
    for number, weight in enumerate(heavy):
        load, owners[number] = loads[0]
        heapq.heapreplace(loads, (load + weight, int(owners[number])))
    turns = np.array([shard for _, shard in sorted(loads)])
    owners[len(heavy) :] = turns[np.arange(len(at) - len(heavy)) % n]
    owner = np.full(ends.size, NONE)
    owner[at] = owners
    return PrefixShares(child, owner.reshape(ends.shape), parents, symbols, levels, skip, n)
