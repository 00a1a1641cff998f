"""Guidance: the chance that a line can still satisfy its constraints, by a small n-gram.

Drawing from a model and refusing what fails is exact, but slow where few lines pass. A guided draw
multiplies the probability of each symbol by the chance that the constraints are satisfied after it.
The chances are backward messages, as in a hidden Markov model: sums over all continuations,
computed from the last position to the first, over the automaton's states and an n-gram's contexts.
Guided draws favour some lines; each line's weight, p by the model over q by the guided draws,
corrects that.

Paper: Zhang et al. 2023, Tractable Control for Autoregressive Language Generation (with an HMM)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models.ngram import NGram
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.constraints.regex import DEAD
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]


MAX_COUNTED_LINES = 20_000  # lines that the n-gram counts: enough for a rough estimate
MAX_GUIDANCE_CELLS = 2**23  # positions * states * contexts of the messages: 64 MB; n-gram: half
LONGEST = 3  # symbols of context at most: a 4-gram
# The chance where the n-gram finds no continuation but the automaton has one: such a symbol is
# drawn only if there is no other.
LEAST = 1e-290


class Guidance:
    """Computes the chance of completion by position, automaton state and n-gram context.

    chances: (max_length + 1, S, C) probability that a line with so many symbols, in this state and
        context, goes on to an end that the constraints allow
    A context is the last `length` symbols as digits of one number in base V; C = V ** length. With
    V = 27 and length 2, the symbols 5, 13 are the context 5 * 27 + 13.
    """

    def __init__(
        self,
        automaton: Automaton,
        vocabulary: Vocabulary,
        train: Corpus,
        weigh: Callable[[NDArray[Any]], Floats],
    ) -> None:
        self.V, self.automaton = len(vocabulary), automaton
        # The longest context whose messages (room contexts) and n-gram counts fit into memory.
        room, V = MAX_GUIDANCE_CELLS // automaton.can_complete.size, self.V
        fits = (n for n in range(LONGEST, 0, -1) if V**n <= room and V ** (n + 1) <= 2**22)
        self.length = next(fits, 0)
        self.contexts = V**self.length
        model = NGram(V, self.length, NGram.Options(order=self.length + 1))
        few = vocabulary.encode(train.lowest(MAX_COUNTED_LINES))  # the same lines in any order
        model.fit_counts(few.ids, few.offsets)
        digits = V ** np.arange(self.length)[::-1]
        windows = np.arange(self.contexts)[:, None] // digits % V  # (C, length) every context
        weights = weigh(model.forward(windows))  # (C, V) after filters
        self.chances = self._backward(weights / weights.sum(axis=1, keepdims=True))

    @staticmethod
    def fits(automaton: Automaton) -> bool:
        """Whether the messages of this automaton fit into memory, with no context at least."""
        return automaton.can_complete.size <= MAX_GUIDANCE_CELLS

    def _backward(self, probs: Floats) -> Floats:
        """Compute the backward messages: probs (C, V) of the next symbol -> (max_length + 1, S, C).

        chance(position, s, c) = p(end | c) if s may end, + the sum over symbols v of
        p(v | c) * chance(position + 1, next[s, v], c shifted by v).

        A context is its oldest symbol x and the others y; the next symbol v makes the context
        (y, v), whatever x is. So for each y the sum over v is one matrix product, (S, v) @ (v, x).
        """
        automaton, V = self.automaton, self.V
        positions, states = automaton.can_complete.shape
        x = V if self.length else 1  # number of oldest symbols
        y = self.contexts // x  # number of contexts without the oldest symbol
        by_y = np.ascontiguousarray(probs.reshape(x, y, V).transpose(1, 2, 0))  # (y, v, x)
        goes_on = automaton.next != DEAD  # (S, v)
        # Columns of `msg` below: the message of state next[s, v] in the context that ends with v.
        to = np.maximum(automaton.next, 0).astype(np.int64) * x + np.arange(V) % x  # of (S, v)
        chances = np.zeros((positions, states, self.contexts))
        # From the last position to the first: each message needs the one after it.
        for position in range(positions - 1, -1, -1):
            ends = automaton.may_end(position, np.arange(states))[:, None]
            now = ends * probs[:, BOUNDARY]  # (S, C) the line ends here
            if position < automaton.max_length:
                msg = chances[position + 1].reshape(states, y, x).transpose(1, 0, 2).reshape(y, -1)
                then = msg.take(to.ravel(), axis=1).reshape(y, states, V) * goes_on
                now += (then @ by_y).transpose(1, 2, 0).reshape(states, self.contexts)  # (y, S, x)
            chances[position] = np.where(
                automaton.can_complete[position][:, None], np.maximum(now, LEAST), 0.0
            )
        return chances

    def after(self, contexts: NDArray[Any], symbols: NDArray[Any]) -> NDArray[np.int64]:
        """Shift contexts (n,) by one symbol each (n,): the oldest symbol drops out."""
        return np.asarray((contexts * self.V + symbols) % self.contexts, dtype=np.int64)

    def at(self, position: int, states: NDArray[Any], contexts: NDArray[Any]) -> Floats:
        """Look up the chances (n,) of states (n,) and contexts (n,) after `position` symbols."""
        return np.asarray(self.chances[position][states, contexts])

    def of(self, position: int, states: NDArray[Any], contexts: NDArray[Any]) -> Floats:
        """Look up the chances (n, V) after each possible next symbol of states and contexts (n,).

        The column of the boundary is 1 where a line may end: it is complete then.
        """
        V, automaton = self.V, self.automaton
        chances = np.zeros((len(states), V))
        if position < automaton.max_length:
            after = automaton.next[states]  # (n, V)
            then = self.after(contexts[:, None], np.arange(V))  # (n, V)
            # DEAD is -1 and takes the last state's message; the condition replaces it by 0.
            chances = np.where(after != DEAD, self.chances[position + 1][after, then], 0.0)
        chances[:, BOUNDARY] = automaton.may_end(position, states)
        return chances
