"""Strategies: by which probabilities the next symbol is drawn, and how finished lines change them.

Each has the interface of Rejection, so the decoder never asks which one it holds.

    Rejection            q = p: draws from the model itself and refuses what fails. Exact.
    WithoutReplacement   q = p times what is not yet used below each symbol. Exact.
    Guided               q = p times the chance to satisfy the constraints. Approximate: each line
                         has the weight p / q (importance sampling).

p is the model's probability of a symbol after filters, q the one that it is drawn by. In all
shapes R counts draws, G distinct prefixes, L labels and V symbols with the boundary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.categorical import DrawBatch, sample_categorical, sample_from_cdf
from makemore.sampling.config import Filters
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.guidance import Guidance
from makemore.sampling.prefix_tree import NONE, RemainingMass
from makemore.sampling.prefixes import Prefixes
from makemore.sampling.stratum import Stratum

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The first stream of random numbers for resampling, one a position: above all positions of a line
# and above the decoder's stream of labels, so that no number is used twice.
RESAMPLING_STREAM = 2**33
# Guided draws are resampled when their effective sample size is below this share of their number.
RESAMPLE_BELOW = 0.5


class Rejection:
    """Draws by the model's own probabilities (after filters); the interface of all strategies.

    stratum: the prefixes that lines begin with; None for all of them
    """

    exact = True  # lines follow the model's distribution among those that are allowed
    by_model_alone = True  # a table of the model, looked up, gives the same lines

    def __init__(
        self, automaton: Automaton, filters: Filters, stratum: Stratum | None = None
    ) -> None:
        self.automaton, self.filters, self.stratum = automaton, filters, stratum

    @property
    def with_replacement(self) -> bool:
        """Whether a line that was drawn may be drawn again (and is refused then)."""
        return True

    def without_replacement(self, vocab_size: int) -> Rejection:
        """Make the strategy that does the same without drawing a line twice."""
        return WithoutReplacement(self.automaton, self.filters, vocab_size, self.stratum)

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        """Register the roots: the prefix (ids) that all lines start with, once for each label."""
        if self.stratum:
            roots.inner = self.stratum.roots()

    def begin_round(self) -> None:
        """Prepare for a new round, whose draws all start at the roots."""

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        """Weigh the labels (L,) that draws begin with; all 0 where nothing is left to draw."""
        return probabilities * self.stratum.share if self.stratum else probabilities

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """Draw the next symbol of each draw: ids (R,), and log(p / q) (R,), 0 where p = q.

        group: (R,) the index of each draw's prefix; uniform: (R,) in [0, 1)
        """
        rows = prefixes.rows[group]  # (R,) rows of the cached cdfs
        picked = sample_from_cdf(prefixes.answers.reach, rows, uniform)
        if self.stratum:
            picked = self.stratum.redraw(prefixes.inner[group], picked, uniform)
        return picked, np.zeros(len(group))

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        """Register prefixes (G,) of `position` symbols: `symbols` after the prefixes `parents`."""
        if self.stratum:
            longer.inner = self.stratum.after(before.inner[parents], symbols)

    def resample(
        self, prefixes: Prefixes, position: int, group: Ints, batch: DrawBatch
    ) -> Ints | None:
        """Return the index (R,) of the draw that each draw goes on from; None: from itself."""
        return None

    def mark_used(self, nodes: Ints) -> None:
        """Exclude the lines that end at these tree nodes from later draws."""

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        """Return the model's probability, in [0, 1], of all lines not yet used and possible."""
        if roots is None or not self.stratum:
            return 1.0  # nothing is recorded as used
        return float((probabilities * self.stratum.share).sum())


