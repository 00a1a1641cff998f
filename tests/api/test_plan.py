"""plan.py: what a plan resolves from options, the model's own recipe and the text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

import makemore
from api.conftest import like_names
from makemore.api.plan import MAX_VAL_LINES, Plan
from makemore.models.ngram import NGram
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split


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


def test_the_context_comes_from_the_model_or_the_text() -> None:
    assert plan("mlp", block_size=5).config.block_size == 5
    assert plan("ngram", order=4).config.block_size == 3
    long = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 100, "b")))
    assert Plan.make("gru", {}, long, "").config.block_size == 101  # of all parts
    longer = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 1000, "b")))
    assert Plan.make("transformer", {}, longer, "").config.block_size == 256


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
