"""makemore models: every model with its paper and its own options."""

from __future__ import annotations

from typing import Any

import click

from makemore.commands import default_of, plugin_option, result, result_json


def models(**values: Any) -> int:
    """List the models: what each is, where it comes from, and its own options."""
    from makemore.models.base import about, find, names
    from makemore.options import knobs

    for name in names():
        kind = find(name)
        idea, paper = about(kind)
        options = {knob.flag: knob for knob in knobs(kind.Options).values()}
        if values["json"]:
            defaults = {flag: knob.default for flag, knob in options.items()}
            result_json({"model": name, "idea": idea, "paper": paper, "options": defaults})
            continue
        result(f"{name:12} {idea}")
        result(f"{'':12} {paper}")
        for flag, knob in options.items():
            result(f"{'':14} {flag:16} {knob.help}  [{default_of(knob)}]")
    return 0


command = click.Command(
    "models",
    callback=models,
    help=models.__doc__,
    params=[
        click.Option(["--json"], is_flag=True, help="one object a model"),
        plugin_option("list the models of this file, too"),
    ],
)