class WithoutReplacement(Rejection):
    """Draws by the probability that is left below each prefix.

    A line that was drawn is taken out of a tree of prefixes, so it cannot come again, and the
    others keep their ratios.

    Paper: Shi, Bieber and Sutton 2020, Incremental Sampling Without Replacement for Sequence Models
    """

    by_model_alone = False  # draws depend on the lines before, so no fixed table has them

    def __init__(
        self, automaton: Automaton, filters: Filters, vocab_size: int,
        stratum: Stratum | None = None,
    ) -> None:  # fmt: skip
        super().__init__(automaton, filters, stratum)
        self.mass = RemainingMass(vocab_size)
        # One entry for each position of this round: parents, symbols and nodes, (G,) each. These
        # are the edges of the tree along which used mass is passed up to the roots.
        self.levels: list[tuple[Ints, Ints, Ints]] = []
        self.first_new_node = 0  # nodes from this number on were added in this round

    @property
    def with_replacement(self) -> bool:
        """Whether a line may be drawn again: never."""
        return False

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        """Add the roots to the tree."""
        super().start(roots, prefix)
        left = self._left_at_first(len(prefix), roots.states, roots.inner)
        roots.nodes = self.mass.add(roots.probabilities(self.filters), left)

    def _left_at_first(self, position: int, states: NDArray[Any], inner: Ints) -> Floats:
        """Compute what is left (n, V) where nothing was drawn yet: all that may come, or 0.

        states, inner: (n,) of the prefixes, which have `position` symbols. Of a symbol that leads
        into other strata, too, only the fraction of its own stratum is left.
        """
        left = self.automaton.allowed(position, states).astype(np.float64)
        return self.stratum.restrict(inner, left) if self.stratum else left

    def begin_round(self) -> None:
        """Note which nodes of the tree are new from here on."""
        self.first_new_node, self.levels = self.mass.size, []

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        """Weigh each label (L,) by its probability times what is left below its root."""
        return probabilities * self.mass.remaining(roots.nodes)

    def remaining(self, prefixes: Prefixes, new_too: bool = False) -> Floats:
        """Compute p of each next symbol times what is left below it: (G, V), rows not normalised.

        new_too: do so at nodes of this round, too. Unguided draws go by p alone there: the
        probability by which such a prefix was chosen still counted the impossible lines below it,
        so these must be drawn, and refused, for the others to keep their probability.
        """
        weights = prefixes.probabilities(self.filters)
        # Prefixes outside of the tree (it was full) are drawn by p alone.
        known = (prefixes.nodes != NONE) & (new_too | (prefixes.nodes < self.first_new_node))
        weights[known] *= self.mass.left[prefixes.nodes[known]]
        if self.stratum:  # at a known node it is in `left` already
            weights = self.stratum.restrict(np.where(known, NONE, prefixes.inner), weights)
        return weights

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """Draw the next symbols: ids (R,), and log weights (R,) of 0."""
        picked = sample_categorical(self.remaining(prefixes), uniform, group)
        return picked, np.zeros(len(picked))

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        """Find the longer prefixes in the tree, and add those that are new."""
        super().extend(before, parents, longer, symbols, position)
        above = before.nodes[parents]  # (G,)
        nodes = self.mass.find(above, symbols)  # (G,)
        # A child of a prefix that is outside of the tree stays outside.
        fresh = (nodes == NONE) & (above != NONE)
        left = self._left_at_first(position, longer.states[fresh], longer.inner[fresh])
        nodes[fresh] = self.mass.add(longer.probabilities(self.filters, fresh), left)
        self.mass.link(above[fresh], symbols[fresh], nodes[fresh])
        longer.nodes = nodes
        self.levels.append((above, symbols, nodes))

    def mark_used(self, nodes: Ints) -> None:
        """Exclude the lines that end at these nodes, and update all nodes above them."""
        self.mass.mark_used(nodes)
        # The longest prefixes first: a parent's sum needs the final values of its children.
        for level in reversed(self.levels):
            self.mass.propagate(*level)

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        """Sum what is left below the roots, by the probability of each label."""
        if roots is None:  # nothing was drawn by this strategy yet
            return 1.0
        return float((probabilities * self.mass.remaining(roots.nodes)).sum())


