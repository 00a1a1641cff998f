"""Workers: how many pieces of work run at a time, and where: options of sweep and compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def cluster_option(what: str) -> click.Option:
    """Make --cluster ADDRESS."""
    return click.Option(
        ["--cluster"], metavar="ADDRESS",
        help=f"run the {what} on a Dask cluster: the scheduler's address, as "
        "tcp://127.0.0.1:8786, or local, for one of this machine (needs distributed)",
    )  # fmt: skip


def check_cluster(values: Mapping[str, Any]) -> None:
    """Refuse an address that is none, and a cluster without Dask, before anything is written."""
    from makemore.experiments.executors.cluster import check_address

    if values["cluster"] is not None:
        check_address(values["cluster"])


def workers_of(values: Mapping[str, Any], threads: int, pieces: int) -> int:
    """Count the processes that work at a time; 0: as many as a cluster has.

    threads: that each has
    pieces: of work; there are no idle processes
    """
    from makemore.experiments.executors.cluster import LOCAL
    from makemore.parallel import default_threads

    if values["cluster"] not in (None, LOCAL):
        return values["workers"] or 0
    return min(values["workers"] or max(1, default_threads() // threads), pieces or 1)
