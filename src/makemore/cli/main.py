"""The entry point: finds the command, and turns what it raises into one line and an exit code."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import pkgutil
import sys
from typing import Any

import click

import makemore.cli.commands
from makemore.cli.output import note
from makemore.cli.startup import exit_now, prepare
from makemore.errors import DataError, MakemoreError, SystemFault
from makemore.version import __version__

FILES = (module.name for module in pkgutil.iter_modules(makemore.cli.commands.__path__))
# As they are typed: the file lr_find.py is `lr-find`.
NAMES = sorted(name.replace("_", "-") for name in FILES)
HIDDEN = "original"  # the command line of the original makemore.py has no name of its own


HELP = """Give it a text file, one thing a line: it learns what lines look like, and makes new ones.

\b
  makemore names.txt                 train and show 20 new names
  makemore sample runs/NAME -n 50    more of them
  makemore train --help              everything else about training
"""


class Commands(click.Group):
    """Finds commands by the names of their files, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in NAMES if name != HIDDEN]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in NAMES:
            return None
        file = name.replace("-", "_")
        command: click.Command = importlib.import_module(f"makemore.cli.commands.{file}").command
        return command


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="makemore")
def group() -> None:
    pass


def with_command(arguments: list[str]) -> list[str]:
    """The first word that is no command is FILE; one with a dash is the original's command line."""
    first = arguments[0] if arguments else "--help"
    if first in NAMES or first in ("-h", "--help", "--version"):
        return arguments or ["--help"]
    near = difflib.get_close_matches(first, NAMES, n=1, cutoff=0.7)
    if near and not os.path.lexists(first):
        raise DataError(f"no command or file {first!r}", None, f"did you mean {near[0]}?")
    return [HIDDEN if first.startswith("-") and first != "-" else "train", *arguments]


def main() -> None:
    """Run a command; the process ends here, with the exit codes of errors.py."""
    prepare()
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # the lines are UTF-8 wherever the locale is not
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    code = run(arguments, debug)
    try:
        sys.stdout.flush()
    except OSError:  # said already, and Python would say it once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    exit_now(code)


def run(arguments: list[str], debug: bool = False) -> int:
    """The exit code of a command line. An error is one line on stderr."""
    streams = sys.stdout, sys.stderr
    try:
        code = int(group.main(with_command(arguments), "makemore", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except SystemExit:
        if sys.stdout is streams[0]:
            raise
        sys.stdout, sys.stderr = streams  # click has replaced them: the reader of one has gone
        return 141
    except BrokenPipeError:
        return 141
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:
        if debug:
            raise
        bug = f"{type(error).__name__}: {error} (our bug): --debug shows where"
        message, code = _known(error) or (bug, 1)
        with contextlib.suppress(BrokenPipeError):  # nobody is there to read it
            note(f"makemore: error: {message}")
        return code


def _known(error: Exception) -> tuple[str, int] | None:
    """The message and exit code of an error that is not a bug of ours."""
    if isinstance(error, MakemoreError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        where: Any = getattr(error, "ctx", None)
        path = where.command_path.removesuffix(f" {HIDDEN}") if where else "makemore"
        message = error.format_message().rstrip(".").replace("\n", " ")
        return f"{message}: see {path} --help", 2
    if (
        isinstance(error, MemoryError)
        or "allocate memory" in str(error)
        or "out of memory" in str(error)
    ):
        fault = SystemFault("not enough memory", None, "use a smaller model, batch or text")
        return str(fault), fault.exit_code
    if isinstance(error, OSError) and error.strerror:  # what was read has an error of its own
        fault = SystemFault(f"cannot read or write: {error.strerror.lower()}", error.filename)
        return str(fault), fault.exit_code
    return None
