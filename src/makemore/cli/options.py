"""Flags of a command, made from options: a field of a config is declared once, and shown here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from makemore.options import Option, options_of

NONE = "none"  # what is typed to switch an optional option off


class OptionType(click.ParamType[Any]):
    """A option's value as it is typed; its limits are checked where the option is used."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = {int: "integer", float: "number"}.get(option.type, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or self.option.type is str:
            return value
        if self.option.optional and value.lower() == NONE:
            return NONE
        try:
            return self.option.type(value)
        except ValueError:
            kind = "a whole number" if self.option.type is int else "a number"
            self.fail(f"{value!r} is not {kind}", param, ctx)


def click_options(options: type) -> list[click.Parameter]:
    """A flag for each option of an options class. What is not typed is None."""
    made: list[click.Parameter] = []
    for option in options_of(options).values():
        shown = "" if option.default in (None, "", False) else f"  [default: {default_of(option)}]"
        if option.type is bool:
            flag = f"{option.flag}/--no-{option.flag[2:]}" if option.name != "all" else option.flag
            made.append(
                click.Option([flag, option.name], default=None, is_flag=True, help=option.help)
            )
        else:
            kind: click.ParamType[Any] = OptionType(option)
            if option.choices:
                kind = click.Choice(option.choices)
            text = option.help + shown
            made.append(click.Option([option.flag, option.name], type=kind, help=text))
    return made


def default_of(option: Option) -> str:
    """A option's default as people write it: 5 / 3 has no 17 digits."""
    return f"{option.default:.6g}" if isinstance(option.default, float) else str(option.default)


def plugin_option(help: str = "the file of the run's own model") -> click.Option:
    """--plugin FILE.py: its models are known before anything else of the command line is read."""

    def load(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
        if path:
            from makemore.models.core.registry import load_plugin

            load_plugin(path)
        return path

    return click.Option(["--plugin"], metavar="FILE.py", help=help, is_eager=True, callback=load)


def given_options(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an options class that were typed, with `none` as None."""
    given = {key: values[key] for key in options_of(options) if values.get(key) is not None}
    return {key: None if value == NONE and options_of(options)[key].optional else value
            for key, value in given.items()}  # fmt: skip
