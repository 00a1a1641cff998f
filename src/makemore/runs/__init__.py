"""Runs: directories with all that sampling and resuming need, as plain data. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.runs.listing import RunSummary, summaries
    from makemore.runs.logs import RunLog
    from makemore.runs.manifest import verify
    from makemore.runs.run import Run, RunConfig
    from makemore.runs.writer import RunWriter

__all__ = ["Run", "RunConfig", "RunLog", "RunSummary", "RunWriter", "summaries", "verify"]

__getattr__ = late_names(
    __name__,
    {
        "Run": "run",
        "RunWriter": "writer",
        "RunConfig": "run",
        "verify": "manifest",
        "RunLog": "logs",
        "RunSummary": "listing",
        "summaries": "listing",
    },
)
