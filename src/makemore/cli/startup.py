"""Startup: makes a process print its first line sooner, and end sooner. No torch.

Only the command line does this. Whoever imports makemore has other plans for their process.
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

# By this module torch's compiler and exporters compute shapes without values. Importing it is a
# quarter of torch's import time. That was checked for this version; any other is imported whole.
META_MODULE, TORCH = "torch._meta_registrations", "2.13."
_one_command = False  # whether this process runs one command and ends


def prepare() -> None:
    """Set up a process that runs one command, before anything that takes long is imported."""
    global _one_command
    _one_command = True
    if "OMP_WAIT_POLICY" not in os.environ:
        # A waiting thread gives its core back after some 0.1 ms. By default, torch's OpenMP lets it
        # spin for milliseconds, and a step beside another busy process takes 30 times as long.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read when torch is loaded


@contextmanager
def inference_only() -> Iterator[None]:
    """Load a model, inside the `with`, for a command that only draws lines from it.

    Torch is imported without META_MODULE. Only inference works then: torch's optimizers import its
    compiler. If torch is imported already, as by a plugin, it stays whole.
    """
    from importlib.metadata import PackageNotFoundError, version  # --help need not wait for it

    if _one_command and "torch" not in sys.modules:
        with suppress(PackageNotFoundError):  # a model of counts needs no torch
            if version("torch").startswith(TORCH):
                sys.modules[META_MODULE] = ModuleType(META_MODULE)  # an empty one in its stead
    # An import makes 250,000 objects that stay: looking for garbage among them finds nothing.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def exit_now(code: int) -> NoReturn:
    """End the process without taking its objects apart, which takes half a second with torch."""
    atexit._run_exitfuncs()  # what a plugin registered is called
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader has gone
            stream.flush()
    os._exit(code)
