"""Sent models: a model of a comparison that is trained elsewhere, and sent with its row as JSON."""

from __future__ import annotations

import base64
import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from makemore.errors import RunError
from makemore.experiments.compare import Row, Started, compare, keep, run_folder
from makemore.runs.safe_files import on_disk, write_atomically
from makemore.runs.writer import remove_run
from makemore.text import Split

COMMIT, LOCK = "checkpoint.json", "lock"


def run_model(settings: Mapping[str, Any], parts: Split, test: bool, name: str) -> dict[str, Any]:
    """Train one model for a comparison that is elsewhere; returns its row and its run.

    settings: the model, and the options that were requested
    {"row": fields of a Row, "run": {file of the run directory: its bytes in base64}}
    """
    requested = dict(settings)
    model: str = requested.pop("model")
    row, maker = Row(model), None
    for event in compare([model], parts, requested, test, name):
        if isinstance(event, Started):
            maker = event.maker
        elif isinstance(event, Row):
            row = event
    files: dict[str, str] = {}
    if maker is not None and row.error is None:
        with tempfile.TemporaryDirectory() as folder:
            keep(Path(folder), maker)
            run = run_folder(Path(folder), model)
            for path in filter(Path.is_file, sorted(run.rglob("*"))):
                body = base64.b64encode(path.read_bytes())
                files[path.relative_to(run).as_posix()] = body.decode()
    return {"row": dataclasses.asdict(row), "run": files}


def keep_sent(folder: Path, record: Mapping[str, Any], model: str) -> Row:
    """Keep the run that `run_model` sent, and return its row. Raises RunError, SystemFault."""
    if "row" not in record:  # its process was killed
        return Row(model, error=record["error"], code=record["code"])
    row = Row(**record["row"])
    path = run_folder(folder, row.model)
    if not record["run"]:
        return row
    if path.is_symlink():
        raise RunError("this is a link", str(path), "take it away")
    if path.exists():  # a kill may have come between this and its row
        remove_run(path)
    # The lock first, by which a run that is not whole is known as ours; the commit point last.
    for name in sorted(record["run"], key=lambda name: (name == COMMIT, name != LOCK)):
        target = path / PurePosixPath(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise on_disk(error, folder, path.name) from None
        write_atomically(target.parent, target.name, base64.b64decode(record["run"][name]))
    return row