class Guided(Rejection):
    """Draws by p times the chance that the line can be completed; its weight is p / q.

    used: the tree of used lines, once most lines that are drawn are known; None before
    """

    exact = False  # weights correct the bias only as the number of draws grows
    by_model_alone = False

    def __init__(
        self, automaton: Automaton, filters: Filters, guidance: Guidance,
        stratum: Stratum | None = None,
    ) -> None:  # fmt: skip
        super().__init__(automaton, filters, stratum)
        self.guidance = guidance
        self.used: WithoutReplacement | None = None

    @property
    def with_replacement(self) -> bool:
        """Whether a line may be drawn again."""
        return self.used is None

    def without_replacement(self, vocab_size: int) -> Rejection:
        """Start a tree of used lines; the draws stay guided."""
        self.used = WithoutReplacement(self.automaton, self.filters, vocab_size, self.stratum)
        return self

    def start(self, roots: Prefixes, prefix: list[int]) -> None:
        """Compute the n-gram context after the prefix, for each label."""
        super().start(roots, prefix)
        for symbol in prefix:
            roots.contexts = self.guidance.after(roots.contexts, np.array(symbol))
        if self.used:
            self.used.start(roots, prefix)

    def begin_round(self) -> None:
        """Prepare the tree of used lines, if there is one."""
        if self.used:
            self.used.begin_round()

    def label_probabilities(self, roots: Prefixes, probabilities: Floats) -> Floats:
        """Weigh the labels (L,) that draws begin with, by what is left where that is known."""
        # The choice of a label is not guided: a mixture keeps the proportions that were requested.
        if self.used:
            return self.used.label_probabilities(roots, probabilities)
        return super().label_probabilities(roots, probabilities)

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """Draw the next symbols by q: ids (R,), and log(p / q) (R,)."""
        p = prefixes.probabilities(self.filters)  # (G, V)
        if self.stratum:  # p by the model, given that the line is in the stratum
            p = self.stratum.restrict(prefixes.inner, p)
            p /= p.sum(axis=1, keepdims=True)
        q = self.used.remaining(prefixes, new_too=True) if self.used else p
        q = q * self.guidance.of(position, prefixes.states, prefixes.contexts)  # (G, V)
        lost = q.sum(axis=1) <= 0  # (G,) nothing is left below: what is drawn now is refused
        q[lost] = p[lost]  # so that no row is divided by 0
        q = q / q.sum(axis=1, keepdims=True)
        picked = sample_categorical(q, uniform, group)  # (R,)
        # The logarithm of a probability of 0 is -inf here, and no warning.
        with np.errstate(divide="ignore"):
            return picked, np.log(p[group, picked]) - np.log(q[group, picked])

    def extend(
        self, before: Prefixes, parents: Ints, longer: Prefixes, symbols: Ints, position: int
    ) -> None:
        """Compute the n-gram contexts (G,) after one symbol more."""
        super().extend(before, parents, longer, symbols, position)
        if self.used:
            self.used.extend(before, parents, longer, symbols, position)
        longer.contexts = self.guidance.after(longer.contexts, symbols)

    def resample(
        self, prefixes: Prefixes, position: int, group: Ints, batch: DrawBatch
    ) -> Ints | None:
        """Choose the draws that draws go on from, by weight, once the weights are uneven: (R,).

        The weight of a prefix is p / q times the chance to complete it. Without this step a few
        draws would soon hold nearly all of the weight. Systematic resampling: R points at equal
        distances, with one random start (Kitagawa 1996). Afterwards all draws weigh the same.
        """
        chances = self.guidance.at(position, prefixes.states, prefixes.contexts)  # (G,)
        logs = prefixes.log_weight + np.log(chances)
        highest = logs[group].max()  # taken off before exp, which would overflow
        weights = np.exp(logs - highest)[group]  # (R,)
        # Effective sample size (Kish 1965): R for equal weights, 1 where one draw has them all.
        if weights.sum() ** 2 / (weights**2).sum() > RESAMPLE_BELOW * len(group):
            return None
        start = batch.uniforms(RESAMPLING_STREAM + position, np.arange(1))  # (1,)
        points = (np.arange(len(group)) + start) / len(group)  # (R,) sorted, in [0, 1)
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)  # (R,) draws
        mean = highest + np.log(weights.mean())
        # The chance is no part of the final weight, so it is taken off again.
        prefixes.log_weight = mean - logs + prefixes.log_weight  # as if each had the mean weight
        # The last point may lie beyond a cdf that rounding ended just below 1.
        return np.minimum(chosen, len(group) - 1)

    def mark_used(self, nodes: Ints) -> None:
        """Exclude the lines that end at these nodes, where a tree records them."""
        if self.used:
            self.used.mark_used(nodes)

    def mass_left(self, roots: Prefixes | None, probabilities: Floats) -> float:
        """Return the probability of all lines not yet used; 1 where no tree records them."""
        if self.used:
            return self.used.mass_left(roots, probabilities)
        return super().mass_left(roots, probabilities)
