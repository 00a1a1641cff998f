"""makemore score: nats of each line, whatever the form they are shown in."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.conftest import SCRIPT, bigram_nll, failed, lines_of, objects, strict
from conftest import Call
from makemore import MakeMore
from makemore.api import scored_file
from makemore.cli.commands import score
from makemore.cli.main import run
from makemore.cli.waiting import Waiting
from makemore.runs.run import Run


def test_scores_are_those_of_the_lecture(call: Call, bigram: Path) -> None:
    learned = list(Run.load(bigram).split.train)
    lines = ["kala", "", "mmm", "xyz", "kala", " no "]
    ended = call("score", bigram, input="\n".join(lines).encode())
    assert ended.returncode == 0 and ended.stderr == ""
    shown = [line.split("\t") for line in ended.stdout.splitlines()]
    assert [text for _, text in shown] == ["kala", "", "mmm", "xyz", "kala", "no"]
    for nll, text in shown:
        expected = math.inf if text == "xyz" else bigram_nll(text, learned)
        assert float(nll) == pytest.approx(expected, abs=1e-4)


def test_scores_as_json_name_unknown_symbols(call: Call, bigram: Path) -> None:
    Path("a.txt").write_text("kala\n\nxkyx\n")
    found = objects(call("score", bigram, "a.txt", "--json"))
    assert [entry.keys() >= {"text", "nll", "symbols", "unknown"} for entry in found] == [True] * 3
    assert [(e["text"], e["symbols"], e["unknown"]) for e in found] == [
        ("kala", 5, []), ("", 1, []), ("xkyx", 5, ["x", "y"]),
    ]  # fmt: skip
    assert found[2]["nll"] is None and found[0]["nll"] > 0
    given = MakeMore.load(bigram).score_samples(["kala", "", "xkyx"])
    assert [-found[0]["nll"], -found[1]["nll"], -math.inf] == pytest.approx(list(given))


def test_82_bytes_that_are_no_text_are_named_by_their_line(call: Call, bigram: Path) -> None:
    body = b"kala\nmari\nk\xffla\nnino\n"
    Path("bad.txt").write_bytes(body)
    for file, name in ((("bad.txt",), "bad.txt"), ((), "standard input")):
        ended = call("score", bigram, *file, input=body)
        assert ended.returncode == 3
        assert f"{name}:3:2" in ended.stderr and "no utf-8" in ended.stderr
        assert len(ended.stdout.splitlines()) in (0, 2)  # never a line for what was not read
    failed(call("score", bigram, "missing.txt"), 3, "missing.txt", "No such file")
    Path("folder").mkdir()
    failed(call("score", bigram, "folder"), 3, "folder", "directory")


def test_scores_in_bits_and_among_the_training_lines(call: Call, bigram: Path) -> None:
    learned = list(Run.load(bigram).split.train)
    each = [bigram_nll(line, learned) / (len(line) + 1) for line in learned]
    body = b"kala\n\nrrrrrr\nxkyx\n"
    found = objects(call("score", bigram, "--json", input=body))
    for entry in found[:3]:
        nll = bigram_nll(entry["text"], learned)
        assert entry["bits"] == pytest.approx(nll / math.log(2))
        assert entry["per_symbol"] == pytest.approx(nll / entry["symbols"])
        less = sum(other > nll / entry["symbols"] + 1e-9 for other in each)
        assert entry["percentile"] == pytest.approx(100 * less / len(each))
    assert found[0]["percentile"] > 0 == found[2]["percentile"]
    assert [found[3][key] for key in ("bits", "per_symbol", "percentile")] == [None] * 3
    table = call("score", bigram, "--table", input=body).stdout.splitlines()
    assert table[0].split() == ["nats", "bits/symbol", "percentile", "line"]
    for row, entry in zip(table[1:4], found, strict=False):
        numbers = entry["nll"], entry["bits"] / entry["symbols"], entry["percentile"]
        assert [float(cell) for cell in row.split()[:3]] == pytest.approx(numbers, abs=0.05)
        assert row.endswith("  " + entry["text"])
    assert table[4].split() == ["inf", "inf", "-", "xkyx"]


def test_scores_symbol_by_symbol(call: Call, bigram: Path) -> None:
    Path("a.txt").write_text("kala\n\nkax\n")
    shown = call("score", bigram, "a.txt", "--each").stdout.splitlines()
    cells = [[cell.split() for cell in row.split("  ")] for row in shown]
    assert [[symbol for symbol, _ in row] for row in cells] == [[*"kala."], ["."], [*"kax"]]
    found = objects(call("score", bigram, "a.txt", "--each", "--json"))
    for entry, row in zip(found, cells, strict=True):
        symbols = [each["symbol"] for each in entry["surprisals"]]
        assert symbols == [None if symbol == "." else symbol for symbol, _ in row]
        for each, (_, nats) in zip(entry["surprisals"], row, strict=True):
            expected = math.inf if each["nats"] is None else each["nats"]
            assert float(nats) == pytest.approx(expected, abs=0.006)
    for entry in found[:2]:
        assert sum(each["nats"] for each in entry["surprisals"]) == pytest.approx(entry["nll"])
    assert found[2]["surprisals"][-1] == {"symbol": "x", "nats": None}
    assert "surprisals" not in strict(call("score", bigram, "--json", input=b"ka").stdout)
    for other in ("--json", "--each"):
        failed(call("score", bigram, "a.txt", "--table", other), 2, "--table")


def test_a_symbol_that_is_a_dot_or_a_space_can_be_told_from_the_end(call: Call) -> None:
    lines = [f"{a}. {b}" for a, b in product("abcd", "efgh")]
    MakeMore("ngram", order=2).fit(lines).save("run")
    row = call("score", "run", "--each", input=b"a. e").stdout
    assert row.startswith("a ") and "  '.' " in row and "  ' ' " in row and "  . " in row


@pytest.mark.parametrize("form", [(), ("--each",), ("--table",), ("--json", "--each")])
def test_scoring_streams(
    form: tuple[str, ...], ngram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some thousands of lines at a time: the first have their answers before the last are read."""
    told = 0
    behind = []

    def count(_: object) -> None:
        nonlocal told
        told += 1

    def lines() -> Iterator[bytes]:
        for number in range(10_000):
            behind.append(number - told)
            yield b"kala\n"

    arriving = lines()
    monkeypatch.setattr(score, "result", count)
    monkeypatch.setattr(score, "result_json", count)
    monkeypatch.setattr(scored_file, "LINES_AT_ONCE", 1000)
    stream = SimpleNamespace(read=lambda most: next(arriving, b""))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    assert run(["score", str(ngram), *form]) == 0
    assert told == 10_000 + (form == ("--table",)) and max(behind) <= scored_file.LINES_AT_ONCE


