"""excluded.py: a set of hashes that grows, in two sorted arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from makemore.sampling.excluded import MOST_TIMES, ExcludedLines

HASHES = st.lists(st.integers(0, 60) | st.integers(0, 2**64 - 1), max_size=40)


@given(st.lists(HASHES), HASHES)
def test_it_holds_what_was_added(parts: list[list[int]], asked: list[int]) -> None:
    lines, added = ExcludedLines(), set[int]()
    for part in parts:
        lines.add(np.array(part, dtype=np.uint64))
        added.update(part)
        assert (np.diff(lines.earlier) >= 0).all() and (np.diff(lines.recent) >= 0).all()
    asked += sorted(added)
    found = lines.holds(np.array(asked, dtype=np.uint64)).tolist()
    assert found == [value in added for value in asked]
    assert len(lines) == sum(map(len, parts))


def test_few_new_ones_leave_the_others_where_they_are() -> None:
    lines, one = ExcludedLines(), np.array([5], dtype=np.uint64)
    lines.add(np.arange(100, dtype=np.uint64))
    joined = 0
    for _ in range(100):
        before = lines.earlier
        lines.add(one)
        joined += lines.earlier is not before
    assert len(lines) == 200 and 0 < joined <= MOST_TIMES
