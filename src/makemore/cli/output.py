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


def result_json(*objects: Mapping[str, Any]) -> None:
    """Print JSON objects, one a line; a number that is not finite becomes null.

    On a terminal control characters stand as escapes of JSON: the values stay the same.
    """
    from makemore.experiments.journal import finite  # --help need not wait for it

    for each in map(finite, map(dict, objects)):
        line = json.dumps(each, ensure_ascii=False, allow_nan=False)
        sys.stdout.write((visible_json(line) if sys.stdout.isatty() else line) + "\n")


def result_table(header: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "") -> None:
    """Print a table with aligned columns."""
    from makemore.cli.tables import aligned  # it imports rich

    result(*(indent + line for line in aligned(header, rows)))


def note(text: str, prefix: str = "makemore: ") -> None:
    """Print one line of stderr. Scripts that read stdout see none of them."""
    sys.stderr.write(visible(prefix + text) + "\n")
    sys.stderr.flush()  # a note may explain what the next minutes are spent on
