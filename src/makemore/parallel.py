"""Parallel: counts the CPU cores there are for us, and calls a function on many items at once.

In threads of this process: numpy and torch compute outside of Python's global lock, so threads are
enough and nothing is copied. No torch.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST_THREADS = 8  # drawing and scoring are too small for more to be busy
# Where Linux shows the limits of control groups: version 2, alone or beside version 1; version 1.
MOUNTS_2 = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
MOUNTS_1 = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/cpuacct,cpu")
NO_LIMIT = 2**31  # cores


class _Pool(threading.local):
    """What `thread_pool` set in this thread: the callers of two threads do not share it."""

    size = 1  # calls that parallel_map makes at the same time
    prepare: Callable[[], None] | None = None  # called by each of the other threads


_pool = _Pool()


def usable_cores() -> int:
    """Count the CPU cores that this process may keep busy.

    A container that was given the time of 2 cores may still run on all 64 of its machine. But once
    its threads have used up what it has in a tenth of a second, all of them are stopped.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count() or 1
    return min(cores, cpu_quota())


def default_threads() -> int:
    """Count the threads that draw and score lines: one for each usable core, at most 8."""
    return min(usable_cores(), MOST_THREADS)


@functools.cache  # read once: a process seldom moves to another group
def cpu_quota(root: Path = Path("/")) -> int:
    """Read how many cores' time the control groups of this process grant it, rounded up.

    root: the folder with proc and sys. NO_LIMIT where nothing is limited or nothing is said.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # macOS, or no text
        return NO_LIMIT
    found = NO_LIMIT
    for line in lines:  # 0::/group of version 2, or 4:cpu,cpuacct:/group of version 1
        controllers, _, group = line.partition(":")[2].partition(":")
        version_2 = not controllers
        if version_2 or "cpu" in controllers.split(","):
            for mount in MOUNTS_2 if version_2 else MOUNTS_1:
                for folder in _with_parents(root / mount, group):
                    found = min(found, _quota_of(folder, version_2))
    return found


def _with_parents(mount: Path, group: str) -> list[Path]:
    """List the folders of a group and of all groups around it, whose limits hold for it, too."""
    inner = PurePosixPath(group.lstrip("/"))
    # Seen from a container, its group may be "..", or have the path that it has outside: then some
    # of the folders are not there, and the limit stands at the mount itself.
    inside = [] if ".." in inner.parts else [inner, *inner.parents]
    return [mount, *(mount / each for each in inside if each.parts)]


def _quota_of(folder: Path, version_2: bool) -> int:
    """Read the limit of one group: `cpu.max` has "200000 100000" for the time of 2 cores."""
    names = ("cpu.max",) if version_2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        texts = [(folder / name).read_text(encoding="utf-8") for name in names]
        quota, period = (int(number) for number in " ".join(texts).split())
    except (OSError, ValueError):  # no such file, or "max 100000"
        return NO_LIMIT
    # Version 1 says -1 for no limit.
    return -(-quota // period) if quota > 0 and period > 0 else NO_LIMIT


@contextmanager
def thread_pool(number: int, prepare: Callable[[], None] | None = None) -> Iterator[None]:
    """Let `parallel_map` make `number` calls at the same time inside `with`, in this thread.

    prepare: called by each of the other threads before it takes part
    """
    before = _pool.size, _pool.prepare
    _pool.size, _pool.prepare = number, prepare
    try:
        yield
    finally:
        _pool.size, _pool.prepare = before


def pool_size() -> int:
    """Return the number of the innermost `thread_pool`; 1 outside of all."""
    return _pool.size


def parallel_map(function: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """Compute [function(item) for item in items], `pool_size()` calls at the same time.

    The results are those of a loop, in order. A function that uses torch should run it with one
    thread (training.device.one_thread_each), or the threads contend for the cores.
    """
    items = list(items)
    number, prepare = min(_pool.size, len(items)), _pool.prepare

    # Thread `start` of `number` takes every number-th item from there: the same items each time.
    def every(start: int) -> list[Made]:
        return [function(item) for item in items[start::number]]

    def other(start: int) -> list[Made]:
        if prepare is not None:
            prepare()
        return every(start)

    if number < 2:
        return [function(item) for item in items]
    made: list[Any] = [None] * len(items)
    running = [_others(number - 1).submit(other, start) for start in range(1, number)]
    try:
        made[::number] = every(0)
    finally:
        wait(running)  # after an error here, too: the others still use the caller's arrays
    for start, one in enumerate(running, 1):
        made[start::number] = one.result()
    return made


@functools.lru_cache
def _others(number: int) -> ThreadPoolExecutor:
    """Make a pool of so many threads beside the caller's, kept for the next call."""
    return ThreadPoolExecutor(number, "makemore")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_others.cache_clear)
