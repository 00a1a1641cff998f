"""A command that makes a model: the flags of the one that --model names, and no other's."""

from __future__ import annotations

from typing import Any

import click

from makemore.commands import knob_options

DEFAULT_MODEL = "transformer"


class ModelCommand(click.Command):
    """Adds the flags of the model that --model names. `params` are those that stand before them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.shared = self.params

    def model_of(self, args: list[str]) -> str:
        return value_of("--model", args) or DEFAULT_MODEL

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plugin, model = value_of("--plugin", args), value_of("--model", args)
        if plugin:
            from makemore.models.base import load_plugin

            load_plugin(plugin)
        asks_help = bool({"-h", "--help"} & set(args))
        if model or not asks_help:
            from makemore.models.base import find

            self.params = self.shared + knob_options(find(self.model_of(args)).Options)
        return super().parse_args(ctx, args)


def value_of(flag: str, arguments: list[str]) -> str | None:
    """The value of a flag that has to be known before the others are."""
    for number, argument in enumerate(arguments):
        if argument == flag and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith(flag + "="):
            return argument[len(flag) + 1 :]
    return None
