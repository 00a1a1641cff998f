"""Resume: which training a run directory holds, and whether a call goes on with that one.

The same command is the same model, the same options that identify the run, and the same data.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makemore.api.estimator import DEFAULT_MODEL
from makemore.api.plan import Plan
from makemore.errors import MakemoreError, UsageError
from makemore.runs import Run, RunConfig
from makemore.text import Split

BUDGET_MODEL = "ensemble"  # what a time is filled with, where no model is named

# What may differ from one call to the next without making it another training.
CALL_OPTIONS = ("device", "save_interval", "log_interval")


def model_in(folder: str | os.PathLike[str]) -> str | None:
    """The model of the run in a directory; None where there is none that can be read."""
    if not (Path(folder) / "config.json").is_file():
        return None
    with contextlib.suppress(MakemoreError):
        return Run.load(folder).config.model
    return None


def default_model(folder: Path | None, seconds: float | None, fresh: bool = False) -> str:
    """The model where none was named: the run's own, what a time is filled with, or the default."""
    there = model_in(folder) if folder is not None and not fresh else None
    return there or (BUDGET_MODEL if seconds else DEFAULT_MODEL)


def check_same_training(
    run: Run,
    model: str,
    requested: Mapping[str, Any],
    split: Split | None,
    seconds: float | None = None,
) -> None:
    """Raise UsageError if a run was started by another command than this one."""
    if run.config.model != model:
        raise UsageError(
            f"this run's model is {run.config.model!r}, not {model!r}", "--model",
            "give the same to go on, another -o, or --fresh to start over",
        )  # fmt: skip
    # Options that do not identify the run may change from one call to the next.
    named = Plan.make(model, requested, run.split, "").config.asked
    named = named if seconds is None else {**named, "time": seconds}
    same_command(run.config, named, split.digest() if split else None)


def same_command(config: RunConfig, requested: Mapping[str, Any], digest: str | None) -> None:
    """Raise UsageError if a run was started with other options or other data."""
    for key in sorted({*config.asked, *requested}):
        was, now = config.asked.get(key), requested.get(key)
        if was != now:
            before = f"with {key} = {was!r}" if key in config.asked else f"without {key}"
            given = f"{now!r}" if key in requested else "without it"
            raise UsageError(
                f"this run was started {before}, not {given}", None,
                "give the same options to go on, another -o, or --fresh to start over",
            )  # fmt: skip
    if digest is not None and digest != config.data["digest"]:
        raise UsageError(
            f"this run learned other data (sha256 {config.data['digest'][:12]}, now {digest[:12]})",
            None,
            "give the same file to go on, another -o, or --fresh to start over",
        )  # fmt: skip


def with_call_options(plan: Plan, requested: Mapping[str, Any]) -> tuple[Plan, list[str]]:
    """A run's plan with the device, threads and intervals of this call; and warnings about them."""
    own = {key: requested[key] for key in CALL_OPTIONS if key in requested}
    config, warnings = plan.config, []
    if requested.get("threads") not in (None, config.threads):
        warnings.append(f"warning: the run had {config.threads} threads; its bits will differ now")
        config = dataclasses.replace(config, threads=requested["threads"])
    if own.get("device", plan.recipe.device) != plan.recipe.device:
        warnings.append(f"warning: the run was on {plan.recipe.device}; its bits will differ now")
    recipe = dataclasses.replace(plan.recipe, **own)
    return dataclasses.replace(plan, config=config, recipe=recipe), warnings
