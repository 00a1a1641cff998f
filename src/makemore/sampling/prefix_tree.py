"""Prefix tree: a model's answers for each prefix, and how much probability is left below it.

PrefixCache keeps a model's answers, so that no prefix is computed twice while memory lasts.

RemainingMass is for drawing without replacement. Lines that were returned, that are known or that
no constraint allows are taken out of a tree of prefixes, and later draws go by the probability that
is left. So nothing is drawn twice, the last lines of a small space still come, and when the root
has nothing left there are no more.

Paper: Shi, Bieber and Sutton 2020, Incremental Sampling Without Replacement for Sequence Models
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core import state as states
from makemore.models.core.base import log_softmax
from makemore.models.core.prefix_trie import NEW, Children
from makemore.models.core.state import Entries, State
from makemore.parallel import parallel_map
from makemore.sampling.categorical import cumulative
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# Bytes of a PrefixCache. A prefix that comes when it is full is computed each time it comes.
CACHE_BYTES = 2**28
MIN_SPLIT_ROWS = 512  # a step of fewer rows is one call; threads would cost more than they save
MAX_PART_ROWS = 8192  # rows that one thread computes in one call
# Every step has a multiple of so many rows: for other numbers BLAS may add in another order, and
# the last bits of a row would depend on which rows stand beside it.
ROW_MULTIPLE = 16


class CacheLevel:
    """Holds a model's answers for prefixes of one length, a row each: N remembered, then others.

    The others hold only until the next step. A node is the row of a remembered prefix.

    children: edge from a prefix one symbol shorter -> the row of the remembered prefix
    logs: (room, V) log-probabilities of the next symbol in nats, before filters
    reach: (room, a power of 2) the cdf of the next symbol, after filters
    tips: (room, ...) what the last step added to the model's state (models/core/state.py)
    """

    def __init__(self, vocab_size: int, options: SamplingConfig) -> None:
        self.options, self.children = options, Children(vocab_size)
        self.logs, self.reach = np.zeros((0, 0)), np.zeros((0, 0))
        self.tips: Entries = ()
        self._lock = Lock()  # several threads write the rows of one step

    def __len__(self) -> int:
        """Count the remembered prefixes, N."""
        return len(self.children)

    def step(self, model: Model, ids: Ints, state: State, rows: Ints) -> None:
        """Step the model with ids (n,) from these rows of a state; write n rows after the first N.

        Many rows are split into parts, which threads compute at the same time.
        """

        def some(part: Ints) -> None:
            """Step the rows of one part, consecutive indices into ids."""
            logits, after = step_evenly(model, ids[part], state, rows[part])
            # Only the last entry is kept: what was before it, the shorter prefixes hold.
            tips = states.first_rows(states.last_entry(after), len(part))
            self.write(len(ids), int(part[0]), logits, tips)

        parts = [np.arange(len(ids))]
        if model.splits_steps and len(ids) >= MIN_SPLIT_ROWS:
            # An even number of parts, so that two threads finish together.
            parts = np.array_split(parts[0], 2 * -(-len(ids) // (2 * MAX_PART_ROWS)))
        parallel_map(some, parts)

    def write(self, number: int, first: int, logits: NDArray[np.floating], tips: Entries) -> None:
        """Write logits (n, V) into the rows from N + first on, for a step of `number` rows in all.

        The rows count as remembered only after `remember`.
        """
        logs = log_softmax(logits)  # (n, V)
        reach = cumulative(apply_filters(logs, self.options))
        with self._lock:  # whichever thread comes first makes room for all of them
            self._make_room(len(self) + number, logs, reach, tips)
        here = slice(len(self) + first, len(self) + first + len(logs))
        self.logs[here], self.reach[here] = logs, reach
        states.write(self.tips, here.start, tips)

    def _make_room(self, rows: int, logs: Floats, reach: Floats, tips: Entries) -> None:
        """Make the arrays larger if they have fewer than `rows` rows; keep the remembered rows.

        logs, reach, tips: examples for the shapes and types of a row
        """
        if rows <= len(self.logs):
            return
        # Twice the room that is needed now, so that the arrays are copied seldom.
        new = states.empty_like((logs, reach, tips), rows + len(self))
        if len(self):
            states.write(new, 0, states.first_rows((self.logs, self.reach, self.tips), len(self)))
        self.logs, self.reach, self.tips = new

    def remember(self, parents: Ints, symbols: Ints) -> None:
        """Remember the rows after the first N, whose prefixes end in these edges, both (n,)."""
        self.children.add(parents, symbols, len(self) + np.arange(len(parents)))

    @property
    def bytes(self) -> int:
        """Return the number of bytes that one row takes, and its edge: a code and a node."""
        return states.row_bytes((self.logs, self.reach, self.tips)) + 16


def step_evenly(
    model: Model, ids: Ints, state: State, rows: Ints
) -> tuple[NDArray[np.floating], State]:
    """Step a model with ids (n,) from these rows of a state -> logits (n, V), a state of n or more.

    The last row is repeated up to a multiple of ROW_MULTIPLE. So the bits of a row depend on that
    row alone, and not on which others are computed with it: draws may be made together in any
    number, on any number of cores, and give the same lines.
    """
    even = np.minimum(np.arange(-(-len(ids) // ROW_MULTIPLE) * ROW_MULTIPLE), len(ids) - 1)
    logits, after = model.step(ids[even], states.select(state, rows[even]))
    return logits[: len(ids)], after


class PrefixCache:
    """Computes each prefix once with a model, as long as there is memory to keep the answers.

    A prefix is known by its level and its node, a row of that level. Level t holds the prefixes
    that come from t inputs by one more. The roots are in no level: their rows are their nodes.
    """

    def __init__(self, model: Model, options: SamplingConfig) -> None:
        self.model, self.options, self.room = model, options, CACHE_BYTES  # room: bytes still free
        self.levels: dict[int, CacheLevel] = {}  # number of inputs -> level

    @property
    def most(self) -> int:
        """Return how many prefixes of one length there is memory for."""
        return CACHE_BYTES // max([level.bytes for level in self.levels.values()], default=1)

    def begin(self, logits: NDArray[np.floating]) -> CacheLevel:
        """Make the level of the roots, which all lines start from: root i has row i of (n, V)."""
        level = CacheLevel(self.model.vocab_size, self.options)
        level.write(len(logits), 0, logits, ())
        level.remember(np.zeros(len(logits), dtype=np.int64), np.arange(len(logits)))
        return level

    def step(
        self, inputs: int, nodes: Ints, ids: Ints, state: State
    ) -> tuple[CacheLevel, Ints, State]:
        """Append ids (B,) to prefixes of `inputs` inputs -> the level, its rows (B,), the state.

        nodes: (B,) rows of the prefixes before; one from len(level) on is not remembered.
        The returned rows hold until the next step from prefixes of as many inputs.
        """
        if inputs not in self.levels:
            self.levels[inputs] = CacheLevel(self.model.vocab_size, self.options)
        level = self.levels[inputs]
        # At the full context a model rebuilds its state, so there is no last entry to keep.
        if not self.model.extends(inputs):
            every = np.arange(len(ids))
            logits, after = step_evenly(self.model, ids, state, every)
            level.write(len(ids), 0, logits, ())
            return level, every, states.select(after, every)
        before = self.levels.get(inputs - 1)
        # After a prefix without a node nothing is remembered; the roots all have one.
        parents = nodes if before is None else np.where(nodes < len(before), nodes, NONE)  # (B,)
        rows = level.children.find(parents, ids)  # (B,)
        new = np.flatnonzero(rows == NONE)  # (n,) indices of the prefixes to compute
        if len(new):
            # First those that can be remembered.
            new = new[np.argsort(parents[new] == NONE, kind="stable")]
            level.step(self.model, ids[new], state, new)
            rows[new] = len(level) + np.arange(len(new))
            # As many as there is memory for; the others keep their rows for this step only.
            kept = min(int((parents[new] != NONE).sum()), self.room // level.bytes)
            level.remember(parents[new[:kept]], ids[new[:kept]])
            self.room -= kept * level.bytes
        return level, rows, states.append(state, level.tips, rows)


MAX_TREE_CELLS = 2**25  # of either table: 256 MB; prefixes beyond are drawn but not remembered
NONE = NEW  # instead of a node: the prefix is not in the tree


class RemainingMass:
    """Holds a tree of prefixes, and what is left of the probability below each.

    A node is a row of two tables; column 0 (the boundary) is the line that ends there.

    shares: (n, V) probabilities of the next symbol, after filters
    left: (n, V) the fraction of each symbol's probability that is not used: 1 at first, 0 for a
        symbol that no constraint allows, 0 for the boundary once the line was drawn
    Example: lines a (0.6) and b (0.4). Once a is used, the root's left is 0 at a and 1 at b, and
    0.4 of its probability remains.
    """

    def __init__(self, vocab_size: int) -> None:
        self.V, self.size = vocab_size, 0  # size: nodes; the tables have room for more
        self.shares = np.zeros((64, vocab_size))
        self.left = np.zeros((64, vocab_size))
        self.children = Children(vocab_size)

    def find(self, parents: Ints, symbols: Ints) -> Ints:
        """Find the children (n,) of parents (n,) by symbols (n,); NONE where there is none yet."""
        return self.children.find(parents, symbols)

    def add(self, shares: Floats, left: Floats) -> Ints:
        """Add prefixes: probabilities (n, V), what is left of each symbol (n, V) -> nodes (n,)."""
        room = max(0, MAX_TREE_CELLS // self.V - self.size)
        count = min(len(shares), room)
        first, self.size = self.size, self.size + count
        while self.size > len(self.shares):  # twice the rows: n additions copy O(n) rows in all
            self.shares = np.concatenate([self.shares, np.zeros_like(self.shares)])
            self.left = np.concatenate([self.left, np.zeros_like(self.left)])
        self.shares[first : self.size] = shares[:count]
        self.left[first : self.size] = left[:count]
        nodes = np.full(len(shares), NONE, dtype=np.int64)  # NONE for those without room
        nodes[:count] = np.arange(first, self.size)
        return nodes

    def link(self, parents: Ints, symbols: Ints, nodes: Ints) -> None:
        """Make nodes (n,) the children of parents (n,) by symbols (n,); NONE is skipped."""
        kept = (parents != NONE) & (nodes != NONE)
        self.children.add(parents[kept], symbols[kept], nodes[kept])

    def mark_used(self, nodes: Ints) -> None:
        """Mark the lines that end at these nodes as used."""
        self.left[nodes[nodes != NONE], BOUNDARY] = 0.0

    def remaining(self, nodes: Ints) -> Floats:
        """Sum what is left below each node: the fraction (n,) of its probability, in [0, 1]."""
        return np.asarray((self.shares[nodes] * self.left[nodes]).sum(axis=1))

    def propagate(self, parents: Ints, symbols: Ints, nodes: Ints) -> None:
        """Write what is left below children (nodes) into their parents' rows, all (n,).

        Call it for the longest prefixes first, the root's children last. A prefix that is used up
        has exactly 0 left: it is a new sum, without the rounding errors of subtractions.
        """
        kept = (parents != NONE) & (nodes != NONE)
        self.left[parents[kept], symbols[kept]] = self.remaining(nodes[kept])
