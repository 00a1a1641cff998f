"""Table decoder: draws lines from a model that is a table of states; nothing is computed again.

They give what decoder.py gives for the same seed. There a model is asked once for each prefix; here
all that it can answer is known before, so a draw only looks up its state, and each is on its own.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.base import log_softmax
from makemore.models.core.transition_table import TransitionTable
from makemore.sampling.categorical import DrawBatch, cumulative, sample_from_cdf
from makemore.sampling.config import Filters, SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.constraints.regex import DEAD
from makemore.sampling.decoder import first_of
from makemore.sampling.filters import apply_filters, filters_of
from makemore.sampling.prefix_tree import NONE
from makemore.sampling.results import Completions
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


BLOCK = 4096  # states that are looked at together: what is worked out of them stays in the cache
GUIDED = 1024  # draws from which on a guide is quicker than bisection alone


class SamplingTable:
    """What draws look up in each state of a model: S states, V symbols, C cells of [0, 1).

    logs: (S, V) log p, to the last bit as in a Memory
    reach: (S, C) up to where each symbol's share reaches
    guide: (S, C) the first symbol whose share reaches beyond the start of a cell: mostly the one
        that a number of the cell is for (Chen and Asau 1974)
    """

    def __init__(self, states: TransitionTable, filters: Filters) -> None:
        S, V = states.logs.shape
        C = 1 << (V - 1).bit_length()
        self.logs, self.reach = np.empty((S, V)), np.empty((S, C))
        self.guide = np.empty((S, C), dtype=np.min_scalar_type(V))
        for first in range(0, S, BLOCK):
            here = slice(first, first + BLOCK)
            logs = log_softmax(states.logs[here])
            reach = cumulative(apply_filters(logs, filters))
            self.logs[here], self.reach[here] = logs, reach
            cells = np.ceil(reach[:, :V] * C).astype(np.int64)  # from which on a share is below
            cells += np.arange(len(cells))[:, None] * (C + 1)
            below = np.bincount(cells.ravel(), minlength=len(cells) * (C + 1))
            np.cumsum(below.reshape(-1, C + 1)[:, :C], axis=1, out=self.guide[here])

    def pick(self, states: Ints, uniform: Floats) -> Ints:
        """(R,) of each state the first symbol that reaches beyond the number, as `chances.pick`."""
        if len(states) < GUIDED:
            return sample_from_cdf(self.reach, states, uniform)
        row = states * self.reach.shape[1]
        cell = row + (uniform * self.reach.shape[1]).astype(np.int64)
        picked = self.guide.ravel().take(cell).astype(np.int64)
        beyond = np.flatnonzero(self.reach.ravel().take(row + picked) <= uniform)
        picked[beyond] = sample_from_cdf(self.reach, states.take(beyond), uniform.take(beyond))
        return picked


# Who draws again from the same states need not wait for their table again.
_tables: WeakKeyDictionary[TransitionTable, tuple[Filters, SamplingTable]] = WeakKeyDictionary()


def sampling_table(states: TransitionTable, options: SamplingConfig) -> SamplingTable:
    """The table of these states, the last of which is kept."""
    filters = filters_of(options)
    before, kept = _tables.get(states, (None, None))
    if kept is None or before != filters:
        kept = SamplingTable(states, filters)
        _tables[states] = filters, kept
    return kept


class TableDecoder:
    """Draws from a table, under an automaton: the same as a Drawer's while it neither leads
    nor goes by what is left, but each draw is a line of its own.
    """

    def __init__(
        self, model: TransitionTable, automaton: Automaton, options: SamplingConfig,
        prefix: list[int], labels: dict[int, float],
    ) -> None:  # fmt: skip
        self.model, self.automaton, self.options = model, automaton, options
        self.shares = np.array(list(labels.values()))
        self.labels = np.array(list(labels), dtype=np.int64)
        self.table = sampling_table(model, options)
        self.ids = np.array(prefix, dtype=np.int64)
        starts = np.array([model.start[number] for number in labels], dtype=np.int64)
        self.nll, self.conditions = np.zeros(len(starts)), np.int64(0)
        for symbol in prefix:
            self.nll -= self.table.logs[starts, symbol]
            starts = model.after[starts, symbol].astype(np.int64)
            self.conditions = automaton.next[self.conditions, symbol].astype(np.int64)
        self.starts = starts

    def draw(self, together: DrawBatch) -> list[Completions]:
        size = int(together.bounds[-1])
        automaton, V = self.automaton, self.table.logs.shape[1]
        logs, after = self.table.logs.ravel(), self.model.after.ravel()
        onward = automaton.next.ravel()
        rows = np.arange(size)
        first = first_of(self.shares, together, rows)
        label, states, nll = self.labels[first], self.starts[first], self.nll[first]
        conditions = np.full(size, self.conditions)
        small = np.min_scalar_type(V)  # what is gathered from it then lies close together
        drawn = [np.full(size, symbol, small) for symbol in self.ids]  # (size,) of each place
        finished = []
        for place in range(len(self.ids), automaton.max_length + 1):
            uniform = together.uniforms(place, rows)
            picked = self.table.pick(states, uniform)
            moves = states * V + picked
            to = onward.take(conditions * V + picked)
            may_end = automaton.may_end(place, conditions)
            ends = (picked == BOUNDARY) & may_end
            on = picked != BOUNDARY
            if place == automaton.max_length:
                cut = on & may_end & (automaton.cuts and self.options.all)
                on[:] = False
            else:
                cut = on[:0]
                on &= (to != DEAD) & automaton.can_complete[place + 1].take(to)
            for kind in (cut, ends):
                there = np.flatnonzero(kind)
                if len(there):
                    total = nll[there] - logs.take(states[there] * V + BOUNDARY)
                    row = rows[there]
                    ids = np.empty((len(there), place), dtype=small)
                    for column, symbols in enumerate(drawn):
                        ids[:, column] = symbols.take(row)
                    finished.append(ended(ids, total, label[row], row, kind is cut))
            there = np.flatnonzero(on)
            if not len(there):
                break
            moves, picked = moves.take(there), picked.take(there)
            nll = nll.take(there) - logs.take(moves)
            states = after.take(moves).astype(np.int64)
            conditions = to.take(there).astype(np.int64)
            rows = rows.take(there)
            drawn.append(np.zeros(size, dtype=small))
            drawn[-1][rows] = picked
        return finished


def ended(ids: Ints, nll: Floats, label: Ints, rows: Ints, capped: bool) -> Completions:
    """Draws that ended at one place, each a line of its own."""
    nodes = np.full(len(rows), NONE)
    return Completions(ids, nll, label, nodes, np.zeros(len(rows)), rows, None, capped)
