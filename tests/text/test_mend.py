"""mend.py: what `data --fix` writes, and what it says it did."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.conftest import failed, objects
from conftest import Call
from makemore.errors import DataError
from makemore.text.config import TextConfig
from makemore.text.mend import mend, mend_file

DOGS = ["Bella", "Max", "Luna", "Eve"]


@pytest.mark.parametrize(
    ("lines", "mended", "done"),
    [
        (DOGS, DOGS, []),
        ([f"{n}. {dog}" for n, dog in enumerate(DOGS, 1)], DOGS, [("numbers taken off", 4)]),
        (["1.Bella", "2 - Max", "(3) Luna", "4) Eve"], DOGS, [("numbers taken off", 4)]),
        ([f"\u2022 {dog}" for dog in DOGS], DOGS, [("bullets taken off", 4)]),
        ([", ".join(DOGS)], DOGS, [("one thing a line, of one line", 4)]),
        ([", ".join(f'"{dog}"' for dog in DOGS)], DOGS,
         [("one thing a line, of one line", 4), ("quotes taken off", 4)]),
        ([", ".join(f"{n}. {dog}" for n, dog in enumerate(DOGS, 1))], DOGS,
         [("one thing a line, of one line", 4), ("numbers taken off", 4)]),
        ([json.dumps(["Karl, jr", *DOGS])], ["Karl, jr", *DOGS],
         [("one thing a line, of one line", 5)]),
        (["[", *(f"'{dog}'," for dog in DOGS), "]"], DOGS,
         [("separators at the ends taken off", 4), ("quotes taken off", 4)]),
        (["dogs:", *(f"- [ ] {dog}" for dog in DOGS)], DOGS,
         [("bullets taken off and a heading left out", 4)]),
        (["1. Bella", "4. Max", "9. Eve"], ["Bella", "Max", "Eve"], [("numbers taken off", 3)]),
        (['"Bella ""B"""', '"Max"'], ['Bella "B"', "Max"], [("quotes taken off", 2)]),
        (["'D'Arc'", "'Max'"], ["D'Arc", "Max"], [("quotes taken off", 2)]),
        (["Bj\u00c3\u00b6rn", "Anna"], ["Bj\u00f6rn", "Anna"], [("broken letters repaired", 1)]),
        (["zoe\u0308", "zo\u00eb", "e\u0301ve"], ["zo\u00eb", "zo\u00eb", "\u00e9ve"],
         [("brought into one form (NFC)", 2)]),
        (["zoe\u0308", "e\u0301ve"], ["zoe\u0308", "e\u0301ve"], []),  # one form all over
    ],
)  # fmt: skip
def test_lines_are_mended(lines: list[str], mended: list[str], done: list[tuple[str, int]]) -> None:
    found = mend(lines, TextConfig())
    assert (found.lines, found.done, found.left) == (mended, done, None)
    assert mend(found.lines, TextConfig()).done == []  # it is a plain list now


