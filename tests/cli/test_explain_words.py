"""The words of `makemore explain`: they agree with the numbers, and no symbol is unseen."""

from __future__ import annotations

import math
from typing import Any

import pytest

from makemore.analysis.explain import Candidate, Draw, Expected
from makemore.cli.commands.explain import growth, line_in_words, share_and_random, total_in_words
from makemore.cli.symbols import beginning, candidates, label, probability, reading
from makemore.sampling import Sample


def rows(*nats: float) -> list[Expected]:
    """A line of symbols a, b, ... and its end, with these surprisals."""
    symbols: list[Any] = [*"abcdefgh"[: len(nats) - 1], None]
    return [
        Expected((), symbol, math.exp(-each), each, sum(nats[: number + 1]), 1, ())
        for number, (symbol, each) in enumerate(zip(symbols, nats, strict=True))
    ]


TOTALS = [
    ((1.0,), 1.0, "1.0000 nats (1.4427 bits) for 1 symbol, the end; 1.0000 nats a symbol"),
    ((1.0, 2.0), 1.0,
     "3.0000 nats (4.3281 bits) for 2 symbols, the end is one; 1.5000 nats a symbol"),
    ((0.0, 0.0, 0.0), 1.0,
     "0.0000 nats (0.0000 bits) for 3 symbols, the end is one; 0.0000 nats a symbol"),
    ((1.0,), 0.5, "1.0000 nats (1.4427 bits) for 1 symbol, the end; 1.0000 nats a symbol "
     "at temperature 0.5, which is not what score says"),
    ((1.0, math.inf), 0.0, "inf nats: symbol 2, ., has probability 0 at temperature 0"),
    ((1.0, math.inf, math.inf), 1.0, "inf nats: symbol 2, b, has probability 0"),
]  # fmt: skip


@pytest.mark.parametrize(("nats", "temperature", "said"), TOTALS)
def test_the_total_of_a_line(nats: tuple[float, ...], temperature: float, said: str) -> None:
    assert total_in_words(rows(*nats), temperature) == said


LINES = [
    (Sample("emma", "new", 12.5), 1.0, "emma: new; nll 12.5000 nats"),
    (Sample("emma", "train", 12.5), 1.0, "emma: stands in train; nll 12.5000 nats"),
    (Sample("", "new", 2.0), 1.0, "the empty line: new; nll 2.0000 nats"),
    (Sample("aa", "new", 2.0, capped=True), 1.0,
     "aa: new, cut: it went on for twice the longest line; nll 2.0000 nats"),
    (Sample("aa", "new", 2.0), 0.5,
     "aa: new; nll 2.0000 nats at temperature 1, as score says"),
    (Sample(" a", "new", 2.0), 1.0, "' a': new; nll 2.0000 nats"),
    (Sample("\u0301a", "new", 2.0), 1.0, "◌\u0301a: new; nll 2.0000 nats"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "temperature", "said"), LINES)
def test_a_line_that_was_drawn(line: Sample, temperature: float, said: str) -> None:
    assert line_in_words(line, temperature) == said


def draw(low: float, high: float, uniform: float, context: tuple[Any, ...] = (None,)) -> Draw:
    return Draw(context, "a", high - low, low, high, uniform, ())


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.25, 0.5, 0.3), ("0.2500 to 0.5000", "0.3000")),
        # With 4 decimals it would be 0.5000, which is not below 0.5000.
        ((0.25, 0.5, 0.49996), ("0.25000 to 0.50000", "0.49996")),
        ((0.500004, 0.500006, 0.500005), ("0.500004 to 0.500006", "0.500005")),
        ((0.0, 1.0, 0.0), ("0.0000 to 1.0000", "0.0000")),
    ],
)
def test_the_random_number_is_seen_to_fall_into_the_range(
    numbers: tuple[float, float, float], shown: tuple[str, str]
) -> None:
    assert share_and_random(draw(*numbers)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0000"), (1.0, "1.0000"), (0.12345, "0.1235"), (0.00005, "0.0001"),
     (0.00004, "4.0e-05"), (1e-12, "1.0e-12")],
)  # fmt: skip
def test_a_probability_that_is_not_0_is_not_shown_as_0(value: float, shown: str) -> None:
    assert probability(value) == shown
    assert candidates([Candidate("a", value)]) == (f"a {shown}",)


SYMBOLS = [
    (None, "."), (".", "'.'"), (" ", "' '"), ("\t", "\\t"), ("\u00a0", "\\xa0"),
    ("\u200d", "\\u200d"), ("\u202e", "\\u202e"), ("\u3000", "\\u3000"), ("\u0301", "◌\u0301"),
    ("e\u0301", "e\u0301"), ("😀", "😀"), ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ("李", "李"),
    ("Cl", "Cl"), ("\x1b[", "\\x1b["), ("<girl>", "<girl>"),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "shown"), SYMBOLS)
def test_every_symbol_is_seen(symbol: str | None, shown: str) -> None:
    assert label(symbol) == shown


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        ((None, "e", "m"), ".em"),
        (("e", "\u0301"), "e\u0301"),  # a mark stays on its letter
        ((None, "\u0301"), ".◌\u0301"),  # and has no other thing to stand on
        ((" ", "\u0301"), "' '◌\u0301"),
        (("<girl>", "\u0301"), "<girl>◌\u0301"),
        (("☀", "\ufe0f"), "☀\ufe0f"),
        (tuple("abcdefghijklm"), "…bcdefghijklm"),
        ((*"abc", "\u0301", *"defghijklmn"), "…◌\u0301defghijklmn"),
    ],
)
def test_what_was_read(context: tuple[str | None, ...], shown: str) -> None:
    assert reading(context) == shown


def test_the_beginning_of_a_line_and_its_growth() -> None:
    assert [beginning(text) for text in ("s", "s ", " ", "s t", "\u0301")] == [
        "s", "'s '", "' '", "s t", "◌\u0301",
    ]  # fmt: skip
    line = Sample("s t", "new", 1.0)
    assert growth(line, [draw(0, 1, 0.5)]) == (".", "s", "'s '", "s t", ".")
    assert growth(Sample("ab", "new", 1.0, capped=True), []) == (".", "a", "ab")
    long = growth(Sample("abcdefghijklmno", "new", 1.0), [draw(0, 1, 0.5)])
    assert long == (".", "a", "ab", "abc", "abcd", "…", "abcdefghijklmn", "abcdefghijklmno", ".")
