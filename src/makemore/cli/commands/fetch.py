"""makemore fetch: the list that the lectures use, from its public address."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import Any

import click

from makemore.cli.output import note, result
from makemore.errors import UsageError


@click.command(
    "fetch",
    params=[
        click.Argument(["list"], type=click.Choice(["names"]), metavar="names"),
        click.Option(["-o", "--out"], metavar="FILE", help="where to put it  [default: names.txt]"),
        click.Option(["--force"], is_flag=True, help="replace another file that is there"),
        click.Option(["--url"], metavar="URL", help="another address of the same file"),
    ],
)
def command(**values: Any) -> int:
    """Download a list to learn from: `names`, the 32,033 given names of the lectures.

    Its sha256 is checked before the file is kept.
    """
    from makemore.text.builtin_lists import NAMES_SHA256, NAMES_URL
    from makemore.text.builtin_lists import fetch as download

    target = Path(f"{values['list']}.txt" if values["out"] is None else values["out"])
    own = target.is_file() and not target.is_symlink()
    if own and is_there(target, NAMES_SHA256):
        note("it is there already")
    elif own and not values["force"]:
        raise UsageError("there is a file already", str(target), "give another -o, or --force")
    else:
        download(NAMES_URL if values["url"] is None else values["url"], NAMES_SHA256, target)
    result(str(target))
    note(f"now type: makemore {shlex.quote(str(target))}")
    return 0


def is_there(file: Path, sha256: str) -> bool:
    """Tell whether a file is the one that would be downloaded."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