def test_labels_stay(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("\ufeffname,sex\n1. Bella,f\n\ufeff2. Max,m\n,\n")
    found = mend_file(path, TextConfig(label_column="sex"))
    assert found.lines == ["Bella\tf", "Max\tm"]
    assert found.done == [
        ("a column of a table is a list now", 2), ("byte order marks dropped", 1),
        ("blank lines left out", 1), ("numbers taken off", 2),
    ]  # fmt: skip
    with pytest.raises(DataError, match="table of 2 columns.*--text-column name"):
        mend_file(path, TextConfig())


def test_a_mended_copy_is_written_and_nothing_is_overwritten(call: Call) -> None:
    Path("dogs.txt").write_bytes("1. Bell\u00e9\n2. Max\n\n3. Max\n".encode("latin-1"))
    before = Path("dogs.txt").read_bytes()
    ended = call("data", "dogs.txt", "--encoding", "latin-1", "--fix", "out.txt")
    assert ended.returncode == 0
    assert ended.stdout == (
        "latin-1 is UTF-8 now: 3\nblank lines left out: 1\nnumbers taken off: 3\n"
        "written to out.txt: 3 lines\n"
    )
    assert ended.stderr == "makemore: now type: makemore out.txt\n"
    assert Path("out.txt").read_bytes() == "Bell\u00e9\nMax\nMax\n".encode()
    assert Path("dogs.txt").read_bytes() == before and sorted(os.listdir()) == [
        "dogs.txt", "out.txt",
    ]  # fmt: skip
    again = call("data", "dogs.txt", "--encoding", "latin-1", "--fix", "out.txt")
    failed(again, 2, "a file already (out.txt)", "--encoding latin-1 --fix dogs-fixed.txt")
    forced = call(
        "data", "dogs.txt", "--encoding", "latin-1", "--fix", "out.txt", "--force", "--json"
    )
    assert objects(forced) == [{"written": "out.txt", "lines": 3, "done": [
        {"what": "latin-1 is UTF-8 now", "lines": 3}, {"what": "blank lines left out", "lines": 1},
        {"what": "numbers taken off", "lines": 3},
    ]}]  # fmt: skip


def test_a_copy_in_place_of_a_link_or_of_the_file_itself(call: Call) -> None:
    Path("secret").write_text("secret")
    Path("out.txt").symlink_to("secret")
    Path("dogs.txt").write_text("- Bella\n- Max\n")
    failed(call("data", "dogs.txt", "--fix", "out.txt"), 2, "a file already")
    assert call("data", "dogs.txt", "--fix", "out.txt", "--force").returncode == 0
    assert Path("secret").read_text() == "secret" and not Path("out.txt").is_symlink()
    assert call("data", "dogs.txt", "--fix", "dogs.txt", "--force").returncode == 0
    assert Path("dogs.txt").read_text() == "Bella\nMax\n"
    failed(call("data", "dogs.txt", "--fix", "no/where.txt"), 2, "mkdir -p no")
    failed(call("data", "dogs.txt", "--fix", ".", "--force"), 2, "is a folder")
    failed(call("data", "missing.txt", "--fix", "x.txt"), 3, "No such file")
    failed(call("data", "dogs.txt", "--fix", "x.txt", "--model", "run"), 2, "--fix and --model")
    from_pipe = call("data", "-", "--fix", "piped.txt", input=b"a, b, c, d")
    assert from_pipe.returncode == 0 and Path("piped.txt").read_text() == "a\nb\nc\nd\n"


def test_a_copy_goes_into_a_file(call: Call) -> None:
    Path("dogs.txt").write_text("1. Bella\n2. Max\n")
    Path("in").mkdir()
    for name, words in (
        ("-", "a mended copy goes into a file (--fix -): type makemore data dogs.txt --fix dogs-"),
        ("", "this is a folder (--fix .): type makemore data dogs.txt --fix dogs-fixed.txt"),
        ("in", "this is a folder (--fix in): type makemore data dogs.txt --fix in/dogs-fixed.txt"),
        ("no/x", "there is no such folder (no): make its folder: mkdir -p no"),
    ):
        failed(call("data", "dogs.txt", "--fix", name), 2, words)
    assert sorted(os.listdir()) == ["dogs.txt", "in"]


def test_rows_that_a_quote_took_in_are_told(call: Call) -> None:
    rows = ["name,note", *(f"{dog},ok" for dog in DOGS), 'Ida,"', "Otto,x", 'Zed,"']
    Path("dogs.csv").write_text("\n".join(rows))
    ended = call("data", "dogs.csv", "--text-column", "name", "--fix", "out.txt")
    assert Path("out.txt").read_text().split() == [*DOGS, "Ida"]
    advised = "data dogs.csv --text-column name --fix out.txt --quote none --force"
    assert "takes in lines that look like rows" in ended.stderr
    assert f"type makemore {advised}\n" in ended.stderr
    assert call(*advised.split()).returncode == 0
    assert Path("out.txt").read_text().split() == [*DOGS, "Ida", "Otto", "Zed"]
