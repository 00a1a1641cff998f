"""Line hashes: sets of lines as sorted hashes, whole (8 bytes a line) or packed (5 bytes).

A hash tells whether a line is in a set without holding its text. Corpus.hashes computes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Of the 100,000 lines of a prior only the first bytes are kept. A line that is not among them has
# the same ones as one of them with a probability of 10^-7, and is then taken for it.
PACKED_BYTES = 5
_SHIFT = np.uint64(64 - 8 * PACKED_BYTES)


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
    return is_in_sorted(_leading(hashes), _leading(unpack(packed)))


def unpack(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Unpack (m, PACKED_BYTES) to hashes (m,) of which only the leading bytes are not 0."""
    whole = np.zeros((len(packed), 8), dtype=np.uint8)
    whole[:, :PACKED_BYTES] = packed
    return whole.view(">u8")[:, 0].astype(np.uint64)


def _leading(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return hashes >> _SHIFT


@dataclass(frozen=True)
class PriorLines:
    """Holds the packed hashes of a prior's lines: it has read some, others were held out.

    read: (n, PACKED_BYTES) lines that a prior has learned from: their losses tell nothing
    held_out: (m, PACKED_BYTES) further lines of its lists: known ones, not to be drawn as new
    """

    read: NDArray[np.uint8]
    held_out: NDArray[np.uint8]

    @classmethod
    def of(cls, read: NDArray[np.uint64], held_out: NDArray[np.uint64]) -> PriorLines:
        """Pack hashes (n,), (m,) of lines; a line that was read is not held out."""
        return cls(pack(read), pack(np.setdiff1d(_leading(held_out), _leading(read)) << _SHIFT))

    @classmethod
    def union(cls, several: Iterable[PriorLines]) -> PriorLines:
        """Join the lines of several priors: what one of them has read, was read."""
        each = list(several)
        read = np.concatenate([unpack(lines.read) for lines in each])
        return cls.of(read, np.concatenate([unpack(lines.held_out) for lines in each]))

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> PriorLines:
        """Take the tensors that `tensors` made; without "held_out" none is. Raises ValueError."""
        none = np.zeros((0, PACKED_BYTES), dtype=np.uint8)
        for array in (found := [tensors["lines"], tensors.get("held_out", none)]):
            if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != PACKED_BYTES:
                raise ValueError("no hashes of lines")
        return cls(found[0].view(np.uint8), found[1].view(np.uint8))

    def tensors(self) -> dict[str, NDArray[np.uint8]]:
        """Return the arrays by name, as they stand in a file."""
        return {"lines": self.read, "held_out": self.held_out}

    def __len__(self) -> int:
        """Count all lines."""
        return len(self.read) + len(self.held_out)

    def is_read(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Check whether each line, by its hash (n,), was read: (n,) bool."""
        return is_among(hashes, self.read)

    def is_known(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Check whether each line, by its hash (n,), is one of all: (n,) bool."""
        return is_among(hashes, self.read) | is_among(hashes, self.held_out)
