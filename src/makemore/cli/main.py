"""Main: the process of a command: its streams, what an interrupt does, and how it ends.

Nothing that takes time is imported before `main` is called: an interrupt ends it quietly from there
on, while click and the command are still being imported (dispatch.py).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from makemore.cli.startup import INTERRUPTED, Unfailing, exit_now, interrupts_end_it, prepare
from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.cli.dispatch import NAMES, group, run, with_command

__all__ = ["NAMES", "group", "main", "run", "with_command"]

__getattr__ = late_names(
    "makemore.cli",
    {"NAMES": "dispatch", "group": "dispatch", "run": "dispatch", "with_command": "dispatch"},
)


def main() -> None:
    """Run the command of sys.argv and end the process with an exit code of errors.py."""
    code = INTERRUPTED
    try:
        prepare()
        code = _run(sys.argv[1:])
        interrupts_end_it()
    except KeyboardInterrupt:  # before or after the command itself, which has its own way to stop
        pass
    exit_now(code)


def _run(arguments: list[str]) -> int:
    """Open the streams that are missing, and run a command line; returns its exit code."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    if hasattr(sys.stdout, "reconfigure"):  # the lines are UTF-8 wherever the locale is not
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    sys.stderr = Unfailing.of(sys.stderr)
    if os.environ.get("WORLD_SIZE", "1") != "1":  # torchrun has started several of us
        from makemore.cli.ranks import run_ranked

        code = run_ranked(arguments, debug)
    else:
        from makemore.cli.dispatch import run  # click alone is half of the time of --help

        code = run(arguments, debug)
    try:
        sys.stdout.flush()
    except OSError:  # reported already; Python would report it again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
