"""Decoder: draws lines symbol by symbol, many together, and computes each distinct prefix once.

Draws that have the same symbols so far share one prefix: thousands of names begin with at most 26
different letters, so the model's second step has 26 rows and not thousands. The strategy
(strategies.py) says by which probabilities the next symbol is drawn. The decoder drops a draw only
where no allowed line can follow; sampler.py chooses among the finished lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core.base import log_softmax
from makemore.models.core.prefix_trie import distinct_edges
from makemore.models.core.state import select
from makemore.sampling.categorical import DrawBatch, sample_categorical
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.filters import apply_filters
from makemore.sampling.guidance import Guidance
from makemore.sampling.prefix_shares import PrefixShares
from makemore.sampling.prefix_tree import NONE, PrefixCache
from makemore.sampling.prefixes import Prefixes
from makemore.sampling.results import Completions
from makemore.sampling.strategies import Guided, Rejection
from makemore.sampling.stratum import TreeProbabilities
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# The stream of random numbers that choose a draw's label. The other streams are numbered by the
# position in the line, and no line is this long: no number is used twice.
LABEL_STREAM = 2**32


class Decoder:
    """Draws lines from a model under an automaton, by the probabilities of a strategy.

    prefix: ids that every line starts with
    labels: first input (a label's id, or the boundary) -> probability that a draw begins with it
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, automaton: Automaton, options: SamplingConfig,
        prefix: list[int], labels: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.cache = PrefixCache(model, options)
        self.options, self.prefix = options, prefix
        self.labels = labels or {BOUNDARY: 1.0}  # a model without labels reads the boundary first
        self.strategy: Rejection = Rejection(automaton, options)
        # Computed with the first draw and used again in every round: all lines start from here.
        self.roots: Prefixes | None = None
        self.position = 0  # symbols of the draws that are being made: how far a round is

    def anew(self, options: SamplingConfig) -> Decoder:
        """Make a decoder of the same model and constraints that has drawn nothing yet."""
        return Decoder(
            self.model, self.vocabulary, self.automaton, options, self.prefix, self.labels
        )

    def sample_without_replacement(self) -> None:
        """Change the strategy: from the next round on, no line is drawn twice."""
        self.use(self.strategy.without_replacement(len(self.vocabulary)))

    def use(self, strategy: Rejection) -> None:
        """Change the strategy, from the next round on."""
        # The roots hold node numbers of the strategy's tree, and the new strategy has a new tree.
        self.strategy, self.roots = strategy, None

    def probabilities_in(self, tree: PrefixShares) -> TreeProbabilities:
        """Compute the probabilities of the next symbol at all nodes of a tree, level by level.

        The answers stay in the cache, as draws that begin with these prefixes come by.
        """
        prefixes = self._begin()
        L, N = len(prefixes), len(tree.child)
        probs = np.zeros((L, N, len(self.vocabulary)))
        levels = list(zip(tree.levels[:-1], tree.levels[1:], strict=True))
        for depth, (first, after) in enumerate(levels):
            if depth:
                # (L, G): the row of each node's parent, which has as many rows for each label
                width = first - levels[depth - 1][0]
                rows = np.arange(L)[:, None] * width + tree.parents[first:after] - first + width
                symbols = np.tile(tree.symbols[first:after], L)
                prefixes, _ = self._extend(
                    prefixes, tree.skip + depth - 1, rows.ravel(), symbols, np.zeros(rows.size)
                )
            p = prefixes.probabilities(self.options)  # (L * G, V)
            probs[:, first:after] = p.reshape(L, after - first, -1)
        return TreeProbabilities(tree, probs, np.array(list(self.labels.values())))

    def guide(self, train: Corpus) -> None:
        """Change the strategy to guided draws, by an n-gram of the lines of `train`."""
        # The n-gram's probabilities pass the same filters (temperature, top-k) as the model's.
        guidance = Guidance(
            self.automaton, self.vocabulary, train,
            lambda logits: apply_filters(logits, self.options),
        )  # fmt: skip
        self.use(Guided(self.automaton, self.options, guidance, self.strategy.stratum))

    def mark_used(self, nodes: Ints) -> None:
        """Exclude the lines that end at these tree nodes from later draws without replacement."""
        self.strategy.mark_used(nodes)

    def mass_left(self) -> float:
        """Return the model's probability, in [0, 1], of all lines not yet used and possible."""
        if self.roots is None:  # before the first round nothing is used
            return 1.0
        return self.strategy.mass_left(self.roots, self._label_probabilities(self.roots))

    def _label_probabilities(self, roots: Prefixes) -> Floats:
        """Return the probability (L,) of each root's label."""
        return np.array([self.labels[int(label)] for label in roots.label])

    def _begin(self) -> Prefixes:
        """Compute the prefix that all lines start with: L rows, one for each label."""
        labels = np.array(list(self.labels), dtype=np.int64)  # (L,)
        state, nll = self.model.initial_state(len(labels)), np.zeros(len(labels))
        logits, state = self.model.step(labels, state)  # (L, V)
        states = np.zeros(len(labels), dtype=np.int64)  # (L,) an automaton starts in state 0
        # The symbols of --prefix are read, not drawn; their nll belongs to the line all the same.
        for symbol in self.prefix:
            nll -= log_softmax(logits)[:, symbol]
            logits, state = self.model.step(np.full(len(labels), symbol), state)
            states = self.automaton.next[states, symbol].astype(np.int64)
        roots = Prefixes(
            ids=np.tile(np.array(self.prefix, dtype=np.int64), (len(labels), 1)),
            state=state, answers=self.cache.begin(logits), rows=np.arange(len(labels)), nll=nll,
            label=labels, states=states, nodes=np.full(len(labels), NONE),
            inner=np.full(len(labels), NONE),
            contexts=np.zeros_like(labels), log_weight=np.zeros(len(labels)),
        )  # fmt: skip
        self.strategy.start(roots, self.prefix)
        return roots

    def draw(self, batch: DrawBatch) -> list[Completions]:
        """Draw the lines of a batch, symbol by symbol; return the finished ones by length."""
        if self.roots is None:
            self.roots = self._begin()
        strategy, prefixes, finished = self.strategy, self.roots, list[Completions]()
        strategy.begin_round()
        labels = strategy.label_probabilities(prefixes, self._label_probabilities(prefixes))  # (L,)
        if labels.sum() == 0:  # nothing is left that could be drawn
            return []
        rows = np.arange(batch.bounds[-1])  # (R,) the draws that are not finished yet
        ancestors = rows  # (R,) the draw that each has its first symbols from: it, until resampled
        group = first_of(labels, batch, rows)  # (R,) the index of each draw's prefix
        for position in range(len(self.prefix), self.automaton.max_length + 1):
            self.position = position
            uniform = batch.uniforms(position, rows)  # (R,) in [0, 1)
            picked, log_weight = strategy.choose(prefixes, position, group, uniform)  # (R,), (R,)
            alive = self.automaton.allowed(position, prefixes.states)[group, picked]  # (R,) bool
            for ends, capped in self._ends(prefixes, position, group, picked, alive):
                done = self._end(prefixes, group[ends], rows[ends], log_weight[ends], capped)
                done.ancestors = ancestors[ends]
                finished.append(done)
            # A draw that is neither alive nor finished is refused: it is in no result.
            on = alive & (picked != BOUNDARY)
            rows, ancestors = rows[on], ancestors[on]  # R is smaller from here on
            if not len(rows):
                break
            prefixes, group = self._extend(
                prefixes, position, group[on], picked[on], log_weight[on]
            )
            # Guided draws whose weights have become uneven are chosen anew among themselves.
            chosen = strategy.resample(prefixes, position + 1, group, batch)
            if chosen is not None:
                group, ancestors = group[chosen], ancestors[chosen]
        return finished

    def _ends(
        self, prefixes: Prefixes, position: int, group: Ints, picked: Ints,
        alive: NDArray[np.bool_],
    ) -> Iterator[tuple[NDArray[np.bool_], bool]]:  # fmt: skip
        """Yield masks (R,) of the draws that end at this position, and whether they were cut."""
        last = position == self.automaton.max_length
        # With --all a line that is still going on at the cap is shown, marked as cut, if the
        # constraints let it end there. Without --all it is refused: its end is not the model's.
        if last and self.automaton.cuts and self.options.all:
            cut = (picked != BOUNDARY) & self.automaton.may_end(position, prefixes.states)[group]
            if cut.any():
                yield cut, True
        ends = alive & (picked == BOUNDARY)
        if ends.any():
            yield ends, False

    def _end(
        self, prefixes: Prefixes, group: Ints, rows: Ints, log_weight: Floats, capped: bool
    ) -> Completions:
        """Group the draws (R,) that end here by their prefix: n distinct lines, with their nll."""
        # ended (n,) prefixes; first (n,) one draw of each; which (R,) the line of each draw
        ended, first, which = np.unique(group, return_index=True, return_inverse=True)
        # The end is a symbol, too: its -log p is part of the line's nll, in nats.
        nll = prefixes.nll[ended] - prefixes.answers.logs[prefixes.rows[ended], BOUNDARY]
        return Completions(
            prefixes.ids[ended], nll, prefixes.label[ended], prefixes.nodes[ended],
            prefixes.log_weight[ended] + log_weight[first], rows, which, capped,
        )  # fmt: skip

    def _extend(
        self, prefixes: Prefixes, position: int, group: Ints, picked: Ints, log_weight: Floats
    ) -> tuple[Prefixes, Ints]:
        """Append the drawn symbols: the G distinct longer prefixes, and (R,) the one of each draw.

        They are in the order of their first draws. Draws at prefix `an` that picked n, a, n give
        the prefixes `ann`, `ana` and the indices 0, 1, 0.
        """
        edges = distinct_edges(group, picked, len(self.vocabulary))
        # (G,) from the order of codes to that of draws
        order = np.argsort(edges.first, kind="stable")
        rank = np.empty_like(order)  # the inverse permutation of `order`
        rank[order] = np.arange(len(order))
        parents, symbols = edges.parents[order], edges.inputs[order]  # (G,), (G,)
        nll = prefixes.nll[parents] - prefixes.answers.logs[prefixes.rows[parents], symbols]
        # `position` symbols and the boundary (or label) before them were inputs so far.
        answers, rows, state = self.cache.step(
            position + 1, prefixes.rows[parents], symbols, select(prefixes.state, parents)
        )
        states = self.automaton.next[prefixes.states[parents], symbols].astype(np.int64)
        longer = Prefixes(
            ids=np.column_stack([prefixes.ids[parents], symbols]), state=state, answers=answers,
            rows=rows, nll=nll, label=prefixes.label[parents], states=states,
            nodes=np.full(len(order), NONE), inner=np.full(len(order), NONE),
            contexts=prefixes.contexts[parents],
            # The weight is p / q: the model's probability, by that which drew it. All draws of a
            # prefix have the same, so the first one's is taken.
            log_weight=prefixes.log_weight[parents] + log_weight[edges.first[order]],
        )  # fmt: skip
        self.strategy.extend(prefixes, parents, longer, symbols, position + 1)
        return longer, rank[edges.edge_of_row]


def first_of(probabilities: Floats, batch: DrawBatch, rows: Ints) -> Ints:
    """Draw the label that each draw begins with: probabilities (L,) -> indices (R,) below L."""
    if len(probabilities) == 1:  # no random numbers are needed
        return np.zeros_like(rows)
    uniform = batch.uniforms(LABEL_STREAM, rows)
    return sample_categorical(probabilities[None], uniform, np.zeros_like(rows))
