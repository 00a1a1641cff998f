"""Line hashes: sets of lines as sorted hashes, whole (8 bytes a line) or packed (5 bytes).

A hash tells whether a line is in a set without holding its text. Corpus.hashes computes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of the 100,000 lines of a prior only the first bytes are kept. A line that is not among them has
# the same ones as one of them with a probability of 10^-7, and is then taken for it.
PACKED_BYTES = 5


def is_in_sorted(hashes: NDArray[np.uint64], those: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Check whether each hash (n,) is in the sorted array `those`: (n,) bool, by bisection."""
    if not len(those):
        return np.zeros(len(hashes), dtype=bool)
    at = np.searchsorted(those, hashes)
    return np.asarray(those[np.minimum(at, len(those) - 1)] == hashes)


def pack(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Pack hashes (n,): the distinct leading bytes of each, sorted (m, PACKED_BYTES)."""
    each = np.unique(_leading(hashes)).astype(">u8")
    return np.ascontiguousarray(each.view(np.uint8).reshape(-1, 8)[:, 8 - PACKED_BYTES :])


def is_among(hashes: NDArray[np.uint64], packed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Check whether each hash (n,) is one of those that `pack` packed: (n,) bool."""
    whole = np.zeros((len(packed), 8), dtype=np.uint8)
    whole[:, 8 - PACKED_BYTES :] = packed
    return is_in_sorted(_leading(hashes), whole.view(">u8")[:, 0].astype(np.uint64))


def _leading(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return hashes >> np.uint64(64 - 8 * PACKED_BYTES)
