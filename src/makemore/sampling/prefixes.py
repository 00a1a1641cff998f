"""Prefixes: the lines that are still being drawn, each distinct beginning once, as arrays."""

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
    """The distinct prefixes that are still open, G of them, all of one length.

    ids: (G, length); state (G, ...) of the model after them; nll (G,) in nats
    answers: of the model; rows: (G,) which of them is each prefix's
    label: (G,) first inputs; states: (G,) of the automaton
    nodes: (G,) of the remaining mass; contexts: (G,) of the guidance
    log_weight: (G,) log of p over q, where draws are guided
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

    def probabilities(self, filters: Filters, which: Any = slice(None)) -> Floats:
        """(G, V) of the next symbol after filters, of all prefixes or of some."""
        weights = apply_filters(self.answers.logs[self.rows[which]], filters)
        return weights / weights.sum(axis=1, keepdims=True)
