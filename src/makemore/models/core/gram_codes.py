"""Gram codes: an n-gram as one number that sorts as its contexts do, of 64 bits or several words.

The digits of a gram, in base V: the symbol before the target, the one before that, and so on back
to the line's start, zeros from there on, and last the target. So the grams of a context of any
length stand together in sorted order: its symbols are the first digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BITS = 63  # of a code that is one signed integer
ENCODED_AT_ONCE = 2**16  # targets whose codes fit into a core's cache


class GramCodes:
    """Encodes and decodes n-grams of `order` symbols from a vocabulary of V ids.

    A code is an integer of 32 bits, which sorts in half of the time, or of 64 where V^order is not
    below 2^32. From 2^63 on it is words of 64 bits, as many as it takes, as bytes (dtype S): the
    most significant first, so that bytes sort as numbers do.
    """

    def __init__(self, V: int, order: int) -> None:
        self.V, self.order = V, order
        fit = 1  # digits of a word
        while fit < order and V ** (fit + 1) < 2**BITS:
            fit += 1
        self.sizes = [min(fit, order - first) for first in range(0, order, fit)]  # digits of each

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of an array of codes."""
        n_words = len(self.sizes)
        if n_words > 1:
            return np.dtype(f"S{8 * n_words}")
        return np.dtype(np.uint32 if self.V**self.order < 2**32 else np.int64)

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Encode the gram that ends at each of targets[order:] -> codes (n,), not sorted.

        targets: unsigned ids of lines, each ended by the boundary 0, which is the start of the
        next; before the first line `order` zeros, or what comes before these targets
        """
        word_type = np.int64 if len(self.sizes) > 1 else self.dtype
        words = np.empty((len(targets) - self.order, len(self.sizes)), dtype=word_type)
        for start in range(0, len(words), ENCODED_AT_ONCE):
            part = words[start : start + ENCODED_AT_ONCE]
            self._encode(targets[start : start + len(part) + self.order], part)
        if len(self.sizes) == 1:
            return words[:, 0]
        return words.astype(">u8").view(self.dtype)[:, 0]

    def _encode(self, targets: NDArray[Any], words: NDArray[Any]) -> None:
        """Write the words (n, n_words) of the grams that end at targets[order:]."""
        n, order, length = len(words), self.order, 0
        inside = np.ones(n, dtype=bool)
        for word, size in zip(words.T, self.sizes, strict=True):
            code = np.zeros(n, dtype=words.dtype)
            for _ in range(size):
                length += 1
                code *= words.dtype.type(self.V)
                if length == order:  # the last digit is the target itself
                    code += targets[order:]
                    continue
                # Once a boundary was met, what stands before it is another line: 0 from there on.
                symbols = targets[order - length : len(targets) - length] * inside
                inside = symbols != 0
                code += symbols
            word[:] = code

    def decode(self, codes: NDArray[Any]) -> list[Ints]:
        """Decode codes (n,) -> a list of the digits (n,) of each position, `order` of them."""
        if len(self.sizes) == 1:
            words = codes[:, None]
        else:
            words = np.ascontiguousarray(codes).view(">u8").reshape(len(codes), -1)
        digits = list[Ints]()
        for word, size in zip(words.T, self.sizes, strict=True):
            rest, found = word.astype(np.int64), list[Ints]()
            for _ in range(size):
                whole = rest // self.V
                found.append(rest - whole * self.V)
                rest = whole
            digits += reversed(found)
        return digits
