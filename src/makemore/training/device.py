"""Device, threads and seeds: what a training fixes about the machine, to be repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from makemore.errors import UsageError
from makemore.parallel import thread_pool


def choose_device(name: str) -> torch.device:
    """Return the torch device of this name: cpu, cuda or mps; auto is cuda if there is one.

    Raises UsageError for a device that this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):  # torch knows more, such as meta: no numbers
            raise NotImplementedError
        # A name can be valid and the device missing (cuda:7): only using it shows that.
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(f"no device {name!r} here", "--device", "use --device cpu") from None
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set how many CPU threads torch uses inside a `with` block, and restore it afterwards.

    Floating-point addition is not associative: threads that add up parts of a sum change its last
    bits. So a run records its count of threads, and is always used with that count.
    """
    before = torch.get_num_threads()  # the caller's, who may use torch for other things
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)


@contextmanager
def one_thread_each(count: int) -> Iterator[None]:
    """Let `parallel_map` make `count` calls at once inside, each with torch on a single thread.

    The alternative, each small matrix split among all threads, costs more in waiting than it gains,
    above all while other processes are busy: the threads meet after every operation. Groups of a
    batch need nothing from each other, so their threads meet once, at the end.
    """
    # Both at once would be count * count threads: torch's own are switched off.
    with threads(1), thread_pool(count):
        yield


@contextmanager
def seeded(*seeds: int) -> Iterator[None]:
    """Seed torch's global generator inside a `with` block, and restore its state afterwards.

    seeds: integers that name a stream of random numbers, such as (seed, step + 1). What is random
    in a step then depends on these alone and not on what was drawn before. So a checkpoint needs no
    generator's state, and a training that was killed goes on exactly as if it had not been.
    """
    # fork_rng saves the generators of the CPU and of the GPUs in the list. A GPU that is not in use
    # is left out, because to read its generator would start CUDA.
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        if devices or torch.backends.mps.is_available():
            torch.manual_seed(_entropy(*seeds))
        else:  # the same without formatting a stack trace for a device that is not there: 1 ms
            torch.default_generator.manual_seed(_entropy(*seeds))
        yield


def generator(*seeds: int) -> torch.Generator:
    """Make a new CPU generator with these seeds; torch's global one is not touched."""
    return torch.Generator().manual_seed(_entropy(*seeds))


def _entropy(*seeds: int) -> int:
    # A hash, not a sum: (1, 2) and (2, 1) name unrelated streams, and so do neighbouring steps.
    # 63 bits of it: as a signed 64-bit integer the seed is not negative.
    return int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]) >> 1
