"""Categorical: draws from probabilities of the next symbol, and their random numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.text.corpus import mix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, the step of SplitMix64


def sample_categorical(weights: Floats, uniform: Floats, rows: Ints | None = None) -> Ints:
    """weights (G, V), uniform (R,) in [0, 1) -> ids (R,): each falls into one symbol's share.

    rows: (R,) which of the G each draw goes by; its own by default.
    """
    totals = np.cumsum(weights, axis=1)
    if rows is not None:
        totals = totals[rows]
    return np.asarray((totals <= uniform[:, None] * totals[:, -1:]).sum(axis=1))


def cumulative(weights: Floats) -> Floats:
    """weights (S, V) -> (S, a power of 2) up to where each symbol's share reaches in [0, 1).

    From the last symbol with a share on it is 1 exactly, so that none without one is drawn.
    """
    S, V = weights.shape
    found = np.ones((S, 1 << (V - 1).bit_length()))
    np.cumsum(weights, axis=1, out=found[:, :V])
    found[:, :V] /= found[:, V - 1 : V].copy()
    return found


def sample_from_cdf(reach: Floats, rows: Ints, uniform: Floats) -> Ints:
    """(R,) of each row of `reaches` the first symbol beyond the number in [0, 1), by bisection."""
    flat, half = reach.ravel(), reach.shape[1] // 2
    first = rows * reach.shape[1]
    at = first - 1
    while half:
        at += half * (flat.take(at + half) <= uniform)
        half //= 2
    return np.asarray(at + 1 - first)


def uniforms(seed: int, number: int, place: int, rows: Ints) -> Floats:
    """(R,) in [0, 1): what these lines of round `number` draw by at this place.

    SplitMix64 (Steele, Lea and Flood 2014): a number hangs on its place in a sequence alone, so
    only those that are needed are made. Where a sequence starts is a hash of what it is for.
    """
    what = np.array([seed, number, place], dtype="<u8").tobytes()
    start = np.frombuffer(hashlib.blake2b(what, digest_size=8).digest(), dtype="<u8")
    drawn = mix(start + (rows + 1).view(np.uint64) * GOLDEN)
    drawn >>= np.uint64(11)
    return np.asarray(drawn.view(np.int64) * 2.0**-53)  # signed, which becomes a float sooner


@dataclass(frozen=True)
class DrawBatch:
    """Draws that are made together, R of them: parts of rounds, one after the other.

    parts: (round, its first row, rows) of each
    """

    seed: int
    parts: tuple[tuple[int, int, int], ...]

    @property
    def bounds(self) -> Ints:
        """(parts + 1,) the draw with which each part begins, and R."""
        return np.cumsum([0, *(rows for _, _, rows in self.parts)])

    def uniforms(self, place: int, draws: Ints) -> Floats:
        """(R,) in [0, 1): what these draws, sorted, go by at this place."""
        bounds = self.bounds
        cuts = np.searchsorted(draws, bounds)
        found = [
            uniforms(self.seed, number, place, draws[start:stop] + (row - bound))
            for (number, row, _), bound, start, stop in zip(
                self.parts, bounds, cuts, cuts[1:], strict=False
            )
        ]
        return np.concatenate(found)
