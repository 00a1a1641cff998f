"""N-gram: counts of what followed the last symbols, smoothed by what followed fewer of them.

The one idea: a long context says much but was seldom seen, a short one says less but is reliable.
Modified Kneser-Ney takes a little off every count (a discount) and gives it to the distribution of
the context that is one symbol shorter:

    p(w | context) = (count - discount) / total + backoff(context) * p(w | shorter context)

In the shorter context an n-gram counts by how many different symbols it came after, not by how
often: of words, "Francisco" is frequent, but only after "San": not to be expected elsewhere.
Order 2 with add-1 is the bigram of counts (makemore part 1).

Paper: Chen and Goodman 1998, An Empirical Study of Smoothing Techniques for Language Modeling
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError
from makemore.models.core.base import Arrays, CountModel
from makemore.models.core.gram_codes import GramCodes
from makemore.models.core.gram_counts import GramCounts
from makemore.models.core.gram_levels import GramLevels
from makemore.models.core.prefix_trie import NEW, START, PrefixTrie
from makemore.models.core.registry import register
from makemore.models.core.sorted_runs import Run
from makemore.models.core.state import State
from makemore.models.core.transition_table import MAX_TABLE_CELLS, TransitionTable
from makemore.options import option
from makemore.parallel import default_threads, thread_pool

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


CHUNK = 2**22  # numbers in a block of dense rows: memory stays bounded for any vocabulary
FALLBACK = (0.5, 1.0, 1.5)  # discounts where too little was counted to estimate them, as in KenLM


@register("ngram")
class NGram(CountModel):
    """Predicts the next symbol from counts of what followed the last order - 1 symbols.

    Inputs (N, block_size) -> log-probabilities (N, V). Contexts are the nodes of a prefix trie that
    is read backwards: node 0 is the empty context, and "em" is the child of "m" by e. So a context
    of any length is one integer. Node i + 1 has the code contexts[i]: its suffix's node * V + its
    first symbol.

    contexts: (n_contexts - 1,) sorted codes of all contexts that were seen, but the empty one
    ngrams: (n_ngrams,) sorted codes, (node of the context) * V + the next symbol
    counts: (n_ngrams,) how often each n-gram was seen, as smoothing goes by it
    """

    @dataclass(frozen=True)
    class Options:
        order: int = option(6, "symbols of an n-gram: context and the next", minimum=1, maximum=64)
        smoothing: str = option(
            "kneser-ney", "how counts become probabilities", choices=("kneser-ney", "add-k")
        )
        k: float = option(1.0, "add-k: what is added to each count", minimum=0.0)

    input_kind = "window"
    recipe = {}

    @classmethod
    def context_for(cls, options: Any, longest: int) -> int:
        # An n-gram of order n is n - 1 symbols of context and the next symbol.
        return int(options.order) - 1

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options
        empty = np.zeros(0, dtype=np.int64)
        self.hold(empty, empty, empty)  # nothing counted: uniform

    def fit_counts(self, ids: NDArray[Any], offsets: Ints) -> None:
        """Count the n-grams of all orders up to `order`: ids (n_symbols,), offsets (n_lines + 1,).

        Equal n-grams of full order are counted first: of 10^8 symbols of names a tenth is left. One
        pass over them in sorted order gives the shorter ones (core/gram_levels.py). A context goes
        back to the start of its line at most, where it holds one boundary, as in KenLM.
        """
        with thread_pool(default_threads()):
            grams = GramCounts(self.vocab_size, self.options.order)
            grams.add(ids, offsets)
            columns = self.levels_of(grams.merged()).columns()
            del grams  # its arrays are as large as the model's
        self.hold(*(columns[name].array() for name in ("contexts", "ngrams", "counts")))

    def levels_of(self, grams: Iterable[Run], folder: Path | None = None) -> GramLevels:
        """Derive the n-grams of all orders from those of full order, sorted, and their counts.

        folder: for what memory need not hold; None: it does
        """
        codes = GramCodes(self.vocab_size, self.options.order)
        # Add-k never looks at a context that is shorter than it could be.
        levels = GramLevels(codes, self.options.smoothing == "kneser-ney", folder)
        for block in grams:
            levels.add(block)
        levels.finish()
        return levels

    def lengths(self, contexts: Ints) -> Ints:
        """Compute the length of each context, (n_contexts,) symbols, from the codes (sorted).

        Fewer than n_contexts if the codes, from a damaged file, form no tree of this order.
        """
        bounds = [0, 1]  # where the contexts of each length start; node 0 is the empty one
        # A context is one symbol longer than its suffix: the contexts up to this length are those
        # whose suffix is a node below the last bound.
        for _ in range(1, self.options.order):
            shorter = int(np.searchsorted(contexts, bounds[-1] * self.vocab_size))
            bounds.append(1 + shorter)
        return np.repeat(np.arange(self.options.order), np.diff(bounds))

    def hold(self, contexts: Ints, ngrams: Ints, counts: Ints) -> None:
        """Store counts, and compute the weights that `extend` adds up; arguments as in the class.

        p(w | context) is backoff[context] * p(w | shorter context), plus weights[n-gram] if seen.
        """
        V, n_contexts = self.vocab_size, len(contexts) + 1
        self.contexts, self.ngrams, self.counts = contexts, ngrams, counts
        self.trie = PrefixTrie(contexts, V)
        # N-grams of context c are starts[c] to starts[c + 1]. A context that was never seen has the
        # node n_contexts, and no n-grams.
        self.starts = np.searchsorted(ngrams, np.arange(n_contexts + 2) * V)
        context, self.symbols = np.divmod(ngrams, V)
        totals = np.bincount(context, counts, minlength=n_contexts + 1)  # (n_contexts + 1,)
        # 1 where nothing was counted: the shorter context's distribution stays as it is.
        self.backoff = np.ones(n_contexts + 1)  # the weight of the shorter context's distribution
        if self.options.smoothing == "add-k":
            # (count + k) / (total + k V) is count / total mixed with the uniform distribution.
            k, each = self.options.k, totals / V
            np.divide(k, k + each, out=self.backoff, where=totals > 0)
            self.weights = counts / V / (k + each[context])
        else:
            length = self.lengths(contexts)[context]  # (n_ngrams,)
            discount = discounts(length, counts, self.options.order)[length, np.minimum(counts, 3)]
            # All that a context's n-grams lose goes to the shorter one: the sum stays 1.
            removed = np.bincount(context, discount, minlength=n_contexts + 1)
            np.divide(removed, totals, out=self.backoff, where=totals > 0)
            self.weights = (counts - discount) / totals[context]
        self._states: TransitionTable | None = None  # computed by the first transition_table
        # The empty context backs off to the uniform distribution: unseen symbols get a little.
        self.no_context = np.full((1, V), 1 / V)
        self.extend(self.no_context, np.zeros(1, dtype=np.int64))

    def forward(self, inputs: Ints) -> Floats:
        logits = np.empty((len(inputs), self.vocab_size))  # (N, V)
        size = max(1, CHUNK // (self.vocab_size + inputs.shape[1]))
        for start in range(0, len(inputs), size):
            path, longest = self.find(inputs[start : start + size])
            # Windows that end in the same longest seen context have the same row: computed once.
            _, first, row_of = np.unique(longest, return_index=True, return_inverse=True)
            rows = self.no_context.repeat(len(first), axis=0)  # (distinct contexts, V)
            for contexts in path:
                self.extend(rows, contexts[first])
            with np.errstate(divide="ignore"):  # log 0 is -inf: unseen, and nothing was added
                np.take(np.log(rows), row_of, axis=0, out=logits[start : start + size])
        return logits

    def find(self, inputs: Ints) -> tuple[list[Ints], Ints]:
        """Look up the contexts that windows end in.

        inputs (N, block) -> a list with their nodes (N,) for length 1, 2, and so on; and (N,) the
        node of the longest that was seen, 0 if there is none
        """
        V, unseen = self.vocab_size, len(self.contexts) + 1
        if inputs.size and not 0 <= inputs.min() <= inputs.max() < V:
            raise IndexError(f"the ids of inputs are 0 to {V - 1}")
        node = longest = np.full(len(inputs), START)
        path = []
        for length in range(1, inputs.shape[1] + 1):
            node = self.trie.step(node, inputs[:, -length])  # once unseen, longer ones are, too
            longest = np.where(node == NEW, longest, node)
            path.append(np.where(node == NEW, unseen, node))
        return path, longest

    def extend(self, rows: Floats, contexts: Ints) -> None:
        """Interpolate with contexts one symbol longer, in place: one level of the recursion.

        rows (N, V): probabilities after the shorter contexts; contexts (N,): the longer ones
        """
        rows *= self.backoff[contexts][:, None]
        start = self.starts[contexts]
        length = self.starts[contexts + 1] - start  # (N,) how many symbols were seen after each
        # Add all weights at once: `row` says for each n-gram of these contexts whose it is, `ngram`
        # where it stands in self.ngrams (start, start + 1, ... for each context).
        row = np.arange(len(contexts)).repeat(length)  # (all n-grams of these contexts,)
        ngram = np.arange(len(row)) + (start - length.cumsum() + length).repeat(length)
        rows[row, self.symbols[ngram]] += self.weights[ngram]

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
        """Tabulate the model: its states are the contexts that were seen, S of them.

        The state is always the longest context seen: after one more symbol, that context and the
        symbol if it was seen, else the longest suffix that was. None if S * V is above `most`.
        """
        if (len(self.contexts) + 1) * self.vocab_size > most:
            return None
        if self._states is None:
            self._states = self._all_states()
        return self._states

    def _all_states(self) -> TransitionTable | None:
        V, S = self.vocab_size, len(self.contexts) + 1
        lengths = self.lengths(self.contexts)  # (S,) ascending
        of_length = [np.flatnonzero(lengths == length) for length in range(self.options.order)]
        # Of each context, (S,): its suffix and its first symbol, which its code holds ...
        suffix, oldest = np.divmod(np.insert(self.contexts, 0, 0), V)
        # ... and its prefix (all but the last symbol) and its last symbol, worked out below.
        prefix, last = np.zeros_like(suffix), oldest.copy()
        rows = self.no_context.repeat(S, axis=0)  # (S, V)
        for length, states in enumerate(of_length):
            if length > 1:
                # The prefix of "emm", "em", is "e" and the prefix of its suffix "mm".
                last[states] = last[suffix[states]]
                prefix[states] = self.trie.step(prefix[suffix[states]], oldest[states])
                if (prefix[states] == NEW).any():
                    return None  # counts from a file that are not those of lines
            if length > 0:
                probabilities = rows[suffix[states]]
                self.extend(probabilities, states)
                rows[states] = probabilities
        after = np.zeros((S, V), dtype=np.int32)
        for states, longer in zip(of_length, [*of_length[1:], of_length[0][:0]], strict=True):
            # By default a context goes where its suffix goes; to a longer one where that was seen.
            after[states] = after[suffix[states]]
            after[prefix[longer], last[longer]] = longer
        with np.errstate(divide="ignore"):
            return TransitionTable(np.log(rows, out=rows), after, {0: int(after[0, 0])}, {0: 0})

    def initial_state(self, batch: int) -> State:
        return np.zeros((batch, self.block_size), dtype=np.int64)  # (B, block)

    def step(self, ids: Ints, state: State) -> tuple[Floats, State]:
        window = np.concatenate([state, ids[:, None]], axis=1)[:, 1:]  # (B, block)
        return self.forward(window), window

    @property
    def n_parameters(self) -> int:
        return len(self.ngrams)

    def tensors(self) -> Arrays:
        arrays = {"contexts": self.contexts, "ngrams": self.ngrams, "counts": self.counts}
        return {  # in the smallest unsigned type that fits: most counts are small
            name: value.astype(np.min_scalar_type(int(value.max(initial=0))))
            for name, value in arrays.items()
        }

    def load_tensors(self, tensors: Arrays) -> None:
        expected = ("contexts", "ngrams", "counts")
        for name in sorted(set(expected) ^ tensors.keys()):
            kind = "lacks" if name in expected else "holds an unknown"
            raise RunError(
                f"the weights file {kind} tensor {name!r}", "weights", "is it this model's?"
            )
        contexts, ngrams, counts = (unsigned(name, tensors[name]) for name in expected)
        # The file may be damaged: each array that is looked up in must be sorted and in range.
        for name, codes in (("contexts", contexts), ("ngrams", ngrams)):
            if not (codes[1:] > codes[:-1]).all():
                raise RunError(f"tensor {name!r} is not sorted", "weights")
        n_contexts = len(contexts) + 1
        if len(self.lengths(contexts)) != n_contexts:
            raise RunError(f"tensor 'contexts' is no tree of order {self.options.order}", "weights")
        if ngrams.max(initial=0) >= n_contexts * self.vocab_size:
            raise RunError("tensor 'ngrams' holds an unknown context", "weights")
        if len(counts) != len(ngrams) or not counts.all():
            raise RunError("tensor 'counts' is not one count, 1 or more, an n-gram", "weights")
        self.hold(contexts, ngrams, counts)


def unsigned(name: str, array: NDArray[Any]) -> Ints:
    """Convert a tensor (n,) of unsigned integers to int64. Raises RunError for anything else."""
    if array.ndim != 1 or array.dtype.kind != "u":
        shape = list(array.shape)
        raise RunError(f"tensor {name!r} is {array.dtype}{shape}, expected uint[n]", "weights")
    if int(array.max(initial=0)) > 2**53:  # up to there a float is exact
        raise RunError(f"tensor {name!r} holds a number above 2**53", "weights")
    return array.astype(np.int64)


def discounts(length: Ints, counts: Ints, order: int) -> Floats:
    """Estimate the discounts (order, 4) of counts 0, 1, 2, 3 or more, by the context's length.

    length, counts: (n_ngrams,) of each n-gram. From n1 to n4, how many n-grams of a length were
    counted once to four times: discount(k) = k - (k + 1) * n1 / (n1 + 2 * n2) * n(k + 1) / n(k),
    after Chen and Goodman 1998.
    """
    # A table of (length, count from 0 to 5 and more), flat.
    of_counts = np.bincount(length * 6 + np.minimum(counts, 5), minlength=order * 6)
    n = of_counts.reshape(order, 6)[:, 1:5]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = n[:, :1] / (n[:, :1] + 2 * n[:, 1:2])  # (order, 1)
        times = np.arange(1, 4)
        estimate = times - (times + 1) * scale * n[:, 1:] / n[:, :-1]  # (order, 3)
    # Usable ones are above 0 and at most the count: no probability is 0, and none is negative.
    usable = (np.column_stack([n, estimate]) > 0).all(axis=1, keepdims=True)
    return np.column_stack([np.zeros(order), np.where(usable, estimate, FALLBACK)])
