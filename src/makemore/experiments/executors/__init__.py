"""Executors: ways to run the trials of a sweep, or the models of a comparison, side by side.

Each has the methods of `Executor` and gives the same records: in both a worker.Worker does the
work, a process of this machine (processes.py) or of a machine in a Dask cluster (cluster.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from makemore.experiments.executors.worker import Job

if TYPE_CHECKING:
    from makemore.experiments.trial import Record, Settings

__all__ = ["Executor", "Job", "executor", "finished"]

WAIT = 1.0  # seconds after which `finished` asks again how many pieces can run


class Executor(Protocol):
    """Works on several pieces of a job at the same time."""

    def size(self) -> int:
        """Count the pieces that it works on at the same time; a cluster's number may change."""

    def start(self, name: str, settings: Settings) -> None:
        """Begin a piece of work, known by a name; no more than `size` at a time."""

    def wait(self, seconds: float) -> list[tuple[str, Record]]:
        """Wait until a piece ends, at most so long; returns names and records of what has ended."""

    def close(self) -> None:
        """End all that is still going on."""


@contextmanager
def executor(job: Job, workers: int, cluster: str | None = None) -> Iterator[Executor]:
    """Yield the executor for a job; its work ends with the `with` block.

    workers: pieces at a time; with the address of a cluster at most, and 0: as many as it has
    cluster: the address of a Dask scheduler, or `local`: a cluster of this machine's own
    Raises SystemFault where the cluster cannot be reached.
    """
    made: Executor
    if cluster is None:
        from makemore.experiments.executors.processes import Processes

        made = Processes(job, workers)
    else:
        from makemore.experiments.executors.cluster import Cluster

        made = Cluster(job, workers, cluster)
    try:
        yield made
    finally:
        made.close()


def finished(pool: Executor, pieces: Mapping[str, Settings]) -> Iterator[tuple[str, Record]]:
    """Work on pieces, begun in their order; yields the name and record of each as it ends."""
    waiting, running = list(pieces)[::-1], 0
    while waiting or running:
        while waiting and running < pool.size():
            name = waiting.pop()
            pool.start(name, pieces[name])
            running += 1
        for came in pool.wait(WAIT):
            running -= 1
            yield came
