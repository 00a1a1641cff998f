"""labels.py: mixtures of labels with commas, signs and quotes, and labels that are not there."""

from __future__ import annotations

import pytest

from makemore.errors import UsageError
from makemore.text.labels import SHOWN, parse_mixture, unknown_label

NAMES = ("a", "a,b", "b", "x=1", "x", "Smith, J.", '"q"', 'say "no", twice', "caf\u00e9")


@pytest.mark.parametrize(
    ("text", "mixture"),
    [
        ("a", {"a": 1}),
        ("a=7, b = 3", {"a": 0.7, "b": 0.3}),
        ("a,b", {"a,b": 1}),  # a label of its own before a mixture of two
        ("a,b=3,b", {"a,b": 0.75, "b": 0.25}),  # the longest label counts
        ('"a",b', {"a": 0.5, "b": 0.5}),  # quotes end it
        ("x=1", {"x=1": 1}),
        ('"x"=1,b=3', {"x": 0.25, "b": 0.75}),
        ('"Smith, J."=.7,a=.3', {"Smith, J.": 0.7, "a": 0.3}),
        ("Smith, J.=3,b", {"Smith, J.": 0.75, "b": 0.25}),
        ('"Smith, J."', {"Smith, J.": 1}),
        ('"q",a', {'"q"': 0.5, "a": 0.5}),  # quotes that are part of a label
        ('"say ""no"", twice"=1,a=1', {'say "no", twice': 0.5, "a": 0.5}),
        ("a=1,a=1,b=2", {"a": 0.5, "b": 0.5}),  # what stands twice is added
        ("cafe\u0301=1,a=1", {"caf\u00e9": 0.5, "a": 0.5}),  # the accent as a character
    ],
)
def test_a_mixture_may_name_labels_with_commas(text: str, mixture: dict[str, float]) -> None:
    assert parse_mixture(text, NAMES) == pytest.approx(mixture)


def test_a_name_that_is_composed_finds_a_label_that_is_not() -> None:
    assert parse_mixture("caf\u00e9", ["cafe\u0301"]) == {"cafe\u0301": 1.0}
    both = ["caf\u00e9", "cafe\u0301"]  # two labels that look alike stay two
    assert [parse_mixture(name, both) for name in both] == [{name: 1.0} for name in both]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c=1,a", "unknown label 'c': known are a, a,b, b"),
        ("Smith, K.=.5,a=.5", "unknown label 'Smith'"),
        ('"Smith, K."=.5,a=.5', "unknown label 'Smith, K.': did you mean 'Smith, J.'"),
        ("", "unknown label ''"),
        ("a,", "unknown label ''"),
        ("a=,b", "'' is no share of 'a'"),
        ("a=-1,b", "'-1' is no share of 'a'"),
        ("a=nan", "'nan' is no share of 'a'"),
        ('"a"b', "unknown label"),
    ],
)
def test_what_is_no_mixture_says_why(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mixture(text, NAMES)
    assert message in str(caught.value)


def test_an_unknown_label_lists_those_that_there_are() -> None:
    assert str(unknown_label("grl", ["boy", "girl"])) == (
        "unknown label 'grl': did you mean 'girl'? known are boy, girl"
    )
    assert "did you mean 'F'? known are F, M" in str(unknown_label("f", ["F", "M"]))
    many = [f"{number:03}" for number in range(SHOWN + 1234)]
    assert str(unknown_label("x", many)).endswith("009, 010, 011 and 1,234 more")
