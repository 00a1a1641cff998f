"""errors.py: what a terminal is shown, the form of a message, and the exit codes."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore import errors
from makemore.errors import MakemoreError, RunError, UsageError
from makemore.escaping import visible

ZWJ_FAMILY = "👩\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("emma", "emma"),
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x85\x9b2J", r"\x85\x9b2J"),  # C1: a terminal may read 0x9b as ESC [
        ("\u202egpj.exe\u2066\u2069", r"\u202egpj.exe\u2066\u2069"),  # bidirectional controls
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\ufeffx\u200by\u00adz", r"\ufeffx\u200by\xadz"),  # what takes no room
        ("\ud800", r"\ud800"),  # half of a pair, which no stream can encode
        ("\U000e0041", r"\U000e0041"),  # a tag character
        (ZWJ_FAMILY, ZWJ_FAMILY),
        ("نامه\u200cای", "نامه\u200cای"),
        ("zoë 名字 e\u0301 \\n %s {0}", "zoë 名字 e\u0301 \\n %s {0}"),
    ],
)
def test_visible_escapes_what_a_terminal_obeys_and_keeps_the_rest(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()), st.none() | st.integers(1, 40))
def test_visible_never_lets_a_control_character_through(text: str, limit: int | None) -> None:
    shown = visible(text, limit)
    shown.encode("utf-8")
    hidden = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert hidden <= {"\u200c", "\u200d"}
    assert limit is None or len(shown) <= limit


@pytest.mark.parametrize(
    "text, limit, shown",
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("x" * 10**7, 3, "xx…"),
        ("\x1b\x1b", 8, r"\x1b\x1b"),
        ("\x1b\x1b\x1b", 8, r"\x1b\x1…"),
    ],  # fmt: skip
)
def test_visible_is_cut_after_it_was_escaped(text: str, limit: int, shown: str) -> None:
    assert visible(text, limit) == shown


# The numbers are a promise to scripts: docs and design name them.
CODES = {
    "MakemoreError": (1, Exception), "UsageError": (2, ValueError), "DataError": (3, ValueError),
    "RunError": (4, Exception), "SystemFault": (5, Exception), "Diverged": (6, Exception),
    "Unsatisfiable": (7, Exception),
}  # fmt: skip


def test_every_error_has_an_exit_code_of_its_own() -> None:
    kinds = [MakemoreError, *MakemoreError.__subclasses__()]
    found = {kind.__name__: kind.exit_code for kind in kinds}
    assert found == {name: code for name, (code, _) in CODES.items()}


@pytest.mark.parametrize("name", CODES)
def test_an_error_is_also_one_of_python_s_kinds(name: str) -> None:
    error = getattr(errors, name)
    with pytest.raises(CODES[name][1], match=r"^what \(where\): to do$"):
        raise error("what", "where", "to do")
    assert isinstance(error("what"), MakemoreError)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("no lines", "names.txt", "give one a line"), "no lines (names.txt): give one a line"),
        (("no lines", None, "give one a line"), "no lines: give one a line"),
        (("no lines", "names.txt", None), "no lines (names.txt)"),
        (("no lines", "names.txt:3:7"), "no lines (names.txt:3:7)"),
        (("no lines",), "no lines"),
    ],
)
def test_message_is_what_where_to_do(parts: tuple[str | None, ...], message: str) -> None:
    error = UsageError(*parts)  # type: ignore[arg-type]
    assert str(error) == message
    assert (error.what, error.where, error.to_do) == (*parts, None, None)[:3]


def test_a_message_is_one_visible_line_of_bounded_length() -> None:
    hostile = "\x1b[2J\n\u202e" * 10_000
    message = str(RunError(hostile, hostile, hostile))
    assert re.fullmatch(r"[ -~…]+", message)
    assert len(message) <= 400 + len(" ()") + 200 + len(": ") + 400
    assert message.startswith(r"\x1b[2J\n\u202e")
