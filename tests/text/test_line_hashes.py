"""line_hashes.py: which hashes are in a set, whole or packed, against Python's own sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.text import Corpus
from makemore.text.line_hashes import PACKED_BYTES, PriorLines, is_among, is_in_sorted, pack

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


@given(hashes, hashes, hashes, hashes)
def test_the_lines_of_two_priors_are_joined(
    ones: list[int], others: list[int], these: list[int], those: list[int]
) -> None:
    """As an ensemble does whose members start from several priors."""
    each = [PriorLines.of(array(ones), array(others)), PriorLines.of(array(these), array(those))]
    both, asked = PriorLines.union(each), array([*ones, *others, *these, *those])
    assert np.array_equal(both.read, pack(array(ones + these)))
    assert both.is_known(asked).all() and len(both) == len(pack(asked))
    found = PriorLines.of_tensors(both.tensors())
    assert np.array_equal(found.read, both.read)
    assert np.array_equal(found.held_out, both.held_out)


def test_what_was_read_is_not_held_out() -> None:
    lines = PriorLines.of(array([1 << 60, 2 << 60]), array([2 << 60, 3 << 60]))
    asked = array([number << 60 for number in (1, 2, 3, 4)])
    assert lines.is_read(asked).tolist() == [True, True, False, False]
    assert lines.is_known(asked).tolist() == [True, True, True, False]
    assert (len(lines.read), len(lines.held_out)) == (2, 1)


def test_tensors_of_another_kind_are_no_lines() -> None:
    assert len(PriorLines.of_tensors({"lines": pack(array([7]))}).held_out) == 0
    for bad in (np.zeros((2, 5)), np.zeros((2, 4), dtype=np.uint8), np.zeros(5, dtype=np.uint8)):
        with pytest.raises(ValueError, match="no hashes"):
            PriorLines.of_tensors({"lines": bad})


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
