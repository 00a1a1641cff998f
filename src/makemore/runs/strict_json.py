"""Strict JSON: what every reader reads alike, in a file or from a client. No numpy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any


def strict_json(body: bytes, integer: Callable[[str], int] = int) -> Any:
    """Parse strict JSON: UTF-8, no duplicate keys, no NaN or infinity, of a bounded depth.

    integer: reads the digits of an integer. Raises ValueError for anything else.
    """

    # Of two equal keys Python takes the last one and other programs the first: one file, two
    # meanings.
    def no_copies(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    def finite(word: str) -> float:
        return float(word) if math.isfinite(float(word)) else refuse(word)  # 1e999

    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=no_copies,
            parse_constant=refuse,
            parse_float=finite,
            parse_int=integer,
        )
    except RecursionError as error:  # [[[[...: too deep for Python
        raise ValueError(str(error)) from None
