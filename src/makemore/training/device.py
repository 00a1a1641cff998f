"""Device, threads and seeds: everything about the machine that a training has to fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from makemore.errors import UsageError
from makemore.parallel import thread_pool


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


@contextmanager
def one_thread_each(number: int) -> Iterator[None]:
    """Inside, torch works with one thread, and `parallel.parallel_map` makes so many calls at once.

    Small matrices that are shared out among threads cost more in waiting than they gain, above all
    while other processes are busy. Parts of a batch share nothing and wait once.
    """
    with threads(1), thread_pool(number):
        yield


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
