"""Prefix trie: which prefixes some lines begin with. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


MOST_PREFIXES = 2**22  # 32 MB; where there are more, none is held to be known
START = 0  # the prefix without inputs
NEW = -1  # a prefix that no line begins with


@dataclass(frozen=True)
class PrefixTrie:
    """The prefixes of lines as a tree: prefix i + 1 is codes[i], parent * base + last input.

    codes: (n,) sorted; a prefix comes after its parent
    base: inputs that there are: symbols, the boundary, labels
    """

    codes: Ints
    base: int

    @classmethod
    def of(cls, ids: Ints, offsets: Ints, starts: Ints | None, base: int) -> PrefixTrie:
        """Of lines: ids (n_symbols,), offsets (n + 1,); starts (n,) their labels' ids, or 0."""
        lengths = np.diff(offsets)
        rows, inputs = np.arange(len(lengths)), starts
        if inputs is None:
            inputs = np.zeros(len(lengths), dtype=np.int64)
        nodes = np.full(len(lengths), START)
        levels, number, place = list[Ints](), 0, 0
        while len(rows):
            level, which = np.unique(nodes[rows] * base + inputs, return_inverse=True)
            nodes[rows] = number + 1 + which
            levels.append(level)
            number += len(level)
            if number > MOST_PREFIXES:
                return cls(np.zeros(0, dtype=np.int64), base)
            rows = rows[lengths[rows] > place]
            inputs = ids[offsets[rows] + place]
            place += 1
        return cls(np.concatenate([np.zeros(0, dtype=np.int64), *levels]), base)

    @property
    def sound(self) -> bool:
        """Whether these can be codes: what comes from a file may be anything."""
        parents = self.codes // self.base
        in_order = bool((np.diff(self.codes) > 0).all())
        return in_order and bool(((parents >= 0) & (parents <= np.arange(len(parents)))).all())

    def step(self, nodes: Ints, inputs: Ints) -> Ints:
        """Prefixes (B,) and what comes after each (B,) -> the prefixes with that (B,)."""
        if not len(self.codes):
            return np.full(len(nodes), NEW)
        codes = nodes * self.base + inputs  # below 0 after a new one
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, at + 1, NEW)

    def walk(self, inputs: Ints) -> Ints:
        """Inputs from the first on (B, T) -> the prefix up to each, it included (B, T)."""
        found = np.empty(inputs.shape, dtype=np.int64)
        nodes = np.full(len(inputs), START)
        for place in range(inputs.shape[1]):
            nodes = found[:, place] = self.step(nodes, inputs[:, place])
        return found
