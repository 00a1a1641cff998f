"""Table decoder: draws lines from a model with few states by looking up tables.

It gives the same lines as decoder.py for the same seed. There the model computes each distinct
prefix once. An n-gram has so few states (a trigram of names: 27 * 27 contexts) that all its
probabilities are computed before the first draw; a draw then follows the table from state to state.
"""

from __future__ import annotations

from typing import Any
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
from makemore.sampling.stratum import Stratum
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


BLOCK = 4096  # states of the table that are computed together: these fit in the CPU's cache
GUIDED = 1024  # draws from which on the guide table is quicker than bisection alone


class SamplingTable:
    """Holds the cdf of the next symbol in each state: S states, V symbols, C cells of [0, 1).

    logs: (S, V) log-probabilities in nats, before filters; bit for bit those of a PrefixCache
    reach: (S, C) the cdf after filters, padded with 1; C is the power of 2 from V on
    guide: (S, C) the first symbol whose cdf is above the start of the cell. For a random number
        in that cell it is mostly the symbol to draw, without a search (Chen and Asau 1974).

    With p = (0.5, 0.3, 0.2) and C = 4 cells, cdf (0.5, 0.8, 1, 1) and guide (0, 0, 1, 1).
    """

    def __init__(self, states: TransitionTable, filters: Filters) -> None:
        S, V = states.logs.shape
        C = 1 << (V - 1).bit_length()  # the smallest power of 2 that is V or more
        self.logs, self.reach = np.empty((S, V)), np.empty((S, C))
        self.guide = np.empty((S, C), dtype=np.min_scalar_type(V))  # a byte up to 255 symbols
        for first in range(0, S, BLOCK):
            here = slice(first, first + BLOCK)
            logs = log_softmax(states.logs[here])  # (BLOCK, V)
            reach = cumulative(apply_filters(logs, filters))  # (BLOCK, C)
            self.logs[here], self.reach[here] = logs, reach
            # guide[c] counts the symbols whose cdf is c / C or less: a number in cell c draws none
            # of these. Of p = 0.5, 0.3, 0.2 and C = 4 the cdf is 0.5, 0.8, 1.0, and the guide
            # 0, 0, 1, 1. Counted by a histogram of the first cell that each symbol counts in.
            cells = np.ceil(reach[:, :V] * C).astype(np.int64)  # (BLOCK, V) in 0 .. C
            cells += np.arange(len(cells))[:, None] * (C + 1)  # one histogram for all rows
            below = np.bincount(cells.ravel(), minlength=len(cells) * (C + 1))
            np.cumsum(below.reshape(-1, C + 1)[:, :C], axis=1, out=self.guide[here])

    def pick(self, states: Ints, uniform: Floats) -> Ints:
        """Draw the next symbol of each state: states (R,), uniform (R,) in [0, 1) -> ids (R,).

        It is the first symbol whose cdf is above the number, as in `sample_from_cdf`.
        """
        if len(states) < GUIDED:
            return sample_from_cdf(self.reach, states, uniform)
        row = states * self.reach.shape[1]  # (R,) where each state's row begins in the flat table
        cell = row + (uniform * self.reach.shape[1]).astype(np.int64)
        picked = self.guide.ravel().take(cell).astype(np.int64)
        # The guide is right unless a symbol's cdf ends within the cell, at or below the number.
        beyond = np.flatnonzero(self.reach.ravel().take(row + picked) <= uniform)
        picked[beyond] = sample_from_cdf(self.reach, states.take(beyond), uniform.take(beyond))
        return picked


# The last table of each model, so that a second call does not compute it again. The reference is
# weak: when the model goes, its table goes.
_tables: WeakKeyDictionary[TransitionTable, tuple[Filters, SamplingTable]] = WeakKeyDictionary()


def sampling_table(states: TransitionTable, options: SamplingConfig) -> SamplingTable:
    """Return the table of cdfs of these states, computed again only if the filters changed."""
    filters = filters_of(options)
    before, kept = _tables.get(states, (None, None))
    if kept is None or before != filters:
        kept = SamplingTable(states, filters)
        _tables[states] = filters, kept
    return kept


