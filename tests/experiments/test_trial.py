"""Trials: what may vary, what one training finds, and the data and steps that it gets."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from makemore import MakeMore
from makemore.errors import Diverged, OutOfMemory, SystemFault, UsageError
from makemore.experiments.trial import (
    ALL,
    axis,
    digest,
    failure,
    grid,
    plan_of,
    random_draws,
    run_trial,
    with_seeds,
)  # fmt: skip
from makemore.text import Corpus, Split, train_val_test_split

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa", "t"))]
PARTS = train_val_test_split(Corpus.exactly(LINES))
HOSTILE = ["$x_1$", "<script>", "a|b", "שלום", "é🙂", "_~^", "a\u202eb"]
TINY = {"n_hidden": 4, "n_embd": 2, "batch_size": 16, "max_steps": 10, "threads": 1}

TYPED = {
    "n_hidden=1,10,100": (1, 10, 100), "n-hidden=5": (5,), " n_embd = 2 , 10 ": (2, 10),
    "learning_rate=1e-3,0.1": (0.001, 0.1), "gain=5/3,1": (5 / 3, 1.0), "data=1/3,1": (1 / 3, 1.0),
    "batch_norm=true,off": (True, False), "grad_clip=none,1": (None, 1.0),
    "batch_size=1,32,all": (1, 32, ALL), "optimizer=sgd,adamw": ("sgd", "adamw"),
    "seed=1,2": (1, 2), "n_symbols=100": (100,), "n_hidden=3,3,4": (3, 4),
}  # fmt: skip


@pytest.mark.parametrize("text", TYPED)
def test_an_axis_is_what_was_typed(text: str) -> None:
    found = axis("mlp", text)
    assert found.values == TYPED[text] and not found.is_range
    assert [type(value) for value in found.values] == [type(value) for value in TYPED[text]]


BAD_AXES = {
    "n_hiden=1": "n_hidden", "n_hidden": "no values", "n_hidden=": "no values", "=1": "unknown",
    "n_hidden=1.5": "whole number", "n_hidden=x": "whole number", "n_hidden=0": "or more",
    "n_hidden=1,,2": "whole number", "gain=1/0": "number", "gain=nan": "finite", "gain=x": "number",
    "batch_norm=maybe": "true or false", "optimizer=adam": "choose", "n_hidden=9..1": "no range",
    "n_hidden=1..1": "no range", "optimizer=a..b": "no range", "seed=1..9": "no range",
    "threads=1,2": "unknown", "keep_copies=true": "unknown", "data=0": "more", "data=2": "less",
    "n_hidden=all": "whole number", "batch_size=1..all": "no range", "n_head=2": "unknown",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_AXES)
def test_an_axis_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=BAD_AXES[text]):
        axis("mlp", text)


def test_a_grid_is_every_combination_the_last_fastest() -> None:
    axes = [axis("mlp", "n_hidden=1,2"), axis("mlp", "gain=0.5,1")]
    assert [tuple(each.values()) for each in grid(axes)] == [(1, 0.5), (1, 1), (2, 0.5), (2, 1)]
    with pytest.raises(UsageError, match="--random"):
        grid([axis("mlp", "n_hidden=1..9")])
    seeded = with_seeds(grid(axes[:1]), [7, 8])
    assert [tuple(each.values()) for each in seeded] == [(1, 7), (1, 8), (2, 7), (2, 8)]


def test_draws_are_even_by_logarithm_where_a_range_is_wide() -> None:
    axes = [axis("mlp", "learning_rate=0.0001..1"), axis("mlp", "gain=1..2"),
            axis("mlp", "n_hidden=1..3"), axis("mlp", "n_embd=2,7")]  # fmt: skip
    drawn = random_draws(axes, 2000, 5)
    assert len(drawn) == 2000
    rates = np.array([each["learning_rate"] for each in drawn])
    assert 0.0001 <= rates.min() and rates.max() <= 1
    shares = [((rates >= 10.0**e) & (rates < 10.0 ** (e + 1))).mean() for e in range(-4, 0)]
    np.testing.assert_allclose(shares, 0.25, atol=0.04)
    gains = np.array([each["gain"] for each in drawn])
    assert abs((gains < 1.5).mean() - 0.5) < 0.04 and gains.min() >= 1 and gains.max() <= 2
    hidden = np.bincount([each["n_hidden"] for each in drawn]) / 2000
    np.testing.assert_allclose(hidden[1:], 1 / 3, atol=0.05)
    assert {each["n_embd"] for each in drawn} == {2, 7}
    assert {type(each["n_hidden"]) for each in drawn} == {int}


def test_more_draws_begin_with_the_fewer_and_none_comes_twice() -> None:
    axes = [axis("mlp", "n_hidden=1..100")]
    few, many = random_draws(axes, 5, 1), random_draws(axes, 50, 1)
    assert many[:5] == few != random_draws(axes, 5, 2)
    assert len({digest(each) for each in many}) == 50
    assert len(random_draws([axis("mlp", "n_hidden=1..3")], 10, 1)) == 3


def test_a_share_of_the_data_is_its_lowest_hashes_and_nothing_else_changes() -> None:
    for share, lines in ((0.1, 0.1), (1 / 3, 1 / 3), (1.0, 1.0), (1e-9, 0)):
        plan = plan_of("mlp", {**TINY, "batch_size": 2, "data": share}, PARTS)
        train = plan.split.train
        assert len(train) == max(1, round(lines * len(PARTS.train)))
        assert plan.split.val is PARTS.val and plan.split.test is PARTS.test
        assert plan.config.vocab_size == len(plan.vocabulary) == len(set("".join(LINES))) + 1
        left = np.setdiff1d(PARTS.train.hashes(), train.hashes())
        assert not len(left) or train.hashes().max() < left.min()
    small, large = (PARTS.train.lowest(round(part * len(PARTS.train))) for part in (0.2, 0.6))
    assert set(small) < set(large)
    rows = list(PARTS.train)
    kept = [rows.index(line) for line in PARTS.train.lowest(round(0.5 * len(PARTS.train)))]
    assert kept == sorted(kept)
    # The context of a sequence model is the whole text's, too.
    contexts = {plan_of("gru", {"data": share}, PARTS).config.block_size for share in (0.02, 1.0)}
    assert len(contexts) == 1


def test_all_is_every_window_and_symbols_become_steps() -> None:
    windows = int((PARTS.train.lengths + 1).sum())
    plan = plan_of("mlp", {**TINY, "batch_size": ALL}, PARTS)
    assert plan.recipe.batch_size == windows
    assert plan_of("gru", {"batch_size": ALL}, PARTS).recipe.batch_size == len(PARTS.train)
    less = {key: value for key, value in TINY.items() if key != "max_steps"}
    for batch, steps in ((1, 1000), (10, 100), (ALL, round(1000 / windows))):
        plan = plan_of("mlp", {**less, "batch_size": batch, "n_symbols": 1000}, PARTS)
        assert plan.recipe.max_steps == max(1, steps)
    plan = plan_of("gru", {"batch_size": 8, "n_symbols": 10_000}, PARTS)
    seen = (plan.recipe.max_steps or 0) * 8 * windows / len(PARTS.train)
    assert seen == pytest.approx(10_000, rel=0.02)
    for model, options in (("mlp", {"max_steps": 5}), ("ngram", {})):
        with pytest.raises(UsageError, match="symbols"):
            plan_of(model, {**options, "n_symbols": 100}, PARTS)


def test_a_trial_says_what_the_same_training_says() -> None:
    found = run_trial("mlp", TINY, PARTS)
    maker = MakeMore("mlp", **TINY)
    maker.begin(plan_of("mlp", TINY, PARTS))
    events = [event for event in maker.training() if hasattr(event, "best")]
    assert found["val"] == maker.report("val")["nll"]
    assert found["train"] == maker.report("train")["nll"]
    assert found["first"] == {"train": events[0].train, "val": events[0].val}
    assert found["last"] == {"train": events[-1].train, "val": events[-1].val}
    assert (found["steps"], found["parameters"]) == (10, maker.n_parameters)
    assert found["best_step"] in (0, 10) and found["nll_unseen"] is None
    drawn = list(maker.samples(1000, 0, all=True, style="plain"))
    assert found["copied"] == sum(line.text in set(PARTS.train) for line in drawn) / 1000
    assert (
        found["names"] == maker.sample(20, random_state=0, style="plain")
        and len(found["names"]) == 20
    )
    assert not set(found["names"]) & set(LINES)
    again = run_trial("mlp", TINY, PARTS)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


def test_names_are_new_to_the_lines_that_were_left_out_too() -> None:
    found = run_trial("ngram", {"order": 4, "data": 0.5}, PARTS)
    half = set(PARTS.train.lowest(round(0.5 * len(PARTS.train))))
    maker = MakeMore("ngram")
    maker.begin(plan_of("ngram", {"order": 4, "data": 0.5}, PARTS))
    list(maker.training())
    drawn = [line.text for line in maker.samples(1000, 0, all=True, style="plain")]
    assert found["copied"] == sum(line in half for line in drawn) / 1000
    assert found["copied"] < sum(line in set(LINES) for line in drawn) / 1000
    assert found["names"] and not set(found["names"]) & set(LINES)


def test_it_never_looks_at_the_test_part() -> None:
    other = Corpus.exactly([line + line for line in PARTS.test])
    one, two = (run_trial("mlp", TINY, Split(PARTS.train, PARTS.val, test))
                for test in (PARTS.test, other))  # fmt: skip
    keys = ("val", "train", "first", "last", "copied")
    assert {key: one[key] for key in keys} == {key: two[key] for key in keys}


def test_copies_in_val_are_told_apart_and_without_val_train_counts() -> None:
    train = Corpus.exactly(LINES[:60])
    kept = Split(train, Corpus.exactly(LINES[50:]), train.take(slice(0)))
    found = run_trial("mlp", TINY, kept)
    assert found["nll_unseen"] is not None and found["nll_unseen"] != found["val"]
    few = train_val_test_split(Corpus.exactly(LINES[:20]))
    found = run_trial("mlp", TINY, few)
    assert found["val"] is None and found["train"] > 0 and found["best_step"] == 10


@pytest.mark.parametrize("lines", [["a"], ["aaa", "aa"], HOSTILE], ids=["a", "two", "hostile"])
def test_any_text_can_be_tried(lines: list[str]) -> None:
    parts = train_val_test_split(Corpus.exactly(lines))
    found = run_trial("mlp", {**TINY, "batch_size": ALL}, parts)
    assert found["train"] > 0 and len(found["names"]) <= 20


def test_a_trial_that_diverged_is_not_told_to_start_over() -> None:
    """What a training is told to type, --fresh, would forget all trials of the sweep."""
    found = failure(Diverged("training diverged: it is 9", "step 3", "give --fresh"))
    assert found == {"error": "training diverged: it is 9 (step 3)", "kind": "diverged", "code": 6}


FAILURES = [
    (UsageError("no"), "options", 2), (SystemFault("no"), "system", 5),
    (MemoryError(), "memory", 5), (OutOfMemory("no"), "memory", 5),
    (RuntimeError("CUDA out of memory. Tried to allocate"), "memory", 5),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), "memory", 5),
    (ValueError("x"), "bug", 1),
]  # fmt: skip


@pytest.mark.parametrize("error, kind, code", FAILURES, ids=lambda value: str(value)[:20])
def test_a_failure_says_its_kind(error: Exception, kind: str, code: int) -> None:
    found = failure(error)
    assert (found["kind"], found["code"]) == (kind, code) and found["error"]
