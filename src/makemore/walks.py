"""Walks: rounds of lines drawn from a model that is a table of states; nothing is computed again.

They give what draws.py gives for the same seed. There a model is asked once for each prefix; here
all that it can answer is known before, so a draw only looks up its state, and each is on its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.chances import choose, pick, reaches, uniforms, weigh
from makemore.constraints import Automaton
from makemore.draws import PLACE_OF_LABEL, Finished
from makemore.models.base import States
from makemore.patterns import DEAD
from makemore.settings import Sampling
from makemore.used import NONE
from makemore.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Walks:
    """Draws rounds from a table, under an automaton: the same as a Drawer's while it neither leads
    nor goes by what is left, but each draw is a line of its own.
    """

    def __init__(
        self, model: States, automaton: Automaton, options: Sampling, seed: int, prefix: list[int],
        labels: dict[int, float],
    ) -> None:  # fmt: skip
        self.model, self.automaton, self.options, self.seed = model, automaton, options, seed
        self.shares = np.array(list(labels.values()))
        self.labels = np.array(list(labels), dtype=np.int64)
        self.reach = reaches(weigh(model.logs, options))
        self.ids = np.array(prefix, dtype=np.int64)
        starts = np.array([model.start[number] for number in labels], dtype=np.int64)
        self.nll, self.conditions = np.zeros(len(starts)), np.int64(0)
        for symbol in prefix:
            self.nll -= model.logs[starts, symbol]
            starts = model.after[starts, symbol].astype(np.int64)
            self.conditions = automaton.next[self.conditions, symbol].astype(np.int64)
        self.starts = starts

    def round(self, number: int, size: int) -> list[Finished]:
        model, automaton, V = self.model, self.automaton, self.model.logs.shape[1]
        logs, after, onward = model.logs.ravel(), model.after.ravel(), automaton.next.ravel()
        rows = np.arange(size)
        uniform = uniforms(self.seed, number, PLACE_OF_LABEL, size)
        first = choose(self.shares[None], uniform, np.zeros_like(rows))
        label, states, nll = self.labels[first], self.starts[first], self.nll[first]
        conditions = np.full(size, self.conditions)
        drawn = [np.full(size, symbol) for symbol in self.ids]  # (size,) of each place, by row
        finished = []
        for place in range(len(self.ids), automaton.most + 1):
            uniform = uniforms(self.seed, number, place, int(rows[-1]) + 1)[rows]
            picked = pick(self.reach, states, uniform)
            moves = states * V + picked
            to = onward.take(conditions * V + picked)
            may_end = automaton.ends(place, conditions)
            ends = (picked == BOUNDARY) & may_end
            on = picked != BOUNDARY
            if place == automaton.most:
                cut = on & may_end & (automaton.cuts and self.options.all)
                on[:] = False
            else:
                cut = on[:0]
                on &= (to != DEAD) & automaton.open[place + 1].take(to)
            for kind in (cut, ends):
                there = np.flatnonzero(kind)
                if len(there):
                    total = nll[there] - logs.take(states[there] * V + BOUNDARY)
                    row = rows[there]
                    ids = np.empty((len(there), place), dtype=np.int64)
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
            drawn.append(np.zeros(size, dtype=np.int64))
            drawn[-1][rows] = picked
        return finished


def ended(ids: Ints, nll: Floats, label: Ints, rows: Ints, capped: bool) -> Finished:
    """Draws that ended at one place, each a line of its own."""
    nodes = np.full(len(rows), NONE)
    return Finished(ids, nll, label, nodes, np.zeros(len(rows)), rows, np.arange(len(rows)), capped)
