"""Command-line options, made from the fields of config classes, which declare each of them once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from makemore.errors import UsageError
from makemore.options import NONE, Option, options_of
from makemore.text import TextConfig

UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
UNITS |= {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # as `sort -S 2G` has them


class OptionType(click.ParamType[Any]):
    """Converts what was typed to an option's type; its limits are checked where it is used."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = {int: "integer", float: "number"}.get(option.type, "text")  # in --help

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or self.option.type is str:
            return value
        # Kept as a text: click reads None as "was not typed". given_options makes it None.
        if self.option.optional and value.lower() == NONE:
            return NONE
        try:
            return self.option.type(value)
        except ValueError:
            kind = "a whole number" if self.option.type is int else "a number"
            self.fail(f"{value!r} is not {kind}", param, ctx)


def click_options(config: type) -> list[click.Parameter]:
    """Make a flag for each option of a config class, in their order.

    A flag that was not typed is None: defaults come later, as a model may have its own.
    """
    flags: list[click.Parameter] = []
    for option in options_of(config).values():
        if option.type is bool:
            # `--all` has no `--no-all`: it is off unless it is typed.
            flag = f"{option.flag}/--no-{option.flag[2:]}" if option.name != "all" else option.flag
            flags.append(
                click.Option([flag, option.name], default=None, is_flag=True, help=option.help)
            )
            continue
        # 0 is "off" in these options: their help says so.
        shown = "" if option.default in (None, "", 0) else f"  [default: {default_of(option)}]"
        kind = click.Choice(option.choices) if option.choices else OptionType(option)
        flags.append(click.Option([option.flag, option.name], type=kind, help=option.help + shown))
    return flags


def default_of(option: Option) -> str:
    """Format an option's default: 5 / 3 as 1.66667, not with 17 digits."""
    return f"{option.default:.6g}" if isinstance(option.default, float) else str(option.default)


def given_options(values: Mapping[str, Any], *configs: type) -> dict[str, Any]:
    """Select the options of config classes that were typed; `none` becomes None."""
    known = {key: option for config in configs for key, option in options_of(config).items()}
    return {
        key: None if values[key] == NONE and option.optional else values[key]
        for key, option in known.items()
        if values.get(key) is not None
    }


def encoding_options(file: str) -> list[click.Parameter]:
    """Make --encoding and --errors of a file that is read like the run's own text."""
    own, choices = "  [default: as the run's text]", options_of(TextConfig)["errors"].choices
    return [
        click.Option(["--encoding"], help=f"how the bytes of {file} are read{own}"),
        click.Option(["--errors"], type=click.Choice(choices or ()),
                     help=f"bytes that cannot be read: stop, or replace or ignore them{own}"),
    ]  # fmt: skip


def device_option() -> click.Option:
    """Make --device of a command that draws or scores lines by a run."""
    return click.Option(
        ["--device"], default="auto", metavar="NAME",
        help="where a network computes: cpu, cuda, mps, or auto: cuda if there is one and "
        "20,000 lines or more  [default: auto]",
    )  # fmt: skip


def avoid_options() -> list[click.Parameter]:
    """Make --avoid and --avoid-like, with the encoding of their files."""
    return [
        click.Option(["--avoid"], metavar="FILE", help="refuse the lines of this file, too; in a "
                     "run with labels or of a table, in the form of its text, or as texts alone"),
        click.Option(["--avoid-like"], metavar="FILE", help="refuse them whatever their case and "
                     "accents"),
        *encoding_options("these files"),
    ]  # fmt: skip


def model_option(
    which: str = "one that `makemore models` lists", default: str = "transformer"
) -> click.Option:
    """Make --model NAME, of a command whose other flags depend on it (see ModelCommand)."""
    shown = f"--model NAME --help shows its own options  [default: {default}]"
    return click.Option(["--model"], metavar="NAME", help=f"{which}; {shown}")


def plugin_option(help: str = "a Python file with a model of your own") -> click.Option:
    """Make --plugin FILE.py, which registers the models of a Python file."""

    def load(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
        if path:
            from makemore.models.core.registry import load_plugin

            load_plugin(path)
        return path

    # Eager: read before the other flags, which may name one of its models.
    return click.Option(["--plugin"], metavar="FILE.py", help=help, is_eager=True, callback=load)


def memory_option(help: str, default: str) -> click.Option:
    """Make --memory SIZE, which parse_size converts."""
    return click.Option(["--memory"], metavar="SIZE", help=f"{help}  [default: {default}]")


def parse_size(text: str | None) -> int | None:
    """Convert a size to bytes: "1GiB" -> 2^30, "500MB" -> 5 * 10^8. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)\s*([a-z]*)", text.strip().lower(), re.ASCII)
    units = {unit.lower(): size for unit, size in UNITS.items()}
    unit = match[2] if match else ""
    if match is None or unit not in units:
        raise UsageError(f"{text!r} is no size", "--memory", "give one such as 1GiB or 500MB")
    return int(float(match[1]) * units[unit])
