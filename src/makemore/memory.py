"""Memory: what a model answered for a prefix, so that it is not asked again when it comes again."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from makemore import state as states
from makemore.chances import log_softmax, reaches, weigh
from makemore.crew import at_once
from makemore.models.base import Model
from makemore.settings import Sampling
from makemore.state import State, Tips
from makemore.used import NONE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROOM = 2**28  # bytes that are remembered; the prefixes after them are computed whenever they come
FEWEST = 512  # rows of a step from which on it is made in parts
PART = 8192  # rows of a part at most
MULTIPLE = 16  # of rows in a step; BLAS sums otherwise where rows are few, or an odd one is last


class Level:
    """The answers for prefixes of one length, row by row: the remembered ones first, then others.

    codes: (n,) parent * V + symbol of those that are remembered, sorted; nodes: (n,) their rows
    logs: (room, V) log p of the next symbol; reach: (room, a power of 2) what draws go by
    tips: room rows of a State's
    """

    def __init__(self, options: Sampling) -> None:
        self.options = options
        self.codes, self.nodes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.logs, self.reach = np.zeros((0, 0)), np.zeros((0, 0))
        self.tips: Tips = ()
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
            tips = states.first(states.tip(after), len(part))
            self.write(len(ids), int(part[0]), logits, tips)

        parts = [np.arange(len(ids))]
        if model.in_parts and len(ids) >= FEWEST:
            parts = np.array_split(parts[0], 2 * -(-len(ids) // (2 * PART)))
        at_once(some, parts)

    def write(self, number: int, first: int, logits: NDArray[np.floating], tips: Tips) -> None:
        """Answers to be, of `number` that come after what is remembered, those from `first` on."""
        logs = log_softmax(logits)
        reach = reaches(weigh(logs, self.options))
        with self._lock:
            self._make_room(len(self) + number, logs, reach, tips)
        here = slice(len(self) + first, len(self) + first + len(logs))
        self.logs[here], self.reach[here] = logs, reach
        states.put(self.tips, here.start, tips)

    def _make_room(self, rows: int, logs: Floats, reach: Floats, tips: Tips) -> None:
        if rows <= len(self.logs):
            return
        new = states.blank((logs, reach, tips), rows + len(self))
        if len(self):
            states.put(new, 0, states.first((self.logs, self.reach, self.tips), len(self)))
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
        return states.size((self.logs, self.reach, self.tips)) + 16


def step_evenly(
    model: Model, ids: Ints, state: State, rows: Ints
) -> tuple[NDArray[np.floating], State]:
    """model.step of ids (n,) from these rows of a state -> logits (n, V), and a state of n or more.

    The last row is repeated until there are a MULTIPLE, so that a row's bits hang on the
    row alone, and not on which others are asked for with it: draws may be made together as it
    pays, and on any number of cores.
    """
    even = np.minimum(np.arange(-(-len(ids) // MULTIPLE) * MULTIPLE), len(ids) - 1)
    logits, after = model.step(ids[even], states.take(state, rows[even]))
    return logits[: len(ids)], after


class Memory:
    """A model that is asked once for each prefix, as long as there is room to remember.

    Prefixes go by number, level by level: a node of one level is a prefix of that many inputs.
    """

    def __init__(self, model: Model, options: Sampling) -> None:
        self.model, self.options, self.room = model, options, ROOM
        self.levels: dict[int, Level] = {}

    @property
    def most(self) -> int:
        """Prefixes of one length that there is room for."""
        return ROOM // max([level.bytes for level in self.levels.values()], default=1)

    def begin(self, logits: NDArray[np.floating]) -> Level:
        """Of the prefixes from which all others are reached: node i is row i of logits (n, V)."""
        level = Level(self.options)
        level.write(len(logits), 0, logits, ())
        level.remember(np.arange(len(logits)))
        return level

    def step(self, inputs: int, nodes: Ints, ids: Ints, state: State) -> tuple[Level, Ints, State]:
        """ids (B,) after prefixes of so many inputs -> the answers, which row is whose, the state.

        nodes: (B,) of the prefixes before; those from the level's length on are not remembered.
        What is given holds until the next step from prefixes of as many inputs.
        """
        level = self.levels.setdefault(inputs, Level(self.options))
        if not self.model.extends(inputs):
            every = np.arange(len(ids))
            logits, after = step_evenly(self.model, ids, state, every)
            level.write(len(ids), 0, logits, ())
            return level, every, states.take(after, every)
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
        return level, rows, states.grown(state, level.tips, rows)
