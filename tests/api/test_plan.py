"""plan.py: what a plan resolves from options, the model's own recipe and the text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import makemore
from api.conftest import like_names
from makemore.api.plan import MAX_VAL_LINES, REFERENCE_LINES, Plan, resolved, split_options
from makemore.errors import UsageError
from makemore.models.gru import GRU
from makemore.models.mlp import MLP
from makemore.models.ngram import NGram
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.training.config import TrainingConfig


def parts_of(number: int) -> Split:
    return train_val_test_split(Corpus.from_lines(like_names(number)))


def plan(model: str, number: int = 200, **asked: Any) -> Plan:
    return Plan.make(model, asked, parts_of(number), "names.txt")


def test_a_plan_holds_every_value_and_what_was_asked() -> None:
    parts = parts_of(200)
    made = Plan.make(
        "gru", {"n_hidden": 8, "learning_rate": 1, "threads": 1, "log_interval": 3}, parts, "x.txt"
    )
    config = made.config
    assert config.asked == {"n_hidden": 8, "learning_rate": 1.0}  # what names the run
    assert type(config.asked["learning_rate"]) is float
    assert config.resolved == {
        **asdict(made.options), **asdict(made.recipe), "encoding": "utf-8", "errors": "strict",
        "max_line": 1000, "max_vocab": 30_000, "keep_copies": False, "symbols": "character",
        "labels": False, "label_column": None, "text_column": None, "delimiter": None,
        "quote": '"', "as_is": False,
    }  # fmt: skip
    assert None not in (made.recipe.max_steps, made.recipe.eval_interval, made.recipe.threads)
    assert config.data == {"name": "x.txt", "digest": parts.digest()}
    assert config.vocab_size == len(made.vocabulary) == 13
    assert config.block_size == max(part.longest for _, part in parts) + 1 == 9
    assert (config.model, config.threads, config.round_size) == ("gru", 1, 16_384)
    assert config.version == makemore.__version__


def test_what_is_asked_goes_before_the_models_recipe_and_that_before_the_defaults() -> None:
    assert GRU.recipe["learning_rate"] != TrainingConfig().learning_rate
    _, recipe, _ = split_options(GRU, {})
    assert recipe.learning_rate == GRU.recipe["learning_rate"]
    assert recipe.batch_size == TrainingConfig().batch_size
    _, recipe, text = split_options(GRU, {"learning_rate": 0.5, "keep_copies": True})
    assert recipe.learning_rate == 0.5 and text.keep_copies


def test_the_context_comes_from_the_model_or_the_text() -> None:
    assert plan("mlp", block_size=5).config.block_size == 5
    assert plan("ngram", order=4).config.block_size == 3
    long = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 100, "b")))
    assert Plan.make("gru", {}, long, "").config.block_size == 101  # of all parts
    longer = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 1000, "b")))
    assert Plan.make("transformer", {}, longer, "").config.block_size == 256


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
    train = Corpus.exactly(["ab"] * lines)
    _, recipe, _ = split_options(MLP, {})
    assert recipe.max_steps is not None
    steps = resolved(MLP, recipe, {}, train.lengths).max_steps
    assert steps == round(recipe.max_steps * share)
    # But what was asked for is done.
    _, recipe, _ = split_options(MLP, {"max_steps": 77})
    assert resolved(MLP, recipe, {"max_steps": 77}, train.lengths).max_steps == 77


def test_an_evaluation_comes_twenty_times_and_at_most_every_ten_steps() -> None:
    assert plan("gru", max_steps=1000).recipe.eval_interval == 50
    assert plan("gru", max_steps=100).recipe.eval_interval == 10
    assert plan("gru", max_steps=1000, eval_interval=7).recipe.eval_interval == 7


def test_counting_is_one_step_on_one_thread() -> None:
    made = plan("ngram", max_steps=50)
    assert (made.recipe.max_steps, made.recipe.threads) == (1, 1)
    assert made.config.asked == {"max_steps": 50}


def test_a_plan_builds_its_model_from_its_seed() -> None:
    def table(**asked: Any) -> list[Any]:
        model: Any = plan("gru", n_hidden=4, n_embd=4, **asked).build_seeded()
        return model.tensors()["embedding.weight"].tolist()

    assert table() == table(seed=3407) != table(seed=1)
    assert isinstance(plan("ngram").build_seeded(), NGram)


def test_at_most_20000_lines_of_val_are_evaluated_while_training_whatever_their_order() -> None:
    assert MAX_VAL_LINES == 20_000
    lines = like_names(500)
    part = Corpus.exactly(lines).lowest(100)
    again = Corpus.exactly(lines[::-1]).lowest(100)
    assert len(part) == 100 and set(part) == set(again)
    assert [lines.index(line) for line in part] == sorted(lines.index(line) for line in part)
    hashes = Corpus.exactly(lines).hashes()
    kept = np.isin(hashes, part.hashes())
    assert hashes[kept].max() < hashes[~kept].min()
    assert part.lowest(100) is part
