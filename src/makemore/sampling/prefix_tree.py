"""Prefix tree: what a model answered for each prefix, and how much of its mass is left below it.

PrefixCache keeps answers, so that a model is not asked again when a prefix comes again.

RemainingMass is for drawing without replacement. Lines that were given, that are known, or that no
constraint lets through are taken out of a tree of prefixes, and the next draws go by what is left.
So nothing is drawn twice, the last lines of a small space still come, and it is known when there
are no more.

Paper: Shi, Bieber and Sutton 2020, Incremental Sampling Without Replacement for Sequence Models
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core import state as states
from makemore.models.core.base import log_softmax
from makemore.models.core.state import Entries, State
from makemore.parallel import parallel_map
from makemore.sampling.categorical import cumulative
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# Bytes that are remembered; the prefixes after them are computed whenever they come.
CACHE_BYTES = 2**28
MIN_SPLIT_ROWS = 512  # rows of a step from which on it is made in parts
MAX_PART_ROWS = 8192  # rows of a part at most
# Of rows in a step; BLAS sums otherwise where rows are few, or an odd one is last.
ROW_MULTIPLE = 16


class CacheLevel:
    """The answers for prefixes of one length, row by row: the remembered ones first, then others.

    codes: (n,) parent * V + symbol of those that are remembered, sorted; nodes: (n,) their rows
    logs: (room, V) log p of the next symbol; reach: (room, a power of 2) what draws go by
    tips: room rows of a State's
    """

    def __init__(self, options: SamplingConfig) -> None:
        self.options = options
        self.codes, self.nodes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.logs, self.reach = np.zeros((0, 0)), np.zeros((0, 0))
        self.tips: Entries = ()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.codes)

    def find(self, codes: Ints) -> Ints:
        """(n,) the row of each prefix, NONE where it is not remembered."""
        if not len(self):
            return np.full(len(codes), NONE)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self) - 1)
        return np.where(self.codes[at] == codes, self.nodes[at], NONE)

    def step(self, model: Model, ids: Ints, state: State, rows: Ints) -> None:
        """Step from these rows of a state, ids (n,); what it gives comes after what is remembered.

        Many are done in parts, at the same time.
        """

        def some(part: Ints) -> None:
            logits, after = step_evenly(model, ids[part], state, rows[part])
            tips = states.first_rows(states.last_entry(after), len(part))
            self.write(len(ids), int(part[0]), logits, tips)

        parts = [np.arange(len(ids))]
        if model.splits_steps and len(ids) >= MIN_SPLIT_ROWS:
            parts = np.array_split(parts[0], 2 * -(-len(ids) // (2 * MAX_PART_ROWS)))
        parallel_map(some, parts)

    def write(self, number: int, first: int, logits: NDArray[np.floating], tips: Entries) -> None:
        """Answers to be, of `number` that come after what is remembered, those from `first` on."""
        logs = log_softmax(logits)
        reach = cumulative(apply_filters(logs, self.options))
        with self._lock:
            self._make_room(len(self) + number, logs, reach, tips)
        here = slice(len(self) + first, len(self) + first + len(logs))
        self.logs[here], self.reach[here] = logs, reach
        states.write(self.tips, here.start, tips)

    def _make_room(self, rows: int, logs: Floats, reach: Floats, tips: Entries) -> None:
        if rows <= len(self.logs):
            return
        new = states.empty_like((logs, reach, tips), rows + len(self))
        if len(self):
            states.write(new, 0, states.first_rows((self.logs, self.reach, self.tips), len(self)))
        self.logs, self.reach, self.tips = new

    def remember(self, codes: Ints) -> None:
        """From now on the next rows are those of these prefixes."""
        every = np.concatenate([self.codes, codes])
        rows = np.concatenate([self.nodes, np.arange(len(self), len(every))])
        order = np.argsort(every, kind="stable")
        self.codes, self.nodes = every[order], rows[order]

    @property
    def bytes(self) -> int:
        """Of a row."""
        return states.row_bytes((self.logs, self.reach, self.tips)) + 16


def step_evenly(
    model: Model, ids: Ints, state: State, rows: Ints
) -> tuple[NDArray[np.floating], State]:
    """model.step of ids (n,) from these rows of a state -> logits (n, V), and a state of n or more.

    The last row is repeated until there are a MULTIPLE, so that a row's bits hang on the
    row alone, and not on which others are asked for with it: draws may be made together as it
    pays, and on any number of cores.
    """
    even = np.minimum(np.arange(-(-len(ids) // ROW_MULTIPLE) * ROW_MULTIPLE), len(ids) - 1)
    logits, after = model.step(ids[even], states.select(state, rows[even]))
    return logits[: len(ids)], after


class PrefixCache:
    """A model that is asked once for each prefix, as long as there is room to remember.

    Prefixes go by number, level by level: a node of one level is a prefix of that many inputs.
    """

    def __init__(self, model: Model, options: SamplingConfig) -> None:
        self.model, self.options, self.room = model, options, CACHE_BYTES
        self.levels: dict[int, CacheLevel] = {}

    @property
    def most(self) -> int:
        """Prefixes of one length that there is room for."""
        return CACHE_BYTES // max([level.bytes for level in self.levels.values()], default=1)

    def begin(self, logits: NDArray[np.floating]) -> CacheLevel:
        """Of the prefixes from which all others are reached: node i is row i of logits (n, V)."""
        level = CacheLevel(self.options)
        level.write(len(logits), 0, logits, ())
        level.remember(np.arange(len(logits)))
        return level

    def step(
        self, inputs: int, nodes: Ints, ids: Ints, state: State
    ) -> tuple[CacheLevel, Ints, State]:
        """ids (B,) after prefixes of so many inputs -> the answers, which row is whose, the state.

        nodes: (B,) of the prefixes before; those from the level's length on are not remembered.
        What is given holds until the next step from prefixes of as many inputs.
        """
        level = self.levels.setdefault(inputs, CacheLevel(self.options))
        if not self.model.extends(inputs):
            every = np.arange(len(ids))
            logits, after = step_evenly(self.model, ids, state, every)
            level.write(len(ids), 0, logits, ())
            return level, every, states.select(after, every)
        before = self.levels.get(inputs - 1)
        codes = nodes * self.model.vocab_size + ids
        if before is not None:
            codes[nodes >= len(before)] = NONE
        rows = level.find(codes)
        new = np.flatnonzero(rows == NONE)
        if len(new):
            new = new[np.argsort(codes[new] == NONE, kind="stable")]  # what has a number first
            level.step(self.model, ids[new], state, new)
            rows[new] = len(level) + np.arange(len(new))
            kept = min(int((codes[new] != NONE).sum()), self.room // level.bytes)
            level.remember(codes[new[:kept]])
            self.room -= kept * level.bytes
        return level, rows, states.append(state, level.tips, rows)


MAX_TREE_CELLS = 2**25  # of either table: 256 MB; prefixes beyond are drawn but not remembered
NONE = -1  # no prefix of the tree


class RemainingMass:
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
        room = max(0, MAX_TREE_CELLS // self.V - self.size)
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

    def mark_used(self, nodes: Ints) -> None:
        """The lines that end after these prefixes are used up."""
        self.left[nodes[nodes != NONE], BOUNDARY] = 0.0

    def remaining(self, nodes: Ints) -> Floats:
        """(n,) the share of each prefix's mass that is left."""
        return np.asarray((self.shares[nodes] * self.left[nodes]).sum(axis=1))

    def propagate(self, parents: Ints, symbols: Ints, nodes: Ints) -> None:
        """Tell parents what is left below their children; from the longest prefixes to the root.

        What is exactly used up is exactly 0: these are sums, nothing is taken off a sum.
        """
        kept = (parents != NONE) & (nodes != NONE)
        self.left[parents[kept], symbols[kept]] = self.remaining(nodes[kept])
