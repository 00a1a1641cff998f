"""policy.py: no more is drawn than it takes, and when it is said that there is no other line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exact import Table, draw, known, of_words, stream, until_unsatisfiable

from makemore.sampling import policy
from makemore.sampling.config import SamplingConfig


def test_what_was_found_is_given_before_it_is_said_that_there_is_no_more() -> None:
    model, vocabulary = of_words({"a": 0.3, "b": 0.3, "ab": 0.2, "ba": 0.2})
    avoid = known("a", "ba")
    lines = stream(model, 5, avoid=avoid, vocabulary=vocabulary, round_size=100, longest=2)
    found, message = until_unsatisfiable(lines)
    assert sorted(found) == ["ab", "b"]
    # Found in the first round, of which little is new; the second takes out all that there is.
    assert message.startswith("found 2 of 5 lines after 200 draws; and there is no other: ask for")


def test_giving_up_takes_many_draws_that_gave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVE_UP", 5000)
    monkeypatch.setattr(policy, "MIN_NOVEL_RATE", 0.0)  # draws do not go over to what is left
    model, vocabulary = of_words({"a": 1.0})
    lines = stream(model, 3, avoid=known("a"), vocabulary=vocabulary, longest=1)
    assert until_unsatisfiable(lines) == (
        [],
        "found 0 of 3 lines after 5248 draws; 1 of the probability is left: "
        "raise --temperature, or use --all, which refuses none",
    )


def test_a_greedy_model_whose_line_is_empty_has_no_line() -> None:
    table = np.full((1, 4, 4), [0.7, 0.1, 0.1, 0.1])
    found, message = until_unsatisfiable(stream(Table(table), 3, longest=2, temperature=0))
    assert found == [] and "there is no other" in message


def test_a_rare_line_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVE_UP", 3000)
    model, vocabulary = of_words({"a": 0.997, "b": 0.001, "c": 0.001, "d": 0.001})
    lines = draw(model, 3, avoid=known("a"), vocabulary=vocabulary, longest=1)
    assert sorted(line.text for line in lines) == ["b", "c", "d"]


def test_greedy_draws_are_all_the_same_and_soon_there_is_no_other() -> None:
    model, vocabulary = of_words({"a": 0.4, "b": 0.3, "c": 0.3})
    greedy: dict[str, Any] = {"vocabulary": vocabulary, "longest": 1, "temperature": 0}
    found, message = until_unsatisfiable(stream(model, 3, **greedy))
    assert found == ["a"] and message.startswith("found 1 of 3 lines after 384 draws; and there")
    found, message = until_unsatisfiable(stream(model, 1, avoid=known("a"), **greedy))
    assert found == [] and message.startswith("found 0 of 1 lines after 384 draws; and there")
    shown = draw(model, 3, avoid=known("a"), all=True, **greedy)
    assert [line.text for line in shown] == ["a", "a", "a"]


def test_how_many_draws_come_after_those_that_are_being_judged() -> None:
    """1,000 draws gave 500 lines: 600 more draws should give 300."""
    made = policy.SamplingPolicy(SamplingConfig(), 27, 16_384)
    assert made.draws_needed_after(100, 50, 9999) == 0  # nothing is known yet
    made.tally.draws, made.tally.found = 1000, 500
    assert made.draws_needed_after(None, 600, 9999) == 0
    assert made.draws_needed_after(870, 600, 9999) == 0  # 70 are missing then, or none
    assert made.draws_needed_after(900, 600, 9999) == math.ceil(1.08 * 100 / 0.5) + 32
    assert made.draws_needed_after(90_000, 600, 9999) == 9999
    assert made.most_together(40) == 40 and made.most_together(10**9) == policy.MAX_BATCH_DRAWS
