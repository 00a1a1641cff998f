"""threads.py: the threads of a training follow from its model, its text and the cores alone."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from api.conftest import like_names, small, weights
from makemore import MakeMore, parallel
from makemore.api import Plan
from makemore.api.resume import with_call_options
from makemore.api.session import train_directory
from makemore.api.threads import (
    PARTS_GROWTH,
    PRODUCTS_GROWTH,
    WORK_FOR_FOUR,
    shared_threads,
    threads_for_work,
)
from makemore.api.time_budget import BudgetPlanner
from makemore.models import CountModel, get_model
from makemore.models.core.registry import model_names
from makemore.text import Corpus, Split
from makemore.training import Step
from makemore.training.batches import MOST_GROUPS

CORES = (1, 2, 3, 4, 6, 8, 16, 64, 256)
WIDE: dict[str, Any] = {"n_embd": 256, "n_hidden": 2048, "n_skip": 2048, "block_size": 8}
ONE = [name for name in model_names() if not get_model(name).is_ensemble]


@pytest.fixture(scope="module")
def names() -> Split:
    """As many lines as the recipes are made for, 7 symbols each: names.txt has such lines."""
    lines = [f"{number:07d}" for number in range(1500)]
    return Split(*(Corpus.exactly(part) for part in (lines[:1400], lines[1400:1450], lines[1450:])))


@pytest.fixture
def threads(names: Split, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The threads that a model gets on a machine with so many cores."""

    def found(cores: int, model: str, **options: Any) -> int:
        monkeypatch.setattr(parallel, "usable_cores", lambda: cores)
        plan = Plan.make(model, {"batch_size": 512, **options}, names, "names")
        assert plan.config.threads == plan.recipe.threads == plan.config.resolved["threads"]
        return plan.config.threads

    return found


@pytest.mark.parametrize("model", ONE)
def test_more_cores_never_give_fewer_threads_and_never_more_than_cores(
    model: str, threads: Any
) -> None:
    known = get_model(model).Options.__dataclass_fields__
    wide = {key: value for key, value in WIDE.items() if key in known}
    for options in ({}, wide):
        found = [threads(cores, model, **options) for cores in CORES]
        assert found == sorted(found) == [threads(cores, model, **options) for cores in CORES]
        if issubclass(get_model(model), CountModel):
            assert found == [1] * len(CORES)
        else:  # on one and two cores all of them, as it always was
            assert found[:2] == [1, 2] and all(map(int.__le__, found, CORES))


def test_the_rule_gives_what_was_measured_to_pay(threads: Any) -> None:
    """With 16 cores: no more than 4 by default, and 2 where a step has little to do."""
    found = {model: threads(16, model) for model in ONE if model not in ("ngram", "transformer")}
    assert found == {
        "bigram": 2, "bow": 2, "deep_mlp": 2, "mlp": 2, "rnn": 2, "gru": 4, "lstm": 4, "wavenet": 4,
    }  # fmt: skip
    assert threads(16, "transformer", batch_size=256) == 4
    assert threads(16, "transformer", batch_size=32) == 2
    assert threads(16, "mlp", **{k: WIDE[k] for k in ("n_embd", "n_hidden", "block_size")}) == 8
    assert threads(16, "transformer", batch_size=256, n_embd=256) == 8
    # A table is looked up, however large: more symbols of a bigram give no more to do.
    assert threads(16, "bigram", batch_size=1400) == 2


def test_a_model_has_no_more_threads_than_parts_to_compute(threads: Any) -> None:
    for model in ("rnn", "gru", "lstm", "bow"):
        assert threads(256, model, n_hidden=4096) == MOST_GROUPS == 4
    assert threads(256, "transformer", n_embd=1024, n_layer=8) > MOST_GROUPS


def test_twice_the_threads_are_for_so_many_times_the_work() -> None:
    for growth in (PARTS_GROWTH, PRODUCTS_GROWTH):
        assert threads_for_work(0, growth) == threads_for_work(WORK_FOR_FOUR - 1, growth) == 2
        for doubled in range(5):
            enough = WORK_FOR_FOUR * growth**doubled
            assert threads_for_work(enough, growth) == 4 * 2**doubled
            assert threads_for_work(enough - 1, growth) == 2 * 2**doubled


def test_members_share_the_threads_of_the_one_with_the_most(threads: Any) -> None:
    members = "ngram, rnn, gru"
    assert [threads(cores, "ensemble", members=members) for cores in (1, 2, 3, 16)] == [1, 2, 3, 4]
    assert threads(16, "ensemble", members="ngram, rnn") == 2
    assert threads(16, "ensemble", members=members, threads=7) == 7
    assert shared_threads([]) == 2  # of counts alone, as it always was


def test_members_are_trained_with_the_threads_of_the_ensemble(
    names: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 16)
    plan = Plan.make("ensemble", {"members": "ngram, rnn, gru"}, names, "names")
    assert [each.config.threads for each in plan.member_plans()] == [4, 4, 4]
    assert [each.recipe.threads for each in plan.member_plans()] == [4, 4, 4]


def test_a_run_goes_on_with_the_threads_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on 16 cores and gone on with on one: the threads are recorded, so are the bits."""
    monkeypatch.setattr("makemore.api.threads.WORK_FOR_FOUR", 100_000)
    options = {**small("transformer"), "max_steps": 4, "eval_interval": 2, "batch_size": 256}

    def train(run: str, cores: int, until: int = 4) -> Any:
        monkeypatch.setattr(parallel, "usable_cores", lambda: cores)
        stop = threading.Event()
        lines = like_names(400)
        for event in train_directory(
            tmp_path / run, lines, model="transformer", stop=stop, **options
        ):
            if isinstance(event, Step) and event.step == until:
                stop.set()
        config = json.loads((tmp_path / run / "config.json").read_text(encoding="utf-8"))
        assert config["threads"] == config["resolved"]["threads"]
        return config["threads"], weights(MakeMore.load(tmp_path / run))

    threads, whole = train("whole", 16)
    assert threads == 8
    assert train("cut", 16, until=2)[0] == 8 and train("cut", 1) == (8, whole)
    threads, other = train("other", 1)
    assert threads == 1 and other != whole


def test_threads_that_are_typed_for_a_run_that_goes_on_compute_it(names: Split) -> None:
    plan = Plan.make("gru", {"threads": 1}, names, "names")
    other, warnings = with_call_options(plan, {"threads": 3})
    assert other.config.threads == other.recipe.threads == 3
    assert warnings == ["warning: the run had 1 threads; its bits will differ now"]


@pytest.mark.parametrize(("alone", "together", "expected"), [(0.2, 0.1, 4), (0.1, 0.2, 1)])
def test_a_time_budget_takes_the_rule_s_threads_or_one(
    alone: float, together: float, expected: int, names: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 16)
    seen = []

    def seconds(plan: Plan, model: Any, budget: float) -> float:
        seen.append(plan.recipe.threads)
        assert plan.config.threads == plan.recipe.threads
        return alone if plan.config.threads == 1 else together

    monkeypatch.setattr("makemore.api.candidates.seconds_of_step", seconds)
    monkeypatch.setattr("makemore.api.candidates.seconds_of_evaluation", lambda *given: 0.1)
    planner = BudgetPlanner(names, {"batch_size": 512}, 1e6, 0.0)
    first = planner.timed("gru", {}, 0.1)
    assert (first.step, planner.threads, seen) == (min(alone, together), expected, [1, 4])
    planner.timed("lstm", {}, 0.1)
    assert seen == [1, 4, expected]
