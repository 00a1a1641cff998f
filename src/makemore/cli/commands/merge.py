"""makemore merge: a run directory of the parts that `makemore count` made of a file."""

from __future__ import annotations

import shlex
from typing import Any

import click

from makemore.cli.output import note
from makemore.cli.typed import program
from makemore.cli.waiting import Waiting


@click.command(
    "merge",
    params=[
        click.Argument(["parts"], nargs=-1, required=True, metavar="PART..."),
        click.Option(["-o", "--out"], required=True, metavar="DIR", help="run directory"),
        click.Option(["--fresh"], is_flag=True, help="start over: remove the run in DIR"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Merge the parts of all shards of a file to a run directory.

    It holds the same weights, vocabulary and lines as after `makemore train FILE --model ngram`;
    only the losses are left out: `makemore eval DIR` gives them. The parts stay as they are. If it
    is killed, the same command begins again.
    """
    from makemore.api.merge_parts import merge_parts

    folder = values["out"]
    with Waiting(lambda: "merging", "the same command begins again"):
        was_there = merge_parts(values["parts"], folder, values["fresh"])
    if was_there:
        note("these parts are merged already")
    run, name = shlex.quote(folder), program()
    suggestions = {
        f"{name} sample {run}": "20 new lines",
        f"{name} eval {run}": "how good the model is",
    }
    note("what you can type next:")
    for command_line, what in suggestions.items():
        note(f"  {command_line:{max(map(len, suggestions))}}   {what}", prefix="")
    return 0
