"""ranks.py: what a plan says of several processes, and what goes on with another number of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from api.conftest import like_names, small
from makemore import parallel
from makemore.api import Plan
from makemore.api.fit import _same_training
from makemore.api.ranks import among, check_shareable, described
from makemore.api.resume import with_call_options
from makemore.errors import UsageError
from makemore.text import Corpus, train_val_test_split
from makemore.training.ranks import Place

SPLIT = train_val_test_split(Corpus.from_lines(like_names(200)))
FOUR: Any = Place(0, 4, 0, 2)  # two processes on this machine, two on another


def plan_of(model: str, **options: Any) -> Plan:
    return Plan.make(model, {**small(model), "max_steps": 4, "device": "cpu", **options}, SPLIT, "")


def test_processes_of_one_machine_share_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 16)
    monkeypatch.setattr("makemore.api.threads.WORK_FOR_FOUR", 1)
    plan = plan_of("gru")
    assert (plan.config.threads, plan.config.ranks, "ranks" in plan.config.record()) == (
        4,
        1,
        False,
    )
    shared = among(plan, FOUR, {})
    assert shared.recipe.threads == shared.config.threads == shared.config.resolved["threads"] == 2
    assert shared.config.record()["ranks"] == 4
    assert described(shared, FOUR) == "4 processes of 2 threads compute each batch"
    # Threads that were typed are those of each process.
    assert among(plan_of("gru", threads=3), FOUR, {"threads": 3}).config.threads == 3
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)
    assert among(plan_of("gru"), FOUR, {}).config.threads == 1


def test_members_are_trained_by_as_many_processes_as_the_ensemble() -> None:
    plan = among(plan_of("ensemble", threads=2), FOUR, {})
    assert [each.config.ranks for each in plan.member_plans()] == [4, 4]
    assert [each.recipe.threads for each in plan.member_plans()] == [1, 1]


def test_counts_are_made_by_one_process() -> None:
    plan = plan_of("ngram")
    assert among(plan, FOUR, {}) is plan
    assert (
        described(plan, FOUR) == "ngram counts: the other processes of torchrun have nothing to do"
    )
    assert with_call_options(plan, {}, 2) == (plan, [])


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("deep_mlp", {}),
        ("mlp", {"batch_norm": True}),
        ("ensemble", {"members": "ngram, gru n_hidden=8, deep_mlp"}),
    ],
)
def test_batch_norm_is_refused_with_what_to_type(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="BatchNorm.*leave out torchrun, or give --model mlp"):
        among(plan_of(model, **options), FOUR, {})


def test_a_device_that_several_processes_cannot_use_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, chosen = plan_of("gru"), ["mps"]
    monkeypatch.setattr(
        "makemore.training.device.choose_device", lambda name: torch.device(chosen[-1])
    )
    with pytest.raises(UsageError, match="give --device cpu"):
        check_shareable(plan, FOUR)
    chosen.append("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="2 processes and 1 cards.*give --nproc-per-node 1"):
        check_shareable(plan, FOUR)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_shareable(plan, FOUR)


def test_another_number_of_processes_is_one_warning_and_keeps_the_parts_of_a_batch() -> None:
    plan = plan_of("gru", threads=2)
    shared = dataclasses.replace(plan, config=dataclasses.replace(plan.config, ranks=3))
    assert with_call_options(shared, {}, 3) == (shared, [])
    alone, warnings = with_call_options(shared, {}, 1)
    assert warnings == ["warning: the run had 3 processes; its bits will differ now"]
    assert (alone.config.ranks, alone.config.threads, alone.recipe.threads) == (1, 6, 6)
    more, warnings = with_call_options(plan, {}, 4)
    assert warnings == ["warning: the run had 1 process; its bits will differ now"]
    assert (more.config.ranks, more.config.threads, more.recipe.threads) == (4, 1, 1)
    typed, warnings = with_call_options(shared, {"threads": 5}, 1)
    assert (typed.recipe.threads, len(warnings)) == (5, 1)


def test_a_member_goes_on_with_another_number_of_processes() -> None:
    """With other threads of as many processes it begins again, as it always did."""
    config = plan_of("gru", threads=2).config
    other = dataclasses.replace(config, ranks=2, threads=1)
    assert _same_training(config, other) and _same_training(config, config)
    assert not _same_training(other, dataclasses.replace(other, threads=3))
