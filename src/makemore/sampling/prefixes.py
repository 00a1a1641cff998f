"""Prefixes: the distinct prefixes of the draws that are not finished yet, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.state import State
from makemore.sampling.config import Filters
from makemore.sampling.filters import apply_filters
from makemore.sampling.prefix_tree import CacheLevel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass
class Prefixes:
    """Holds the G distinct prefixes of unfinished draws, all of one length.

    Draws with the same symbols so far share a prefix; `group` (R,) in the code around says which.
    """

    ids: Ints  # (G, length)
    state: State  # (G, ...) of the model after these symbols
    answers: CacheLevel  # the model's log-probabilities and cdfs of the next symbol
    rows: Ints  # (G,) the row of each prefix in `answers`
    nll: Floats  # (G,) of the symbols so far, in nats
    label: Ints  # (G,) first inputs: a label's id, or the boundary
    states: NDArray[Any]  # (G,) of the automaton
    nodes: Ints  # (G,) of the tree of used lines (RemainingMass); NONE outside of it
    inner: Ints  # (G,) of the tree of a stratum; NONE outside of it
    contexts: Ints  # (G,) of the n-gram that guides draws
    log_weight: Floats  # (G,) log(p / q), 0 where draws are not guided

    def __len__(self) -> int:
        """Count the prefixes, G."""
        return len(self.nll)

    def probabilities(self, filters: Filters, which: Any = slice(None)) -> Floats:
        """Compute the probabilities (G, V) of the next symbol after filters.

        which: an index or mask of some of the prefixes; all by default
        """
        weights = apply_filters(self.answers.logs[self.rows[which]], filters)
        return weights / weights.sum(axis=1, keepdims=True)
