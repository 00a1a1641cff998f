"""Device, threads and seeds: what a training fixes about the machine, to be repeatable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch

from makemore.errors import UsageError
from makemore.parallel import thread_pool

Made = TypeVar("Made")


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


class _Sessions:
    """Keeps torch's thread settings as the callers had them, while any thread works with others.

    torch has a count for each thread, and a default, the last count that any thread has set: with
    it a thread begins that has not used torch yet. So setting a count in one thread changes what
    later ones begin with. The default is noted when the first block of `threads` is entered, and
    put back when the last one ends; a thread that enters in between begins with it, too.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open, self.default, self.last = 0, 0, 0  # blocks; counts: the caller's, ours
        self.inside = threading.local()  # .depth: blocks of this thread

    def enter(self, count: int) -> int:
        """Set a count in this thread; returns the one that it had."""
        depth = getattr(self.inside, "depth", 0)
        with self.lock:
            if not self.open:
                self.default = self.last = _in_new_thread(torch.get_num_threads)
            elif not depth and self.last != self.default:
                # This thread may be about to ask torch for the first time.
                _in_new_thread(lambda: torch.set_num_threads(self.default))
            before = torch.get_num_threads()
            self.open += 1
            self._set(count, before)
        self.inside.depth = depth + 1
        return before

    def leave(self, before: int) -> None:
        """Set the count that this thread had; behind the last block also the default."""
        with self.lock:
            self._set(before, torch.get_num_threads())
            self._close()
        self.inside.depth -= 1

    def leave_elsewhere(self) -> None:
        """End a block whose thread is another: a generator was closed here. Sets nothing here."""
        with self.lock:
            self._close()

    def set_one(self) -> None:
        """Set one thread in a thread of our own pool."""
        with self.lock:
            self._set(1, torch.get_num_threads())

    def _set(self, count: int, now: int) -> None:
        if count != now:
            torch.set_num_threads(count)
            self.last = count

    def _close(self) -> None:
        self.open -= 1
        if not self.open and self.last != self.default:
            _in_new_thread(self._put_back)

    def _put_back(self) -> None:
        # In a new thread this is the default. If it is none of ours, a caller has set it meanwhile.
        if torch.get_num_threads() == self.last:
            torch.set_num_threads(self.default)


def _in_new_thread(function: Callable[[], Made]) -> Made:
    with ThreadPoolExecutor(1) as one:
        return one.submit(function).result()


_sessions = _Sessions()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set how many CPU threads torch uses inside a `with` block, and restore it afterwards.

    Floating-point addition is not associative: threads that add up parts of a sum change its last
    bits. So a run records its count of threads, and is always used with that count.
    """
    thread, before = threading.get_ident(), _sessions.enter(count)
    try:
        yield
    finally:
        if thread == threading.get_ident():
            _sessions.leave(before)
        else:
            _sessions.leave_elsewhere()


@contextmanager
def one_thread_each(count: int) -> Iterator[None]:
    """Let `parallel_map` make `count` calls at once inside, each with torch on a single thread.

    The alternative, each small matrix split among all threads, costs more in waiting than it gains,
    above all while other processes are busy: the threads meet after every operation. Groups of a
    batch need nothing from each other, so their threads meet once, at the end.
    """
    # Both at once would be count * count threads: torch's own are switched off.
    with threads(1), thread_pool(count, _sessions.set_one):
        yield


@contextmanager
def seeded(*seeds: int) -> Iterator[None]:
    """Seed torch's global generator inside a `with` block, and restore its state afterwards.

    seeds: integers that name a stream of random numbers, such as (seed, step + 1). What is random
    in a step then depends on these alone and not on what was drawn before. So a checkpoint needs no
    generator's state, and a training that was killed goes on exactly as if it had not been.
    """
    # fork_rng saves the generators of the CPU and of the GPUs in the list: of all, as the model may
    # be on any. If none is in use they are left out, as to read a generator would start CUDA. That
    # of MPS is not among them.
    is_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = [*range(torch.cuda.device_count())] if is_used else []
    with torch.random.fork_rng(devices=devices), _mps_given_back():
        # What torch.manual_seed does, without its stack traces for devices that are not there: they
        # take half a millisecond, a fifth of a step on a card.
        seed = _entropy(*seeds)
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(seed)
        yield


@contextmanager
def _mps_given_back() -> Iterator[None]:
    """Restore the generator of MPS, which manual_seed sets as well, behind a `with` block."""
    before = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        if before is not None:
            torch.mps.set_rng_state(before)


def generator(*seeds: int) -> torch.Generator:
    """Make a new CPU generator with these seeds; torch's global one is not touched."""
    return torch.Generator().manual_seed(_entropy(*seeds))


def _entropy(*seeds: int) -> int:
    # A hash, not a sum: (1, 2) and (2, 1) name unrelated streams, and so do neighbouring steps.
    # 63 bits of it: as a signed 64-bit integer the seed is not negative.
    return int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]) >> 1
