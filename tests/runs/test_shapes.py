"""shapes.py: values of JSON that are what they should be, and those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from makemore.runs.shapes import ANY, MAYBE, NUMBER, has_shape

RIGHT: list[tuple[Any, Any]] = [
    (1, NUMBER), (1.5, NUMBER), (-0.0, NUMBER), (None, MAYBE), (2, MAYBE), (3, int), (True, bool),
    (None, int | None), ("", str), ([], [NUMBER]), ([1, 2.5], [NUMBER]), ([[]], [[str]]),
    ({}, dict), ({"a": 1, "more": "x"}, {"a": int}), ({}, {ANY: NUMBER}),
    ({"x": {"a": None}}, {ANY: {"a": MAYBE}}), ("x", str | None), (False, str | bool),
]  # fmt: skip
WRONG: list[tuple[Any, Any]] = [
    (True, NUMBER), (True, int), (1, bool), ("1", NUMBER), (None, NUMBER), (1.0, int),
    (1e300, NUMBER), (10**400, int), (-(10**40), MAYBE), ([], dict), ({}, [NUMBER]),
    ([1, None], [NUMBER]), ({}, {"a": MAYBE}), ({"a": "x"}, {"a": int}),
    ({"a": "x"}, {ANY: NUMBER}), ([], {ANY: NUMBER}), (None, str), (3, str | None),
    (1.5, int | None), (float("nan"), NUMBER),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shape"), RIGHT, ids=repr)
def test_what_is_right(value: Any, shape: Any) -> None:
    assert has_shape(value, shape)


@pytest.mark.parametrize(("value", "shape"), WRONG, ids=repr)
def test_what_is_wrong(value: Any, shape: Any) -> None:
    assert not has_shape(value, shape)
