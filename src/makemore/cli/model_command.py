"""A command that makes a model: the flags of the one that --model names, and no other's."""

from __future__ import annotations

import click

from makemore.cli.options import click_options
from makemore.training.config import DEFAULT_MODEL

OWN = "makemore.own"  # in a context's meta: the flags of this call's model


class ModelCommand(click.Command):
    """Adds the flags of the model that --model names; `params` are those of every model."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *shared, asks_help = super().get_params(ctx)
        return [*shared, *ctx.meta.get(OWN, ()), asks_help]

    def model_of(self, args: list[str]) -> str:
        return value_of("--model", args) or DEFAULT_MODEL

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plugin, model = value_of("--plugin", args), value_of("--model", args)
        if plugin:
            from makemore.models.core.registry import load_plugin

            load_plugin(plugin)
        asks_help = bool({"-h", "--help"} & set(args))
        if model or not asks_help:
            from makemore.models import get_model

            ctx.meta[OWN] = click_options(get_model(self.model_of(args)).Options)
        return super().parse_args(ctx, args)


def value_of(flag: str, arguments: list[str]) -> str | None:
    """The value of a flag that has to be known before the others are."""
    for number, argument in enumerate(arguments):
        if argument == flag and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith(flag + "="):
            return argument[len(flag) + 1 :]
    return None
