"""Shapes: what a value of JSON that was read back has to look like before it is used.

A file may come from anybody, and may be damaged: a wrong value would fail far from here, without
naming its file. A shape is a type, or a list or an object of shapes:

    {"name": str, "loss": MAYBE, "edges": [NUMBER], "shares": {ANY: NUMBER}}
"""

from __future__ import annotations

from typing import Any

NUMBER, MAYBE = float, float | None
ANY = "*"  # the only key of a shape: an object with keys of any name, whose values have one shape
MOST = 1e30  # a larger number can be neither shown on an axis nor be a result


def has_shape(value: Any, shape: Any) -> bool:
    """Check a value of JSON against a shape; an object may hold more keys than its shape.

    A whole number is a NUMBER; True, which is the integer 1 in Python, is none.
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        if shape.keys() == {ANY}:
            return all(has_shape(each, shape[ANY]) for each in value.values())
        return all(key in value and has_shape(value[key], each) for key, each in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(has_shape(each, shape[0]) for each in value)
    kinds = getattr(shape, "__args__", (shape,))  # of float | None: float and NoneType
    if type(value) in (int, float) and not abs(value) < MOST:
        return False
    return type(value) in kinds or (type(value) is int and NUMBER in kinds)
