"""options.py: a knob is declared once; its limits, its kinds, and keys that nobody declared."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import UsageError
from makemore.options import make, option, options_of, unknown_key


@dataclass(frozen=True)
class Pet:
    legs: int = option(4, "how many", minimum=0, maximum=8)
    weight: float = option(1.5, "in kg", above=0.0)
    hair_length: float | None = option(None, "in cm; None is bald", minimum=0.0, maximum=30.0)
    kind: str = option("cat", "which animal", choices=("cat", "dog", "millipede"))
    tame: bool = option(True, "whether it comes when called", identifies_run=False)
    lives: int | None = option(9, "None is without end", minimum=1)
    tag: object = "no knob"


def test_knobs_are_read_from_the_dataclass_in_their_order() -> None:
    found = options_of(Pet)
    assert list(found) == ["legs", "weight", "hair_length", "kind", "tame", "lives"]
    legs, hair, tame = found["legs"], found["hair_length"], found["tame"]
    assert (legs.type, legs.default, legs.help, legs.optional) == (int, 4, "how many", False)
    assert (legs.minimum, legs.maximum, legs.above, legs.choices) == (0, 8, None, None)
    told = (hair.type, hair.default, hair.optional, hair.flag)
    assert told == (float, None, True, "--hair-length")
    assert found["kind"].choices == ("cat", "dog", "millipede")
    assert found["weight"].above == 0.0
    assert legs.identifies_run and not tame.identifies_run
    assert Pet() == Pet(4, 1.5, None, "cat", True, 9)  # still a plain dataclass with its defaults


KEPT = [
    ("legs", 0, 0), ("legs", 8, 8), ("legs", np.int64(3), 3), ("legs", np.uint8(3), 3),
    ("weight", 5e-324, 5e-324), ("weight", 2, 2.0), ("weight", np.float32(0.5), 0.5),
    ("weight", np.int32(2), 2.0), ("weight", Fraction(1, 4), 0.25), ("weight", 1e308, 1e308),
    ("hair_length", None, None), ("hair_length", 0, 0.0), ("hair_length", 30, 30.0),
    ("kind", "dog", "dog"), ("tame", False, False), ("lives", None, None),
    ("lives", 10**30, 10**30),
]  # fmt: skip


@pytest.mark.parametrize("key, value, kept", KEPT)
def test_a_value_within_the_limits_is_kept_as_the_knobs_own_type(key, value, kept) -> None:
    found = getattr(make(Pet, {key: value}), key)
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("legs", -1, "legs cannot be -1 (--legs): give 0 or more"),
        ("legs", 9, "legs cannot be 9 (--legs): give 8 or less"),
        ("legs", 4.0, "legs cannot be 4.0 (--legs): give a whole number"),
        ("legs", math.nan, "legs cannot be nan (--legs): give a whole number"),
        ("legs", "4", "legs cannot be '4' (--legs): give a whole number"),
        ("legs", True, "legs cannot be True (--legs): give a whole number"),
        ("legs", None, "legs cannot be None (--legs): give a whole number"),
        ("legs", [4], "legs cannot be [4] (--legs): give a whole number"),
        ("weight", 0, "weight cannot be 0.0 (--weight): give more than 0.0"),
        ("weight", -0.0, "weight cannot be -0.0 (--weight): give more than 0.0"),
        ("weight", math.inf, "weight cannot be inf (--weight): give a finite number"),
        ("weight", -math.inf, "weight cannot be -inf (--weight): give a finite number"),
        ("weight", float("1e400"), "weight cannot be inf (--weight): give a finite number"),
        ("weight", 10**400, "weight cannot be inf (--weight): give a finite number"),
        ("weight", math.nan, "weight cannot be nan (--weight): give a finite number"),
        ("weight", np.float32("nan"), "weight cannot be nan (--weight): give a finite number"),
        ("weight", True, "weight cannot be True (--weight): give a number"),
        ("weight", "1", "weight cannot be '1' (--weight): give a number"),
        ("weight", Decimal(1), "weight cannot be Decimal('1') (--weight): give a number"),
        ("weight", 1j, "weight cannot be 1j (--weight): give a number"),
        ("hair_length", 30.1, "hair_length cannot be 30.1 (--hair-length): give 30.0 or less"),
        ("hair_length", -1e-9, "hair_length cannot be -1e-09 (--hair-length): give 0.0 or more"),
        ("kind", "cow", "kind cannot be 'cow' (--kind): choose one of cat, dog, millipede"),
        ("kind", 3, "kind cannot be 3 (--kind): give a text"),
        ("kind", None, "kind cannot be None (--kind): give a text"),
        ("tame", 1, "tame cannot be 1 (--tame): give true or false"),
        ("tame", "yes", "tame cannot be 'yes' (--tame): give true or false"),
        ("lives", 0, "lives cannot be 0 (--lives): give 1 or more"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name_and_limit(key, value, message) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        make(Pet, {key: value})


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_too_long_to_be_written_is_still_one_message(sign: int) -> None:
    # Python refuses to turn more than 4,300 digits into a text.
    limit = "8 or less" if sign == 1 else "0 or more"
    with pytest.raises(UsageError, match=rf"^legs cannot be a number of 16610 bits .*{limit}$"):
        make(Pet, {"legs": sign * 10**5000})


def test_a_hostile_value_or_key_is_shown_escaped_and_cut() -> None:
    with pytest.raises(UsageError) as caught:
        make(Pet, {"kind": "\x1b[2J" + "x" * 10_000})
    assert str(caught.value).startswith(r"kind cannot be '\x1b[2Jxxx")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600
    message = str(unknown_key("\x1b]0;" + "k" * 1000, ["legs"]))
    assert message.isprintable() and len(message) < 120


@given(st.integers() | st.floats() | st.text(max_size=5) | st.booleans() | st.none())
def test_whatever_is_given_comes_back_in_range_or_is_refused(value: Any) -> None:
    for name, knob in options_of(Pet).items():
        try:
            found = knob.check(value)
        except UsageError as error:
            assert knob.flag in str(error)
            continue
        asked = float(value) if knob.type is float and value is not None else value
        assert found == asked
        assert type(found) is knob.type or (found is None and knob.optional)
        if name == "legs":
            assert 0 <= found <= 8
        elif name == "weight":
            assert 0 < found < math.inf


def test_make_lays_what_was_asked_over_the_defaults_and_checks_both() -> None:
    pet = make(Pet, {"legs": 3}, {"legs": 2, "kind": "dog"})
    assert pet == Pet(legs=3, kind="dog")
    with pytest.raises(dataclasses.FrozenInstanceError):
        pet.legs = 1  # type: ignore[misc]
    with pytest.raises(UsageError, match="give 8 or less"):
        make(Pet, {}, {"legs": 100})


@pytest.mark.parametrize(
    "key, message",
    [
        ("leg", "did you mean 'legs'?"),
        ("hair-length", "did you mean 'hair_length'?"),
        ("Kind", "did you mean 'kind'?"),
        ("zzz", "known are legs, weight, hair_length, kind, tame, lives"),
        ("tag", "did you mean 'tame'?"),  # a field that is no knob
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(key: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(f'unknown option {key!r}: {message}')}$"):
        make(Pet, {key: 1})


def test_an_unknown_key_is_refused_before_any_value_is_looked_at() -> None:
    with pytest.raises(UsageError, match="unknown option"):
        make(Pet, {"legs": "many", "wings": 2})
