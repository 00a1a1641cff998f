"""Device, threads and seeds: everything about the machine that a training has to fix."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

from makemore.errors import UsageError

MOST_THREADS = 8  # the matrices of these models are too small to feed more

Item = TypeVar("Item")
Made = TypeVar("Made")


def choose_device(name: str) -> torch.device:
    """`auto` is cuda where there is one, else cpu. Raises UsageError for what is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):  # torch knows more, such as meta: no numbers
            raise NotImplementedError
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(f"no device {name!r} here", "--device", "use --device cpu") from None
    return device


def default_threads() -> int:
    """The cores this process may run on, at most 8."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count() or 1
    return min(cores, MOST_THREADS)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """torch's threads set to this number inside, and as they were again outside.

    The last bits of a sum depend on it, so a run records its number and is always used with it.
    """
    before = torch.get_num_threads()
    if before != number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        if before != number:
            torch.set_num_threads(before)


@functools.lru_cache
def _threads(number: int) -> ThreadPoolExecutor:
    """So many threads, each with a core to itself, kept for the next call."""
    return ThreadPoolExecutor(number, "makemore", lambda: torch.set_num_threads(1))


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


_size = 1  # calls that at_once makes at the same time


@contextmanager
def crew(number: int) -> Iterator[None]:
    """Inside, torch works with one thread, and `at_once` makes so many calls at the same time.

    Small matrices that are shared out among threads cost more in waiting than they gain, above all
    while other processes are busy. Parts of a batch share nothing and wait once.
    """
    global _size
    before, _size = _size, number
    try:
        with threads(1):
            yield
    finally:
        _size = before


def crew_size() -> int:
    """The number of the crew around; 1 outside."""
    return _size


def at_once(function: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """[function(item) for item in items], as many at the same time as the crew around has members.

    The results are the same as one after the other.
    """
    items = list(items)
    number = min(_size, len(items))

    def every(start: int) -> list[Made]:
        return [function(item) for item in items[start::number]]

    if number < 2:
        return [function(item) for item in items]
    made: list[Any] = [None] * len(items)
    running = [_threads(number - 1).submit(every, start) for start in range(1, number)]
    try:
        made[::number] = every(0)
    finally:
        wait(running)  # whatever went wrong here: they use what the caller goes on with
    for start, one in enumerate(running, 1):
        made[start::number] = one.result()
    return made


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """torch's global generator set by these numbers inside, and as it was again outside.

    What is random in step t is a function of (seed, t) and of nothing before it. So a checkpoint
    holds no generator, and a training that was killed goes on exactly where it was.
    """
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        if devices or torch.backends.mps.is_available():
            torch.manual_seed(_entropy(*numbers))
        else:  # the same without formatting a stack trace for a device that is not there: 1 ms
            torch.default_generator.manual_seed(_entropy(*numbers))
        yield


def generator(*numbers: int) -> torch.Generator:
    """A generator of its own on the CPU, set by these numbers."""
    return torch.Generator().manual_seed(_entropy(*numbers))


def _entropy(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
