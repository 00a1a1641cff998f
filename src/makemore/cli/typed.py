"""Typed: the command line as it was typed, to show it again with other options."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.options import as_flags

if TYPE_CHECKING:
    from makemore.training.ranks import Ranks

LONGEST = 380  # characters of a command that is shown; a longer one would be cut in a message


class Typed:
    """Holds the words of a command line, without the program's name.

    The original's command line lacks most options: it puts ours for the same in their place.
    ranks: the processes of torchrun for which it was typed, None for one
    """

    def __init__(self, words: Sequence[str], ranks: Ranks | None = None) -> None:
        self.words, self.ranks = list(words), ranks

    def with_options(self, values: Mapping[str, Any]) -> str:
        """Write the command line with these options, in place of those of the same names."""
        takes_value = {
            "--" + name.replace("_", "-"): not isinstance(value, bool)
            for name, value in values.items()
        }
        kept, words = list[str](), iter(self.words)
        for word in words:
            flag, equals, _ = word.partition("=")
            if flag not in takes_value:
                kept.append(word)
            elif takes_value[flag] and not equals:
                next(words, None)
        end = kept.index("--") if "--" in kept else len(kept)  # behind it no word is a flag
        return written([*kept[:end], *as_flags(values), *kept[end:]])

    def to_add(self, values: Mapping[str, Any]) -> str:
        """Say what to type to have these options, too: all of it, or the options if it is long."""
        whole = self.with_options(values)
        shown = len(whole) <= LONGEST and whole.isprintable()
        return f"type {whole}" if shown else f"use {shlex.join(as_flags(values))}"


def typed() -> Typed:
    """Return the command line that is running."""
    words = click.get_current_context().find_root().obj
    return words if isinstance(words, Typed) else Typed([])


def written(words: Sequence[str]) -> str:
    """Write a command line as a shell takes it, with the program's name."""
    return f"{program()} {shlex.join(words)}"


def train_command(file: str, values: Mapping[str, Any]) -> str:
    """Write the command that learns from a file, with these options."""
    path = f"./{file}" if file.startswith("-") and file != "-" else file
    # A file may be called as a command is, and commands have neither a dot nor a slash.
    plain = "." in path or "/" in path
    return written([*([] if plain else ["train"]), path, *as_flags(values)])


def program() -> str:
    """Name makemore as the shell finds it; by the path that was typed if it finds another."""
    typed_as, on_path = sys.argv[0], shutil.which("makemore")
    elsewhere = on_path is None or Path(on_path).resolve() != Path(typed_as).resolve()
    return shlex.quote(typed_as) if elsewhere and Path(typed_as).stem == "makemore" else "makemore"
