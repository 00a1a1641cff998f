"""results.py: -o, --format and --raw of commands that give rows, and what is not written over."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import failed, lines_of, objects
from conftest import Call
from makemore.cli.results import Results

TYPED: dict[str, Any] = dict.fromkeys(("out", "format"), None) | dict.fromkeys(
    ("json", "force", "raw"), False
)
DRAWN = ("-n", "6", "--seed", "2")


def rows_of(body: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body, newline="")))


def test_a_file_has_the_lines_that_the_terminal_would(ngram: Path, call: Call) -> None:
    shown = call("sample", ngram, *DRAWN)
    written = call("sample", ngram, *DRAWN, "-o", "out.txt")
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr == "makemore: 6 lines in out.txt\n"
    assert Path("out.txt").read_bytes().decode() == shown.stdout
    assert call("sample", ngram, *DRAWN, "-o", "-").stdout == shown.stdout


@pytest.mark.parametrize("name", ["out.json", "out.jsonl", "out.JSON"])
def test_the_ending_chooses_the_format(name: str, ngram: Path, call: Call) -> None:
    call("sample", ngram, *DRAWN, "-o", name)
    shown = call("sample", ngram, *DRAWN, "--json")
    assert Path(name).read_text() == shown.stdout
    assert call("sample", ngram, *DRAWN, "--format", "json").stdout == shown.stdout
    call("sample", ngram, *DRAWN, "-o", "out.csv", "--format", "txt")
    assert Path("out.csv").read_text() == call("sample", ngram, *DRAWN).stdout


def test_csv_has_the_columns_that_the_flags_show(ngram: Path, call: Call) -> None:
    call("sample", ngram, *DRAWN, "-o", "out.csv")
    body = Path("out.csv").read_bytes().decode()
    drawn = lines_of(call("sample", ngram, *DRAWN))
    assert body == "".join(f"{line}\r\n" for line in ["text", *drawn])
    assert call("sample", ngram, *DRAWN, "--format", "csv").stdout == body
    ranked = objects(call("sample", ngram, *DRAWN, "--all", "--rank", "--json"))
    header, *rows = rows_of(
        call("sample", ngram, *DRAWN, "--all", "--rank", "--format", "csv").stdout
    )
    assert header == ["text", "nll_per_symbol", "origin", "capped"]
    assert rows == [[str(line[key]) for key in header] for line in ranked]
    total = call("sample", ngram, *DRAWN, "--rank", "--total", "--format", "csv").stdout
    assert rows_of(total)[0] == ["text", "nll"]


def test_csv_has_the_label_of_a_run_with_labels(runs: Callable[..., Path], call: Call) -> None:
    run = runs("ngram", ["anna\tgirl", "bob\tSmith, J.", "ella\tgirl"], labels=True, order=2)
    header, *rows = rows_of(call("sample", run, *DRAWN, "--format", "csv").stdout)
    assert header == ["text", "label"] and len(rows) == 6
    assert {label for _, label in rows} == {"girl", "Smith, J."}


def test_top_writes_the_same_way(ngram: Path, call: Call) -> None:
    shown = call("top", ngram, "-n", "4").stdout
    call("top", ngram, "-n", "4", "-o", "top.txt")
    assert Path("top.txt").read_text() == shown
    best = objects(call("top", ngram, "-n", "4", "--format", "json"))
    header, *rows = rows_of(call("top", ngram, "-n", "4", "--format", "csv").stdout)
    assert header == ["text", "nll_per_symbol"]
    assert rows == [[line["text"], str(line["nll_per_symbol"])] for line in best]
    header, *rows = rows_of(
        call("top", ngram, "-n", "4", "--total", "--all", "--format", "csv").stdout
    )
    assert header == ["text", "nll", "origin"] and len(rows) == 4


# -- what is not written over ---------------------------------------------------------------------


def test_a_file_that_is_there_stays(ngram: Path, call: Call) -> None:
    Path("mine.txt").write_text("mine")
    failed(
        call("sample", ngram, "-o", "mine.txt"), 2, "there is a file already (mine.txt)", "--force"
    )
    assert Path("mine.txt").read_text() == "mine"
    call("sample", ngram, *DRAWN, "-o", "mine.txt", "--force")
    assert Path("mine.txt").read_text().count("\n") == 6
    assert sorted(os.listdir()) == ["mine.txt", "run"]


def test_what_is_no_plain_file_is_left_alone(ngram: Path, call: Call) -> None:
    Path("mine.txt").write_text("mine")
    Path("link.txt").symlink_to("mine.txt")
    Path("nowhere.txt").symlink_to("missing.txt")
    os.mkfifo("pipe")
    for name in ("link.txt", "nowhere.txt", "pipe", "/dev/null"):
        for force in ((), ("--force",)):
            failed(call("sample", ngram, "-o", name, *force), 2, "no regular file", "use > FILE")
    assert Path("mine.txt").read_text() == "mine" and Path("nowhere.txt").is_symlink()
    failed(call("sample", ngram, "-o", "a b/out.txt"), 2, "make its folder: mkdir -p 'a b'")


def test_a_file_that_comes_meanwhile_stays_too(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    with pytest.raises(Exception, match="there is a file already"):
        with Results({**TYPED, "out": str(out)}) as results:
            results.add("anna", {"text": "anna"})
            out.write_text("mine")
    assert out.read_text() == "mine"


def test_what_was_found_before_an_error_is_written(ngram: Path, call: Call) -> None:
    ended = call(
        "sample", ngram, "-n", "50", "--max-length", "1", "-o", "out.txt", "--style", "plain"
    )
    found = Path("out.txt").read_text().splitlines()
    assert ended.returncode == 7 and f"found {len(found)} of 50" in ended.stderr
    assert f"{len(found)} lines in out.txt" in ended.stderr
    failed(call("sample", ngram, "--prefix", "?", "-o", "none.txt"), 2, "--prefix")
    assert not Path("none.txt").exists()  # where there are no rows there is no file


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--json", "--format", "csv"), "--json is --format json"),
        (("--raw",), "--raw is for CSV"),
        (("--force",), "--force replaces a file"),
        (("--format", "xlsx"), "xlsx"),
    ],
)
def test_options_that_clash_are_refused(options: tuple[str, ...], words: str, call: Call) -> None:
    failed(call("sample", "run", *options), 2, words)


# -- cells that a spreadsheet would run -----------------------------------------------------------

CELLS = {
    "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx",
    "anna": "anna", "a=1": "a=1", "'x": "'x", "a,b": "a,b", 'say "x"': 'say "x"', "a\rb": "a\rb",
    "k\u2028l": "k\u2028l", "\u05d0\u05d1": "\u05d0\u05d1", "": "",
}  # fmt: skip


def test_cells_that_a_spreadsheet_would_run_are_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for raw in (False, True):
        out = tmp_path / f"{raw}.csv"
        with Results({**TYPED, "out": str(out), "raw": raw}).with_columns(
            ["text", "nll"]
        ) as results:
            for text in CELLS:
                results.add(text, {"text": text, "nll": -1.5})
        header, *rows = rows_of(out.read_bytes().decode())
        assert header == ["text", "nll"]
        assert rows == [[text if raw else CELLS[text], "-1.5"] for text in CELLS]
        said = "6 texts begin with = + - or @ and got a ' before it" in capsys.readouterr().err
        assert said == (not raw)
    body = (tmp_path / "False.csv").read_bytes()
    assert b'"say ""x""",-1.5\r\n' in body and body.endswith(b"\r\n")  # RFC 4180


