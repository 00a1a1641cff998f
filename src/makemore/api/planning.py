"""Planning: makes the plan of a training that begins now, of the list and the time for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from makemore.api.lineup import choose_model
from makemore.api.plan import CHOSEN, Plan
from makemore.errors import UsageError
from makemore.models import get_model
from makemore.text import Split
from makemore.training.config import names_prior


def check_prior(model: str, requested: Mapping[str, Any]) -> None:
    """Raise UsageError if a prior is requested for a named ensemble, none of whose members has it.

    Where no model is named, the ensemble that is chosen has a member for it.
    """
    prior = requested.get("prior")
    if get_model(model).is_ensemble and names_prior(prior):
        raise UsageError(
            "it is a member that starts from a prior", "--prior",
            f"name it: --members 'ngram, transformer prior={prior}'",
        )  # fmt: skip


def make_plan(
    split: Split,
    model: str | None,
    requested: Mapping[str, Any],
    name: str,
    seconds: float | None,
    began: float,
) -> tuple[Plan, str]:
    """Plan a training that begins now; with a time budget, say in one line why so ("" without).

    model: the one that was named; None for the list's default, or to let the budget choose
    name: what the text is called; began: time.monotonic() from which `seconds` count
    """
    if seconds is None:  # no budget: steps by the recipe and the text
        if model is not None:
            check_prior(model, requested)
            return Plan.make(model, requested, split, name), ""
        chosen, options, why = choose_model(split, requested)
        plan = Plan.make(chosen, {**requested, **options}, split, name)
        return (plan.as_requested(requested, model=CHOSEN) if options else plan), why
    from makemore.api.time_budget import plan_within  # which needs torch

    return plan_within(split, requested, model, seconds, name, began)
