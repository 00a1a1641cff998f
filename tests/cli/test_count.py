"""makemore count and merge: what they print, and what of a command line is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Call
from makemore.cli.options import parse_size
from makemore.errors import UsageError

from .conftest import failed, lines_of

LINES = [f"{first}{second}" for first in "abc" for second in range(40)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("\n".join([*LINES, *LINES[:7], "", "b" * 2000]))
    return tmp_path / "names.txt"


def said(call: Call, *words: str) -> list[str]:
    ended = call(*words)
    assert lines_of(ended) == []  # notes are no results
    return [line.removeprefix("makemore: ") for line in ended.stderr.splitlines()]


def test_a_list_is_counted_in_shards_and_merged(file: Path, call: Call) -> None:
    whole = said(call, "count", "names.txt", "-o", "part", "--memory", "256MiB", "--order", "4")
    assert whole[0] == "129 lines read, 1 blank, 1 too long"
    assert whole[1].startswith("120 distinct lines, ") and whole[1].endswith("to learn from")
    assert whole[2].endswith("merge part -o DIR")
    assert said(call, "merge", "part", "-o", "run")[0] == "what you can type next:"
    for number in ("1/2", "2/2"):
        shard = said(call, "count", "names.txt", "-o", f"p{number[0]}", "--shard", number,
                     "--order", "4")  # fmt: skip
        assert f"in shard {number}," in shard[1]
        assert shard[2].endswith("merge PART_1 ... PART_2 -o DIR")
    failed(call("sample", "p1"), 4, "this is a part of a count (p1): makemore merge p1 -o DIR")
    said(call, "merge", "p2", "p1", "-o", "run2")
    weights = "weights-1.safetensors"
    assert Path("run", weights).read_bytes() == Path("run2", weights).read_bytes()
    again = said(call, "count", "names.txt", "-o", "p1", "--shard", "1/2", "--order", "4")
    assert again[0] == "this part is counted already"
    assert said(call, "merge", "p2", "p1", "-o", "run2")[0] == "these parts are merged already"


@pytest.mark.parametrize(
    ("words", "work"),
    [("count names.txt -o part", "count_part"), ("merge part -o run", "merge_parts")],
)
def test_who_stops_it_hears_that_the_same_command_begins_again(
    file: Path, call: Call, monkeypatch: pytest.MonkeyPatch, words: str, work: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"makemore.api.{work}.{work}", interrupted)
    ended = call(*words.split())
    assert ended.returncode == 130
    assert ended.stderr.strip() == "makemore: stopped: the same command begins again"


def test_what_is_merged_is_a_run_like_any_other(file: Path, call: Call) -> None:
    said(call, "count", "names.txt", "-o", "part")
    said(call, "merge", "part", "-o", "run")
    assert len(lines_of(call("sample", "run", "-n", "3", "--seed", "1"))) == 3
    assert "val" in call("eval", "run").stdout
    assert lines_of(call("verify", "run"))[0].startswith("whole: ngram, ")
    assert lines_of(call("runs", "run"))
    assert len(lines_of(call("train", "names.txt", "--model", "ngram", "-o", "run"))) == 20


def test_words_that_cannot_be_are_refused(file: Path, call: Call) -> None:
    count = ("count", "names.txt", "-o", "part")
    failed(
        call(*count, "--shard", "3/2"),
        2,
        "there is no shard 3 of 2 (--shard): shards are",
    )
    failed(call(*count, "--memory", "much"), 2, "'much' is no size (--memory)")
    failed(call(*count, "--memory", "1MB"), 2, "give 256MiB or more")
    failed(call(*count, "--model", "bigram"), 2, "bigram does not learn by counting")
    failed(call(*count, "--labels"), 2, "(--labels): leave it out, or use makemore train")
    failed(call("count", "missing.txt", "-o", "part"), 3, "missing.txt")
    failed(
        call("merge", "part", "-o", "run"),
        4,
        "this is no part, or one that is not finished (part): makemore count",
    )
    failed(call("merge", "-o", "run"), 2, "PART")
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GiB", 2**30), ("500MB", 5 * 10**8), ("1.5 GiB", 3 * 2**29), ("2g", 2**31),
        ("300000000", 3 * 10**8), ("7kB", 7000), ("1TiB", 2**40), ("9B", 9),
    ],
)  # fmt: skip
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size and parse_size(None) is None


@pytest.mark.parametrize("text", ["", "GiB", "1 2", "-1GB", "1e9", "1Gi", "1XB", "1.2345GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)