def test_a_pipe_has_its_first_scores_before_it_ends(bigram: Path, call: Call) -> None:
    expected = call("score", bigram, input=b"kala\nmari\n").stdout.splitlines()
    command = [str(SCRIPT), "score", str(bigram)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for line, score_of_it in zip(("kala", "mari"), expected, strict=True):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().decode().rstrip("\n") == score_of_it
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait() == 0


def test_a_line_that_is_too_long_is_named_and_those_before_it_are_scored(
    bigram: Path, call: Call
) -> None:
    body = b"kala\n\n" + b"ka" * 501 + b"\nmari\n"
    ended = call("score", bigram, input=body)
    assert ended.returncode == 3
    assert [row.partition("\t")[2] for row in ended.stdout.splitlines()] == ["kala", ""]
    assert ended.stderr == (
        "makemore: error: line 3 has 1002 characters, more than 1000 (standard input): "
        "leave it out, or give --max-line 1002\n"
    )
    longer = call("score", bigram, "--max-line", "1002", input=body)
    assert longer.returncode == 0 and len(lines_of(longer)) == 4
    # The bound is that of the training, where it was typed there.
    MakeMore("ngram", order=2, max_line=5).fit(["kala", "mari", "nino"]).save("short")
    failed(call("score", "short", input=b"kalari\n"), 3, "line 1 has 6 characters, more than 5")


def test_what_never_ends_is_refused_and_not_held(bigram: Path, call: Call) -> None:
    failed(call("score", bigram, "/dev/zero"), 3, "looks binary", "/dev/zero")
    endless = call("score", bigram, input=b"kala\n" + b"k" * (17 * 2**20))
    assert endless.returncode == 3 and "line 2 is longer than 16777216 bytes" in endless.stderr


def test_scoring_says_how_far_it_is(
    bigram: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiting, "FIRST", 0.05)
    monkeypatch.setattr(score, "show", lambda *given: time.sleep(0.2))
    ended = call("score", bigram, input=b"kala\nmari\n")
    assert "0 lines scored, 2 in work; 10 bytes read; " in ended.stderr


def test_82_every_line_has_its_score_in_order(named: Path, call: Call) -> None:
    lines = ["emma", "", "zoe7", "ava" * 100, "\u00e9\x1b", "emma", "mia"]
    body = "\n".join(lines).encode()
    scored = objects(call("score", named, "--json", input=body))
    assert [entry["text"] for entry in scored] == lines
    unknown = [[], [], ["7", "z"], [], ["\x1b", "\u00e9"], [], []]
    assert [entry["unknown"] for entry in scored] == unknown
    for entry in scored:
        assert (entry["nll"] is None) == bool(entry["unknown"])
        assert entry["nll"] is None or 0 < entry["nll"] < 100_000
    assert scored[0]["nll"] == pytest.approx(scored[5]["nll"]) and scored[3]["nll"] > 100
    plain = lines_of(call("score", named, input=body))
    assert plain[2] == "inf\tzoe7" and "nan" not in "".join(plain)


# -- words, and other encodings -------------------------------------------------------------------


def test_words_are_scored_and_files_are_read(bigram: Path, call: Call) -> None:
    Path("kari").write_text("mela\n")  # a file has the name of a word: it is read
    ended = call("score", bigram, "kala", "kari", "-", "a b\n c ", input=b"nisa\n")
    texts = ["kala", "mela", "nisa", "a b", "c"]
    assert [line.split("\t")[1] for line in lines_of(ended)] == texts
    typed = strict(call("score", bigram, "--json", "kala").stdout)
    assert typed == strict(call("score", bigram, "--json", input=b"kala").stdout)
    assert typed["nll"] == pytest.approx(
        bigram_nll("kala", list(MakeMore.load(bigram).split.train))
    )


def test_a_word_like_the_name_of_a_file_is_one_that_is_missing(bigram: Path, call: Call) -> None:
    Path("data").mkdir()
    for name in ("missing.txt", "names.CSV", "data/missing", "./kala", "/nowhere"):
        failed(call("score", bigram, name), 3, f"cannot read '{name}'")
    failed(call("score", bigram, "data"), 3, "cannot read 'data'")  # a folder holds no lines
    for text in ("C/C=C/C", "kala.", "St. Ives"):
        assert lines_of(call("score", bigram, text))[0].endswith(f"\t{text}")
    assert lines_of(call("score", bigram, "--", "-x"))[0] == "inf\t-x"


def test_accents_of_a_word_are_taken_as_the_text_has_them(
    runs: Callable[..., Path], call: Call
) -> None:
    run = runs("ngram", ["zo\u00eb", "no\u00ebl"], order=2)
    expected = call("score", run, "zo\u00eb").stdout
    ended = call("score", run, "zoe\u0308")
    assert ended.stdout == expected and "accents are taken as the text has them" in ended.stderr
    explained = call("explain", run, "zo\u00eb").stdout
    assert call("explain", run, "zoe\u0308").stdout == explained
    # Lines of a file are scored as they are.
    assert call("score", run, input="zoe\u0308".encode()).stdout == "inf\tzoe\u0308\n"


def test_lines_are_decoded_as_the_runs_text_was_unless_it_is_typed(
    runs: Callable[..., Path], call: Call
) -> None:
    lines = ["zo\u00eb", "no\u00ebl"]
    body, text = "\n".join(lines), {"order": 2}
    own, other = runs("ngram", lines, encoding="latin-1", **text), runs("ngram", lines, **text)
    expected = call("score", other, input=body.encode()).stdout
    assert call("score", own, input=body.encode("latin-1")).stdout == expected
    assert call("score", own, "--encoding", "utf-8", input=body.encode()).stdout == expected
    for encoding in ("latin-1", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252"):
        Path("lines").write_bytes(f"{body}\n".encode(encoding))
        assert call("score", other, "lines", "--encoding", encoding).stdout == expected
    message = f"type makemore score {other} --encoding latin-1"
    failed(call("score", other, input=body.encode("latin-1")), 3, "standard input:1:3", message)
    ignored = call("score", other, "--errors", "ignore", input=body.encode("latin-1"))
    assert [line.split("\t")[1] for line in lines_of(ignored)] == ["zo", "nol"]
    failed(call("score", other, "lines", "--encoding", "nothing"), 3, "unknown encoding")


# -- lines in the form that the run's text has ----------------------------------------------------


def test_labels_behind_a_tab_are_left_out(runs: Callable[..., Path], call: Call) -> None:
    run = runs("ngram", ["emma\tf", "anna\tf", "bob\tm"], order=2, labels=True)
    for file, text in (("list", "emma\n\nbob\n"), ("labelled", "emma\tf\n\nbob \t m\n")):
        Path(file).write_text(text)
    scored = call("score", run, "labelled")
    assert scored.stdout == call("score", run, "list").stdout and scored.stderr == ""
    assert call("score", run, "emma\tf").stdout == call("score", run, "emma").stdout
    assert call("score", run, "emma\tx").stdout == "inf\temma\tx\n"  # no label of this run


def test_a_file_that_is_no_list_is_told_how_to_become_one(
    runs: Callable[..., Path], call: Call
) -> None:
    run = runs("ngram", ["emma", "anna", "bob"], order=2)
    Path("p.csv").write_text("name;sex\nemma;f\nbob;m\n")
    scored = call("score", run, "p.csv")
    assert lines_of(scored) == ["inf\tname;sex", "inf\temma;f", "inf\tbob;m"]
    assert scored.stderr == (
        "makemore: warning: p.csv: the file is a table of 2 columns, separated by semicolons: "
        "name, sex, so its lines are taken whole; makemore data p.csv --text-column name --fix "
        "p-fixed.txt makes a list of it\n"
    )
    call("data", "p.csv", "--text-column", "name", "--fix", "p-fixed.txt")
    assert "inf" not in call("score", run, "p-fixed.txt").stdout
    rows = runs("ngram", ["name;sex", "emma;f", "bob;m"], order=2)
    assert call("score", rows, "p.csv").stderr == ""  # it has learned rows
