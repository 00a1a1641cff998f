"""Categorical: draws of the next symbol from its probabilities, and the random numbers for them.

A draw is the inverse of a cdf: with p = (0.5, 0.3, 0.2) the cdf is (0.5, 0.8, 1), and a uniform
number u gives the first symbol whose cdf is above u: 0.1 gives symbol 0, 0.6 gives symbol 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.text.line_hashes import mix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, the step of SplitMix64


def sample_categorical(weights: Floats, uniform: Floats, rows: Ints | None = None) -> Ints:
    """Draw symbols: weights (G, V), not normalised, uniform (R,) in [0, 1) -> ids (R,).

    rows: (R,) the row of weights for each draw; draw i goes by row i without it.
    """
    totals = np.cumsum(weights, axis=1)  # (G, V) cdf times the row's sum
    if rows is not None:
        totals = totals[rows]
    # The number is scaled to the row's sum, not the row to 1. A symbol of weight 0 has the total of
    # the symbol before it, so it is never the first above.
    return np.asarray((totals <= uniform[:, None] * totals[:, -1:]).sum(axis=1))


def cumulative(weights: Floats) -> Floats:
    """Compute cdfs: weights (S, V), not normalised -> (S, a power of 2), padded with 1.

    From the last symbol with a weight on it is exactly 1, so no symbol of weight 0 is drawn.
    """
    S, V = weights.shape
    cdf = np.ones((S, 1 << (V - 1).bit_length()))  # a power of 2, for bisection in equal halves
    np.cumsum(weights, axis=1, out=cdf[:, :V])
    cdf[:, :V] /= cdf[:, V - 1 : V].copy()  # a copy, since the division writes there, too
    return cdf


def sample_from_cdf(cdf: Floats, rows: Ints, uniform: Floats) -> Ints:
    """Draw symbols: cdf (S, C), rows (R,) of it, uniform (R,) in [0, 1) -> ids (R,).

    The symbol is the first whose cdf is above the number. All draws bisect their rows together:
    log2(C) steps on arrays, 5 for names.
    """
    flat, half = cdf.ravel(), cdf.shape[1] // 2
    first = rows * cdf.shape[1]  # (R,) where each row begins in the flat array
    at = first - 1  # (R,) the last entry known to be at or below the number; -1: none yet
    while half:
        # Where the entry half a range ahead is not above the number either, go on from there.
        at += half * (flat.take(at + half) <= uniform)
        half //= 2
    return np.asarray(at + 1 - first)


def uniforms(seed: int, round_no: int, position: int, rows: Ints) -> Floats:
    """Compute the random numbers (R,) in [0, 1) of draws `rows` of a round at a position.

    SplitMix64 (Steele, Lea and Flood 2014): the i-th number of a sequence is computed from i alone,
    so those of other draws need not be. Each (seed, round, position) has a sequence of its own,
    which starts at a hash of the three.
    """
    return _mixed(_start_of(seed, round_no, position) + (rows + 1).view(np.uint64) * GOLDEN)


def _start_of(seed: int, round_no: int, position: int) -> NDArray[np.uint64]:
    """Hash what a sequence of random numbers belongs to: where it starts, (1,)."""
    what = np.array([seed, round_no, position], dtype="<u8").tobytes()
    return np.frombuffer(hashlib.blake2b(what, digest_size=8).digest(), dtype="<u8")


def _mixed(counters: NDArray[np.uint64]) -> Floats:
    """Turn counters (R,) into numbers (R,) in [0, 1)."""
    drawn = mix(counters)
    drawn >>= np.uint64(11)  # 53 random bits are left, as many as a float holds exactly
    return np.asarray(drawn.view(np.int64) * 2.0**-53)  # int64 becomes float faster than uint64


class BatchPart(NamedTuple):
    """Names consecutive draws of one round of a seed."""

    seed: int
    round_no: int
    first: int  # the row of the first draw in its round
    rows: int  # how many draws


@dataclass(frozen=True)
class DrawBatch:
    """Holds which draws are made together: parts of rounds, one after another, R draws in all."""

    parts: tuple[BatchPart, ...]

    @cached_property
    def bounds(self) -> Ints:
        """Compute the index (parts + 1,) of the draw that each part begins with, and R."""
        return np.cumsum([0, *(part.rows for part in self.parts)])

    def uniforms(self, position: int, draws: Ints) -> Floats:
        """Compute the random numbers (n,) in [0, 1) of these draws (n,), sorted, at a position."""
        # (parts + 1,) where each part's draws begin
        cuts = np.searchsorted(draws, self.bounds)
        starts = np.repeat(self.counters(position), np.diff(cuts))
        return _mixed(starts + draws.view(np.uint64) * GOLDEN)

    def counters(self, position: int) -> NDArray[np.uint64]:
        """Compute where each part's sequence of random numbers at a position starts: (parts,).

        Draw i of the batch has the number of the counter start + i * GOLDEN.
        """
        # A draw's row in its round, not its index in the batch, decides its numbers: each part's
        # sequence is moved by the difference of the two.
        moved = np.array([part.first + 1 for part in self.parts]) - self.bounds[:-1]  # (parts,)
        starts = [_start_of(part.seed, part.round_no, position) for part in self.parts]
        return np.concatenate(starts) + moved.view(np.uint64) * GOLDEN
