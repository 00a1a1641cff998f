"""Start-up: what brings a process to its first line sooner, and to its end. No torch.

Only the command line does this. Whoever imports makemore has a process of their own.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import NoReturn

# By these torch's compiler and exporters know shapes without values. They are a quarter of the time
# that torch takes to load. So it is in this version; any other is loaded whole.
SHAPES_ALONE, TORCH = "torch._meta_registrations", "2.13."
_ours = False  # whether this process runs one command and ends


def prepare() -> None:
    """Before anything is imported that takes long, in a process that runs one command."""
    global _ours
    _ours = True
    if "OMP_WAIT_POLICY" not in os.environ:
        # A thread that waits gives its core back after some 0.1 ms. As torch's OpenMP has it, it
        # spins for milliseconds, and a step beside another busy process takes 30 times as long.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read when torch is loaded


@contextmanager
def inference_only() -> Iterator[None]:
    """Inside, a model is loaded, and from then on the command only asks it for lines.

    Torch is loaded without what that never needs; nothing else would work, as its optimizers import
    its compiler. Where it is loaded already, as by a plugin, it stays whole. And nobody looks for
    garbage among the 250,000 objects of an import.
    """
    from importlib.metadata import PackageNotFoundError, version  # --help need not wait for it

    if _ours and "torch" not in sys.modules:
        with suppress(PackageNotFoundError):  # counts need none
            if version("torch").startswith(TORCH):
                sys.modules[SHAPES_ALONE] = ModuleType(SHAPES_ALONE)
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def exit_now(code: int) -> NoReturn:
    """End the process. Python would take torch apart first, for half a second."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader has gone
            stream.flush()
    os._exit(code)
