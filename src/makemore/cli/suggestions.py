"""Suggestions: what may be meant by a command or an option that is not there."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import shlex
from collections.abc import Iterator, Sequence

import click

import makemore.cli.commands
from makemore.api.keywords import ModelKeywords
from makemore.errors import DataError

# As they are typed: the file lr_find.py is `lr-find`.
NAMES = sorted(
    module.name.replace("_", "-") for module in pkgutil.iter_modules(makemore.cli.commands.__path__)
)
HIDDEN = "original"  # the command line of the original makemore.py: nobody types this name
# Words of other programs for what a command does.
MEANT = {
    "generate": "sample", "draw": "sample", "new": "sample", "fit": "train", "learn": "train",
    "list": "runs", "ls": "runs", "evaluate": "eval", "test": "eval", "check": "verify",
    "plot": "inspect", "show": "inspect", "download": "fetch", "best": "top", "tune": "sweep",
}  # fmt: skip


def command_of(name: str) -> click.Command:
    """Import the command of this name, and no other."""
    module = importlib.import_module(f"makemore.cli.commands.{name.replace('-', '_')}")
    command: click.Command = module.command
    return command


def unknown_command(arguments: Sequence[str]) -> DataError | None:
    """Make the error for a first word that is neither a command nor a file; None if it may be one.

    `makemore smaple runs/x` -> no command or file 'smaple': did you mean makemore sample runs/x?
    """
    first = arguments[0]
    if os.path.lexists(first) or "." in first or os.sep in first or first == "-":
        return None  # a file; its reader says where it is missing
    shown = [name for name in NAMES if name != HIDDEN]
    near = difflib.get_close_matches(first.lower(), shown, n=1, cutoff=0.7)
    meant = near[0] if near else MEANT.get(first.lower())
    if os.path.lexists(f"{first}.txt"):  # the ending of a file was left out
        meant = f"{first}.txt"
    if meant is not None:
        typed = shlex.join(["makemore", meant, *arguments[1:]])
        return DataError(f"no command or file {first!r}", None, f"did you mean {typed}?")
    return DataError(f"no command or file {first!r}", None, "makemore --help lists the commands")


def is_dashed(word: str) -> bool:
    """Tell whether a word that looks like options is the name of a file or a folder."""
    return word.startswith("-") and word != "-" and os.path.lexists(word)


def unknown_option(error: click.NoSuchOption, path: str) -> str:
    """Say what to do about an option that a command lacks: whose it is, or which one was meant.

    path: the command, as it is typed
    """
    flag, context = error.option_name, error.ctx
    if not flag.startswith("--") or context is None:
        return f"see {path} --help"
    here = context.command
    takes_model = bool(getattr(here, "model_of", None))
    if flag[2:].replace("-", "_") in ModelKeywords.__annotations__:
        if takes_model:
            return "this model has none; makemore models lists the options of each"
        return f"{flag} belongs to makemore train, where a model has it"
    if whose := next(_with_option(flag), None):
        return f"{flag} belongs to makemore {whose}"
    own = {name for param in here.get_params(context) for name in param.opts} - {"--help"}
    near = difflib.get_close_matches(flag, sorted(own), n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else f"see {path} --help"


def _with_option(flag: str) -> Iterator[str]:
    """Find the commands with an option of this name, training and sampling first."""
    for name in sorted(NAMES, key=lambda name: (name not in ("train", "sample"), name)):
        if name != HIDDEN and any(flag in param.opts for param in command_of(name).params):
            yield name
