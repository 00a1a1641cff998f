"""Listing: the run directories below a folder, each summed up without reading its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from makemore.errors import RunError
from makemore.runs.manifest import READ_TRIES, read_manifest, read_verified
from makemore.runs.nearby import COMMIT, FOLDER, run_folders
from makemore.runs.run import parse_config, parse_progress


@dataclass(frozen=True)
class RunSummary:
    """Sums up a run: of what text it learned, how far it came, and how good it is.

    val: nll of the validation lines in nats a symbol, by the weights that count; None if nothing
    was validated. problem: why nothing else is known of it.
    """

    path: str
    modified: datetime  # of the last save
    text: str | None = None
    model: str | None = None
    val: float | None = None
    step: int | None = None
    steps: int | None = None  # that were planned
    best_step: int | None = None  # whose weights count
    finished: bool | None = None
    problem: str | None = None


def summaries(folder: str | os.PathLike[str] = FOLDER) -> list[RunSummary]:
    """Sum up the runs in a folder and in its folders, or the folder itself if it is a run.

    Sorted by path. Raises RunError if there is no such folder.
    """
    above = Path(folder)
    if not above.is_dir():
        what = "this is no folder" if above.exists() else "there is no such folder"
        raise RunError(what, str(folder), "name the folder that holds the runs")
    return [summary_of(path) for path in run_folders(above)]


def summary_of(folder: Path) -> RunSummary:
    """Sum up one run; a damaged one has a problem instead of values."""
    modified = datetime.fromtimestamp(os.lstat(folder / COMMIT).st_mtime, UTC)
    try:
        for _ in range(READ_TRIES):
            try:
                return _read(folder, modified)
            except FileNotFoundError:  # a save removed the files of this generation
                continue
        raise RunError("files are missing", str(folder))
    except RunError as error:
        return RunSummary(str(folder), modified, problem=error.what)


def _read(folder: Path, modified: datetime) -> RunSummary:
    manifest = read_manifest(folder)
    config = parse_config(read_verified(folder, "config.json", manifest), folder)
    progress = parse_progress(read_verified(folder, manifest["state"] + ".json", manifest), folder)
    steps = config.resolved.get("max_steps")
    return RunSummary(
        str(folder), modified, config.data["name"], config.model, progress["best_val"],
        progress["step"], steps if isinstance(steps, int) else None, progress["best_step"],
        progress["finished"],
    )  # fmt: skip
