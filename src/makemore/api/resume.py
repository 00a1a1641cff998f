"""Resume: checks whether a call goes on with the run that a directory holds.

It does if it is the same command: the same model, the same values of options that identify the run,
and the same data. Options such as the device may differ.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makemore.api.plan import CHOSEN, Plan
from makemore.errors import MakemoreError, UsageError
from makemore.models import CountModel
from makemore.runs import Run, RunConfig
from makemore.runs.manifest import read_manifest, read_verified
from makemore.runs.run import parse_config
from makemore.text import Split
from makemore.training.config import BUDGET_MODEL, DEFAULT_MODEL

# Options that may differ from one call to the next of the same training.
CALL_OPTIONS = ("device", "save_interval", "log_interval")


def model_in(folder: str | os.PathLike[str]) -> str | None:
    """Read which model the run in a directory has; None where no run can be read."""
    config = config_in(folder)
    return config.model if config else None


def config_in(folder: str | os.PathLike[str]) -> RunConfig | None:
    """Read config.json of the run in a directory, and nothing else; None where it cannot be."""
    path = Path(folder)
    if not (path / "config.json").is_file():
        return None
    # A damaged run is reported later, when it is opened.
    with contextlib.suppress(MakemoreError, FileNotFoundError):
        return parse_config(read_verified(path, "config.json", read_manifest(path)), path)
    return None


def default_model(folder: Path | None, seconds: float | None, fresh: bool = False) -> str:
    """Choose the model where none is named: that of the run, of a time budget, or the default.

    seconds: the time budget, or None; fresh: the run in the directory is ignored
    """
    of_run = model_in(folder) if folder is not None and not fresh else None
    return of_run or (BUDGET_MODEL if seconds else DEFAULT_MODEL)


def check_same_training(
    run: Run,
    model: str,
    requested: Mapping[str, Any],
    split: Split | None,
    seconds: float | None = None,
    given_model: str | None = None,
) -> None:
    """Raise UsageError if a run was started by another command than this one.

    split: the data of this call, None for the run's own; seconds: its time budget, or None
    given_model: the model that this call names; None goes on with the run's
    """
    if run.config.model != model:
        raise UsageError(
            f"this run's model is {run.config.model!r}, not {model!r}", "--model",
            "give the same to go on, another -o, or --fresh to start over",
        )  # fmt: skip
    # A plan keeps only options that identify the run, checked: 1 and 1.0 are the same there.
    named = Plan.make(model, requested, run.split, "").config.asked
    named = named if seconds is None else {**named, "time": seconds}
    if run.config.asked.get("model") == CHOSEN and given_model is None:
        named = {**named, "model": CHOSEN}
    same_command(run.config, named, split.digest() if split else None)


def same_command(config: RunConfig, requested: Mapping[str, Any], digest: str | None) -> None:
    """Raise UsageError if a run was started with other options or other data.

    requested: options that identify the run; digest: sha256 of the data, None to skip it
    """
    # Requested values are compared, not resolved ones, which depend on the machine or the time.
    for key in sorted({*config.asked, *requested}):
        was, now = config.asked.get(key), requested.get(key)
        if was != now:
            before = f"with {key} = {was!r}" if key in config.asked else f"without {key}"
            after = f"{now!r}" if key in requested else "without it"
            raise UsageError(
                f"this run was started {before}, not {after}", None,
                "give the same options to go on, another -o, or --fresh to start over",
            )  # fmt: skip
    if digest is not None and digest != config.data["digest"]:
        raise UsageError(
            f"this run learned other data (sha256 {config.data['digest'][:12]}, now {digest[:12]})",
            None,
            "give the same file to go on, another -o, or --fresh to start over",
        )  # fmt: skip


def with_call_options(
    plan: Plan, requested: Mapping[str, Any], ranks: int = 1
) -> tuple[Plan, list[str]]:
    """Replace the device, threads and intervals of a plan by this call's; and warn of changes.

    ranks: processes that this call trains with
    """
    replaced = {key: requested[key] for key in CALL_OPTIONS if key in requested}
    config, warnings = plan.config, []
    # Another number of threads or another device adds numbers up in another order.
    if ranks != config.ranks and not issubclass(plan.kind, CountModel):
        were = f"{config.ranks} process" + ("es" if config.ranks > 1 else "")
        warnings.append(f"warning: the run had {were}; its bits will differ now")
        # As many parts of a batch as before, divided among other processes.
        threads = requested.get("threads") or max(1, config.ranks * config.threads // ranks)
        config = dataclasses.replace(config, threads=threads, ranks=ranks)
        replaced["threads"] = threads
    elif requested.get("threads") not in (None, config.threads):
        warnings.append(f"warning: the run had {config.threads} threads; its bits will differ now")
        config = dataclasses.replace(config, threads=requested["threads"])
        replaced["threads"] = config.threads
    if replaced.get("device", plan.recipe.device) != plan.recipe.device:
        warnings.append(f"warning: the run was on {plan.recipe.device}; its bits will differ now")
    recipe = dataclasses.replace(plan.recipe, **replaced)
    return dataclasses.replace(plan, config=config, recipe=recipe), warnings
