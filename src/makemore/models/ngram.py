"""N-gram: counts of what followed the last symbols, smoothed by what followed fewer of them.

The one idea: a long context says much but was seldom seen, a short one says less but is reliable.
Modified Kneser-Ney takes a little off every count (a discount) and gives it to the distribution of
the context that is one symbol shorter. There a symbol counts by how many different symbols its
n-gram came after, not by how often: what only ever follows one context should not be expected in
new ones. Order 2 with add-1 is the bigram of counts.

Paper: Chen and Goodman 1998, An Empirical Study of Smoothing Techniques for Language Modeling
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError
from makemore.models.core.base import Arrays, CountModel
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.models.core.transition_table import MAX_TABLE_CELLS, TransitionTable
from makemore.options import option
from makemore.text.ragged import scatter

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


CHUNK = 2**22  # numbers in a block of dense rows: memory stays bounded for any vocabulary
PACKED = 2**63  # an n-gram with fewer possible ones is one number
FALLBACK = (0.5, 1.0, 1.5)  # discounts where too little was counted to estimate them, as in KenLM


@register("ngram")
class NGram(CountModel):
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
        return int(options.order) - 1

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options
        nothing = np.zeros(0, dtype=np.int64)
        self.hold(nothing, nothing, nothing)  # nothing counted: uniform

    def fit_counts(self, ids: NDArray[Any], offsets: Ints) -> None:
        """Count by levels: a context is the number of its one shorter suffix and the symbol before.

        So a context of any length is one number, and a level costs two sorts. A context ends where
        its line starts (one boundary before the first symbol, as KenLM has it): what is before a
        line adds nothing, and every such context has already all the history that there is.
        """
        V, order = self.vocab_size, self.options.order
        history, times, symbol = histories(ids, offsets, V, order)
        context = np.zeros_like(history)  # the number of each one's context
        contexts, ngrams, counts, n_contexts = [], [], [], 1
        for length in range(order):
            if length > 1:  # those whose history is long enough for this level
                longer = symbol(history, length - 1) != 0
                history, times, context = history[longer], times[longer], context[longer]
            if length > 0:
                codes, number = np.unique(
                    context * V + symbol(history, length), return_inverse=True
                )
                context = n_contexts + number
                n_contexts += len(codes)
                contexts.append(codes)
            codes, count = summed(context * V + symbol(history, 0), times)
            ngrams.append(codes)
            counts.append(count)
        known = np.concatenate([*contexts, np.zeros(0, dtype=np.int64)])
        self.hold(known, *self.adjust(known, np.concatenate(ngrams), np.concatenate(counts)))

    def adjust(self, contexts: Ints, ngrams: Ints, counts: Ints) -> tuple[Ints, Ints]:
        """The n-grams and counts that smoothing goes by.

        A context is whole if nothing longer was counted: it has order - 1 symbols or starts a line.
        Its n-grams keep their counts; others count the distinct symbols that they came after.
        """
        V = self.vocab_size
        whole = self.lengths(contexts) == self.options.order - 1  # (n_contexts,)
        whole[1:] |= contexts % V == 0
        kept = whole[ngrams // V]
        if self.options.smoothing == "add-k":
            return ngrams[kept], counts[kept]
        longer = ngrams[ngrams >= V]  # each of them is one symbol before the n-gram that it ends in
        suffix = contexts[longer // V - 1] // V * V + longer % V
        continued = np.bincount(np.searchsorted(ngrams, suffix), minlength=len(ngrams))
        return ngrams, np.where(kept, counts, continued)

    def lengths(self, contexts: Ints) -> Ints:
        """(n_contexts,) symbols in each context; short if the codes are no tree of this order."""
        bounds = [0, 1]  # where the contexts of each length start; number 0 is the empty one
        for _ in range(1, self.options.order):
            shorter = int(np.searchsorted(contexts, bounds[-1] * self.vocab_size))
            bounds.append(1 + shorter)
        return np.repeat(np.arange(self.options.order), np.diff(bounds))

    def hold(self, contexts: Ints, ngrams: Ints, counts: Ints) -> None:
        """Take over counts, and work out the weights that `extend` adds up.

        contexts: context i + 1 is (number of its suffix) * V + the symbol before that; sorted
        ngrams: (number of the context) * V + the next symbol; sorted
        """
        V, n_contexts = self.vocab_size, len(contexts) + 1
        self.contexts, self.ngrams, self.counts = contexts, ngrams, counts
        self.padded = np.append(contexts, -1)  # looked up past the last: no context
        # A context that was never seen has the number n_contexts, and then no n-grams.
        self.starts = np.searchsorted(ngrams, np.arange(n_contexts + 2) * V)
        context, self.symbols = np.divmod(ngrams, V)
        totals = np.bincount(context, counts, minlength=n_contexts + 1)
        self.backoff = np.ones(n_contexts + 1)  # the weight of the shorter context's distribution
        if self.options.smoothing == "add-k":
            # (count + k) / (total + k V) is count / total mixed with the uniform distribution.
            k, each = self.options.k, totals / V
            np.divide(k, k + each, out=self.backoff, where=totals > 0)
            self.weights = counts / V / (k + each[context])
        else:
            length = self.lengths(contexts)[context]
            taken = discounts(length, counts, self.options.order)[length, np.minimum(counts, 3)]
            given = np.bincount(context, taken, minlength=n_contexts + 1)
            np.divide(given, totals, out=self.backoff, where=totals > 0)
            self.weights = (counts - taken) / totals[context]
        self._states: TransitionTable | None = None  # made when they are asked for
        self.no_context = np.full((1, V), 1 / V)  # the distribution after no symbol at all
        self.extend(self.no_context, np.zeros(1, dtype=np.int64))

    def forward(self, inputs: Ints) -> Floats:
        logits = np.empty((len(inputs), self.vocab_size))  # (N, V)
        size = max(1, CHUNK // (self.vocab_size + inputs.shape[1]))
        for start in range(0, len(inputs), size):
            path, longest = self.find(inputs[start : start + size])
            # Windows that end in the same longest seen context have the same row.
            _, first, number = np.unique(longest, return_index=True, return_inverse=True)
            rows = self.no_context.repeat(len(first), axis=0)
            for contexts in path:
                self.extend(rows, contexts[first])
            with np.errstate(divide="ignore"):  # log 0 is -inf: unseen, and nothing was added
                np.take(np.log(rows), number, axis=0, out=logits[start : start + size])
        return logits

    def find(self, inputs: Ints) -> tuple[list[Ints], Ints]:
        """inputs (N, block) -> contexts (N,) of each length from 1; and the longest seen (N,)."""
        V, unseen = self.vocab_size, len(self.contexts) + 1
        if inputs.size and not 0 <= inputs.min() <= inputs.max() < V:
            raise IndexError(f"the ids of inputs are 0 to {V - 1}")
        context = longest = np.zeros(len(inputs), dtype=np.int64)
        path = []
        for length in range(1, inputs.shape[1] + 1):
            code = context * V + inputs[:, -length]
            place = np.searchsorted(self.contexts, code)
            found = self.padded[place] == code
            context = np.where(found, place + 1, unseen)
            longest = np.where(found, context, longest)
            path.append(context)
        return path, longest

    def extend(self, rows: Floats, contexts: Ints) -> None:
        """Turn rows (N, V), probabilities after shorter contexts, into those after `contexts`."""
        rows *= self.backoff[contexts][:, None]
        start = self.starts[contexts]
        length = self.starts[contexts + 1] - start
        row = np.arange(len(contexts)).repeat(length)  # (all n-grams of these contexts,)
        ngram = np.arange(len(row)) + (start - length.cumsum() + length).repeat(length)
        rows[row, self.symbols[ngram]] += self.weights[ngram]

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
        """A state is the longest context that was seen: the next one is a symbol more, or a suffix.

        Whatever begins or ends a context that was seen was seen, too. None where there is no room.
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
        suffix, oldest = np.divmod(np.insert(self.contexts, 0, 0), V)  # (S,) of each context
        begin, last = np.zeros_like(suffix), oldest.copy()  # without its last symbol; that symbol
        rows = self.no_context.repeat(S, axis=0)  # (S, V)
        for length, own in enumerate(of_length):
            if length > 1:
                last[own] = last[suffix[own]]
                codes = begin[suffix[own]] * V + oldest[own]
                begin[own] = np.searchsorted(self.contexts, codes) + 1
                if not np.array_equal(self.padded[begin[own] - 1], codes):
                    return None  # counts from a file that are not those of lines
            if length > 0:
                longer = rows[suffix[own]]
                self.extend(longer, own)
                rows[own] = longer
        after = np.zeros((S, V), dtype=np.int32)
        for own, more in zip(of_length, [*of_length[1:], of_length[0][:0]], strict=True):
            after[own] = after[suffix[own]]
            after[begin[more], last[more]] = more
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
        held = {"contexts": self.contexts, "ngrams": self.ngrams, "counts": self.counts}
        return {
            name: value.astype(np.min_scalar_type(int(value.max(initial=0))))
            for name, value in held.items()
        }

    def load_tensors(self, tensors: Arrays) -> None:
        held = ("contexts", "ngrams", "counts")
        for name in sorted(set(held) ^ tensors.keys()):
            kind = "lacks" if name in held else "holds an unknown"
            raise RunError(
                f"the weights file {kind} tensor {name!r}", "weights", "is it this model's?"
            )
        contexts, ngrams, counts = (unsigned(name, tensors[name]) for name in held)
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


