"""Draws: lines drawn symbol by symbol, many together, each distinct prefix computed once.

Nothing is refused here but what no condition lets through: what ends, and how many draws came to
each line, is for generate.py to choose from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.chances import Together, choose, log_softmax, pick, weigh
from makemore.constraints import Automaton
from makemore.corpus import Corpus
from makemore.ended import Finished
from makemore.lookahead import Lookahead
from makemore.memory import Level, Memory
from makemore.models.base import Model
from makemore.settings import Sampling
from makemore.state import State, take
from makemore.used import NONE, UsedMass
from makemore.vocabulary import BOUNDARY, Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PLACE_OF_LABEL = 2**32  # of random numbers that are no symbol's
PLACE_OF_RESAMPLING = 2**33
EVEN = 0.5  # sample size, as a share of the led draws, below which these are resampled


@dataclass
class Prefixes:
    """The distinct prefixes that are still open, G of them, all of one length.

    ids: (G, place); state (G, ...) of the model after them; nll (G,) in nats
    answers: of the model; rows: (G,) of them, which are the memory's nodes
    label: (G,) numbers; states: (G,) of the automaton; nodes: (G,) of what is used up
    contexts: (G,) of the lookahead; lead: (G,) log of p over q, by which draws are led
    """

    ids: Ints
    state: State
    answers: Level
    rows: Ints
    nll: Floats
    label: Ints
    states: NDArray[Any]
    nodes: Ints
    contexts: Ints
    lead: Floats

    def __len__(self) -> int:
        return len(self.nll)

    def shares(self, options: Sampling, which: Any = slice(None)) -> Floats:
        """(G, V) the probabilities of a draw, of all prefixes or of some."""
        weights = weigh(self.answers.logs[self.rows[which]], options)
        return weights / weights.sum(axis=1, keepdims=True)


class Drawer:
    """Draws lines from a model, under an automaton.

    prefix: ids that every line starts with; labels: first input -> share of the draws
    used: what is used up, and lookahead: by what draws are led; None where they do not go by it
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, automaton: Automaton, options: Sampling,
        prefix: list[int], labels: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.memory = Memory(model, options)
        self.options, self.prefix = options, prefix
        self.labels = labels or {BOUNDARY: 1.0}
        self.used: UsedMass | None = None
        self.lookahead: Lookahead | None = None
        self.begun: Prefixes | None = None
        self.levels: list[tuple[Ints, Ints, Ints]] = []  # of this round: parents, symbols, nodes
        self.settled = 0  # nodes from here on are of this round

    def remember(self) -> None:
        """From now on draws go by what is left."""
        self.used, self.begun = UsedMass(len(self.vocabulary)), None

    def lead(self, train: Corpus) -> None:
        """From now on draws are led, by an n-gram of these lines."""
        self.lookahead = Lookahead(
            self.automaton, self.vocabulary, train, lambda logits: weigh(logits, self.options)
        )
        self.begun, self.used = None, None

    def use(self, nodes: Ints) -> None:
        """The lines that end after these nodes, and what is dead below the round's, are gone."""
        if self.used:
            self.used.use(nodes)
            for level in reversed(self.levels):
                self.used.settle(*level)

    def mass_left(self) -> float:
        """The share of the model's lines that are neither used up nor impossible."""
        if self.used is None or self.begun is None:
            return 1.0
        shares = np.array([self.labels[int(number)] for number in self.begun.label])
        return float((shares * self.used.mass(self.begun.nodes)).sum())

    def _begin(self) -> Prefixes:
        """The prefix that all lines start with, once for each label."""
        numbers = np.array(list(self.labels), dtype=np.int64)
        state, nll = self.model.initial_state(len(numbers)), np.zeros(len(numbers))
        logits, state = self.model.step(numbers, state)
        states, context = np.zeros(len(numbers), dtype=np.int64), np.zeros_like(numbers)
        for symbol in self.prefix:
            nll -= log_softmax(logits)[:, symbol]
            logits, state = self.model.step(np.full(len(numbers), symbol), state)
            states = self.automaton.next[states, symbol].astype(np.int64)
            if self.lookahead:
                context = self.lookahead.after(context, np.array(symbol))
        ids = np.tile(np.array(self.prefix, dtype=np.int64), (len(numbers), 1))
        nothing, nowhere = np.zeros(len(numbers)), np.full(len(numbers), NONE)
        open_ = Prefixes(
            ids, state, self.memory.begin(logits), np.arange(len(numbers)), nll, numbers, states,
            nowhere, context, nothing,
        )  # fmt: skip
        if self.used:
            alive = self.automaton.allowed(len(self.prefix), states)
            open_.nodes = self.used.add(open_.shares(self.options), alive)
        return open_

    def draw(self, together: Together) -> list[Finished]:
        if self.begun is None:
            self.begun = self._begin()
        self.settled = self.used.size if self.used else 0
        self.levels = []
        open_, finished = self.begun, list[Finished]()
        shares = np.array([self.labels[int(label)] for label in open_.label])
        if self.used:
            shares = shares * self.used.mass(open_.nodes)
        if shares.sum() == 0:  # nothing is left that could be drawn
            return []
        rows = np.arange(together.bounds[-1])
        group = first_of(shares, together, rows)
        for place in range(len(self.prefix), self.automaton.most + 1):
            uniform = together.uniforms(place, rows)
            picked, lead = self._pick(open_, place, group, uniform)
            if place == self.automaton.most and self.automaton.cuts and self.options.all:
                cut = (picked != BOUNDARY) & self.automaton.ends(place, open_.states)[group]
                if cut.any():  # shown as what they are
                    finished.append(self._end(open_, group[cut], rows[cut], lead[cut], True))
            alive = self.automaton.allowed(place, open_.states)[group, picked]
            ends = alive & (picked == BOUNDARY)
            if ends.any():
                finished.append(self._end(open_, group[ends], rows[ends], lead[ends]))
            on = alive & (picked != BOUNDARY)
            rows = rows[on]
            if not len(rows):
                break
            before = open_
            open_, group, parents = self._extend(before, place, group[on], picked[on], lead[on])
            if self.used:  # a copy: a view would keep all symbols of each length
                last = open_.ids[:, -1].copy()
                self.levels.append((before.nodes[parents], last, open_.nodes))
            if self.lookahead:
                group = self._resample(open_, self.lookahead, place + 1, group, together)
        return finished

    def _pick(
        self, open_: Prefixes, place: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """(R,) the symbol of each draw, and log of p over q where draws are led."""
        if not (self.used or self.lookahead):
            rows = open_.rows[group]
            return pick(open_.answers.reach, rows, uniform), np.zeros(len(group))
        shares = open_.shares(self.options)
        led = shares
        if self.used:
            # What is dead below a prefix that is new in this round was no part of the way to it:
            # whoever draws it is refused. Led draws have weights that see to it.
            kept = (open_.nodes != NONE) & (bool(self.lookahead) | (open_.nodes < self.settled))
            led = shares.copy()
            led[kept] *= self.used.left[open_.nodes[kept]]
        if self.lookahead:
            led = led * self.lookahead.of(place, open_.states, open_.contexts)
            lost = led.sum(axis=1) <= 0  # nothing is left below; the draw ends here
            led[lost] = shares[lost]
            led = led / led.sum(axis=1, keepdims=True)
        picked = choose(led, uniform, group)
        if not self.lookahead:
            return picked, np.zeros(len(picked))
        with np.errstate(divide="ignore"):
            return picked, np.log(shares[group, picked]) - np.log(led[group, picked])

    def _resample(
        self, open_: Prefixes, lookahead: Lookahead, place: int, group: Ints, together: Together
    ) -> Ints:
        """Led draws go on from prefixes in proportion to their weights, once these are uneven.

        The weight of a prefix is p over q times the chance to complete it. Systematic resampling
        (Kitagawa 1996); afterwards all draws weigh the same. Gives the prefix of each draw.
        """
        logs = open_.lead + np.log(lookahead.at(place, open_.states, open_.contexts))
        highest = logs[group].max()
        weights = np.exp(logs - highest)[group]  # (R,)
        if weights.sum() ** 2 / (weights**2).sum() > EVEN * len(group):
            return group
        start = together.uniforms(PLACE_OF_RESAMPLING + place, np.arange(1))
        points = (np.arange(len(group)) + start) / len(group)
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)
        mean = highest + np.log(weights.mean())
        open_.lead = mean - logs + open_.lead  # p over q as if each had the mean weight
        return group[np.minimum(chosen, len(group) - 1)]

    def _end(
        self, open_: Prefixes, group: Ints, rows: Ints, lead: Floats, capped: bool = False
    ) -> Finished:
        ended, first, which = np.unique(group, return_index=True, return_inverse=True)
        nll = open_.nll[ended] - open_.answers.logs[open_.rows[ended], BOUNDARY]
        return Finished(
            open_.ids[ended], nll, open_.label[ended], open_.nodes[ended],
            open_.lead[ended] + lead[first], rows, which, capped,
        )  # fmt: skip

    def _extend(
        self, open_: Prefixes, place: int, group: Ints, picked: Ints, lead: Floats
    ) -> tuple[Prefixes, Ints, Ints]:
        """The prefixes that are one symbol longer, in the order of their first draws."""
        V = len(self.vocabulary)
        codes, first, inverse = np.unique(
            group * V + picked, return_index=True, return_inverse=True
        )
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        parents, symbols = np.divmod(codes[order], V)
        nll = open_.nll[parents] - open_.answers.logs[open_.rows[parents], symbols]
        answers, rows, state = self.memory.step(
            place + 1, open_.rows[parents], symbols, take(open_.state, parents)
        )
        states = self.automaton.next[open_.states[parents], symbols].astype(np.int64)
        longer = Prefixes(
            np.column_stack([open_.ids[parents], symbols]), state, answers, rows, nll,
            open_.label[parents], states, np.full(len(order), NONE), open_.contexts[parents],
            open_.lead[parents] + lead[first[order]],
        )  # fmt: skip
        if self.used:
            self._place(longer, place + 1, open_.nodes[parents], symbols)
        if self.lookahead:
            longer.contexts = self.lookahead.after(longer.contexts, symbols)
        return longer, rank[inverse], parents

    def _place(self, longer: Prefixes, place: int, parents: Ints, symbols: Ints) -> None:
        """Give prefixes their nodes of what is used up."""
        assert self.used  # noqa: S101 (asked before)
        nodes = self.used.find(parents, symbols)
        fresh = (nodes == NONE) & (parents != NONE)
        alive = self.automaton.allowed(place, longer.states[fresh])
        nodes[fresh] = self.used.add(longer.shares(self.options, fresh), alive)
        self.used.link(parents, symbols, nodes)
        longer.nodes = nodes


def first_of(shares: Floats, together: Together, rows: Ints) -> Ints:
    """(R,) which of the labels, by their shares, each draw begins with."""
    if len(shares) == 1:
        return np.zeros_like(rows)
    uniform = together.uniforms(PLACE_OF_LABEL, rows)
    return choose(shares[None], uniform, np.zeros_like(rows))
