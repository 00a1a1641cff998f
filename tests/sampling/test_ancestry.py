"""ancestry.py: draws that go back to one draw count as one, and what they share is counted."""

from __future__ import annotations

import numpy as np
import pytest
from exact import ABC, Table, draw, known

from makemore.errors import Unsatisfiable
from makemore.options import make
from makemore.sampling.ancestry import (
    ancestors_of,
    effective_size,
    effective_size_of,
    shared_symbols,
)
from makemore.sampling.config import SamplingConfig
from makemore.sampling.results import Completions, RoundCompletions
from makemore.sampling.sampler import Sampler
from makemore.text.corpus import Corpus


def test_draws_of_one_ancestor_are_one_draw_of_their_weight() -> None:
    ones = np.ones(4)
    assert effective_size(ones, np.arange(4)) == 4
    assert effective_size(ones, np.zeros(4, dtype=np.int64)) == 1
    assert effective_size(np.ones(3), np.array([7, 7, 2])) == pytest.approx(9 / 5)
    assert effective_size(np.array([3.0, 1.0]), np.arange(2)) == pytest.approx(1.6)
    assert effective_size(np.zeros(0), np.zeros(0, dtype=np.int64)) == 0


def completed(texts: list[str], which: list[int], ancestors: list[int]) -> RoundCompletions:
    """Lines of one length, the line of each draw, and the draw that each goes back to."""
    ids, n = np.array([ABC.encode_line(text) for text in texts]), len(texts)
    zeros = np.zeros(n, dtype=np.int64)
    rows = np.arange(len(which))
    part = Completions(
        ids, np.zeros(n), zeros, zeros, np.zeros(n), rows, np.array(which),
        ancestors=np.array(ancestors),
    )  # fmt: skip
    return RoundCompletions([part], ABC)


def test_a_line_goes_back_to_the_ancestor_of_its_first_draw() -> None:
    lines = completed(["abca", "abcb", "ccca"], [1, 0, 0, 2], [3, 0, 1, 3])
    chosen = np.array([2, 0, 1])
    assert ancestors_of(lines, chosen).tolist() == [3, 0, 3]
    assert effective_size_of(lines, chosen) == pytest.approx(16 / 6)  # families of 2, 1 and 1
    assert effective_size_of(lines, np.array([0])) == 2  # its two draws have two ancestors


def test_shared_symbols_are_those_that_a_whole_family_begins_with() -> None:
    lines = completed(["abca", "abcb", "abaa", "abcc"], [0, 1, 2, 3], [0, 0, 0, 3])
    chosen = np.arange(4)
    assert shared_symbols(lines, chosen, ancestors_of(lines, chosen)) == 3 * len("ab")
    assert shared_symbols(lines, chosen, np.arange(4)) == 0
    assert shared_symbols(lines, chosen[:2], np.zeros(2, dtype=np.int64)) == 2 * len("abc")


def sampler(table: np.ndarray, train: list[str], **options: object) -> Sampler:
    chosen = make(SamplingConfig, options)
    return Sampler(
        Table(table), ABC, known(), chosen, seed=1, round_size=512, longest=4,
        train=Corpus.exactly(train),
    )  # fmt: skip


LIKE_EVEN = ["".join(line) for line in ("abc", "bca", "cab", "acb", "bac", "cba", "aa", "bb", "cc")]


def test_even_weights_leave_the_sample_size_as_it_was() -> None:
    even = np.full((1, 4, 4), 0.25)
    drawn = sampler(even, LIKE_EVEN, min_length=30)
    lines = [line.text for batch in drawn.rounds(20) for line in batch]
    tally = drawn.tally
    assert len(set(lines)) == 20 and all(len(line) >= 30 for line in lines)
    assert tally.led == 20 and tally.ancestors > 10 and not tally.degenerate


def test_lines_that_go_back_to_one_draw_are_seen() -> None:
    # The model goes on as the n-gram of its lines never says: weights become uneven at each symbol.
    draws = np.random.default_rng(0).dirichlet(np.full(4, 0.15), size=(60, 4))
    drawn = sampler(0.97 * draws + 0.0075, LIKE_EVEN, min_length=150)
    lines = [line.text for batch in drawn.rounds(40) for line in batch]
    tally = drawn.tally
    assert tally.led == 40 and tally.degenerate
    assert tally.effective < tally.led < 0.1 * tally.guided
    # As many different beginnings as ancestors, however long they are taken.
    shared = tally.shared // tally.led
    assert shared > 5 and len({line[:5] for line in lines}) <= tally.ancestors < 20


def test_lines_far_longer_than_the_text_are_refused_before_a_draw() -> None:
    model = Table(np.full((1, 4, 4), 0.25))
    for options, least, to_do in (
        ({"min_length": 1001}, 1001, "give --min-length 1000 or less"),
        ({"suffix": "ab" * 501}, 1002, "ask for lines of 1000 or fewer"),
        ({"contains": "ab" * 501}, 1002, "ask for lines of 1000 or fewer"),
    ):
        with pytest.raises(Unsatisfiable) as caught:
            draw(model, 1, longest=20, **options)
        message = str(caught.value)
        assert f"lines of {least} symbols and more are out of reach" in message
        assert message.endswith(to_do)
    assert model.steps == 0
    # Ten times the longest line of the text is in reach, and a prefix is read, not drawn.
    with pytest.raises(Unsatisfiable, match="give --min-length 2000 or less"):
        draw(model, 1, longest=200, min_length=2001)
    assert draw(model, 1, longest=4, prefix="ab" * 600)[0].text.startswith("ab" * 600)