def histories(
    ids: NDArray[Any], offsets: Ints, V: int, order: int
) -> tuple[Ints, Ints, Callable[[Ints, int], Ints]]:
    """Every target with its history as one number, how often it stands there, and how to read it.

    The last gives the symbols that stand so far before the targets, or for 0 the targets.
    """
    targets = np.zeros(order + len(ids) + len(offsets) - 1, dtype=ids.dtype)
    # Each line and its end. The first line stands after ends, too: boundaries, as at the start.
    scatter(ids, offsets, order + offsets[:-1] + np.arange(len(offsets) - 1), targets)
    if V**order < PACKED:
        # Equal n-grams are counted before all else: of 10^8 symbols of names a tenth is left.
        grams, times = count_packed(targets, V, order)
        return grams, times, lambda grams, length: grams // V ** ((order - length) % order) % V
    places = np.arange(order, len(targets))
    return places, np.ones_like(places), lambda at, length: targets[at - length].astype(np.int64)


def count_packed(targets: NDArray[Any], V: int, order: int) -> tuple[Ints, Ints]:
    """The distinct n-grams of all targets but the first `order`, sorted, and how often each is.

    A number in base V: the symbol before the target, those before it back to the line's start,
    zeros from there on, and last the target. So contexts with one suffix stand together.
    """
    grams, times = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for start in range(order, len(targets), CHUNK):
        stop = min(start + CHUNK, len(targets))
        codes, inside = np.zeros(stop - start, dtype=np.int64), np.ones(stop - start, dtype=bool)
        for length in range(1, order):
            symbols = targets[start - length : stop - length] * inside
            inside = symbols != 0
            codes *= V
            codes += symbols
        codes *= V
        codes += targets[start:stop]
        found, count = np.unique(codes, return_counts=True)
        grams, times = summed(np.append(grams, found), np.append(times, count))
    return grams, times


