"""What values a training's options get: from the request, the model's recipe and the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.conftest import like_names
from makemore.api.plan import Plan
from makemore.api.resolve import REFERENCE_LINES, resolve, split_options
from makemore.errors import UsageError
from makemore.models.gru import GRU
from makemore.models.mlp import MLP
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.training.config import TrainingConfig


def parts_of(number: int) -> Split:
    return train_val_test_split(Corpus.from_lines(like_names(number)))


def plan(model: str, number: int = 200, **asked: Any) -> Plan:
    return Plan.make(model, asked, parts_of(number), "names.txt")


def test_what_is_asked_goes_before_the_models_recipe_and_that_before_the_defaults() -> None:
    assert GRU.recipe["learning_rate"] != TrainingConfig().learning_rate
    _, recipe, _ = split_options(GRU, {})
    assert recipe.learning_rate == GRU.recipe["learning_rate"]
    assert recipe.batch_size == TrainingConfig().batch_size
    _, recipe, text = split_options(GRU, {"learning_rate": 0.5, "keep_copies": True})
    assert recipe.learning_rate == 0.5 and text.keep_copies


@pytest.mark.parametrize(
    ("model", "items"),
    [("gru", lambda part: len(part)), ("mlp", lambda part: sum(len(line) + 1 for line in part))],
)
def test_a_batch_is_no_larger_than_what_there_is(
    model: str, items: Callable[[Corpus], int]
) -> None:
    number = items(parts_of(60).train)
    assert number < 512
    assert plan(model, 60).recipe.batch_size == number  # the default gives way
    assert plan(model, 60, batch_size=number).recipe.batch_size == number
    message = f"^a batch of {number + 1} is more than the {number} there are .*at most {number}$"
    with pytest.raises(UsageError, match=message):
        plan(model, 60, batch_size=number + 1)


@pytest.mark.parametrize(
    ("lines", "share"),
    [(1, 0.06), (300, 0.06), (1000, 0.3 * 0.25**0.65), (4000, 0.3), (5000, 0.3), (12_500, 0.5),
     (25_000, 1), (50_000, 2), (10**5, 2)],
)  # fmt: skip
def test_steps_go_by_the_size_of_the_text(lines: int, share: float) -> None:
    assert REFERENCE_LINES == 25_000
    _, recipe, _ = split_options(MLP, {})
    assert recipe.max_steps is not None
    steps = resolve(MLP, recipe, {}, lines, 2 * lines).max_steps
    assert steps == round(recipe.max_steps * share)
    # But what was asked for is done.
    _, recipe, _ = split_options(MLP, {"max_steps": 77})
    assert resolve(MLP, recipe, {"max_steps": 77}, lines, 2 * lines).max_steps == 77


def test_an_evaluation_comes_twenty_times_and_at_most_every_ten_steps() -> None:
    assert plan("gru", max_steps=1000).recipe.eval_interval == 50
    assert plan("gru", max_steps=100).recipe.eval_interval == 10
    assert plan("gru", max_steps=1000, eval_interval=7).recipe.eval_interval == 7


def test_counting_is_one_step_on_one_thread() -> None:
    made = plan("ngram", max_steps=50)
    assert (made.recipe.max_steps, made.recipe.threads) == (1, 1)
    assert made.config.asked == {"max_steps": 50}
