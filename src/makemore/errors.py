"""Errors: one class for each exit code; each message says what, where and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from makemore.escaping import visible


class MakemoreError(Exception):
    """Reports an error that a person can act on: `what` went wrong, `where`, and what `to_do`.

    DataError("no lines", "names.txt", "give a text") -> "no lines (names.txt): give a text"

    add: options with which the same command works; the command line shows it with them instead of
    to_do
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        where: str | None = None,
        to_do: str | None = None,
        add: Mapping[str, Any] | None = None,
    ) -> None:
        self.what, self.where, self.to_do, self.add = what, where, to_do, add or {}
        super().__init__(self.message(to_do))

    def message(self, to_do: str | None) -> str:
        """Write the message, with what to do."""
        # Texts, file names and options come from outside: cut, and without terminal escapes.
        message = visible(self.what, 400)
        if self.where:
            message += f" ({visible(self.where, 200)})"
        if to_do:
            message += f": {visible(to_do, 400)}"
        return message


# Two of them are ValueErrors, too, as scikit-learn raises for parameters and data that are wrong.
class UsageError(MakemoreError, ValueError):
    """Reports a command or parameter that cannot be right."""

    exit_code = 2


class DataError(MakemoreError, ValueError):
    """Reports a text that cannot be read or used."""

    exit_code = 3


class RunError(MakemoreError):
    """Reports a run directory that is damaged, hostile, empty or of another program.

    Without another way out, the run has to be replaced.
    """

    exit_code = 4

    def __init__(
        self, what: str, where: str | None = None, to_do: str | None = None,
        add: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(what, where, to_do or "train again, or take a copy of the run", add)


class SystemFault(MakemoreError):
    """Reports what the machine refuses: disk, permission to write, lock, memory, port."""

    exit_code = 5


class OutOfMemory(SystemFault):
    """Reports that memory ran out, of the machine or of a graphics card, with what fits instead."""


class Diverged(MakemoreError):
    """Reports a training whose loss became no number, or ended far above blind guessing."""

    exit_code = 6


class Unsatisfiable(MakemoreError):
    """Reports a request for lines that do not exist, or were not found within the named bound."""

    exit_code = 7
