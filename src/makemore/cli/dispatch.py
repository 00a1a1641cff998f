"""Dispatch: finds the command that was typed, runs it, and turns an error into one line."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import signal
import sys
from typing import Any

import click

import makemore.cli.commands
from makemore.cli.output import flush_results, note
from makemore.errors import DataError, MakemoreError, SystemFault
from makemore.version import __version__

# As they are typed: the file lr_find.py is `lr-find`.
NAMES = sorted(
    module.name.replace("_", "-") for module in pkgutil.iter_modules(makemore.cli.commands.__path__)
)
HIDDEN = "original"  # the command line of the original makemore.py: nobody types this name
READER_GONE = 128 + signal.SIGPIPE  # as in `makemore sample DIR | head`, by the shell's custom

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
        # Imported now and not at the top: --help of one command waits for no other.
        module = importlib.import_module(f"makemore.cli.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="makemore")
def group() -> None:
    pass


def with_command(arguments: list[str]) -> list[str]:
    """Add the command that was left out: `makemore FILE` is `makemore train FILE`.

    A first word with a dash, as in `makemore -i names.txt`, is the original's command line.
    """
    first = arguments[0] if arguments else "--help"
    if first in NAMES or first in ("-h", "--help", "--version"):
        return arguments or ["--help"]
    # `makemore smaple` is a slip and not a file, unless there is such a file.
    near = difflib.get_close_matches(first, NAMES, n=1, cutoff=0.7)
    if near and not os.path.lexists(first):
        raise DataError(f"no command or file {first!r}", None, f"did you mean {near[0]}?")
    return [HIDDEN if first.startswith("-") and first != "-" else "train", *arguments]


def run(arguments: list[str], debug: bool = False) -> int:
    """Run a command line and return its exit code. An error is one line on stderr.

    debug: raise errors instead, with their tracebacks
    """
    streams = sys.stdout, sys.stderr
    try:
        code = int(group.main(with_command(arguments), "makemore", standalone_mode=False) or 0)
        flush_results()  # a full disk, or a reader who has gone, is an error of this command
        return code
    except SystemExit:
        if sys.stdout is streams[0]:
            raise
        sys.stdout, sys.stderr = streams  # click has replaced them: the reader of one has gone
        return READER_GONE
    except BrokenPipeError:
        return READER_GONE
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except Exception as error:
        if debug:
            raise
        bug = f"{type(error).__name__}: {error} (our bug): --debug shows where"
        message, code = _known(error) or (bug, 1)
        note(f"error: {message}")
        return code


def _known(error: Exception) -> tuple[str, int] | None:
    """Return the message and exit code of an error that is not a bug of ours; None for a bug."""
    if isinstance(error, MakemoreError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        where: Any = getattr(error, "ctx", None)
        path = where.command_path.removesuffix(f" {HIDDEN}") if where else "makemore"
        message = error.format_message().rstrip(".").replace("\n", " ")
        return f"{message}: see {path} --help", 2
    # torch and CUDA have errors of their own for it, known by their messages.
    texts = ("allocate memory", "out of memory")
    if isinstance(error, MemoryError) or any(text in str(error) for text in texts):
        fault = SystemFault("not enough memory", None, "use a smaller model, batch or text")
        return str(fault), fault.exit_code
    if isinstance(error, OSError) and error.strerror:  # DataError and RunError cover what is read
        what, to_do = f"cannot read or write: {error.strerror.lower()}", "mend that and try again"
        fault = SystemFault(what, error.filename, to_do)
        return str(fault), fault.exit_code
    return None
