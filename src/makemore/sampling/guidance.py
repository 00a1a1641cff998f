"""Guidance: how likely a line can still satisfy its constraints, as a small n-gram sees it.

Drawing from a model and refusing what fails is exact but slow where few lines pass. Here each draw
is led: a symbol's probability is multiplied by the chance that conditions are satisfied after it,
summed backward over the automaton and the contexts of an n-gram of counts. What that bends, the
weight of a line, p by the model over q by the led draws, puts right again.

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


MAX_COUNTED_LINES = 20_000  # that the n-gram counts
MAX_GUIDANCE_CELLS = 2**23  # in the table by place, state and context: 64 MB; in the n-gram's, half
LONGEST = 3  # symbols of context
LEAST = 1e-290  # where the n-gram sees no way but there is one: drawn only if there is no other


class Guidance:
    """chances: (most + 1, S, C) of completion after so many symbols, by state and context.

    A context is the last symbols as one number in base V; C is V to their number.
    """

    def __init__(
        self,
        automaton: Automaton,
        vocabulary: Vocabulary,
        train: Corpus,
        weigh: Callable[[NDArray[Any]], Floats],
    ) -> None:
        self.V, self.automaton = len(vocabulary), automaton
        room, V = MAX_GUIDANCE_CELLS // automaton.can_complete.size, self.V
        fits = (n for n in range(LONGEST, 0, -1) if V**n <= room and V ** (n + 1) <= 2**22)
        self.length = next(fits, 0)
        self.contexts = V**self.length
        model = NGram(V, self.length, NGram.Options(order=self.length + 1))
        few = vocabulary.encode(train.lowest(MAX_COUNTED_LINES))
        model.fit_counts(few.ids, few.offsets)
        digits = V ** np.arange(self.length)[::-1]
        windows = np.arange(self.contexts)[:, None] // digits % V  # (C, length)
        shares = weigh(model.forward(windows))  # (C, V)
        self.chances = self._backward(shares / shares.sum(axis=1, keepdims=True))

    @staticmethod
    def fits(automaton: Automaton) -> bool:
        """Whether there is room for the table; where lines are long, conditions few, there is."""
        return automaton.can_complete.size <= MAX_GUIDANCE_CELLS

    def _backward(self, shares: Floats) -> Floats:
        """shares (C, V) of what comes next -> chances (most + 1, S, C).

        A context is its oldest symbol x and the others y; with the next symbol v the others make
        the context (y, v). So for each y the sum over v is one product of matrices, laid out so
        that BLAS does it.
        """
        automaton, V = self.automaton, self.V
        places, states = automaton.can_complete.shape
        x = V if self.length else 1
        y = self.contexts // x
        by_y = np.ascontiguousarray(shares.reshape(x, y, V).transpose(1, 2, 0))  # (y, v, x)
        goes_on = automaton.next != DEAD  # (S, v)
        to = np.maximum(automaton.next, 0).astype(np.int64) * x + np.arange(V) % x  # of (S, v)
        chances = np.zeros((places, states, self.contexts))
        for place in range(places - 1, -1, -1):
            ends = automaton.may_end(place, np.arange(states))[:, None]
            now = ends * shares[:, BOUNDARY]  # (S, C)
            if place < automaton.max_length:
                after = chances[place + 1].reshape(states, y, x).transpose(1, 0, 2).reshape(y, -1)
                then = after.take(to.ravel(), axis=1).reshape(y, states, V) * goes_on
                now += (then @ by_y).transpose(1, 2, 0).reshape(states, self.contexts)  # (y, S, x)
            chances[place] = np.where(
                automaton.can_complete[place][:, None], np.maximum(now, LEAST), 0.0
            )
        return chances

    def after(self, contexts: NDArray[Any], symbols: NDArray[Any]) -> NDArray[np.int64]:
        """The context after a symbol more."""
        return np.asarray((contexts * self.V + symbols) % self.contexts, dtype=np.int64)

    def at(self, place: int, states: NDArray[Any], contexts: NDArray[Any]) -> Floats:
        """(n,) the chances of states and contexts after `place` symbols."""
        return np.asarray(self.chances[place][states, contexts])

    def of(self, place: int, states: NDArray[Any], contexts: NDArray[Any]) -> Floats:
        """(n,) states and contexts after `place` symbols -> (n, V) chances after each symbol more.

        The column of the end is 1 where a line may end.
        """
        V, automaton = self.V, self.automaton
        chances = np.zeros((len(states), V))
        if place < automaton.max_length:
            after = automaton.next[states]  # (n, V)
            then = self.after(contexts[:, None], np.arange(V))
            chances = np.where(after != DEAD, self.chances[place + 1][after, then], 0.0)
        chances[:, BOUNDARY] = automaton.may_end(place, states)
        return chances
