"""duration.py: how long a training will take is known before it begins."""

from __future__ import annotations

from typing import Any

import pytest

from makemore.api import Plan, duration, train_directory
from makemore.api.duration import expected_seconds, in_words, is_long
from makemore.api.session import Message, Started
from makemore.text import Corpus, train_val_test_split

LINES = [a + b + c for a in "kmnrst" for b in "aeiou" for c in ("la", "ri", "no")]
TINY: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 8, "threads": 1}


def planned(model: str = "transformer", **options: Any) -> Plan:
    split = train_val_test_split(Corpus.from_lines(LINES))
    return Plan.make(model, options, split, "lines")


def test_a_training_is_long_by_its_parameters_and_symbols() -> None:
    plan = planned(**TINY, max_steps=100)
    assert not is_long(plan, plan.build())
    plan = planned(max_steps=20_000, batch_size=64)
    assert is_long(plan, plan.build())
    counts = planned("ngram")
    assert not is_long(counts, counts.build())


def test_seconds_grow_with_the_steps_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "seconds_of_step", lambda plan, model: 0.5)
    plan = planned(**TINY, max_steps=1000, eval_interval=1000)
    for done, steps in ((0, 1000), (400, 600), (1000, 0)):
        assert expected_seconds(plan, done) == pytest.approx(steps * 0.5, abs=5)


def test_steps_are_timed_on_a_model_of_their_own() -> None:
    assert 0 < expected_seconds(planned(**TINY, max_steps=10)) < 60


def test_a_long_training_says_how_long_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(duration, "WORTH", 0)
    monkeypatch.setattr(duration, "expected_seconds", lambda plan, done: 1500.0 - done)
    events = train_directory(
        tmp_path / "run", LINES, model="transformer", max_steps=3, eval_interval=1, **TINY
    )
    first, second, *_ = events
    assert isinstance(first, Message) and first.text == "3 steps take about 25 min here"
    assert isinstance(second, Started)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (40, "40 s"), (99, "99 s"), (100, "2 min"),
                          (1500, "25 min"), (5400, "1.5 h")],
)  # fmt: skip
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert in_words(seconds) == said
