"""Ancestry: which guided draws go back to one draw, and how many independent ones that leaves.

Resampling (strategies.py) lets many draws go on from one whose weight is high. What they drew
before is then the same symbols. In a long line it happens again and again, until all draws go back
to one: their weights are even, but there is one sample of those first symbols and not a thousand.

Paper: Lee and Whiteley 2018, Variance Estimation in the Particle Filter (the ancestors: "Eves")
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.sampling.results import RoundCompletions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def effective_size(weights: Floats, ancestors: Ints) -> float:
    """Compute the effective sample size of draws (R,) by weight, those of one ancestor as one draw.

    weights: (R,) p / q up to a factor; ancestors: (R,) the draw that each goes back to
    Kish 1965: (sum of the weights)^2 / (sum of their squares), here over ancestors: 3 draws of
    weight 1, two of them from the same ancestor: 3^2 / (2^2 + 1^2) = 1.8
    """
    if not len(weights):
        return 0.0
    families = np.bincount(ancestors, weights=weights)
    return float(weights.sum() ** 2 / (families**2).sum())


def effective_size_of(lines: RoundCompletions, chosen: Ints) -> float:
    """Compute the effective sample size of the draws that gave some lines of a round."""
    draws = np.isin(lines.which, chosen)  # (draws,) mask
    logs = lines.log_weight[lines.which[draws]]
    return effective_size(np.exp(logs - logs.max(initial=-np.inf)), lines.ancestors[draws])


def ancestors_of(lines: RoundCompletions, chosen: Ints) -> Ints:
    """Find the ancestor (n,) of some lines (n,) of a round: of each line's first draw."""
    ancestor = np.zeros(len(lines), dtype=np.int64)
    # A line's draws stand in order. Written from the last to the first, the first one stays.
    ancestor[lines.which[::-1]] = lines.ancestors[::-1]
    return np.asarray(ancestor[chosen])


def shared_symbols(lines: RoundCompletions, chosen: Ints, ancestors: Ints) -> int:
    """Count the first symbols that each chosen line shares with all of its ancestor, summed.

    chosen: (n,) lines of the round; ancestors: (n,) of each. `annabel` and `annette` of one
    ancestor share 4 symbols, which counts 8.
    """
    total = 0
    for ancestor in np.unique(ancestors):
        family = chosen[ancestors == ancestor]
        if len(family) > 1:
            texts = sorted(_symbols(lines, row) for row in family)
            # What the first and the last in order share, all between them share, too.
            total += len(family) * _common_prefix(texts[0], texts[-1])
    return total


def _symbols(lines: RoundCompletions, row: Any) -> list[int]:
    """Return the symbols of a line, as ids."""
    ids: list[int] = lines.ids[lines.offsets[row] : lines.offsets[row + 1]].tolist()
    return ids


def _common_prefix(one: list[int], other: list[int]) -> int:
    """Count the first symbols that two lines share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
