"""Cluster: an executor that works on the machines of a Dask cluster, or of one on this machine.

Each thread of a Dask worker has a worker.Worker, a process of its own, as trainings in one process
would share torch's random numbers, and one that runs out of memory would take the others with it.
A Dask worker that is killed takes its Worker with it, and Dask gives the work to another one.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import re
import secrets
import signal
import time
import warnings
import weakref
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from makemore.errors import SystemFault, UsageError
from makemore.experiments.executors.worker import Job, Worker, killed
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.experiments.trial import Record, Settings

LOCAL = "local"
RETRIES = 2  # times that a piece of work is begun again whose process died
LOOK = 0.2  # seconds between two looks at whether somebody still waits for a piece of work
PATIENCE = 30.0  # seconds that a cluster has to answer, and to have a worker
SAME = "install the same makemore on all of its machines"


def _dask() -> Any:
    """Import dask.distributed, which is not installed everywhere and has no complete types."""
    return importlib.import_module("distributed")


class Died(Exception):
    """Says that the process of a piece of work was killed, and with which record."""


class OtherVersion(Exception):
    """Says which version of makemore a Dask worker has."""


# -- on a Dask worker -----------------------------------------------------------------------------


def dask_setup(worker: Any) -> None:
    """Set up a Dask worker of a cluster of our own: Dask calls this. ^C is not for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Workers:
    """The processes of one Dask worker: they end when Dask drops this, as nobody needs it.

    told: what each is told first, the text among it; a machine gets it once, not with each trial
    """

    def __init__(self, told: bytes) -> None:
        self.told, self._idle = told, list[Worker]()
        weakref.finalize(self, _close, self._idle)

    def __reduce__(self) -> tuple[type[Workers], tuple[bytes]]:
        return Workers, (self.told,)  # another machine starts processes of its own

    def run(self, settings: Settings, version: str) -> Record:
        """Do a piece of work in a process. Raises Died, OtherVersion."""
        if version != __version__:
            raise OtherVersion(__version__)
        worker = self._idle.pop() if self._idle else Worker(self.told, _number())
        try:
            worker.start("", settings)
            while not worker.has_answered(LOOK):
                if _is_cancelled():
                    raise Died(killed("was stopped, as nobody waited for it"))
            came = worker.answer()
            if worker.dead:
                raise Died(came)
        except BaseException:
            worker.close()
            raise
        self._idle.append(worker)
        return came


def _close(workers: list[Worker]) -> None:
    for worker in workers:
        worker.close()


def _is_cancelled() -> bool:
    """Tell whether the client has gone or was stopped: its work would go on for nobody."""
    worker = _dask().get_worker()
    state = worker.state.tasks.get(worker.get_current_task())
    return state is None or state.state != "executing"


