"""Ranks: the command as one of several processes that torchrun has started.

    torchrun --nproc-per-node 2 -m makemore train names.txt

Rank 0 runs the command. The others print nothing, and compute what it sends them.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from makemore.cli.model_command import value_of
from makemore.cli.output import note
from makemore.errors import MakemoreError, SystemFault

if TYPE_CHECKING:
    from makemore.training.ranks import Ranks

LOST = SystemFault.exit_code  # of a process whose rank 0 has ended without a word


def run_ranked(arguments: list[str], debug: bool = False) -> int:
    """Run a command line where WORLD_SIZE is set; returns the exit code of this process."""
    from makemore.cli.dispatch import run
    from makemore.training.ranks import Place, connect, leave, quietly

    try:
        place = Place.of(os.environ)
        if place is None:  # set by something else than torchrun
            return run(arguments, debug)
        errors = _silenced() if place.rank else 2
        with _interrupts_at_once():  # nothing has begun, and the wait cannot be interrupted
            ranks = connect(place, os.environ)
    except MakemoreError as error:
        if debug:
            raise
        note(f"error: {error}")
        return error.exit_code
    leave(os.environ)
    if place.rank:
        return _serve(ranks, arguments, errors, debug)
    from makemore.training.distributed import QUIT

    try:
        return run(arguments, debug, ranks)
    finally:
        quietly(ranks, QUIT)  # else the others would wait, or end as if this one was killed


def _serve(ranks: Ranks, arguments: list[str], errors: int, debug: bool) -> int:
    """Compute what rank 0 sends; returns the exit code. Errors go to this file descriptor."""
    from makemore.training.distributed import serve
    from makemore.training.ranks import RankLost

    # A signal for the command is one for rank 0, which still needs the others for its last step.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    try:
        serve(ranks, value_of("--plugin", arguments))
    except RankLost:  # rank 0 says what is to be said
        return LOST
    except Exception as error:
        code = error.exit_code if isinstance(error, MakemoreError) else 1
        what = str(error) if code != 1 else f"{type(error).__name__}: {error} (our bug)"
        lines = traceback.format_exc() if debug else ""
        os.write(errors, f"{lines}makemore: error: process {ranks.rank}: {what}\n".encode())
        return code
    return 0


def _silenced() -> int:
    """Let this process print nothing; returns a file descriptor of stderr for what must be said."""
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    return errors


@contextmanager
def _interrupts_at_once() -> Iterator[None]:
    """Let an interrupt end the process at once, inside `with`."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
