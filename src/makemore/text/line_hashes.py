"""Line hashes: 64 bits for each line's text, and sets of lines as sorted hashes.

A hash tells whether a line is in a set without holding its text: whole (8 bytes a line) or packed
(5 bytes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from makemore.text.ragged import positions

MANY = 2**18  # hashes that are sorted at once to find copies
# Of the 100,000 lines of a prior only the first bytes are kept. A line that is not among them has
# the same ones as one of them with a probability of 10^-7, and is then taken for it.
PACKED_BYTES = 5
_SHIFT = np.uint64(64 - 8 * PACKED_BYTES)


def hash_lines(codes: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash each line's code points to 64 bits (n_lines,), the same on every machine and run.

    codes: (n_symbols,) of all lines; offsets: (n_lines + 1,) where each starts
    The hash is mix(length + sum over positions j of mix(character j + j * 2^32)).
    """
    n_lines = len(offsets) - 1
    hashes = np.zeros(n_lines, dtype=np.uint64)
    # All lines begin at 0 here, so `position` counts from the start of each line.
    starts, nowhere = offsets[:-1], np.broadcast_to(np.int64(0), n_lines)
    for rows, symbols, position in positions(offsets, nowhere):
        # A code point has 21 bits: the position above them makes "ab" and "ba" differ.
        high = position.astype(np.uint64) << np.uint64(32)
        mixed = mix(codes[symbols].astype(np.uint64) + high)
        lengths = np.diff(offsets[rows.start : rows.stop + 1])
        filled = lengths > 0
        sums = np.zeros(len(lengths), dtype=np.uint64)
        if filled.any():  # reduceat would give an empty line the first symbol of the next
            sums[filled] = np.add.reduceat(mixed, starts[rows][filled] - symbols.start)
        hashes[rows] = mix(sums + lengths.astype(np.uint64))
    return hashes


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers so that every input bit changes about half of the output bits.

    SplitMix64's finaliser (Steele, Lea and Flood 2014).
    """
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def rows_by_hash(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Yield all rows, ascending, in parts of about MANY; rows of equal hash are in one part."""
    parts = 1 + len(hashes) // MANY
    # The upper 32 bits of a hash times `parts`, over 2^32: an even spread over 0 .. parts - 1.
    part = ((hashes >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.uint16)
    for number in range(parts):
        yield np.flatnonzero(part == number)


def is_in_sorted(hashes: NDArray[np.uint64], those: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Check whether each hash (n,) is in the sorted array `those`: (n,) bool, by bisection."""
    if not len(those):
        return np.zeros(len(hashes), dtype=bool)
    at = np.searchsorted(those, hashes)
    return np.asarray(those[np.minimum(at, len(those) - 1)] == hashes)


class HashSet(Protocol):
    """Holds the hashes of lines, in memory or in a file (hash_file.py), to look others up."""

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Check whether each hash (n,) is one of them: (n,) bool."""


class SortedHashes:
    """Holds sorted hashes (n,) in memory."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.hashes = hashes

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Check whether each hash (n,) is one of them: (n,) bool."""
        return is_in_sorted(hashes, self.hashes)


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
