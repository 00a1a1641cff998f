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
from makemore.escaping import visible

LOST = "they are lost: make room or write elsewhere, and give the same command again"


def result(*lines: str) -> None:
    """Print lines of stdout."""
    for line in lines:
        _write((visible(line) if sys.stdout.isatty() else line) + "\n")


def result_json(*objects: Mapping[str, Any]) -> None:
    """Print JSON objects, one a line; a number that is not finite becomes null."""
    from makemore.experiments.journal import finite  # --help need not wait for it

    for each in map(finite, map(dict, objects)):
        _write(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n")


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
