"""categorical.py: symbols by uniform numbers; the numbers of each round, position and draw."""

from __future__ import annotations

import hashlib

import numpy as np
from exact import Table, draw
from hypothesis import given
from hypothesis import strategies as st

from makemore.sampling.categorical import BatchPart, DrawBatch, sample_categorical, uniforms
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters


def test_rows_are_drawn_each_by_its_own_number() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]]))
    numbers = np.array([0.6, 0.6, 0.6])
    weights = apply_filters(logits, SamplingConfig())
    assert sample_categorical(weights, numbers).tolist() == [1, 0, 1]
    assert sample_categorical(weights, np.array([0.4, 0.95, 0.05])).tolist() == [0, 1, 0]
    by_other_rows = sample_categorical(weights, numbers, np.array([2, 2, 1]))
    assert by_other_rows.tolist() == [1, 1, 0]


def splitmix(seed: int, of_round: int, position: int, row: int) -> float:
    """Draw `row`'s number, in Python's own numbers."""
    what = b"".join(part.to_bytes(8, "little") for part in (seed, of_round, position))
    state = int.from_bytes(hashlib.blake2b(what, digest_size=8).digest(), "little")
    found = (state + (row + 1) * 0x9E3779B97F4A7C15) % 2**64
    found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    found = (found ^ found >> 27) * 0x94D049BB133111EB % 2**64
    return ((found ^ found >> 31) >> 11) / 2**53


def test_the_lines_of_a_seed_are_pinned() -> None:
    # A seed that somebody wrote down gives the same names after an update: the number of draw d at
    # symbol t is SplitMix64's d-th, from a start that is a hash of seed, round and t. With 4
    # symbols that are all as likely, a number is a symbol.
    lines = [line.text for line in draw(Table(np.full((1, 4, 4), 0.25)), 300, 12345, all=True)]
    assert lines[:8] == ["b", "cbcbc", "abb", "a", "aaa", "bcc", "b", "bababcb"]
    for number, line in enumerate(lines):  # a round of 128 draws, one of 256
        of_round, row = divmod(number, 128) if number < 128 else (1, number - 128)
        for place, symbol in enumerate([*line, ""]):
            uniform = splitmix(12345, of_round, place, row)
            assert int(uniform * 4) == ("abc".index(symbol) + 1 if symbol else 0)


def test_numbers_are_even_and_know_nothing_of_each_other() -> None:
    """By place, by round, by seed and along the rows: shares of cells, and of pairs of cells."""
    rows = np.arange(4096)
    drawn = np.array([
        uniforms(seed, of_round, place, rows)
        for seed in (0, 1, 2**63 - 1) for of_round in (0, 1, 7) for place in (0, 1, 2, 2**32, 2**33)
    ])  # fmt: skip
    assert drawn.min() >= 0 and drawn.max() < 1
    cells = (drawn * 16).astype(np.int64)
    pairs = [cells[:-1] * 16 + cells[1:], cells[:, :-1] * 16 + cells[:, 1:], cells]
    for pair, number in zip(pairs, (256, 256, 16), strict=True):
        counts, expected = np.bincount(pair.ravel(), minlength=number), pair.size / number
        statistic = float(((counts - expected) ** 2 / expected).sum())
        assert abs(statistic - number) < 5 * (2 * number) ** 0.5
    alone = uniforms(3, 1, 4, np.array([5, 77]))
    np.testing.assert_array_equal(uniforms(3, 1, 4, rows)[[5, 77]], alone)


PARTS = st.tuples(
    st.integers(0, 2**63 - 1), st.integers(0, 40), st.integers(0, 90), st.integers(1, 60)
)


@given(st.lists(PARTS.map(lambda part: BatchPart(*part)), min_size=1))
def test_draws_of_several_rounds_and_seeds_have_the_numbers_of_their_own(
    parts: list[BatchPart],
) -> None:
    together = DrawBatch(tuple(parts))
    every = [
        uniforms(part.seed, part.round_no, 3, np.arange(part.first, part.first + part.rows))
        for part in parts
    ]
    drawn = np.flatnonzero(np.arange(together.bounds[-1]) % 3 != 1)
    np.testing.assert_array_equal(together.uniforms(3, drawn), np.concatenate(every)[drawn])
