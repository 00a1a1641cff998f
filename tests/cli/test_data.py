"""makemore data: what is in a list, and what to do about it."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

from cli.conftest import LINES, failed, strict
from conftest import Call

CYRILLIC = ["".join(parts) for parts in product("кмнр", "аеио", ("лат", "рик", "ном", "сад"))]


def test_data_says_what_is_in_a_list_and_what_to_do(call: Call) -> None:
    planted = [CYRILLIC[0], "", "Aннa", "ан\u200bна", "x" * 1200, "\u202eанна"]
    Path("list.txt").write_text("\n".join(CYRILLIC + planted) + "\n")
    before = Path("list.txt").read_bytes()
    ended = call("data", "list.txt")
    assert ended.returncode == 0
    assert ended.stderr == "makemore: now type: makemore list.txt\n"
    shown = dict(row.split(maxsplit=1) for row in ended.stdout.splitlines()[:8])
    assert (shown["lines"], shown["blank"], shown["copies"]) == ("70", "1", "1")
    assert shown["distinct"] == "67" and shown["too"] == "long     1"
    assert "\n\nmixed scripts: 1 line\n" in ended.stdout
    assert "Aннa   U+0041 LATIN CAPITAL LETTER A, U+0061 LATIN SMALL LETTER A" in ended.stdout
    assert "ан\\u200bна   U+200B ZERO WIDTH SPACE" in ended.stdout
    assert "\u202e" not in ended.stdout and "\u200b" not in ended.stdout  # escaped in a pipe, too
    assert "--max-line" in ended.stdout and "--keep-copies" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert Path("list.txt").read_bytes() == before
    assert os.listdir() == ["list.txt"]
    longer = strict(call("data", "list.txt", "--max-line", "2000", "--json").stdout)
    assert (longer["too_long"], longer["lengths"]["longest"]) == (0, 1200)


def test_data_as_json_is_one_object(call: Call) -> None:
    Path("list.txt").write_bytes("\n".join([*CYRILLIC, "Aннa", CYRILLIC[0]]).encode("utf-16"))
    failed(call("data", "list.txt"), 3, "--encoding utf-16")
    ended = call("data", "list.txt", "--json", "--encoding", "utf-16")
    assert ended.returncode == 0 and ended.stderr == "" and ended.stdout.count("\n") == 1
    found = strict(ended.stdout)
    assert found.keys() >= {
        "lines", "blank", "too_long", "copies", "distinct", "lengths", "longest_line", "symbols",
        "scripts", "near", "findings",
    }  # fmt: skip
    assert (found["lines"], found["distinct"], found["copies"]) == (66, 65, 1)
    assert found["symbols"] == "".join(sorted(set("".join(CYRILLIC)) | set("Aннa")))
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["mixed scripts"]["lines"] == 1
    assert by_name["mixed scripts"]["examples"][0]["lines"] == ["Aннa"]
    assert by_name["near copies"]["lines"] == found["near"]["lines"] == 64
    assert by_name["copies"]["examples"] == [{"lines": [CYRILLIC[0]], "about": "2 times"}]


def test_data_with_a_model_shows_what_surprises_it(call: Call, ngram: Path) -> None:
    lines = [*LINES, "lllllll", "kalq", "яна"]
    (ngram.parent / "list.txt").write_text("\n".join(lines) + "\n")
    ended = call("data", "list.txt", "--model", ngram)
    assert ended.returncode == 0
    told = ended.stdout.partition("What surprises")[2]
    assert told.splitlines()[2].split()[1:3] == ["lllllll", "l"]
    assert "unknown to the model: 2 lines" in told and "kalq   q" in told and "яна   а н я" in told
    found = strict(call("data", "list.txt", "--model", ngram, "--json").stdout)
    assert len(found["surprising"]) == 10 and found["surprising"][0]["text"] == "lllllll"
    per_symbol = [line["per_symbol"] for line in found["surprising"]]
    assert per_symbol == sorted(per_symbol, reverse=True)
    scored = strict(call("score", ngram, "--json", input=b"lllllll").stdout)
    assert per_symbol[0] == pytest.approx(scored["per_symbol"])
    assert found["unknown"] == {"lines": 2, "examples": [
        {"text": "kalq", "unknown": ["q"]}, {"text": "яна", "unknown": ["а", "н", "я"]},
    ]}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "no lines"), (b"\n \n", "2 blank"), (b"\0a\0\0\1b\0\n", "binary"),
     (b"\xff\n", "--encoding"), (b"x" * 1001, "1 longer than 1000"), (b"PK\x03\x04", "zip")],
)  # fmt: skip
def test_data_of_what_is_no_list(body: bytes, words: str, call: Call) -> None:
    Path("list.txt").write_bytes(body)
    failed(call("data", "list.txt"), 3, words)
    failed(call("data", "-", input=body), 3, words)


def test_data_of_hardly_anything_and_of_nothing(call: Call) -> None:
    one = call("data", "-", input=b"anna")
    assert one.returncode == 0 and one.stderr == ""  # what to type next would read it once more
    assert "few lines: 1 line\n" in one.stdout and one.stdout.count("\n\n") == 1
    numbers = call("data", "-", input=b"12\n34\n")
    assert "scripts      no letters" in numbers.stdout
    failed(call("data"), 2, "FILE")
    failed(call("data", "missing.txt"), 3, "No such file")
    failed(call("data", "-", "--model", "missing", input=b"anna"), 4, "no run directory")
    failed(call("data", "-", "--max-line", "0", input=b"anna"), 2, "--max-line")


def test_data_with_nothing_to_look_at(call: Call) -> None:
    parts = ("ka", "no", "ri", "mu", "te")
    lines = ["".join(five) for five in product(parts, repeat=5)]
    Path("list.txt").write_text("\n".join(lines))
    assert "Nothing to look at" in call("data", "list.txt").stdout
