"""Output: prints results on stdout, one a line, and notes, progress and errors on stderr.

On a terminal, control characters are shown as escapes; in a pipe the bytes are exact.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from makemore.errors import SystemFault
from makemore.escaping import visible, visible_json

LOST = "they are lost: make room or write elsewhere, and give the same command again"


def result(*lines: str) -> None:
    """Print lines of stdout."""
    for line in lines:
        _write((visible(line) if sys.stdout.isatty() else line) + "\n")


def as_json(record: Mapping[str, Any]) -> str:
    """Write an object as one line of JSON; a number that is not finite becomes null."""
    from makemore.experiments.journal import finite  # --help need not wait for it

    return json.dumps(finite(dict(record)), ensure_ascii=False, allow_nan=False)


def result_json(*objects: Mapping[str, Any]) -> None:
    """Print JSON objects, one a line.

    On a terminal control characters stand as escapes of JSON: the values stay the same.
    """
    for line in map(as_json, objects):
        _write((visible_json(line) if sys.stdout.isatty() else line) + "\n")


def result_csv(row: str) -> None:
    """Print a row of CSV that ends as its format has it; on a terminal like any other line."""
    if sys.stdout.isatty():
        result(row.rstrip("\r\n"))
    else:
        _write(row)


class Unwritten(SystemFault):
    """Reports results that could not be written, as on a full disk, and what is lost with them."""

    def __init__(self, reason: str, lost: str = LOST) -> None:
        self.reason = reason
        super().__init__(f"cannot write the results: {reason}", "stdout", lost)


def _write(text: str) -> None:
    with _stdout():
        sys.stdout.write(text)


def flush_results() -> None:
    """Bring the results that were printed to their place. Raises Unwritten, BrokenPipeError."""
    with _stdout():
        sys.stdout.flush()


@contextmanager
def _stdout() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # a reader that has gone wants no message
        raise
    except OSError as error:
        raise Unwritten((error.strerror or str(error)).lower()) from None


@contextmanager
def results(lost: str) -> Iterator[None]:
    """Print results inside `with`, and flush them at its end.

    lost: for the message where that fails: what is lost, and what to do
    """
    try:
        yield
        flush_results()
    except Unwritten as fault:
        raise Unwritten(fault.reason, lost) from None


def result_table(header: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "") -> None:
    """Print a table with aligned columns."""
    from makemore.cli.tables import aligned  # it imports rich

    result(*(indent + line for line in aligned(header, rows)))


def note(text: str, prefix: str = "makemore: ") -> None:
    """Print one line of stderr. Scripts that read stdout see none of them."""
    with suppress(OSError):  # no result depends on a note that nobody can read
        sys.stderr.write(visible(prefix + text) + "\n")
        sys.stderr.flush()  # a note may explain what the next minutes are spent on