def _number() -> int:
    """Return the number at the end of a Dask worker's name, by which it gets one of the cards.

    0 where who started it has chosen the cards that it sees.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES"):
        return 0
    found = re.search(r"\d{1,6}$", str(_dask().get_worker().name))
    return int(found[0]) if found else 0


# -- where the sweep is ---------------------------------------------------------------------------


def check_address(address: str) -> None:
    """Raise UsageError for what is no address, SystemFault where Dask is not installed."""
    if address != LOCAL and not re.fullmatch(r"[a-z]+://.+:\d+", address):
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler", "--cluster",
            "give local, or one such as tcp://127.0.0.1:8786",
        )  # fmt: skip
    if find_spec("distributed") is None:
        raise SystemFault("--cluster needs distributed", None, "pip install distributed")


class Cluster:
    """Works on as many pieces as the cluster has threads, or at most on `workers`.

    Raises SystemFault where Dask is not installed, or no scheduler or no worker answers.
    """

    def __init__(self, job: Job, workers: int, address: str) -> None:
        check_address(address)
        self._most, self._where = workers, address
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()  # Dask's futures
        self._running: dict[str, tuple[str, Settings, Any]] = {}  # by Dask's key
        self._local: Any = None
        self._client: Any = None
        self._seen = time.monotonic()  # when there was a worker
        try:
            self._connect(job.told(), workers)
        except BaseException:
            self.close()
            raise

    def _connect(self, told: bytes, workers: int) -> None:
        dask = _dask()
        # What Dask logs of killed workers is no news here, as their work is done by others. Its
        # loggers have levels of their own, set by its import.
        for name in [name for name in logging.root.manager.loggerDict if "distributed" in name]:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self._where == LOCAL:
            # Everything listens on loopback alone.
            self._local = dask.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL, preload=__name__,
            )  # fmt: skip
        try:
            self._client = dask.Client(self._local or self._where, timeout=PATIENCE / 3)
        except (OSError, ValueError) as error:
            raise SystemFault(
                f"no Dask scheduler answers: {error}", self._where,
                "start one there (dask scheduler), or use --cluster local",
            ) from None  # fmt: skip
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise self._without_workers("the cluster has no workers") from None
        self._check_workers()
        # Made by a task, not scattered: if all machines that have it are lost, Dask makes it again.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it is large, and sent once
            self._workers = self._client.submit(Workers, told, pure=False)

    def _check_workers(self) -> None:
        """Raise SystemFault if a worker's Python has no makemore: a task of ours would end it."""
        try:
            found = self._client.run(metadata.version, "makemore", on_error="return")
        except Exception:  # Dask has several for a connection that is lost
            raise self._gone() from None
        without = [where for where, what in found.items() if isinstance(what, Exception)]
        if without:
            raise SystemFault(
                f"a worker of the cluster has no makemore: {without[0]}", self._where, SAME
            )

    def _without_workers(self, what: str) -> SystemFault:
        return SystemFault(what, self._where, f"start some: dask worker {self._where}")

    def size(self) -> int:
        threads = sum(self._asked("nthreads").values())
        return max(1, min(threads, self._most or threads))

    def start(self, name: str, settings: Settings) -> None:
        key = f"makemore-{secrets.token_hex(8)}"
        try:
            future = self._client.submit(
                Workers.run, self._workers, settings, __version__, key=key, pure=False,
                retries=RETRIES,
            )  # fmt: skip
        except Exception:  # Dask has several for a connection that is lost
            raise self._gone() from None
        self._running[key] = name, settings, future
        future.add_done_callback(self._ended.put)

    def wait(self, seconds: float) -> list[tuple[str, Record]]:
        came: list[tuple[str, Record]] = []
        end = time.monotonic() + seconds
        while not came:
            try:
                future = self._ended.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            name, settings, _ = self._running.pop(future.key)
            record = self._record(future)
            if record is not None:
                came.append((name, record))
            else:  # Dask has lost what it knew of it
                self.start(name, settings)
        if came or self._asked("nthreads"):
            self._seen = time.monotonic()
        elif time.monotonic() > self._seen + PATIENCE:
            raise self._without_workers("all workers of the cluster have ended")
        return came

    def _record(self, future: Any) -> Record | None:
        """Get what came of a piece of work; None if it is to be begun again. Raises SystemFault."""
        error: Exception | None = None
        try:
            if future.status == "finished":
                record: Record = future.result(timeout=PATIENCE)
                return record
            if future.status == "error":
                error = future.exception(timeout=PATIENCE)
        except Exception:  # it was lost while it was asked for
            error = None
        if error is None:
            self._asked("nthreads")  # an error if the scheduler has gone
            return None
        if isinstance(error, Died):
            record = error.args[0]
            return record
        if isinstance(error, _dask().KilledWorker):
            return killed("died several times, on several machines")
        what = f"a worker of the cluster cannot do its work: {type(error).__name__}: {error}"
        if isinstance(error, OtherVersion):
            what = f"a worker of the cluster has makemore {error}, and this is {__version__}"
        raise SystemFault(what, self._where, SAME)

    def _asked(self, what: str) -> dict[str, Any]:
        """Ask the scheduler. Raises SystemFault if it has gone."""
        try:
            if self._client.status == "running":
                found: dict[str, Any] = getattr(self._client, what)()
                return found
        except Exception:  # Dask has several for a connection that is lost
            raise self._gone() from None
        raise self._gone()

    def _gone(self) -> SystemFault:
        return SystemFault(
            "the Dask scheduler has gone", self._where,
            "start it again: the same command goes on with what is missing",
        )  # fmt: skip

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # whatever is wrong with it, it is left
                self._client.cancel([future for *_, future in self._running.values()])
            with contextlib.suppress(Exception):
                self._client.close(timeout=2)
        if self._local is not None:
            with contextlib.suppress(Exception):
                self._local.close(timeout=10)
