"""N-grams by their definitions, in dicts: what the tests hold counting to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

Window = tuple[int, ...]
Counted = defaultdict[Window, Counter[int]]  # context -> next symbol -> times
Before = defaultdict[Window, set[int]]  # n-gram -> the symbols that it came after


def counted_in_dicts(lines: Sequence[Sequence[int]], order: int) -> tuple[Counted, Before]:
    """Count the n-grams of all lengths up to `order`, with one boundary before and after a line."""
    counted, before = Counted(Counter), Before(set)
    for line in lines:
        padded = (0, *line, 0)
        for end in range(1, len(padded)):
            for start in range(max(0, end - order + 1), end + 1):
                counted[padded[start:end]][padded[end]] += 1
                if start < end:
                    before[padded[start + 1 : end + 1]].add(padded[start])
    return counted, before
