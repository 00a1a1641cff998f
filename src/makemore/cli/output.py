"""Output: prints results on stdout, one a line, and notes, progress and errors on stderr.

On a terminal, control characters are shown as escapes; in a pipe the bytes are exact.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from makemore.escaping import visible, visible_json


def result(*lines: str) -> None:
    """Print lines of stdout."""
    for line in lines:
        sys.stdout.write((visible(line) if sys.stdout.isatty() else line) + "\n")


def as_json(record: Mapping[str, Any]) -> str:
    """Write an object as one line of JSON; a number that is not finite becomes null."""
    from makemore.experiments.journal import finite  # --help need not wait for it

    return json.dumps(finite(dict(record)), ensure_ascii=False, allow_nan=False)


def result_json(*objects: Mapping[str, Any]) -> None:
    """Print JSON objects, one a line.

    On a terminal control characters stand as escapes of JSON: the values stay the same.
    """
    for line in map(as_json, objects):
        sys.stdout.write((visible_json(line) if sys.stdout.isatty() else line) + "\n")


def result_csv(row: str) -> None:
    """Print a row of CSV that ends as its format has it; on a terminal like any other line."""
    if sys.stdout.isatty():
        result(row.rstrip("\r\n"))
    else:
        sys.stdout.write(row)


def result_table(header: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "") -> None:
    """Print a table with aligned columns."""
    from makemore.cli.tables import aligned  # it imports rich

    result(*(indent + line for line in aligned(header, rows)))


def note(text: str, prefix: str = "makemore: ") -> None:
    """Print one line of stderr. Scripts that read stdout see none of them."""
    sys.stderr.write(visible(prefix + text) + "\n")
    sys.stderr.flush()  # a note may explain what the next minutes are spent on
