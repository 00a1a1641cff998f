"""packing.py: rows filled with the longest line that fits, as a loop over lines fills them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from makemore.scoring.packing import pack_first_fit

Ints = NDArray[np.int64]


def by_a_loop(counts: Ints, width: int) -> tuple[Ints, Ints, int]:
    """Line after line: the longest that fits, taken from the end of the list of its length."""
    waiting: list[list[int]] = [[] for _ in range(width + 1)]
    for line, count in enumerate(counts.tolist()):
        waiting[count].append(line)
    order, begins, row = list[int](), list[int](), 0
    while len(order) < len(counts):
        free = size = width
        while size:
            if waiting[size]:
                order.append(waiting[size].pop())
                begins.append(row * width + width - free)
                free -= size
                size = min(size, free)
            else:
                size -= 1
        row += 1
    return np.array(order, dtype=np.int64), np.array(begins, dtype=np.int64), row


def assert_same(counts: Ints, width: int) -> None:
    (order, begins, rows), (lines, at, number) = by_a_loop(counts, width), pack_first_fit(
        counts, width
    )  # fmt: skip
    assert lines.dtype == at.dtype == np.int64 and number == rows
    np.testing.assert_array_equal(lines, order)
    np.testing.assert_array_equal(at, begins)


@given(st.data(), st.integers(1, 40))
def test_lines_and_places_are_those_of_the_loop(data: st.DataObject, width: int) -> None:
    longest = data.draw(st.integers(1, width))
    counts = data.draw(st.lists(st.integers(1, longest), max_size=300))
    assert_same(np.array(counts, dtype=np.int64), width)


@pytest.mark.parametrize("number, width", [(8192, 24), (3000, 24), (256, 200)])
def test_many_lines_are_packed_as_few(number: int, width: int) -> None:
    chance = np.random.default_rng(number)
    counts = np.clip(np.round(chance.normal(width / 3, width / 8, number)), 1, width)
    assert_same(counts.astype(np.int32), width)


def test_no_lines_and_the_example() -> None:
    assert [part.tolist() for part in pack_first_fit(np.array([3, 1, 2]), 4)[:2]] == [
        [0, 1, 2], [0, 3, 4]
    ]  # fmt: skip
    order, begins, rows = pack_first_fit(np.zeros(0, dtype=np.int64), 4)
    assert (len(order), len(begins), rows) == (0, 0, 0)
