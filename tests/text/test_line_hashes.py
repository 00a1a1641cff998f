"""line_hashes.py: which hashes are in a set, whole or packed, against Python's own sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from makemore.text import Corpus
from makemore.text.line_hashes import PACKED_BYTES, is_among, is_in_sorted, pack

CUT = 8 * (8 - PACKED_BYTES)  # bits of a hash that are not kept
BITS = range(64)

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=40)


def array(numbers: list[int]) -> Any:
    return np.array(numbers, dtype=np.uint64)


def leading(number: int) -> bytes:
    return number.to_bytes(8, "big")[:PACKED_BYTES]


@given(hashes)
def test_packed_are_the_first_bytes_sorted_and_each_once(numbers: list[int]) -> None:
    packed = pack(array(numbers))
    assert packed.dtype == np.uint8 and packed.shape == (len(packed), PACKED_BYTES)
    assert packed.flags.c_contiguous
    assert [bytes(row) for row in packed] == sorted({leading(number) for number in numbers})


@given(hashes)
def test_every_packed_hash_is_found_however_often_and_in_any_order(numbers: list[int]) -> None:
    twice = array([*numbers, *reversed(numbers)])
    packed = pack(twice)
    assert np.array_equal(packed, pack(array(numbers)))
    found = is_among(twice, packed)
    assert found.dtype == np.bool_ and found.shape == (len(twice),) and found.all()


@given(hashes, hashes, st.data())
def test_a_hash_is_found_if_and_only_if_its_first_bytes_are(
    numbers: list[int], others: list[int], data: st.DataObject
) -> None:
    flips = data.draw(st.lists(st.sampled_from(BITS), min_size=len(numbers)))
    near = [number ^ 1 << bit for number, bit in zip(numbers, flips, strict=False)]
    asked, there = [*near, *others], {leading(number) for number in numbers}
    found = is_among(array(asked), pack(array(numbers)))
    assert found.tolist() == [leading(number) in there for number in asked]


@given(st.integers(0, 2**64 - 1), st.sampled_from(BITS))
def test_one_other_bit_is_seen_in_the_first_bytes_alone(number: int, bit: int) -> None:
    found = is_among(array([number ^ 1 << bit]), pack(array([number])))
    assert found.tolist() == [bit < CUT]


@given(hashes, hashes)
def test_two_sets_are_joined_by_their_distinct_rows(ones: list[int], others: list[int]) -> None:
    """As an ensemble does whose members start from several priors."""
    rows = np.concatenate([pack(array(ones)), pack(array(others))])
    assert np.array_equal(np.unique(rows, axis=0), pack(array(ones + others)))


@given(hashes, hashes)
def test_bisection_finds_what_a_set_holds(numbers: list[int], others: list[int]) -> None:
    asked = array([*numbers, *others])
    found = is_in_sorted(asked, np.sort(array(numbers)))
    assert found.dtype == np.bool_ and found.shape == asked.shape
    assert found.tolist() == [number in set(numbers) for number in asked.tolist()]


def test_none_are_in_nothing_and_nothing_is_in_some() -> None:
    none, some = array([]), array([0, 1, 2**64 - 1])
    assert pack(none).shape == (0, PACKED_BYTES) and pack(none).dtype == np.uint8
    for found in (is_among(some, pack(none)), is_in_sorted(some, none)):
        assert found.tolist() == [False] * 3
    for found in (is_among(none, pack(some)), is_in_sorted(none, some)):
        assert found.tolist() == [] and found.dtype == np.bool_


def test_lines_are_found_and_other_lines_are_not() -> None:
    lines = Corpus.exactly([str(number) for number in range(20_000)])
    packed = pack(lines.take(slice(0, None, 2)).hashes())
    assert packed.shape == (10_000, PACKED_BYTES)
    assert is_among(lines.hashes(), packed).tolist() == [True, False] * 10_000
