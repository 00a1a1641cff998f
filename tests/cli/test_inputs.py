"""inputs.py: what can go wrong with a text, as command lines, and what comes of it.

The numbers are those of the list of faults that the project was planned with. A fault is shown in
one line on stderr, with its exit code, before a run directory is made.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cli.conftest import NAMES, PLAIN, config_of, failed, learn, lines_of, objects
from conftest import Call
from makemore.runs.run import Run
from makemore.text import reading

COUNTS = ("-o", "run", "--model", "ngram", "--order", "3")


def learned_lines() -> list[str]:
    return [line for _, part in Run.load("run").split for line in part]


# -- files that are refused -----------------------------------------------------------------------

RANDOM = Random(1).randbytes(5000)


REFUSED: list[tuple[str, bytes, tuple[str, ...], tuple[str, ...]]] = [
    ("1 empty", b"", (), ("no lines to learn from", "lines.txt")),
    ("1 one line feed", b"\n", (), ("no lines to learn from", "1 blank")),
    ("1 blank lines", b"\n\n \t\n\r\n", (), ("no lines to learn from", "4 blank")),
    ("1 only a mark", b"\xef\xbb\xbf", (), ("no lines to learn from",)),
    ("4 lone CR", b"emma\rolivia\rava\r", (), ("lone CR", "tr '\\r' '\\n'")),
    ("6 UTF-16", PLAIN.decode().encode("utf-16"), (), ("UTF-16", "--encoding utf-16")),
    ("6 UTF-16 BE", b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"), (), ("--encoding utf-16",)),
    ("6 no mark LE", PLAIN.decode().encode("utf-16-le"), (), ("--encoding utf-16-le",)),
    ("6 no mark BE", PLAIN.decode().encode("utf-16-be"), (), ("--encoding utf-16-be",)),
    ("6 UTF-32", PLAIN.decode().encode("utf-32"), (), ("UTF-32", "--encoding utf-32")),
    ("6 no mark UTF-32", PLAIN.decode().encode("utf-32-le"), (), ("--encoding utf-32-le",)),
    ("6 no mark Cyrillic", "Анна\nИван\n".encode("utf-16-be"), (), ("--encoding utf-16-be",)),
    ("7 cp1252", b"emma\nd\x92Arc\n", (), ("lines.txt:2:2", "--encoding cp1252")),
    ("7 damaged", "zo\u00eb\nbj\u00f6rn\n".encode() + b"na\xff\n", (),
     ("lines.txt:3:3", "train lines.txt -o run --model ngram --order 3 --errors replace")),
    ("7 latin-1", b"emma\nzo\xeb\n", (), ("no utf-8", "lines.txt:2:3", "--encoding latin-1")),
    ("7 overlong", b"emma\nava\na\xc0\xafb\n", (), ("lines.txt:3:2",)),
    ("7 surrogates", b"\xed\xa0\x80\xed\xb0\x80\n", (), ("lines.txt:1:1",)),
    ("7 cut", b"emma\n\xe2\x82", (), ("lines.txt:2:1", "--errors replace")),
    ("7 no encoding", PLAIN, ("--encoding", "utf-99"), ("unknown encoding 'utf-99'",)),
    ("7 no text encoding", PLAIN, ("--encoding", "hex"), ("unknown encoding 'hex'",)),
    ("7 wrong encoding", b"zo\xeb\n", ("--encoding", "ascii"), ("no ascii", "lines.txt:1:3")),
    ("8 NUL", b"emma\nol\0ivia\n", (), ("binary", "NUL")),
    ("8 gzip", gzip.compress(PLAIN, mtime=0), (), ("looks like gzip", "unpack it")),
    ("8 bzip2", bz2.compress(PLAIN), (), ("looks like bzip2",)),
    ("8 xz", lzma.compress(PLAIN), (), ("looks like xz",)),
    ("8 zip", b"PK\x03\x04" + RANDOM, (), ("zip",)),
    ("8 zstd", b"\x28\xb5\x2f\xfd" + RANDOM, (), ("zstd",)),
    ("8 PNG", b"\x89PNG\r\n\x1a\n" + RANDOM, (), ("PNG",)),
    ("8 PDF", b"%PDF-1.7\n" + RANDOM, (), ("PDF",)),
    ("8 random bytes", RANDOM, (), ("binary",)),
    ("8 random bytes without NUL", RANDOM.replace(b"\0", b"\1"), (), ("no utf-8", "lines.txt:")),
    ("14 symbols", "\u4e00\u4e01\u4e02\u4e03".encode(), ("--max-vocab", "3"),
     ("4 different symbols, more than 3", "--max-vocab")),
    ("15 long lines only", b"a" * 2000, (), ("no lines", "1 longer than 1000")),
    ("16 no line end", b"a" * 17_000_000, (), ("line 1 is longer than 16777216 bytes",)),
    ("16 late", b"emma\n" + b"a" * 17_000_000, (), ("is longer than",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "options", "words"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED]
)
def test_a_file_that_cannot_be_learned_is_refused_and_nothing_is_written(
    body: bytes, options: tuple[str, ...], words: tuple[str, ...], call: Call
) -> None:
    began = time.monotonic()
    failed(learn(call, body, *options), 3, *words)
    assert time.monotonic() - began < 20 and os.listdir() == ["lines.txt"]


# -- files that are learned, and as what ----------------------------------------------------------

SAME: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "4 no end": (PLAIN[:-1], ()),
    "4 CRLF": (PLAIN.replace(b"\n", b"\r\n"), ()),
    "4 mixed": (PLAIN.replace(b"a\n", b"a\r\n"), ()),
    "4 white space at the ends": (PLAIN.replace(b"\n", b" \t\n  "), ()),
    "4 blank lines between": (PLAIN.replace(b"\n", b"\n\n \n"), ()),
    "4 copies": (PLAIN * 3, ()),
    "5 mark": (b"\xef\xbb\xbf" + PLAIN, ()),
    "6 UTF-16": (PLAIN.decode().encode("utf-16"), ("--encoding", "utf-16")),
    "6 UTF-16 LE": (PLAIN.decode().encode("utf-16-le"), ("--encoding", "utf-16-le")),
    "6 UTF-32": (PLAIN.decode().encode("utf-32"), ("--encoding", "utf-32")),
    "7 ignored": (PLAIN.replace(b"e", b"\xffe"), ("--errors", "ignore")),
    "15 one long line": (PLAIN + b"x" * 1_000_000 + b"\n", ()),
}


@pytest.mark.parametrize("row", SAME)
def test_files_that_hold_the_same_lines_are_the_same_data(row: str, call: Call) -> None:
    body, options = SAME[row]
    ended = learn(call, body, *options)
    assert len(lines_of(ended)) == 20 and ("1 too long" in ended.stderr) == row.startswith("15")
    found = Run.load("run")
    assert learned_lines() == NAMES and "".join(found.vocabulary.symbols) == "abcehilmoprstv"
    Path("plain.txt").write_bytes(PLAIN)
    assert call("train", "plain.txt", "-o", "plain", "--model", "ngram").returncode == 0
    assert found.config.data["digest"] == Run.load("plain").config.data["digest"]


def test_7_bytes_can_be_named_or_replaced(call: Call) -> None:
    body = "zo\u00eb\nren\u00e9e\n".encode("latin-1")
    assert learn(call, body, "--encoding", "latin-1").returncode == 0
    assert learned_lines() == ["zo\u00eb", "ren\u00e9e"]
    assert learn(call, body, "--errors", "replace", "--fresh").returncode == 0
    assert learned_lines() == ["zo\ufffd", "ren\ufffde"]


def test_7_what_was_replaced_or_is_no_latin_1_is_said(call: Call) -> None:
    ended = learn(call, b"zo\xeb\nren\xe9\xe9\n", "--errors", "replace")
    assert "2 lines, 3 U+FFFD (replacement character) learned\n" in ended.stderr
    ended = learn(call, b"d\x92Arc\n\x93anna\x94\n", "--encoding", "latin-1", "--fresh")
    assert ended.stderr.splitlines()[1] == (
        "makemore: warning: 3 control characters (U+0080 to U+009F): this is cp1252: type makemore "
        "train lines.txt -o run --model ngram --order 3 --fresh --encoding cp1252"
    )


def test_5_marks_where_files_were_put_together_are_dropped_and_counted(call: Call) -> None:
    body = "\ufeffanna\nkarl\n\ufeffemma\nfa\u200dti\u200cma\nx\ufeffy\n"
    ended = learn(call, body)
    assert "5 lines, 2 U+FEFF (byte order mark) within lines dropped\n" in ended.stderr
    assert learned_lines() == ["anna", "karl", "emma", "fa\u200dti\u200cma", "xy"]
    ended = call("data", "lines.txt")
    assert "makemore: 2 U+FEFF (byte order mark) within lines dropped\n" in ended.stderr
    assert objects(call("data", "lines.txt", "--json"))[0]["marks"] == 2
    # A second header, or a cell, with a mark before it.
    ended = learn(call, "name,sex\nanna,f\n\ufeffkarl,m\n", "--label-column", "sex", "--fresh")
    assert ended.returncode == 0 and learned_lines() == ["anna", "karl"]


def test_quotes_that_swallow_rows_are_said_and_can_be_text(call: Call) -> None:
    body = 'name,notes,sex\nanna,"tall,f\nkarl,x,m\nemma,y",f\nbert,"two\nlines",m\n'
    options = ("--label-column", "sex")
    ended = learn(call, body, *options)
    assert learned_lines() == ["anna", "bert"]
    assert ended.stderr.splitlines()[1] == (
        "makemore: warning: a quote that opens in line 2 takes in lines that look like rows: 6 "
        "lines gave 3 rows (2 fewer): type makemore train lines.txt -o run --model ngram --order 3 "
        "--label-column sex --quote none"
    )
    plain = body.replace('"two\nlines"', "none")
    ended = learn(call, plain, *options, "--quote", "none", "--fresh")
    assert "warning: a quote" not in ended.stderr
    assert learned_lines() == ["anna", "karl", "emma", "bert"]
    assert config_of("run")["asked"]["quote"] is None
    again = call("train", "lines.txt", "-o", "run", "--model", "ngram", "--order", "3", *options,
                 "--quote", "none")  # fmt: skip
    assert again.returncode == 0 and "finished" in again.stderr


def test_9_control_characters_are_kept_and_counted(call: Call) -> None:
    lines = ["a\x1b[31mb", "x\x07y", "k\x08m", "c1\x9bz", "del\x7fq", "plain"]
    ended = learn(call, "\n".join(lines))
    assert ended.returncode == 0 and "5 with control characters" in ended.stderr
    assert learned_lines() == lines
    assert {"\x1b", "\x07", "\x08", "\x9b", "\x7f"} <= set(Run.load("run").vocabulary.symbols)


def test_10_only_line_feeds_end_a_line(call: Call) -> None:
    marks = "\u2028\u2029\u0085\v\f\x1c\x1d\x1e\x1f\r"
    lines = [f"{name}{mark}{name}" for name, mark in zip(NAMES * 2, marks, strict=False)]
    assert len(lines) == 10 and learn(call, "\n".join(lines)).returncode == 0
    assert learned_lines() == lines


UNUSUAL = {
    "11 combining": ["e\u0301mile", "\u00e9mile", "n\u0303o", "\u1e9b\u0323", "z\u0335\u0321"],
    "11 emoji": ["\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\u263a"],
    "11 right to left": ["\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "a\u200fb"],
    "11 bidi controls": ["\u202eevil", "a\u2066b\u2069", "\u061cx", "x\u202dy\u202c"],
    "12 specials": [".", "..", "<START>", "<|endoftext|>", "\\n", "%s", "{0}", "$(id)", "\\x00"],
    "13 options": ["--help", "-", "-n", "=1+1", "@file", "--", "+1", "#", "!ls", "&&", ";"],
    "11 spaces inside": ["a b", "a\u00a0b", "a\u3000b", "a\tb"],
}  # fmt: skip


@pytest.mark.parametrize("row", UNUSUAL)
def test_unusual_lines_are_text_like_any_other(row: str, call: Call) -> None:
    lines = UNUSUAL[row]
    assert learn(call, "\n".join(lines), "--order", "9").returncode in (0, 7)
    assert learned_lines() == lines
    scored = objects(call("score", "run", "--json", input="\n".join(lines).encode()))
    assert [entry["text"] for entry in scored] == lines
    assert all(entry["unknown"] == [] and 0 < entry["nll"] < 100 for entry in scored)
    assert [entry["symbols"] for entry in scored] == [len(line) + 1 for line in lines]
    samples = objects(call("sample", "run", "-n", "400", "--seed", "1", "--all", "--json"))
    seen = {sample["text"] for sample in samples if sample["origin"] == "train"}
    assert seen == set(lines)  # every line comes back as it was
    assert not any(sample["text"] in lines for sample in samples if sample["origin"] == "new")


@pytest.mark.slow
def test_14_many_symbols_are_learned(call: Call) -> None:
    symbols = [chr(code) for code in range(0x4E00, 0x4E00 + 20_400)]
    lines = ["".join(symbols[start : start + 4]) for start in range(0, len(symbols), 4)]
    began = time.monotonic()
    ended = learn(call, "\n".join(lines), "--order", "2")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    assert len(Run.load("run").vocabulary) == 20_401
    assert time.monotonic() - began < 60


def test_16_a_long_line_takes_little_memory(call: Call) -> None:
    Path("lines.txt").write_bytes(b"a" * 100_000_000)
    tracemalloc.start()
    try:
        failed(call("train", "lines.txt", *COUNTS), 3, "is longer than")
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


# -- where the file is --------------------------------------------------------------------------


def test_18_files_that_cannot_be_read(call: Call) -> None:
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nothing")
    for name, words in (
        ("missing", "No such file or directory"), ("folder", "Is a directory"),
        ("loop", "Too many levels"), ("dangling", "No such file"), ("x" * 300, "name too long"),
        ("lines.txt/more", "No such file"), ("", "No such file"),
    ):  # fmt: skip
        failed(call("train", name, *COUNTS), 3, words)
    assert sorted(os.listdir()) == ["dangling", "folder", "loop"]


def test_18_a_file_that_may_not_be_read(call: Call) -> None:
    with tempfile.TemporaryDirectory() as above:
        path = Path(above) / "lines.txt"
        path.write_bytes(PLAIN)
        path.chmod(0)
        root = os.geteuid() == 0
        Path(above).chmod(0o755)
        os.seteuid(65534 if root else os.geteuid())
        try:
            run = Path(above) / "run"
            failed(
                call("train", path, "-o", run, "--model", "ngram"),
                3,
                "Permission denied",
                "lines.txt",
            )
        finally:
            os.seteuid(0 if root else os.geteuid())


def test_19_pipes_are_read_once(call: Call) -> None:
    def again(*file: str, body: bytes = b"") -> None:
        ended = call("train", *file, *COUNTS, input=body)
        assert ended.returncode == 0 and "finished" in ended.stderr

    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(PLAIN))
    writer.start()
    assert call("train", "pipe", *COUNTS).returncode == 0
    writer.join()
    assert learned_lines() == NAMES
    read, write = os.pipe()
    os.write(write, PLAIN)
    os.close(write)
    again(f"/dev/fd/{read}")  # what <(command) gives
    os.close(read)
    again("-", body=PLAIN)
    again()  # without FILE the run has its lines
    failed(call("train", "-", *COUNTS, input=b""), 3, "no lines", "standard input")


def test_19_standard_input_is_a_file_with_a_name(call: Call) -> None:
    assert call("train", "-", "--model", "ngram", input=PLAIN).returncode == 0
    assert Run.load("runs/stdin-ngram").config.data["name"] == "stdin"
    assert call("-", "--model", "ngram", input=PLAIN).returncode == 0
    failed(call("-", "--model", "ngram", input=b"ava\nmia\n"), 2, "other data")


def test_20_a_file_that_changes_between_two_calls(call: Call) -> None:
    assert learn(call, PLAIN).returncode == 0
    before = Path("run/checkpoint.json").read_bytes()
    digest = config_of("run")["data"]["digest"]
    # The last has as many lines and letters.
    for body in (PLAIN[:-5], PLAIN + b"zoe\n", PLAIN.replace(b"mia", b"mai")):
        failed(learn(call, body), 2, "this run learned other data", digest[:12], "--fresh")
    Path("lines.txt").unlink()
    failed(call("train", "lines.txt", *COUNTS), 3, "No such file")
    assert Path("run/checkpoint.json").read_bytes() == before
    assert learn(call, PLAIN + PLAIN).returncode == 0  # copies are dropped: the same lines


def test_20_a_file_that_is_cut_while_it_is_read(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 16)
    decode, cut = reading._decode, []

    def cutting(*arguments: Any) -> str:
        if not cut:
            cut.append(os.truncate("lines.txt", 20))
        return decode(*arguments)

    monkeypatch.setattr(reading, "_decode", cutting)
    ended = learn(call, PLAIN)
    assert ended.returncode in (0, 7) and cut == [None]  # never SIGBUS: no file is mapped
    digest = config_of("run")["data"]["digest"]
    assert digest == Run.load("run").split.digest()  # of what was read
    assert set(learned_lines()) < {*NAMES, "isab", "isa", "is", "i"}


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_21_what_never_ends_is_refused(device: str, call: Call) -> None:
    began = time.monotonic()
    failed(call("train", device, *COUNTS), 3, device)
    assert time.monotonic() - began < 5 and os.listdir() == []


def test_21_reading_stops_at_a_stated_size(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    failed(learn(call, PLAIN * 50), 3, "more than 1000 bytes", "lines.txt")
    assert os.listdir() == ["lines.txt"]


def test_one_copy_is_no_copies(call: Call) -> None:
    Path("l.txt").write_text("anna\nkarl\nanna\n")
    assert "makemore: 2 lines, 1 copy dropped\n" in call("l.txt", "--model", "ngram").stderr
