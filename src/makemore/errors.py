"""The tree of errors. Each has its exit code; each message says what, where and what to do."""

from __future__ import annotations

from makemore.escaping import visible


class MakemoreError(Exception):
    """An error a person can act on: `what` went wrong, `where`, and what `to_do` about it."""

    exit_code = 1

    def __init__(self, what: str, where: str | None = None, to_do: str | None = None) -> None:
        self.what, self.where, self.to_do = what, where, to_do
        message = visible(what, 400)
        if where:
            message += f" ({visible(where, 200)})"
        if to_do:
            message += f": {visible(to_do, 400)}"
        super().__init__(message)


class UsageError(MakemoreError, ValueError):
    """A command or parameter that cannot be right."""

    exit_code = 2


class DataError(MakemoreError, ValueError):
    """The text that was given cannot be read or used."""

    exit_code = 3


class RunError(MakemoreError):
    """A run directory that is damaged, foreign, hostile or empty."""

    exit_code = 4


class SystemFault(MakemoreError):
    """The machine says no: disk, permission to write, lock, memory, port."""

    exit_code = 5


class Diverged(MakemoreError):
    """Training came to a loss or gradient that is not a number."""

    exit_code = 6


class Unsatisfiable(MakemoreError):
    """What was asked for does not exist, or was not found within the bound that is named."""

    exit_code = 7
