"""Dispatch: finds the command that was typed, runs it, and turns an error into one line."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.output import flush_results, note
from makemore.cli.suggestions import (
    HIDDEN,
    NAMES,
    command_of,
    is_dashed,
    unknown_command,
    unknown_option,
)
from makemore.cli.typed import Typed
from makemore.errors import MakemoreError, SystemFault
from makemore.escaping import visible
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.training.ranks import Ranks

__all__ = ["NAMES", "group", "run", "with_command"]

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
        return command_of(name)


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
    if first == "help" and not os.path.lexists(first):  # `makemore help`, `makemore help sample`
        return with_command([*arguments[1:2], "--help"])
    if first == "--" and len(arguments) > 1:
        return ["train", *arguments]
    if first.startswith("-") and first != "-":
        return [HIDDEN, *arguments]
    if error := unknown_command(arguments):
        raise error
    return ["train", *arguments]


def run(arguments: list[str], debug: bool = False, ranks: Ranks | None = None) -> int:
    """Run a command line and return its exit code. An error is one line on stderr.

    debug: raise errors instead, with their tracebacks
    ranks: the processes of torchrun, of which this one is the first
    """
    streams, typed = (sys.stdout, sys.stderr), Typed(arguments, ranks)
    try:
        words = with_command(arguments)
        code = int(group.main(words, "makemore", standalone_mode=False, obj=typed) or 0)
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
        message, code = _known(error, typed) or (bug, 1)
        note(f"error: {message}")
        return code


def _known(error: Exception, typed: Typed) -> tuple[str, int] | None:
    """Return the message and exit code of an error that is not a bug of ours; None for a bug."""
    if isinstance(error, MakemoreError):
        shown = error.message(typed.to_add(error.add)) if error.add else str(error)
        return shown, error.exit_code
    if isinstance(error, click.ClickException):
        where: Any = getattr(error, "ctx", None)
        path = where.command_path.removesuffix(f" {HIDDEN}") if where else "makemore"
        if isinstance(error, click.NoSuchOption):
            message = visible(error.message.rstrip("."), 200)
            if dashed := next(filter(is_dashed, typed.words), None):  # a file or a run of this name
                return f"{message}: did you mean {shlex.quote(f'./{dashed}')}?", 2
            return f"{message}: {unknown_option(error, path)}", 2
        message = " ".join(error.format_message().split()).rstrip(".")
        return f"{message}: see {path} --help", 2
    from makemore.api.memory_errors import memory_error  # late: most commands end without an error

    if fault := memory_error(error):
        return str(fault), fault.exit_code
    if isinstance(error, OSError) and error.strerror:  # DataError and RunError cover what is read
        what, to_do = f"cannot read or write: {error.strerror.lower()}", "mend that and try again"
        refused = SystemFault(what, error.filename, to_do)
        return str(refused), refused.exit_code
    return None
