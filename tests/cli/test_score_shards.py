"""makemore score --shard: the outputs of all shards, one after another, are one process's bytes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import LINES, SYLLABLES, failed
from conftest import Call
from kinds import each_kind
from makemore import MakeMore
from makemore.api.scored_file import scored_file
from makemore.text import line_blocks

MADE = random.Random(3).choices([*SYLLABLES, "", "  ", "kala\tx", "zéro", "日本", "\u2028"], k=400)
TEXT = "\n".join(MADE).encode()
FILES = {
    "lf": TEXT + b"\n",
    "no end": TEXT,
    "crlf": TEXT.replace(b"\n", b"\r\n"),
    "bom": b"\xef\xbb\xbf" + TEXT,
    "marks within": TEXT.replace(b"\nb", b"\n\xef\xbb\xbfb"),
    "like an archive": TEXT.replace(b"\nb", b"\nBZh\nb"),
    "empty": b"",
    "one line": b"kala",
    "a table": b'name,n\n"a, b",2\nkala,3\n' * 30,
}


@pytest.fixture(params=[64, 1000])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few bytes, so that a small file has several."""
    monkeypatch.setattr(line_blocks, "BLOCK", request.param)


@pytest.fixture(scope="module", params=each_kind(["ngram", "gru", "transformer"], ["ngram", "gru"]))
def model(request: pytest.FixtureRequest, runs: Callable[..., Path]) -> Path:
    small: dict[str, Any] = {"threads": 1, "random_state": 1}
    if request.param == "gru":
        small |= {"n_hidden": 8, "n_embd": 4, "max_steps": 20}
    if request.param == "transformer":
        small |= {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 20}
    return runs(request.param, SYLLABLES[:300], **small)


def scored(call: Call, *words: str | Path) -> str:
    ended = call("score", *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", FILES)
def test_parts_are_the_whole(call: Call, counted: Path, block: None, name: str) -> None:
    Path("a.txt").write_bytes(FILES[name])
    for form in ((), ("--json",), ("--table",), ("--each",)):
        whole = scored(call, counted, "a.txt", *form)
        for n in (1, 2, 7):
            parts = [scored(call, counted, "a.txt", *form, "--shard", f"{i}/{n}")
                     for i in range(1, n + 1)]  # fmt: skip
            assert "".join(parts) == whole
            blocks = len(FILES[name]) // line_blocks.BLOCK
            assert n > blocks or all(parts)  # each has something to do


def test_sums_of_floats_are_those_of_one_process(call: Call, model: Path, block: None) -> None:
    """JSON has every digit, and the last ones depend on which lines are computed together."""
    Path("a.txt").write_bytes(FILES["lf"])
    whole = scored(call, model, "a.txt", "--json")
    parts = [scored(call, model, "a.txt", "--json", "--shard", f"{i}/5") for i in range(1, 6)]
    assert "".join(parts) == whole


def test_more_shards_than_lines(call: Call, bigram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK", 1)
    Path("a.txt").write_text("kala\n\nmari")
    parts = [scored(call, bigram, "a.txt", "--shard", f"{i}/30") for i in range(1, 31)]
    assert "".join(parts) == scored(call, bigram, "a.txt")
    assert sum(map(bool, parts)) == 3


def test_a_small_file_is_all_one_shard_s(call: Call, bigram: Path) -> None:
    """Lines of one block of 2^20 bytes are scored together."""
    Path("a.txt").write_text("kala\n" * 100)
    assert scored(call, bigram, "a.txt", "--shard", "3/3").count("\n") == 100
    ended = call("score", bigram, "a.txt", "--shard", "1/3")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == (
        "makemore: no line is in part 1/3: each part is some whole blocks of 1 MiB of the file\n"
    )


def test_errors_name_the_line_after_a_byte(
    call: Call, bigram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK", 50)
    Path("a.txt").write_bytes(b"kala\n" * 12 + b"mari\nk\xffla\n" + b"kala\n" * 3)
    assert scored(call, bigram, "a.txt", "--shard", "1/2")
    ended = call("score", bigram, "a.txt", "--shard", "2/2")
    failed(ended, 3, "a.txt after byte 50:4:2", "no utf-8")
    assert "(a.txt:14:2: " in call("score", bigram, "a.txt").stderr
    Path("a.txt").write_bytes(b"kala\n" * 12 + b"k" * 300 + b"\n")
    ended = call("score", bigram, "a.txt", "--shard", "2/8", "--max-line", "200")
    assert ended.returncode == 3 and ended.stdout == scored(call, bigram, "kala", "kala")
    assert "line 3 has 300 characters, more than 200 (a.txt after byte 50)" in ended.stderr


def test_what_has_no_parts_is_refused(call: Call, bigram: Path, tmp_path: Path) -> None:
    Path("a.txt").write_bytes("kala\nmari\n".encode("utf-16"))
    Path("b.txt").write_bytes(b"kala\n")
    Path("c.txt").write_bytes(b"\x1f\x8b" + b"kala\n" * 9)
    os.mkfifo(tmp_path / "pipe.txt")
    writer = os.open(tmp_path / "pipe.txt", os.O_RDWR)
    try:
        cases: list[tuple[tuple[str, ...], int, str]] = [
            (("a.txt", "--encoding", "utf-16"), 2, "iconv -f utf-16 -t utf-8 a.txt > utf8.txt"),
            (("a.txt",), 3, "the file looks like UTF-16"),
            (("c.txt",), 3, "the file looks like gzip"),
            (("pipe.txt",), 2, "only a plain file has parts (pipe.txt)"),
            ((), 2, "name one FILE"),
            (("-",), 2, "name one FILE"),
            (("kala",), 2, "name one FILE"),
            (("b.txt", "b.txt"), 2, "name one FILE"),
        ]
        for words, code, says in cases:
            failed(call("score", bigram, *words, "--shard", "2/2"), code, says)
    finally:
        os.close(writer)
    for shard in ("0/2", "3/2", "x", "2"):
        failed(call("score", bigram, "b.txt", "--shard", shard), 2, "--shard")


def test_python_scores_a_file_line_by_line(
    bigram: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK", 100)
    file = tmp_path / "a.txt"
    file.write_text("\n".join(LINES))
    maker = MakeMore.load(bigram)
    whole = list(scored_file(maker, file))
    assert [line for line, _ in whole] == LINES
    assert [nll for _, nll in whole] == pytest.approx(list(-maker.score_samples(LINES)))
    parts = [pair for i in (1, 2, 3) for pair in scored_file(maker, file, f"{i}/3")]
    assert parts == whole