def test_json_has_them_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with Results({**TYPED, "out": str(out)}) as results:
        for text in CELLS:
            results.add(text, {"text": text, "nll": float("inf")})
    read = [json.loads(line) for line in out.read_text().split("\n")[:-1]]
    assert read == [{"text": text, "nll": None} for text in CELLS]


# -- where no file should be ----------------------------------------------------------------------


def test_no_file_of_a_run_is_written_over(ngram: Path, call: Call) -> None:
    for file in ("config.json", "split/train.txt", "checkpoint.json"):
        before = (ngram / file).read_bytes()
        ended = call("sample", ngram, *DRAWN, "-o", ngram / file, "--force")
        failed(ended, 2, f"a file of the run '{ngram}'")
        failed(call("top", ngram, "-o", ngram / file, "--force"), 2, "a file of the run")
        failed(call("data", ngram / "split/train.txt", "--fix", ngram / file, "--force"), 2, "run")
        assert (ngram / file).read_bytes() == before
    assert call("sample", ngram, *DRAWN, "-o", ngram / "new.txt").returncode == 0  # none of its own


def test_a_folder_and_a_spreadsheet_are_told_what_to_type(ngram: Path, call: Call) -> None:
    failed(call("sample", ngram, "-o", "."), 2, "this is a folder (.): name a file in it: -o new.t")
    failed(call("sample", ngram, "-o", "a b.XLSX"), 2, "not written (-o): give -o 'a b.csv'")
    assert call("sample", ngram, *DRAWN, "-o", "a.ods", "--format", "csv").returncode == 0
