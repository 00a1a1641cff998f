"""makemore count: the n-grams of a file that memory need not hold, or of one shard of it."""

from __future__ import annotations

import shlex
from typing import Any

import click

from makemore.cli.inputs import note_remarks, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import (
    click_options,
    given_options,
    memory_option,
    model_option,
    parse_size,
)
from makemore.cli.output import note
from makemore.cli.typed import program
from makemore.cli.waiting import Waiting, reading
from makemore.escaping import visible
from makemore.text import TextConfig
from makemore.text.shard import Shard

MODEL = "ngram"


class CountCommand(ModelCommand):
    """Has the flags of the model that learns by counting, unless another is named."""

    def model_of(self, args: list[str]) -> str:
        return value_of("--model", args) or MODEL


@click.command(
    "count",
    cls=CountCommand,
    params=[
        click.Argument(["file"]),
        click.Option(["-o", "--out"], required=True, metavar="PART", help="directory to write"),
        click.Option(["--shard"], default="1/1", metavar="I/N", show_default=True,
                     help="count only shard I of N: some of the lines, by a hash of their text"),
        memory_option("memory to work in, as 1GiB or 500MB; the rest goes to the disk",
                      "half of what is free"),
        click.Option(["--fresh"], is_flag=True, help="count again: remove what is in PART"),
        model_option("one that learns by counting", MODEL),
        *click_options(TextConfig),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Count the n-grams of FILE in bounded memory: FILE may be larger.

    `makemore merge PART -o DIR` makes a run directory of what was counted, the same that `makemore
    train FILE --model ngram` makes. On several machines each counts a shard, and merge puts them
    together. If it is killed, the same command begins again.
    """
    from makemore.api.count_part import Request, count_part
    from makemore.models import get_model

    file, out, model = values["file"], values["out"], values["model"] or MODEL
    requested = given_options(values, TextConfig, get_model(model).Options)
    shard = Shard.parse(values["shard"])
    number = shard.index + 1, shard.of
    request = Request(file, visible(stem(file), 200), number, model, requested)
    with Waiting(reading(file), "the same command begins again"):
        counted = count_part(request, out, parse_size(values["memory"]), values["fresh"])
    note_remarks(counted.remarks)
    facts, of = counted.part.facts, counted.part.shard[1]
    if counted.was_there:
        note("this part is counted already")
    lines = facts["lines"]
    left_out = "".join(f", {lines[key]:,} {key.replace('_', ' ')}"
                       for key in ("blank", "too_long") if lines[key])  # fmt: skip
    note(f"{lines['read']:,} lines read{left_out}")
    among = "" if of == 1 else f" in shard {values['shard']}"
    note(f"{facts['distinct']:,} distinct lines{among}, {facts['trained']:,} of them to learn from")
    parts = shlex.quote(out) if of == 1 else f"PART_1 ... PART_{of}"
    note(f"now type: {program()} merge {parts} -o DIR")
    return 0
