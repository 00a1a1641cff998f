"""Tables and texts that fit a terminal: wrapped between pieces, no character lost."""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from makemore.cli.tables import aligned
from makemore.cli.wrapping import Across, Pieces, table, terminal_width, words, wrapped

HEADER = ("#", "what", "shape", "nats", "values")
ROWS = [
    (1, "emb = embedding of each id", Pieces(("(B, T, n_embd) =", "(1, 4, 64)")), 0.5,
     Pieces(("a 0.5000", "e 0.2500", "' ' 0.1250"), "  ")),
    (12, "stream = tok + pos: both tables have a row for each", "()", 12345.25, "x"),
]  # fmt: skip


def letters(lines: list[str]) -> Counter[str]:
    return Counter("".join(lines).replace(" ", ""))


@pytest.mark.parametrize("width", [48, 60, 80, 100, 200])
def test_a_table_fits_and_loses_no_character(width: int) -> None:
    lines = table(HEADER, ROWS, width)
    assert max(map(cell_len, lines)) <= width
    assert letters(lines) == letters(table(HEADER, ROWS, None))
    shown = "\n".join(lines)
    for whole in ("0.5000", "12345.2500", "' ' 0.1250", "(1, 4, 64)", "n_embd"):
        assert whole in shown


def test_without_a_width_it_is_the_table_of_all_commands() -> None:
    rows = [(1, "a b", None, 2.5), (20, "李", 7, 0.0)]
    assert table(("#", "x", "n", "p"), rows, None) == aligned(("#", "x", "n", "p"), rows)


def test_columns_without_room_stand_below() -> None:
    rows = [(1, "read", 0.5, 0.25, Pieces(("a 0.5000", "e 0.2500", "i 0.1250"), "  "))]
    header = ("#", "read", "one", "two", "expected")
    assert table(header, rows, 60) == [
        "#  read     one     two  expected",
        "1  read  0.5000  0.2500  a 0.5000  e 0.2500  i 0.1250",
    ]
    assert table(header, rows, 48) == [
        "#  read     one     two", "   expected",
        "1  read  0.5000  0.2500", "   a 0.5000  e 0.2500  i 0.1250",
    ]  # fmt: skip
    # As wide as a piece of what stands below it, and no number is folded.
    assert table(header, rows, 30)[-2:] == ["   a 0.5000  e 0.2500", "   i 0.1250"]


def test_a_row_across_has_its_own_indent() -> None:
    rows = [(1, "a"), Across(words("one two three"), "    "), (2, "b")]
    assert table(("#", "x"), rows, 14) == [
        "#  x", "1  a", "    one two", "      three", "2  b",
    ]  # fmt: skip


def test_a_piece_is_broken_only_if_no_line_holds_it() -> None:
    assert wrapped(Pieces(("a b", "c d"), "  "), 5) == ["a b", "c d"]
    assert wrapped(words("ab abcdefgh"), 4, " ") == ["ab", " abc", "defg", "h"]
    assert wrapped(words("abcdefgh"), 3) == ["abc", "def", "gh"]
    # A letter keeps its accent, a family its members, a flag its two letters.
    assert wrapped(words("e\u0301e\u0301e\u0301"), 2) == ["e\u0301e\u0301", "e\u0301"]
    assert wrapped(words("👨\u200d👩\u200d👧🇩🇪"), 2) == ["👨\u200d👩\u200d👧", "🇩🇪"]
    assert wrapped(words("李小明"), 4) == ["李小", "明"]


@given(st.text("ab é李 ", max_size=40), st.integers(2, 20), st.sampled_from(["", " "]))
def test_every_line_fits_whatever_the_text(text: str, width: int, indent: str) -> None:
    lines = wrapped(words(text), width, indent)
    assert max(map(cell_len, lines)) <= width
    assert letters(lines) == letters([text])


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() is None  # a pipe: nothing is wrapped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "__stdout__", None)
    assert terminal_width() == 80  # a terminal that does not tell
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((123, 40)))
    monkeypatch.setenv("COLUMNS", "66")
    assert terminal_width() == 66
