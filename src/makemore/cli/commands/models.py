"""makemore models: every model with its paper and its own options."""

from __future__ import annotations

from typing import Any

import click

from makemore.cli.options import default_of, plugin_option
from makemore.cli.output import result, result_json


@click.command(
    "models",
    params=[
        click.Option(["--json"], is_flag=True, help="one object a model"),
        plugin_option("list the models of this file, too"),
    ],
)
def command(**values: Any) -> int:
    """List the models: what each is, where it comes from, and its own options."""
    from makemore.models import get_model
    from makemore.models.core.registry import about, model_names
    from makemore.options import options_of

    for name in model_names():
        kind = get_model(name)
        idea, paper = about(kind)
        options = {option.flag: option for option in options_of(kind.Options).values()}
        if values["json"]:
            defaults = {flag: option.default for flag, option in options.items()}
            result_json({"model": name, "idea": idea, "paper": paper, "options": defaults})
            continue
        result(f"{name:12} {idea}", f"{'':12} {paper}")
        for flag, option in options.items():
            result(f"{'':14} {flag:16} {option.help}  [{default_of(option)}]")
    return 0
