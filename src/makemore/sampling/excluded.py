"""Excluded: the lines that a sampler does not return again, as sorted hashes of their texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.text.line_hashes import is_in_sorted

Hashes = NDArray[np.uint64]

# The recent hashes join the others once these are fewer than so many times as many. Joined at once,
# a million lines that come 10,000 at a time would be copied 100 times.
MOST_TIMES = 8


class ExcludedLines:
    """Holds hashes of lines in two sorted arrays, a small one of those that were added last."""

    def __init__(self) -> None:
        self.earlier, self.recent = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint64)

    def __len__(self) -> int:
        """Count the hashes."""
        return len(self.earlier) + len(self.recent)

    def add(self, hashes: Hashes) -> None:
        """Add hashes (n,), in any order."""
        self.recent = _merged(self.recent, np.sort(hashes))
        if len(self.earlier) < MOST_TIMES * len(self.recent):
            self.earlier, self.recent = _merged(self.earlier, self.recent), self.recent[:0]

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Tell which hashes (n,) were added: (n,) bool. Sorted ones are found sooner."""
        return is_in_sorted(hashes, self.earlier) | is_in_sorted(hashes, self.recent)


def _merged(one: Hashes, other: Hashes) -> Hashes:
    """Merge two sorted arrays; a stable sort finds that they are sorted and only merges them."""
    return np.sort(np.concatenate([one, other]), kind="stable")
