"""What a command prints: results on stdout, one a line; notes, progress and errors on stderr.

On a terminal control characters are shown escaped; in a pipe the bytes are exact.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from makemore.escaping import visible


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
