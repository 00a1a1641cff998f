"""Refusals: errors with the HTTP status that a client is told, and how they stand in JSON."""

from __future__ import annotations

from typing import Any

from makemore.errors import MakemoreError, RunError, SystemFault
from makemore.escaping import visible


class Refused(SystemFault):
    """Reports a request that is not answered, with its status."""

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


def as_json(error: MakemoreError) -> dict[str, Any]:
    """Write an error as JSON; its words are cut, and hold no control characters."""
    to_do = error.to_do
    if error.add and not to_do:
        to_do = "give the options " + ", ".join(f"{key}: {error.add[key]!r}" for key in error.add)
    where = error.where
    if where is not None and where.startswith("--"):  # here an option is a key
        where = where[2:].replace("-", "_")
    return {
        "error": {
            "message": visible(error.what, 400),
            "where": None if where is None else visible(where, 200),
            "fix": None if to_do is None else visible(to_do, 400),
        }
    }
