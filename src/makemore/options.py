"""Options: each is declared once, as a field of a frozen dataclass.

    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "size of a symbol's embedding", minimum=1)

From that field follow the flag ``--n-embd``, the config key ``n_embd``, the estimator's parameter
and the row in the docs. Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers
import shlex
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from makemore.errors import MakemoreError, UsageError
from makemore.escaping import visible

T = TypeVar("T")
E = TypeVar("E", bound=MakemoreError)

NONE = "none"  # what a user types to turn an optional option off


@dataclass(frozen=True)
class Option:
    """Describes an option: its type, default, help and limits, and whether it identifies a run.

    identifies_run: two runs that differ in it are different runs; threads or a save interval differ
    without making another run of it.
    """

    name: str
    type: type
    default: Any
    help: str
    optional: bool  # None is allowed, and means "off" or "from the data"
    minimum: float | None  # inclusive
    above: float | None  # a minimum that is exclusive: more than this
    maximum: float | None  # inclusive
    choices: tuple[str, ...] | None
    identifies_run: bool

    @property
    def flag(self) -> str:
        """Name the option as the command line does: `n_embd` -> `--n-embd`."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any) -> Any:
        """Return `value` as the option's type. Raises UsageError, naming the type or limit."""
        if value is None and self.optional:
            return None
        if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
            value = value.item()  # Python's own string, number or bool
        number = None if isinstance(value, bool) else value  # in Python, True is the integer 1
        if self.type is float and isinstance(number, numbers.Real):  # numpy's and whole ones, too
            value = _float(number)
        elif self.type is int and isinstance(number, numbers.Integral):
            value = int(number)
        kinds: Any = type(value)
        # Nothing else is converted: "3" is no number, and 1 is no true.
        if kinds is not self.type:
            kind = {int: "a whole number", float: "a number", bool: "true or false"}
            raise self._bad(value, f"give {kind.get(self.type, 'a text')}")
        if self.type is float and not math.isfinite(value):
            raise self._bad(value, "give a finite number")
        if self.minimum is not None and value < self.minimum:
            raise self._bad(value, f"give {self.minimum} or more")
        if self.above is not None and value <= self.above:
            raise self._bad(value, f"give more than {self.above}")
        if self.maximum is not None and value > self.maximum:
            raise self._bad(value, f"give {self.maximum} or less")
        if self.choices is not None and value not in self.choices:
            raise self._bad(value, "choose one of " + ", ".join(self.choices))
        return value

    def _bad(self, value: Any, to_do: str) -> UsageError:
        """Make the error for a value that cannot be."""
        try:
            shown = repr(value)
        except ValueError:  # Python writes no number of more than 4,300 digits
            shown = f"a number of {value.bit_length()} bits"
        return UsageError(f"{self.name} cannot be {shown}", self.flag, to_do)


def _float(number: Any) -> float:
    """Convert a number to a float; a whole number that is too large gives infinity."""
    try:
        return float(number)
    except OverflowError:
        return math.inf  # which `check` refuses as not finite


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str] | None = None,
    identifies_run: bool = True,
) -> Any:
    """Declare an option as the default of a dataclass field.

    Limits are inclusive (`minimum`, `maximum`) or exclusive (`above`). A default of None, with the
    type `T | None`, means "off" or "from the data".
    """
    declared = {
        "help": help,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "choices": None if choices is None else tuple(choices),
        "identifies_run": identifies_run,
    }
    return dataclasses.field(default=default, metadata={"option": declared})


def options_of(options: type) -> dict[str, Option]:
    """Collect the options of a dataclass by name, in the order of their declaration."""
    return {**_options_of(options)}  # a new dict: who changes it changes none of ours


@functools.cache  # evaluating annotations takes a millisecond, and a request has some classes
def _options_of(options: type) -> dict[str, Option]:
    # Annotations are strings under `from __future__ import annotations`: this evaluates them.
    hints = typing.get_type_hints(options)
    found = {}
    for field in dataclasses.fields(options):
        if "option" not in field.metadata:  # a field that is no option
            continue
        # `int | None` -> the type int, and None is allowed.
        union = typing.get_origin(hints[field.name]) in (types.UnionType, typing.Union)
        members = typing.get_args(hints[field.name]) if union else (hints[field.name],)
        kind = next(member for member in members if member is not types.NoneType)
        found[field.name] = Option(
            name=field.name,
            type=kind,
            default=field.default,
            optional=types.NoneType in members,
            **field.metadata["option"],
        )
    return found


def make(
    options: type[T], values: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> T:
    """Make an `options` object from `values` over `defaults`, and check every value.

    Raises UsageError for an unknown key (naming the nearest one) or a value out of its range.
    """
    known = options_of(options)
    for key in values:
        if key not in known:
            raise unknown_key(key, known)
    # A key in neither keeps the default of its declaration.
    merged = {**(defaults or {}), **values}
    return options(**{key: known[key].check(value) for key, value in merged.items()})


def as_flags(values: Mapping[str, Any]) -> list[str]:
    """Write options as they are typed: {"n_embd": 8, "labels": True} -> --n-embd 8 --labels."""
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", NONE if value is None else str(value)]
    return words


def as_keywords(values: Mapping[str, Any]) -> str:
    """Write options as Python's keywords: {"n_embd": 8, "labels": True} -> n_embd=8, ..."""
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def without_options(kind: type[E], what: str, where: str | None, add: Mapping[str, Any]) -> E:
    """Make an error that the same command would not have with the options of `add`."""
    return kind(what, where, f"use {shlex.join(as_flags(add))}", add)


def unknown_key(key: str, known: Iterable[str], kind: str = "option") -> UsageError:
    """Make the error for an unknown key, with the nearest known one as a suggestion."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    to_do = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
    return UsageError(f"unknown {kind} {visible(key, 60)!r}", None, to_do)
