"""Model command: a command that makes a model has the flags of the one that --model names."""

from __future__ import annotations

import click

from makemore.cli.options import click_options
from makemore.training.config import DEFAULT_MODEL

MODEL_FLAGS = "makemore.model_flags"  # key in a context's meta: the flags of this call's model


class ModelCommand(click.Command):
    """Adds the flags of one model to `params`, which every model has.

    click wants all flags before it parses any, but which flags there are depends on --model. So
    --model and --plugin are looked for in the raw arguments first.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *shared, help_flag = super().get_params(ctx)
        return [*shared, *ctx.meta.get(MODEL_FLAGS, ()), help_flag]

    def model_of(self, args: list[str]) -> str:
        """Find which model the raw arguments mean; a command may have other defaults."""
        return value_of("--model", args) or DEFAULT_MODEL

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if plugin := value_of("--plugin", args):
            from makemore.models.core.registry import load_plugin

            load_plugin(plugin)
        # Without --model the help shows what all models have in common.
        if value_of("--model", args) or not {"-h", "--help"} & set(args):
            from makemore.models import get_model

            ctx.meta[MODEL_FLAGS] = click_options(get_model(self.model_of(args)).Options)
        return super().parse_args(ctx, args)


def value_of(flag: str, arguments: list[str]) -> str | None:
    """Find the value of a flag in raw arguments: `--flag value` or `--flag=value`."""
    for index, argument in enumerate(arguments):
        if argument == flag and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(flag + "="):
            return argument[len(flag) + 1 :]
    return None
