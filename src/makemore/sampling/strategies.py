"""Strategies: by which probabilities the next symbol is drawn, and what becomes of finished lines.

Each has the interface of Rejection; the decoder asks no strategy what kind it is.

    Rejection            by the model's own probabilities; what fails is refused. Exact.
    WithoutReplacement   by what is left of them below each prefix. Exact.
    Guided               by them and the chance to satisfy the constraints; weights put it right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.categorical import DrawBatch, sample_categorical, sample_from_cdf
from makemore.sampling.config import Filters
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.guidance import Guidance
from makemore.sampling.prefix_tree import NONE, RemainingMass
from makemore.sampling.prefixes import Prefixes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLING_STREAM = 2**33  # of random numbers that are no symbol's
RESAMPLE_BELOW = 0.5  # sample size, as a share of the guided draws, below which they are resampled


class Rejection:
    """Draws by the model's own probabilities (after filters); the interface of all strategies."""

    exact = True  # lines follow the model's distribution among those that are allowed
    by_model_alone = True  # a table of the model, looked up, gives the same lines

    def __init__(self, automaton: Automaton, filters: Filters) -> None:
        self.automaton, self.filters = automaton, filters

    @property
    def with_replacement(self) -> bool:
        """Whether a line that was drawn may be drawn again (and is refused then)."""
        return True

    def without_replacement(self, vocab_size: int) -> Rejection:
        """The strategy that does the same without drawing a line twice."""
        return WithoutReplacement(self.automaton, self.filters, vocab_size)

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        """Take in the prefixes (one a label) that all lines start with, after these ids."""

    def begin_round(self) -> None:
        """A new round of draws begins at the roots."""

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        """(L,) by which the label of each draw is chosen; all 0 where nothing is left to draw."""
        return probabilities

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """Draw the next symbol of each draw: ids (R,), and log of p over q (R,), 0 where p = q.

        group: (R,) which of the prefixes each draw stands at; uniform: (R,) in [0, 1)
        """
        rows = prefixes.rows[group]
        picked = sample_from_cdf(prefixes.answers.reach, rows, uniform)
        return picked, np.zeros(len(group))

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        """Take in prefixes that are one symbol longer, `position` symbols now."""

    def resample(self, prefixes: Prefixes, position: int, group: Ints, batch: DrawBatch) -> Ints:
        """(R,) the prefix that each draw goes on from."""
        return group

    def mark_used(self, nodes: Ints) -> None:
        """The lines that end after these nodes are not to be drawn again."""

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        """The share of the model's probability that is neither used up nor impossible."""
        return 1.0


class WithoutReplacement(Rejection):
    """Draws by what is left below each prefix (Shi, Bieber and Sutton 2020)."""

    by_model_alone = False

    def __init__(self, automaton: Automaton, filters: Filters, vocab_size: int) -> None:
        super().__init__(automaton, filters)
        self.mass = RemainingMass(vocab_size)
        self.levels: list[tuple[Ints, Ints, Ints]] = []  # of this round: parents, symbols, nodes
        self.first_new_node = 0  # nodes from here on are of this round

    @property
    def with_replacement(self) -> bool:
        return False

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        alive = self.automaton.allowed(len(prefix), roots.states)
        roots.nodes = self.mass.add(roots.probabilities(self.filters), alive)

    def begin_round(self) -> None:
        self.first_new_node, self.levels = self.mass.size, []

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        return probabilities * self.mass.remaining(roots.nodes)

    def remaining(self, prefixes: Prefixes, new_too: bool = False) -> Floats:
        """(G, V) probabilities of the next symbol times what is left below it; no sum of 1.

        new_too: also below prefixes that this round came to first. Draws by rejection leave these
        alone: what is dead below them was part of the way to them, so whoever draws it is refused.
        """
        weights = prefixes.probabilities(self.filters)
        known = (prefixes.nodes != NONE) & (new_too | (prefixes.nodes < self.first_new_node))
        weights[known] *= self.mass.left[prefixes.nodes[known]]
        return weights

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        picked = sample_categorical(self.remaining(prefixes), uniform, group)
        return picked, np.zeros(len(picked))

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        above = before.nodes[parents]
        nodes = self.mass.find(above, symbols)
        fresh = (nodes == NONE) & (above != NONE)
        alive = self.automaton.allowed(position, longer.states[fresh])
        nodes[fresh] = self.mass.add(longer.probabilities(self.filters, fresh), alive)
        self.mass.link(above, symbols, nodes)
        longer.nodes = nodes
        self.levels.append((above, symbols, nodes))

    def mark_used(self, nodes: Ints) -> None:
        self.mass.mark_used(nodes)
        for level in reversed(self.levels):  # from the longest prefixes to the roots
            self.mass.propagate(*level)

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        if roots is None:
            return 1.0
        return float((probabilities * self.mass.remaining(roots.nodes)).sum())


