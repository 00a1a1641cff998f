"""HTTP errors: the status that a client is told for each error of makemore, and its JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from makemore.errors import MakemoreError, RunError, SystemFault
from makemore.web.server.refusal import error_json


class HttpError(SystemFault):
    """Reports why a route does not answer a request: an HTTP status, what is wrong, what to do."""

    def __init__(
        self, status: int, what: str, where: str | None = None, to_do: str | None = None
    ) -> None:
        self.status = status
        super().__init__(what, where, to_do)


def status_of(error: MakemoreError) -> int:
    """Choose the status of an error: its own, or by what kind of error it is."""
    if isinstance(status := getattr(error, "status", None), int):
        return status
    if isinstance(error, RunError):
        return 409  # the run is not such that this can be done with it
    return 503 if isinstance(error, SystemFault) else 422


def as_json(error: MakemoreError, folder: Path) -> dict[str, Any]:
    """Write an error as JSON: options are named as keys of a body are, and runs by their ids.

    folder: of the runs; where it lies on this machine is nothing that a client learns
    """
    to_do = error.to_do
    if error.add and not to_do:
        to_do = "give the options " + ", ".join(f"{key}: {error.add[key]!r}" for key in error.add)
    where = error.where
    if where is not None and where.startswith("--"):  # here an option is a key
        where = where[2:].replace("-", "_")
    what, where, to_do = (text and by_id(text, folder) for text in (error.what, where, to_do))
    return error_json(str(what), where, to_do)


def by_id(text: str, folder: Path) -> str:
    """Write paths of runs as their ids."""
    return text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
