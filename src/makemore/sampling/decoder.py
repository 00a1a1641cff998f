"""Decoder: draws lines symbol by symbol, many together, each distinct prefix computed once.

Nothing is refused here but what no condition lets through: what ends, and how many draws came to
each line, is for sampler.py to choose from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core.base import log_softmax
from makemore.models.core.state import State, select
from makemore.sampling.categorical import DrawBatch, sample_categorical, sample_from_cdf
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.filters import apply_filters
from makemore.sampling.guidance import Guidance
from makemore.sampling.prefix_tree import NONE, CacheLevel, PrefixCache, RemainingMass
from makemore.sampling.results import Completions
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


LABEL_STREAM = 2**32  # of random numbers that are no symbol's
RESAMPLING_STREAM = 2**33
RESAMPLE_BELOW = 0.5  # sample size, as a share of the led draws, below which these are resampled


@dataclass
class Prefixes:
    """The distinct prefixes that are still open, G of them, all of one length.

    ids: (G, place); state (G, ...) of the model after them; nll (G,) in nats
    answers: of the model; rows: (G,) of them, which are the memory's nodes
    label: (G,) numbers; states: (G,) of the automaton; nodes: (G,) of the remaining mass
    contexts: (G,) of the lookahead; log_weight: (G,) log of p over q, by which draws are led
    """

    ids: Ints
    state: State
    answers: CacheLevel
    rows: Ints
    nll: Floats
    label: Ints
    states: NDArray[Any]
    nodes: Ints
    contexts: Ints
    log_weight: Floats

    def __len__(self) -> int:
        return len(self.nll)

    def shares(self, options: SamplingConfig, which: Any = slice(None)) -> Floats:
        """(G, V) the probabilities of a draw, of all prefixes or of some."""
        weights = apply_filters(self.answers.logs[self.rows[which]], options)
        return weights / weights.sum(axis=1, keepdims=True)


class Decoder:
    """Draws lines from a model, under an automaton.

    prefix: ids that every line starts with; labels: first input -> share of the draws
    used: what is used up, and lookahead: by what draws are led; None where they do not go by it
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, automaton: Automaton, options: SamplingConfig,
        prefix: list[int], labels: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.cache = PrefixCache(model, options)
        self.options, self.prefix = options, prefix
        self.labels = labels or {BOUNDARY: 1.0}
        self.remaining_mass: RemainingMass | None = None
        self.guidance: Guidance | None = None
        self.roots: Prefixes | None = None
        self.levels: list[tuple[Ints, Ints, Ints]] = []  # of this round: parents, symbols, nodes
        self.first_new_node = 0  # nodes from here on are of this round

    def sample_without_replacement(self) -> None:
        """From now on draws go by what is left."""
        self.remaining_mass, self.roots = RemainingMass(len(self.vocabulary)), None

    def guide(self, train: Corpus) -> None:
        """From now on draws are led, by an n-gram of these lines."""
        self.guidance = Guidance(
            self.automaton,
            self.vocabulary,
            train,
            lambda logits: apply_filters(logits, self.options),
        )
        self.roots, self.remaining_mass = None, None

    def mark_used(self, nodes: Ints) -> None:
        """The lines that end after these nodes, and what is dead below the round's, are gone."""
        if self.remaining_mass:
            self.remaining_mass.mark_used(nodes)
            for level in reversed(self.levels):
                self.remaining_mass.propagate(*level)

    def mass_left(self) -> float:
        """The share of the model's lines that are neither used up nor impossible."""
        if self.remaining_mass is None or self.roots is None:
            return 1.0
        shares = np.array([self.labels[int(number)] for number in self.roots.label])
        return float((shares * self.remaining_mass.remaining(self.roots.nodes)).sum())

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
            if self.guidance:
                context = self.guidance.after(context, np.array(symbol))
        ids = np.tile(np.array(self.prefix, dtype=np.int64), (len(numbers), 1))
        nothing, nowhere = np.zeros(len(numbers)), np.full(len(numbers), NONE)
        open_ = Prefixes(
            ids, state, self.cache.begin(logits), np.arange(len(numbers)), nll, numbers, states,
            nowhere, context, nothing,
        )  # fmt: skip
        if self.remaining_mass:
            alive = self.automaton.allowed(len(self.prefix), states)
            open_.nodes = self.remaining_mass.add(open_.shares(self.options), alive)
        return open_

    def draw(self, together: DrawBatch) -> list[Completions]:
        if self.roots is None:
            self.roots = self._begin()
        self.first_new_node = self.remaining_mass.size if self.remaining_mass else 0
        self.levels = []
        open_, finished = self.roots, list[Completions]()
        shares = np.array([self.labels[int(label)] for label in open_.label])
        if self.remaining_mass:
            shares = shares * self.remaining_mass.remaining(open_.nodes)
        if shares.sum() == 0:  # nothing is left that could be drawn
            return []
        rows = np.arange(together.bounds[-1])
        group = first_of(shares, together, rows)
        for place in range(len(self.prefix), self.automaton.max_length + 1):
            uniform = together.uniforms(place, rows)
            picked, lead = self._pick(open_, place, group, uniform)
            if place == self.automaton.max_length and self.automaton.cuts and self.options.all:
                cut = (picked != BOUNDARY) & self.automaton.may_end(place, open_.states)[group]
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
            if self.remaining_mass:  # a copy: a view would keep all symbols of each length
                last = open_.ids[:, -1].copy()
                self.levels.append((before.nodes[parents], last, open_.nodes))
            if self.guidance:
                group = self._resample(open_, self.guidance, place + 1, group, together)
        return finished

    def _pick(
        self, open_: Prefixes, place: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """(R,) the symbol of each draw, and log of p over q where draws are led."""
        if not (self.remaining_mass or self.guidance):
            rows = open_.rows[group]
            return sample_from_cdf(open_.answers.reach, rows, uniform), np.zeros(len(group))
        shares = open_.shares(self.options)
        led = shares
        if self.remaining_mass:
            # What is dead below a prefix that is new in this round was no part of the way to it:
            # whoever draws it is refused. Led draws have weights that see to it.
            kept = (open_.nodes != NONE) & (
                bool(self.guidance) | (open_.nodes < self.first_new_node)
            )
            led = shares.copy()
            led[kept] *= self.remaining_mass.left[open_.nodes[kept]]
        if self.guidance:
            led = led * self.guidance.of(place, open_.states, open_.contexts)
            lost = led.sum(axis=1) <= 0  # nothing is left below; the draw ends here
            led[lost] = shares[lost]
            led = led / led.sum(axis=1, keepdims=True)
        picked = sample_categorical(led, uniform, group)
        if not self.guidance:
            return picked, np.zeros(len(picked))
        with np.errstate(divide="ignore"):
            return picked, np.log(shares[group, picked]) - np.log(led[group, picked])

    def _resample(
        self, open_: Prefixes, lookahead: Guidance, place: int, group: Ints, together: DrawBatch
    ) -> Ints:
        """Led draws go on from prefixes in proportion to their weights, once these are uneven.

        The weight of a prefix is p over q times the chance to complete it. Systematic resampling
        (Kitagawa 1996); afterwards all draws weigh the same. Gives the prefix of each draw.
        """
        logs = open_.log_weight + np.log(lookahead.at(place, open_.states, open_.contexts))
        highest = logs[group].max()
        weights = np.exp(logs - highest)[group]  # (R,)
        if weights.sum() ** 2 / (weights**2).sum() > RESAMPLE_BELOW * len(group):
            return group
        start = together.uniforms(RESAMPLING_STREAM + place, np.arange(1))
        points = (np.arange(len(group)) + start) / len(group)
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)
        mean = highest + np.log(weights.mean())
        open_.log_weight = mean - logs + open_.log_weight  # p over q as if each had the mean weight
        return group[np.minimum(chosen, len(group) - 1)]

    def _end(
        self, open_: Prefixes, group: Ints, rows: Ints, lead: Floats, capped: bool = False
    ) -> Completions:
        ended, first, which = np.unique(group, return_index=True, return_inverse=True)
        nll = open_.nll[ended] - open_.answers.logs[open_.rows[ended], BOUNDARY]
        return Completions(
            open_.ids[ended], nll, open_.label[ended], open_.nodes[ended],
            open_.log_weight[ended] + lead[first], rows, which, capped,
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
        answers, rows, state = self.cache.step(
            place + 1, open_.rows[parents], symbols, select(open_.state, parents)
        )
        states = self.automaton.next[open_.states[parents], symbols].astype(np.int64)
        longer = Prefixes(
            np.column_stack([open_.ids[parents], symbols]), state, answers, rows, nll,
            open_.label[parents], states, np.full(len(order), NONE), open_.contexts[parents],
            open_.log_weight[parents] + lead[first[order]],
        )  # fmt: skip
        if self.remaining_mass:
            self._place(longer, place + 1, open_.nodes[parents], symbols)
        if self.guidance:
            longer.contexts = self.guidance.after(longer.contexts, symbols)
        return longer, rank[inverse], parents

    def _place(self, longer: Prefixes, place: int, parents: Ints, symbols: Ints) -> None:
        """Give prefixes their nodes of what is used up."""
        assert self.remaining_mass  # noqa: S101 (asked before)
        nodes = self.remaining_mass.find(parents, symbols)
        fresh = (nodes == NONE) & (parents != NONE)
        alive = self.automaton.allowed(place, longer.states[fresh])
        nodes[fresh] = self.remaining_mass.add(longer.shares(self.options, fresh), alive)
        self.remaining_mass.link(parents, symbols, nodes)
        longer.nodes = nodes


def first_of(shares: Floats, together: DrawBatch, rows: Ints) -> Ints:
    """(R,) which of the labels, by their shares, each draw begins with."""
    if len(shares) == 1:
        return np.zeros_like(rows)
    uniform = together.uniforms(LABEL_STREAM, rows)
    return sample_categorical(shares[None], uniform, np.zeros_like(rows))
