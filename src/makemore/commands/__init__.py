"""One file a command, imported when it is called. Only these print.

Results go to stdout, one a line; notes, progress and errors to stderr. On a terminal control
characters are shown escaped; in a pipe the bytes are exact.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import click

from makemore.errors import visible
from makemore.options import Knob, knobs

NONE = "none"  # what is typed to switch an optional knob off


def result(text: str) -> None:
    """One line of stdout."""
    sys.stdout.write((visible(text) if sys.stdout.isatty() else text) + "\n")


def result_json(values: Mapping[str, Any]) -> None:
    """One JSON object a line; what is no finite number is null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
    sys.stdout.write(json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n")


def note(text: str) -> None:
    """One line of stderr."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


class KnobType(click.ParamType[Any]):
    """A knob's value as it is typed; its limits are checked where the knob is used."""

    def __init__(self, knob: Knob) -> None:
        self.knob = knob
        self.name = {int: "integer", float: "number"}.get(knob.type, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or self.knob.type is str:
            return value
        if self.knob.optional and value.lower() == NONE:
            return NONE
        try:
            return self.knob.type(value)
        except ValueError:
            kind = "a whole number" if self.knob.type is int else "a number"
            self.fail(f"{value!r} is not {kind}", param, ctx)


def knob_options(options: type) -> list[click.Parameter]:
    """A flag for each knob of an options class. What is not typed is None."""
    made: list[click.Parameter] = []
    for knob in knobs(options).values():
        shown = "" if knob.default in (None, "", False) else f"  [default: {default_of(knob)}]"
        if knob.type is bool:
            flag = f"{knob.flag}/--no-{knob.flag[2:]}" if knob.name != "all" else knob.flag
            made.append(click.Option([flag, knob.name], default=None, is_flag=True, help=knob.help))
        else:
            kind: click.ParamType[Any] = KnobType(knob)
            if knob.choices:
                kind = click.Choice(knob.choices)
            made.append(click.Option([knob.flag, knob.name], type=kind, help=knob.help + shown))
    return made


def default_of(knob: Knob) -> str:
    """A knob's default as people write it: 5 / 3 has no 17 digits."""
    return f"{knob.default:.6g}" if isinstance(knob.default, float) else str(knob.default)


def plugin_option(help: str = "the file of the run's own model") -> click.Option:
    """--plugin FILE.py: its models are known before anything else of the command line is read."""

    def load(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
        if path:
            from makemore.models.base import load_plugin

            load_plugin(path)
        return path

    return click.Option(["--plugin"], metavar="FILE.py", help=help, is_eager=True, callback=load)


def typed(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of an options class that were typed, with `none` as None."""
    given = {key: values[key] for key in knobs(options) if values.get(key) is not None}
    return {key: None if value == NONE and knobs(options)[key].optional else value
            for key, value in given.items()}  # fmt: skip
