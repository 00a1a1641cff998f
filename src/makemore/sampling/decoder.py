"""Decoder: draws lines symbol by symbol, many together, each distinct prefix computed once.

A strategy says by which probabilities. Nothing is refused here but what no constraint lets through:
what ends, and how many draws came to each line, is for sampler.py to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core.base import log_softmax
from makemore.models.core.state import select
from makemore.sampling.categorical import DrawBatch, sample_categorical
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.filters import apply_filters
from makemore.sampling.guidance import Guidance
from makemore.sampling.prefix_tree import NONE, PrefixCache
from makemore.sampling.prefixes import Prefixes
from makemore.sampling.results import Completions
from makemore.sampling.strategies import Guided, Rejection
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


LABEL_STREAM = 2**32  # of random numbers that are no symbol's


class Decoder:
    """Draws lines from a model, under an automaton, by a strategy.

    prefix: ids that every line starts with; labels: first input -> share of the draws
    """

    def __init__(
        self, model: Model, vocabulary: Vocabulary, automaton: Automaton, options: SamplingConfig,
        prefix: list[int], labels: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.cache = PrefixCache(model, options)
        self.options, self.prefix = options, prefix
        self.labels = labels or {BOUNDARY: 1.0}
        self.strategy: Rejection = Rejection(automaton, options)
        self.roots: Prefixes | None = None

    def sample_without_replacement(self) -> None:
        """From now on no line is drawn twice: draws go by what is left below each prefix."""
        self.strategy = self.strategy.without_replacement(len(self.vocabulary))
        self.roots = None  # what is known of them is of the strategy before

    def guide(self, train: Corpus) -> None:
        """From now on draws are guided, by an n-gram of these lines."""
        guidance = Guidance(
            self.automaton, self.vocabulary, train,
            lambda logits: apply_filters(logits, self.options),
        )  # fmt: skip
        self.strategy, self.roots = Guided(self.automaton, self.options, guidance), None

    def mark_used(self, nodes: Ints) -> None:
        """The lines that end after these nodes are not to be drawn again, where that is known."""
        self.strategy.mark_used(nodes)

    def mass_left(self) -> float:
        """The share of the model's probability that is neither used up nor impossible."""
        if self.roots is None:
            return 1.0
        return self.strategy.mass_left(self.roots, self._label_probabilities(self.roots))

    def _label_probabilities(self, roots: Prefixes) -> Floats:
        return np.array([self.labels[int(label)] for label in roots.label])

    def _begin(self) -> Prefixes:
        """The prefix that all lines start with, once for each label."""
        labels = np.array(list(self.labels), dtype=np.int64)
        state, nll = self.model.initial_state(len(labels)), np.zeros(len(labels))
        logits, state = self.model.step(labels, state)
        states = np.zeros(len(labels), dtype=np.int64)
        for symbol in self.prefix:
            nll -= log_softmax(logits)[:, symbol]
            logits, state = self.model.step(np.full(len(labels), symbol), state)
            states = self.automaton.next[states, symbol].astype(np.int64)
        roots = Prefixes(
            ids=np.tile(np.array(self.prefix, dtype=np.int64), (len(labels), 1)),
            state=state, answers=self.cache.begin(logits), rows=np.arange(len(labels)), nll=nll,
            label=labels, states=states, nodes=np.full(len(labels), NONE),
            contexts=np.zeros_like(labels), log_weight=np.zeros(len(labels)),
        )  # fmt: skip
        self.strategy.start(roots, self.prefix)
        return roots

    def draw(self, batch: DrawBatch) -> list[Completions]:
        """Draw the lines of a batch, all symbol by symbol; gives what ended, by length."""
        if self.roots is None:
            self.roots = self._begin()
        strategy, open_, finished = self.strategy, self.roots, list[Completions]()
        strategy.begin_round()
        labels = strategy.label_probabilities(open_, self._label_probabilities(open_))
        if labels.sum() == 0:  # nothing is left that could be drawn
            return []
        rows = np.arange(batch.bounds[-1])  # of the draws that are still going on
        group = first_of(labels, batch, rows)  # the prefix that each of them stands at
        for position in range(len(self.prefix), self.automaton.max_length + 1):
            uniform = batch.uniforms(position, rows)
            picked, log_weight = strategy.choose(open_, position, group, uniform)
            alive = self.automaton.allowed(position, open_.states)[group, picked]
            for ends, capped in self._ends(open_, position, group, picked, alive):
                finished.append(self._end(open_, group[ends], rows[ends], log_weight[ends], capped))
            on = alive & (picked != BOUNDARY)
            rows = rows[on]
            if not len(rows):
                break
            open_, group = self._extend(open_, position, group[on], picked[on], log_weight[on])
            group = strategy.resample(open_, position + 1, group, batch)
        return finished

    def _ends(
        self, open_: Prefixes, position: int, group: Ints, picked: Ints, alive: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.bool_], bool]]:
        """Which draws (R,) end here, and whether they were capped: shown as what they are."""
        last = position == self.automaton.max_length
        if last and self.automaton.cuts and self.options.all:
            cut = (picked != BOUNDARY) & self.automaton.may_end(position, open_.states)[group]
            if cut.any():
                yield cut, True
        ends = alive & (picked == BOUNDARY)
        if ends.any():
            yield ends, False

    def _end(
        self, open_: Prefixes, group: Ints, rows: Ints, log_weight: Floats, capped: bool
    ) -> Completions:
        """The lines that end, each distinct one once, and the draws that came to it."""
        ended, first, which = np.unique(group, return_index=True, return_inverse=True)
        nll = open_.nll[ended] - open_.answers.logs[open_.rows[ended], BOUNDARY]
        return Completions(
            open_.ids[ended], nll, open_.label[ended], open_.nodes[ended],
            open_.log_weight[ended] + log_weight[first], rows, which, capped,
        )  # fmt: skip

    def _extend(
        self, open_: Prefixes, position: int, group: Ints, picked: Ints, log_weight: Floats
    ) -> tuple[Prefixes, Ints]:
        """The prefixes that are one symbol longer, in the order of their first draws; and (R,)
        the one of each draw."""
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
            position + 1, open_.rows[parents], symbols, select(open_.state, parents)
        )
        states = self.automaton.next[open_.states[parents], symbols].astype(np.int64)
        longer = Prefixes(
            ids=np.column_stack([open_.ids[parents], symbols]), state=state, answers=answers,
            rows=rows, nll=nll, label=open_.label[parents], states=states,
            nodes=np.full(len(order), NONE), contexts=open_.contexts[parents],
            log_weight=open_.log_weight[parents] + log_weight[first[order]],
        )  # fmt: skip
        self.strategy.extend(open_, parents, longer, symbols, position + 1)
        return longer, rank[inverse]


def first_of(probabilities: Floats, batch: DrawBatch, rows: Ints) -> Ints:
    """(R,) which of the labels, by their probabilities, each draw begins with."""
    if len(probabilities) == 1:
        return np.zeros_like(rows)
    uniform = batch.uniforms(LABEL_STREAM, rows)
    return sample_categorical(probabilities[None], uniform, np.zeros_like(rows))