def summed(codes: Ints, times: Ints) -> tuple[Ints, Ints]:
    """The distinct codes, sorted, and the sum of the times of each."""
    order = np.argsort(codes, kind="stable")  # fast where parts are in order already
    codes = codes[order]
    first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    return codes[first], np.add.reduceat(times[order], first) if len(first) else times


def unsigned(name: str, found: NDArray[Any]) -> Ints:
    """A tensor (n,) of unsigned numbers as int64. Raises RunError if it is anything else."""
    if found.ndim != 1 or found.dtype.kind != "u":
        shape = list(found.shape)
        raise RunError(f"tensor {name!r} is {found.dtype}{shape}, expected uint[n]", "weights")
    if int(found.max(initial=0)) > 2**53:  # up to there a float is exact
        raise RunError(f"tensor {name!r} holds a number above 2**53", "weights")
    return found.astype(np.int64)


def discounts(length: Ints, counts: Ints, order: int) -> Floats:
    """(order, 4): what is taken off a count of 1, 2, 3 or more, by the length of the context.

    Estimated from n1..n4, how many n-grams of that length were counted once to four times.
    """
    of_counts = np.bincount(length * 6 + np.minimum(counts, 5), minlength=order * 6)
    n = of_counts.reshape(order, 6)[:, 1:5]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = n[:, :1] / (n[:, :1] + 2 * n[:, 1:2])
        times = np.arange(1, 4)
        estimate = times - (times + 1) * scale * n[:, 1:] / n[:, :-1]  # (order, 3)
    # Usable ones are above 0 and at most the count: no probability is 0, and none is negative.
    usable = (np.column_stack([n, estimate]) > 0).all(axis=1, keepdims=True)
    return np.column_stack([np.zeros(order), np.where(usable, estimate, FALLBACK)])
