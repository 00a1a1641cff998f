"""Ranks of a plan: how many processes compute its batches, and with how many threads each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.api.plan import Plan
from makemore.errors import UsageError
from makemore.models import CountModel

if TYPE_CHECKING:
    from makemore.training.ranks import Ranks


def networks(plan: Plan) -> list[Plan]:
    """List the plans of the networks that a plan trains: members of an ensemble, or itself."""
    plans = plan.member_plans() if plan.kind.is_ensemble else [plan]
    return [each for each in plans if not issubclass(each.kind, CountModel)]


def among(plan: Plan, ranks: Ranks, requested: Mapping[str, Any]) -> Plan:
    """Plan a training for several processes: the threads of one, divided among those here.

    requested: options of the call; threads that were requested are those of each process
    Raises UsageError for what several processes cannot train.
    """
    if not networks(plan):  # counts are made by rank 0 alone
        return plan
    check_shareable(plan, ranks)
    threads = plan.config.threads
    if requested.get("threads") is None:
        threads = max(1, threads // ranks.local_size)
    return with_ranks(plan, ranks.size, threads)


def with_ranks(plan: Plan, ranks: int, threads: int) -> Plan:
    """Record in a plan how many processes train it, and the threads of each."""
    recipe = dataclasses.replace(plan.recipe, threads=threads)
    resolved = {**plan.config.resolved, "threads": threads}
    config = dataclasses.replace(plan.config, threads=threads, ranks=ranks, resolved=resolved)
    return dataclasses.replace(plan, recipe=recipe, config=config)


def described(plan: Plan, ranks: Ranks) -> str:
    """Say in one line what the processes do."""
    if not networks(plan):
        return f"{plan.config.model} counts: the other processes of torchrun have nothing to do"
    each = f"{plan.config.threads} thread" + ("s" if plan.config.threads > 1 else "")
    return f"{ranks.size} processes of {each} compute each batch"


def check_shareable(plan: Plan, ranks: Ranks) -> None:
    """Raise UsageError for BatchNorm, and for a device that several processes cannot use."""
    import torch

    from makemore.models.core.layers import skip_init
    from makemore.training.batch_norm import has_batch_norm
    from makemore.training.device import choose_device

    for each in networks(plan):
        with torch.device("meta"), skip_init():  # shapes without memory
            model: Any = each.build()
        if has_batch_norm(model):  # its mean and variance are those of a whole batch
            raise UsageError(
                f"{each.config.model} has BatchNorm, which needs a batch in one process",
                "torchrun", "leave out torchrun, or give --model mlp",
            )  # fmt: skip
    kind = choose_device(plan.recipe.device).type
    if kind == "mps":
        raise UsageError("mps has no several processes", "--device", "give --device cpu")
    if kind == "cuda" and torch.cuda.device_count() < ranks.local_size:
        cards = torch.cuda.device_count()
        raise UsageError(
            f"{ranks.local_size} processes and {cards} cards", "torchrun",
            f"give --nproc-per-node {cards}, or --device cpu",
        )  # fmt: skip
