"""Parallel: calls that are made at the same time, in threads of this process. No torch.

Numbers are computed outside of Python's lock, so threads are enough, and nothing is copied.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


MOST_THREADS = 8  # what these models do is too small to keep more busy
_size = 1  # calls that at_once makes at the same time


def default_threads() -> int:
    """The cores this process may run on, at most 8."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count() or 1
    return min(cores, MOST_THREADS)


@contextmanager
def thread_pool(number: int) -> Iterator[None]:
    """Inside, `at_once` makes so many calls at the same time."""
    global _size
    before, _size = _size, number
    try:
        yield
    finally:
        _size = before


def pool_size() -> int:
    """The number of the crew around; 1 outside."""
    return _size


def parallel_map(function: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """[function(item) for item in items], as many at the same time as the crew around has members.

    The results are the same as one after the other. Whoever calls torch in them sees to it that it
    works with one thread (runtime.one_thread_each).
    """
    items = list(items)
    number = min(_size, len(items))

    def every(start: int) -> list[Made]:
        return [function(item) for item in items[start::number]]

    def other(start: int) -> list[Made]:
        torch = sys.modules.get("torch")
        if torch is not None and torch.get_num_threads() != 1:  # a thread has a number of its own
            torch.set_num_threads(1)
        return every(start)

    if number < 2:
        return [function(item) for item in items]
    made: list[Any] = [None] * len(items)
    running = [_others(number - 1).submit(other, start) for start in range(1, number)]
    try:
        made[::number] = every(0)
    finally:
        wait(running)  # whatever went wrong here: they use what the caller goes on with
    for start, one in enumerate(running, 1):
        made[start::number] = one.result()
    return made


@functools.lru_cache
def _others(number: int) -> ThreadPoolExecutor:
    """So many threads beside the caller's, kept for the next call."""
    return ThreadPoolExecutor(number, "makemore")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_others.cache_clear)
