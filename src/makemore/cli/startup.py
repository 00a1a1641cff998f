"""Startup: makes a process print its first line sooner, and end sooner. No torch.

Only the command line does this. Whoever imports makemore has other plans for their process.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, ModuleType
from typing import NoReturn, TextIO

# By this module torch's compiler and exporters compute shapes without values. Importing it is a
# quarter of torch's import time. That was checked for this version; any other is imported whole.
META_MODULE, TORCH = "torch._meta_registrations", "2.13."
INTERRUPTED = 128 + signal.SIGINT  # the exit code
_one_command = False  # whether this process runs one command and ends


def prepare() -> None:
    """Set up a process that runs one command, before anything that takes long is imported."""
    global _one_command
    _one_command = True
    # Ignored by nohup, or by & in a script: whoever did that wants no interrupt at all.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    if "OMP_WAIT_POLICY" not in os.environ:
        # A waiting thread gives its core back after some 0.1 ms. By default, torch's OpenMP lets it
        # spin for milliseconds, and a step beside another busy process takes 30 times as long.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read when torch is loaded


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; while a module is being imported, end the process at once.

    A library whose import is interrupted turns the interrupt into an error of its own, or reports
    it from where nobody can catch it.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def interrupts_end_it() -> None:
    """Let an interrupt end the process at once: it has done its work, and nothing is to be undone.

    A reader that does not read can hold up its last lines for ever.
    """
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, lambda signum, frame: os._exit(INTERRUPTED))


class Unfailing(io.TextIOWrapper):
    """A text stream for notes, which drops what cannot be written: no result depends on it.

    Its disk may be full, its reader or its terminal gone; a training goes on all the same.
    """

    below: TextIO

    @classmethod
    def of(cls, stream: TextIO) -> TextIO:
        """Write to the same place in UTF-8; a stream without bytes below it is left as it is."""
        if not hasattr(stream, "buffer"):
            return stream
        made = cls(stream.buffer, "utf-8", "backslashreplace", newline="\n", line_buffering=True)
        made.below = stream  # which would close its bytes once nobody needs it
        return made

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


@contextmanager
def inference_only() -> Iterator[None]:
    """Load a model, inside the `with`, for a command that only draws lines from it.

    Torch is imported without META_MODULE. Only inference works then: a training needs shapes
    without values, to know what memory it will take. If torch is imported already, as by a plugin,
    it stays whole.
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
    interrupts_end_it()
    atexit._run_exitfuncs()  # what a plugin registered is called
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader has gone
            stream.flush()
    os._exit(code)
