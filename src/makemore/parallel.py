"""Parallel: calls a function on many items at the same time, in threads of this process. No torch.

numpy and torch compute outside of Python's global lock, so threads are enough and nothing is
copied.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


MOST_THREADS = 8  # the computations of these models are too small to keep more busy
# Measured on 16 cores, a step of the default transformer takes 56 ms with 2 threads, 49 with 4 and
# 96 with 8; a GRU's 28, 28 and 25.
MOST_TRAINING_THREADS = 4


class _Pool(threading.local):
    """What `thread_pool` set in this thread: the callers of two threads do not share it."""

    size = 1  # calls that parallel_map makes at the same time
    prepare: Callable[[], None] | None = None  # called by each of the other threads


_pool = _Pool()


def default_threads() -> int:
    """Count the CPU cores that this process may run on, at most 8."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count() or 1
    return min(cores, MOST_THREADS)


def training_threads() -> int:
    """Count the threads that a training has by default: one for each core, at most 4."""
    return min(default_threads(), MOST_TRAINING_THREADS)


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