class Guided(Rejection):
    """Draws by the model and the chance of completion; a line's weight is p over q.

    used: what is left below prefixes, once few of the lines are new
    """

    exact = False
    by_model_alone = False

    def __init__(self, automaton: Automaton, filters: Filters, guidance: Guidance) -> None:
        super().__init__(automaton, filters)
        self.guidance = guidance
        self.used: WithoutReplacement | None = None

    @property
    def with_replacement(self) -> bool:
        return self.used is None

    def without_replacement(self, vocab_size: int) -> Rejection:
        self.used = WithoutReplacement(self.automaton, self.filters, vocab_size)
        return self

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        for symbol in prefix:
            roots.contexts = self.guidance.after(roots.contexts, np.array(symbol))
        if self.used:
            self.used.start(roots, prefix)

    def begin_round(self) -> None:
        if self.used:
            self.used.begin_round()

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        return self.used.label_probabilities(roots, probabilities) if self.used else probabilities

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        p = prefixes.probabilities(self.filters)
        q = self.used.remaining(prefixes, new_too=True) if self.used else p
        q = q * self.guidance.of(position, prefixes.states, prefixes.contexts)
        lost = q.sum(axis=1) <= 0  # nothing is left below; the draw ends here
        q[lost] = p[lost]
        q = q / q.sum(axis=1, keepdims=True)
        picked = sample_categorical(q, uniform, group)
        with np.errstate(divide="ignore"):
            return picked, np.log(p[group, picked]) - np.log(q[group, picked])

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        if self.used:
            self.used.extend(before, parents, longer, symbols, position)
        longer.contexts = self.guidance.after(longer.contexts, symbols)

    def resample(self, prefixes: Prefixes, position: int, group: Ints, batch: DrawBatch) -> Ints:
        """Guided draws go on from prefixes in proportion to their weights, once these are uneven.

        The weight of a prefix is p over q times the chance to complete it. Systematic resampling
        (Kitagawa 1996); afterwards all draws weigh the same.
        """
        chances = self.guidance.at(position, prefixes.states, prefixes.contexts)
        logs = prefixes.log_weight + np.log(chances)
        highest = logs[group].max()
        weights = np.exp(logs - highest)[group]  # (R,)
        if weights.sum() ** 2 / (weights**2).sum() > RESAMPLE_BELOW * len(group):
            return group
        start = batch.uniforms(RESAMPLING_STREAM + position, np.arange(1))
        points = (np.arange(len(group)) + start) / len(group)
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)
        mean = highest + np.log(weights.mean())
        prefixes.log_weight = mean - logs + prefixes.log_weight  # as if each had the mean weight
        return group[np.minimum(chosen, len(group) - 1)]

    def mark_used(self, nodes: Ints) -> None:
        if self.used:
            self.used.mark_used(nodes)

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        return self.used.mass_left(roots, probabilities) if self.used else 1.0
