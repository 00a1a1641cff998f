"""Body: reads the JSON of a request as strictly as that of a file, with bounds of its own."""

from __future__ import annotations

import json
from typing import Any

from makemore.runs.strict_json import strict_json

DEEPEST = 8  # lists and objects in each other
DIGITS = 20  # of an integer: more than 64 bits have


def read_body(body: bytes) -> Any:
    """Parse the body of a request. Raises ValueError for what no command could mean."""
    value = strict_json(body, short_integer)
    if deeper(value, DEEPEST):
        raise ValueError(f"lists in lists, more than {DEEPEST} deep")
    if b"\\u" in body:
        try:  # half of a surrogate pair is no text: no file could hold it
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair") from None
    return value


def short_integer(digits: str) -> int:
    """Read an integer. Raises ValueError for one that no number of ours can hold."""
    if len(digits) > DIGITS:
        raise ValueError(f"an integer of more than {DIGITS} digits")
    return int(digits)


def deeper(value: Any, levels: int) -> bool:
    """Tell whether lists and objects lie in each other more than that deep."""
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper(each, levels - 1) for each in inner)