class TableDecoder:
    """Draws lines from a table under an automaton, by rejection, as a Decoder with Rejection does.

    Looking up is so quick that draws are not grouped by prefix: each is a line of its own.
    labels: first input (id) -> probability that a draw begins with it
    stratum: the prefixes that lines begin with; None for all of them
    """

    def __init__(
        self, model: TransitionTable, automaton: Automaton, options: SamplingConfig,
        prefix: list[int], labels: dict[int, float], stratum: Stratum | None = None,
    ) -> None:  # fmt: skip
        self.model, self.automaton, self.options = model, automaton, options
        self.stratum, self.shares = stratum, np.array(list(labels.values()))
        if stratum:
            self.shares *= stratum.share
        self.labels = np.array(list(labels), dtype=np.int64)
        self.table = sampling_table(model, options)
        self.ids = np.array(prefix, dtype=np.int64)
        # The model's state (L,) after each label and the prefix: every draw begins there.
        starts = np.array([model.start[label] for label in labels], dtype=np.int64)
        self.nll, self.conditions = np.zeros(len(starts)), np.int64(0)  # 0: the automaton's start
        for symbol in prefix:
            self.nll -= self.table.logs[starts, symbol]
            starts = model.after[starts, symbol].astype(np.int64)
            self.conditions = automaton.next[self.conditions, symbol].astype(np.int64)
        self.starts = starts

    def draw(self, batch: DrawBatch) -> list[Completions]:
        """Draw the lines of a batch, symbol by symbol; return the finished ones by length."""
        size, stratum = int(batch.bounds[-1]), self.stratum
        if self.shares.sum() == 0:  # nothing is left that could be drawn
            return []
        automaton, V = self.automaton, self.table.logs.shape[1]
        logs, after = self.table.logs.ravel(), self.model.after.ravel()  # [state * V + symbol]
        onward = automaton.next.ravel()
        rows = np.arange(size)  # (R,) the draws that are not finished yet
        first = first_of(self.shares, batch, rows)
        label, states, nll = self.labels[first], self.starts[first], self.nll[first]
        inner = stratum.roots()[first] if stratum else first  # (R,) nodes of the stratum's tree
        conditions = np.full(size, self.conditions)  # (R,) states of the automaton
        small = np.min_scalar_type(V)  # a byte a symbol: lookups by row stay in the CPU's cache
        drawn = [np.full(size, symbol, small) for symbol in self.ids]  # (size,) a position
        finished = []
        for position in range(len(self.ids), automaton.max_length + 1):
            uniform = batch.uniforms(position, rows)
            picked = self.table.pick(states, uniform)
            if stratum:
                picked = stratum.redraw(inner, picked, uniform)
            moves = states * V + picked  # (R,)
            to = onward.take(conditions * V + picked)
            may_end = automaton.may_end(position, conditions)
            ends = (picked == BOUNDARY) & may_end
            cut, on = self._cut_or_on(position, picked, may_end, to)
            for kind in (cut, ends):  # the order of Decoder._ends
                there = np.flatnonzero(kind)
                if len(there):
                    total = nll[there] - logs.take(states[there] * V + BOUNDARY)
                    row = rows[there]
                    ids = _gather(drawn, row, position, small)
                    finished.append(ended(ids, total, label[row], row, kind is cut))
            there = np.flatnonzero(on)  # indices: `take` is quicker than a mask
            if not len(there):
                break
            moves, picked = moves.take(there), picked.take(there)  # R is smaller from here on
            nll = nll.take(there) - logs.take(moves)
            states = after.take(moves).astype(np.int64)
            conditions = to.take(there).astype(np.int64)
            rows = rows.take(there)
            if stratum:
                inner = stratum.after(inner.take(there), picked)
            drawn.append(np.zeros(size, dtype=small))
            drawn[-1][rows] = picked
        return finished

    def _cut_or_on(
        self, position: int, picked: Ints, may_end: NDArray[np.bool_], to: NDArray[np.int32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Find the draws (R,) that are cut at the greatest length, and those that go on.

        may_end: (R,) whether the automaton accepts the line so far; to: (R,) its next state
        """
        automaton = self.automaton
        on = picked != BOUNDARY
        if position == automaton.max_length:
            cut = on & may_end & (automaton.cuts and self.options.all)
            on[:] = False
        else:
            cut = on[:0]  # before the greatest length no draw is cut
            # DEAD is -1, an index that numpy counts from the end: whatever stands there, DEAD is
            # refused by to != DEAD.
            on &= (to != DEAD) & automaton.can_complete[position + 1].take(to)
        return cut, on


def _gather(
    drawn: list[NDArray[Any]], row: Ints, position: int, small: np.dtype[Any]
) -> NDArray[Any]:
    """Collect the symbols of some draws: `position` arrays (size,), rows (n,) -> (n, position)."""
    ids = np.empty((len(row), position), dtype=small)
    for column, symbols in enumerate(drawn):
        ids[:, column] = symbols.take(row)
    return ids


def ended(ids: Ints, nll: Floats, label: Ints, rows: Ints, capped: bool) -> Completions:
    """Make the Completions of n draws that ended at one position, each a line of its own."""
    nodes = np.full(len(rows), NONE)  # a table needs no tree: nothing is drawn without replacement
    return Completions(ids, nll, label, nodes, np.zeros(len(rows)), rows, None, capped)
