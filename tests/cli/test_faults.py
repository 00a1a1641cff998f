"""What can go wrong with input, training and sampling, as command lines, and what comes of it.

The numbers are those of the list of faults that the project was planned with: 1-23 input, 24-29
training, 71-82 sampling and scoring. A fault of the input is told in one line on stderr, with its
exit code, before a run directory is made.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from makemore import MakeMore, parallel
from makemore.cli import progress
from makemore.runs.run import Run
from makemore.text import reading

Call = Callable[..., subprocess.CompletedProcess[str]]

NAMES = ["emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia"]
MANY = "\n".join(a + b + c + d for a in "kmnr" for b in "aeio" for c in "stlv" for d in "aeio")
PLAIN = "\n".join(NAMES).encode() + b"\n"
NGRAM = ("-o", "run", "--model", "ngram", "--order", "3")
TINY = ("-o", "run", "--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--seed", "5")
SCRIPT = Path(sys.executable).parent / "makemore"


@pytest.fixture(autouse=True)
def one_thread_unless_more_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "default_threads", lambda: 1)


def failed(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The command ended with this code and one short line that holds these words."""
    assert ended.returncode == code, ended.stderr
    assert len(ended.stderr.splitlines()) <= 3 and ended.stderr.replace("\n", "").isprintable()
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: ") and "our bug" not in message
    for word in words:
        assert word in message


def learn(call: Call, body: bytes | str, *options: str) -> subprocess.CompletedProcess[str]:
    Path("lines.txt").write_bytes(body if isinstance(body, bytes) else body.encode())
    return call("train", "lines.txt", *NGRAM, *options)


def lines_of(folder: str = "run") -> list[str]:
    return [line for _, part in Run.load(folder).split for line in part]


# -- 1 to 21: files that are refused --------------------------------------------------------------

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
    ("6 no mark UTF-32", PLAIN.decode().encode("utf-32-le"), (), ("binary",)),
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
    ("16 no line end", b"a" * 17_000_000, (), ("a line is longer than 16777216 bytes",)),
    ("16 late", b"emma\n" + b"a" * 17_000_000, (), ("a line is longer",)),
]  # fmt: skip


@pytest.mark.parametrize(("row", "body", "options", "words"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_file_that_cannot_be_learned_is_refused_and_nothing_is_written(
    row: str, body: bytes, options: tuple[str, ...], words: tuple[str, ...], call: Call
) -> None:
    began = time.monotonic()
    ended = learn(call, body, *options)
    failed(ended, 3, *words)
    assert ended.stdout == "" and time.monotonic() - began < 20
    assert os.listdir() == ["lines.txt"]


# -- 2 to 15: files that are learned, and as what -------------------------------------------------

SAME: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("4 no end", PLAIN[:-1], ()),
    ("4 CRLF", PLAIN.replace(b"\n", b"\r\n"), ()),
    ("4 mixed", PLAIN.replace(b"a\n", b"a\r\n"), ()),
    ("4 white space at the ends", PLAIN.replace(b"\n", b" \t\n  "), ()),
    ("4 blank lines between", PLAIN.replace(b"\n", b"\n\n \n"), ()),
    ("4 copies", PLAIN * 3, ()),
    ("5 mark", b"\xef\xbb\xbf" + PLAIN, ()),
    ("6 UTF-16", PLAIN.decode().encode("utf-16"), ("--encoding", "utf-16")),
    ("6 UTF-16 LE", PLAIN.decode().encode("utf-16-le"), ("--encoding", "utf-16-le")),
    ("6 UTF-32", PLAIN.decode().encode("utf-32"), ("--encoding", "utf-32")),
    ("7 ignored", PLAIN.replace(b"e", b"\xffe"), ("--errors", "ignore")),
    ("15 one long line", PLAIN + b"x" * 1_000_000 + b"\n", ()),
]


@pytest.mark.parametrize(("row", "body", "options"), SAME, ids=[row[0] for row in SAME])
def test_files_that_hold_the_same_lines_are_the_same_data(
    row: str, body: bytes, options: tuple[str, ...], call: Call
) -> None:
    ended = learn(call, body, *options)
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    found = Run.load("run")
    assert lines_of() == NAMES and "".join(found.vocabulary.symbols) == "abcehilmoprstv"
    Path("plain.txt").write_bytes(PLAIN)
    assert call("train", "plain.txt", "-o", "plain", "--model", "ngram").returncode == 0
    assert found.config.data["digest"] == Run.load("plain").config.data["digest"]
    if row.startswith("15"):
        assert "1 too long" in ended.stderr


def test_2_few_lines_all_train(call: Call) -> None:
    for number in (2, 9):
        Path("lines.txt").write_text("\n".join((NAMES * 2)[:number]))
        ended = call("train", "lines.txt", *TINY, "--max-steps", "2", "--fresh")
        assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
        assert "too few lines to hold some back" in ended.stderr
        assert "1 distinct line" not in ended.stderr


def test_2_one_line_is_learned(call: Call) -> None:
    Path("lines.txt").write_text("emma")
    ended = call("train", "lines.txt", *TINY, "--max-steps", "2")
    assert ended.returncode == 0 and len(set(ended.stdout.splitlines())) == 20
    assert "1 distinct line" in ended.stderr and "emma" not in ended.stdout.splitlines()


def test_3_copies_of_one_line_leave_little_to_make(call: Call) -> None:
    ended = learn(call, b"a\n" * 1000)
    failed_with = ended.stderr.splitlines()[-1]
    assert ended.returncode == 7 and "found 1 of 20 lines" in failed_with
    assert ended.stdout == "aa\n"  # twice the longest line is the limit
    assert "1 line, 999 copies dropped" in ended.stderr
    assert "warning: 1 distinct line" in ended.stderr
    assert call("verify", "run").returncode == 0  # what was learned is kept


def test_7_bytes_can_be_named_or_replaced(call: Call) -> None:
    body = "zo\u00eb\nren\u00e9e\n".encode("latin-1")
    assert learn(call, body, "--encoding", "latin-1").returncode == 0
    assert lines_of() == ["zo\u00eb", "ren\u00e9e"]
    assert learn(call, body, "--errors", "replace", "--fresh").returncode == 0
    assert lines_of() == ["zo\ufffd", "ren\ufffde"]


def test_9_control_characters_are_kept_and_counted(call: Call) -> None:
    lines = ["a\x1b[31mb", "x\x07y", "k\x08m", "c1\x9bz", "del\x7fq", "plain"]
    ended = learn(call, "\n".join(lines))
    assert ended.returncode == 0 and "5 with control characters" in ended.stderr
    assert lines_of() == lines
    assert {"\x1b", "\x07", "\x08", "\x9b", "\x7f"} <= set(Run.load("run").vocabulary.symbols)


def test_10_only_line_feeds_end_a_line(call: Call) -> None:
    marks = "\u2028\u2029\u0085\v\f\x1c\x1d\x1e\x1f\r"
    lines = [f"{name}{mark}{name}" for name, mark in zip(NAMES * 2, marks, strict=False)]
    assert len(lines) == 10 and learn(call, "\n".join(lines)).returncode == 0
    assert lines_of() == lines


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
    assert lines_of() == lines
    ended = call("score", "run", "--json", input="\n".join(lines).encode())
    scored = [json.loads(line) for line in ended.stdout.split("\n")[:-1]]
    assert [entry["text"] for entry in scored] == lines
    assert all(entry["unknown"] == [] and 0 < entry["nll"] < 100 for entry in scored)
    assert [entry["symbols"] for entry in scored] == [len(line) + 1 for line in lines]
    drawn = call("sample", "run", "-n", "400", "--seed", "1", "--all", "--json").stdout
    samples = [json.loads(line) for line in drawn.split("\n")[:-1]]
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


def test_15_one_long_line_does_not_make_a_wide_model(call: Call) -> None:
    Path("lines.txt").write_bytes(PLAIN + b"a" * 900 + b"\n" + b"x" * 1_000_000)
    ended = call("train", "lines.txt", *TINY, "--max-steps", "1")
    assert ended.returncode == 0 and "1 too long" in ended.stderr
    assert Run.load("run").config.block_size == 256


def test_16_a_long_line_takes_little_memory(call: Call) -> None:
    Path("lines.txt").write_bytes(b"a" * 100_000_000)
    tracemalloc.start()
    try:
        failed(call("train", "lines.txt", *NGRAM), 3, "a line is longer")
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


# -- 18 to 23: where the file is, and where the run goes ------------------------------------------


def test_18_files_that_cannot_be_read(call: Call) -> None:
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nothing")
    for name, words in (
        ("missing", "No such file or directory"), ("folder", "Is a directory"),
        ("loop", "Too many levels"), ("dangling", "No such file"), ("x" * 300, "name too long"),
        ("lines.txt/more", "No such file"), ("", "No such file"),
    ):  # fmt: skip
        failed(call("train", name, *NGRAM), 3, words)
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
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(PLAIN))
    writer.start()
    assert call("train", "pipe", *NGRAM).returncode == 0
    writer.join()
    assert lines_of() == NAMES
    read, write = os.pipe()
    os.write(write, PLAIN)
    os.close(write)
    ended = call("train", f"/dev/fd/{read}", *NGRAM)  # what <(command) gives
    os.close(read)
    assert ended.returncode == 0 and "finished" in ended.stderr
    ended = call("train", "-", *NGRAM, input=PLAIN)
    assert ended.returncode == 0 and "finished" in ended.stderr
    failed(call("train", "-", *NGRAM, input=b""), 3, "no lines", "standard input")
    ended = call("train", *NGRAM)  # without FILE the run has its lines
    assert ended.returncode == 0 and "finished" in ended.stderr


def test_20_a_file_that_changes_between_two_calls(call: Call) -> None:
    assert learn(call, PLAIN).returncode == 0
    before = Path("run/checkpoint.json").read_bytes()
    was = json.loads(Path("run/config.json").read_text())["data"]["digest"]
    for body in (PLAIN[:-5], PLAIN + b"zoe\n", PLAIN.replace(b"mia", b"mai")):
        failed(learn(call, body), 2, "this run learned other data", was[:12], "--fresh")
    Path("lines.txt").unlink()
    failed(call("train", "lines.txt", *NGRAM), 3, "No such file")
    assert Path("run/checkpoint.json").read_bytes() == before


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
    digest = json.loads(Path("run/config.json").read_text())["data"]["digest"]
    assert digest == Run.load("run").split.digest()  # of what was read
    assert set(lines_of()) < {*NAMES, "isab", "isa", "is", "i"}


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_21_what_never_ends_is_refused(device: str, call: Call) -> None:
    began = time.monotonic()
    failed(call("train", device, *NGRAM), 3, device)
    assert time.monotonic() - began < 5 and os.listdir() == []


def test_21_reading_stops_at_a_stated_size(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    failed(learn(call, PLAIN * 50), 3, "more than 1000 bytes", "lines.txt")
    assert os.listdir() == ["lines.txt"]


FOLDERS = [
    "a b",
    "\u00fc/\u4e2d",
    "run/",
    "./x/../y",
    "new\nline",
    "esc\x1b[31m",
    "-dash",
    "~",
    "a'b",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_22_run_directories_of_any_name(folder: str, call: Call) -> None:
    Path("lines.txt").write_bytes(PLAIN)
    Path("x").mkdir()
    ended = call("train", "lines.txt", f"--out={folder}", "--model", "ngram", "--order", "3")
    assert ended.returncode == 0 and ended.stderr.replace("\n", "").isprintable()
    assert Path(folder, "checkpoint.json").is_file()
    assert len(call("sample", "-n", "2", "--", folder).stdout.splitlines()) == 2


def test_22_run_directories_that_cannot_be_made(call: Call) -> None:
    Path("lines.txt").write_bytes(PLAIN)
    Path("file").write_text("")
    for folder, code in (("x" * 300, 5), ("file", 4), ("file/run", 5), ("/dev/null/run", 5)):
        failed(call("train", "lines.txt", "-o", folder, "--model", "ngram"), code, folder[:100])
    assert sorted(os.listdir()) == ["file", "lines.txt"]


def test_23_a_run_is_as_private_as_the_umask_says_and_logs_hold_no_lines(call: Call) -> None:
    before = os.umask(0o077)
    try:
        Path("lines.txt").write_bytes(PLAIN)
        assert call("train", "lines.txt", *TINY, "--max-steps", "11").returncode == 0
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in Path("run").rglob("*")}
    assert modes == {0o600, 0o700} and stat.S_IMODE(Path("run").stat().st_mode) == 0o700
    shown = Path("run/samples.txt").read_text().splitlines()
    assert shown and not {line.split("\t")[1] for line in shown} & set(NAMES)
    assert not any(name in Path("run/metrics.jsonl").read_text() for name in NAMES)


# -- 24 to 29: training ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_24_a_loss_that_is_no_number_ends_it(optimizer: str, call: Call) -> None:
    Path("lines.txt").write_text(MANY)
    ended = call(
        "train", "lines.txt", *TINY, "--max-steps", "50", "--optimizer", optimizer,
        "--learning-rate", "1e30", "--save-interval", "0",
    )  # fmt: skip
    assert ended.returncode == 6 and ended.stdout == ""
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: training diverged")
    assert "step " in message and "learning rate " in message and "e+" in message
    step = int(message.split("(step ")[1].split(",")[0])
    assert 1 <= step <= 10  # of 50
    assert call("verify", "run").returncode == 0  # every value that was saved is finite
    assert len(call("sample", "run", "-n", "3").stdout.splitlines()) == 3


def test_25_a_loss_that_only_grows_is_a_warning(call: Call) -> None:
    Path("lines.txt").write_text(MANY)
    ended = call(
        "train", "lines.txt", *TINY, "--max-steps", "5", "--optimizer", "sgd", "--schedule",
        "constant", "--learning-rate", "30", "--eval-interval", "5",
    )  # fmt: skip
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    assert "worse than guessing; try a smaller --learning-rate" in ended.stderr
    assert Run.load("run").progress["best_step"] == 0  # the best stays


OUT_OF_RANGE = [
    "--learning-rate 0", "--learning-rate -0.1", "--learning-rate 1e400", "--learning-rate inf",
    "--batch-size 0", "--batch-size 9", "--max-steps 0", "--max-steps -1",
    "--max-steps 9223372036854775808", "--seed -1", "--seed 18446744073709551616", "--n-layer 0",
    "--n-layer 1000000000", "--n-head 3", "--n-head 0", "--n-embd 1000000", "--dropout nan",
    "--momentum 1", "--weight-decay -1", "--warmup-steps -1", "--threads 99999",
]  # fmt: skip


@pytest.mark.parametrize("option", OUT_OF_RANGE)
def test_26_options_out_of_range_write_nothing(option: str, call: Call) -> None:
    Path("lines.txt").write_bytes(PLAIN)
    ended = call("train", "lines.txt", *TINY, *option.split())
    failed(ended, 2, option.split()[0])
    assert ended.stdout == "" and os.listdir() == ["lines.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_27_to_29_a_signal_between_steps_saves_the_current_step(
    number: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_view, sent = progress.ProgressView.step, list[float]()

    def signalled(view: progress.ProgressView, event: Any) -> None:
        of_view(view, event)
        if event.step == 4:
            sent.append(time.monotonic())
            os.kill(os.getpid(), number)

    monkeypatch.setattr(progress.ProgressView, "step", signalled)
    Path("lines.txt").write_bytes(PLAIN)
    ended = call("train", "lines.txt", *TINY, "--max-steps", "100000")
    assert ended.returncode == 128 + number and time.monotonic() - sent[0] < 3
    assert Run.load("run").progress["step"] == 4
    assert "the same command goes on" in ended.stderr


# -- 71 to 82: sampling and scoring ---------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled") / "run"
    MakeMore("ngram", order=3).fit(NAMES).save(folder)
    return folder


@pytest.fixture(scope="module")
def neural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neural") / "run"
    options = {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 20, "threads": 1}
    MakeMore("transformer", random_state=1, **options).fit(NAMES).save(folder)
    return folder


REFUSED_SAMPLING = [
    ("72", "--temperature -1"), ("72", "--temperature nan"), ("72", "--temperature inf"),
    ("72", "--temperature abc"), ("72", "--temperature 1e400"), ("73", "--top-k 0"),
    ("73", "--top-k -1"), ("73", "--top-k 1.5"), ("73", "--top-k x"), ("73", "--top-p 0"),
    ("73", "--top-p -0.5"), ("73", "--top-p 1.5"), ("73", "--top-p nan"), ("73", "--min-p 2"),
    ("74", "-n -1"), ("74", "-n x"), ("74", "-n 1e3"), ("76", "--min-length -1"),
    ("76", "--min-length 1000000000"), ("76", "--max-length 0"), ("81", "--seed -1"),
    ("81", "--seed 9223372036854775808"), ("81", "--seed x"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "option"), REFUSED_SAMPLING)
def test_72_to_81_options_that_cannot_be_are_refused(
    row: str, option: str, folder: Path, call: Call
) -> None:
    ended = call("sample", folder, *option.split())
    failed(ended, 2, option.split()[0])
    assert ended.stdout == ""


@pytest.mark.parametrize("prefix", ["x", "emma7", "\u00e9", "a\nb", " emma", "\x1b[31m", "A"])
def test_75_prefixes_that_no_line_has_are_named(prefix: str, folder: Path, call: Call) -> None:
    ended = call("sample", folder, "--prefix", prefix)
    failed(ended, 2, "--prefix")
    assert ended.stdout == ""


def drawn(call: Call, folder: Path, *options: str) -> list[dict[str, Any]]:
    ended = call("sample", folder, "--seed", "1", "--all", "--json", *options)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_71_and_72_temperature(folder: Path, call: Call) -> None:
    greedy = drawn(call, folder, "--temperature", "0", "-n", "5")
    assert len({sample["text"] for sample in greedy}) == 1
    for cold in ("1e-300", "5e-324", "0.001"):
        assert drawn(call, folder, "--temperature", cold, "-n", "5") == greedy
    hot = drawn(call, folder, "--temperature", "1e300", "-n", "2000")
    first = [sample["text"][:1] for sample in hot]
    symbols = ["", *Run.load(folder).vocabulary.symbols]
    expected = len(hot) / len(symbols)
    for symbol in symbols:  # uniform over the symbols and the end, 5 deviations wide
        assert abs(first.count(symbol) - expected) < 5 * math.sqrt(expected)
    assert all(math.isfinite(sample["nll"]) for sample in hot)


def test_73_limits_that_do_not_limit(folder: Path, call: Call) -> None:
    plain = drawn(call, folder, "-n", "50")
    size = len(Run.load(folder).vocabulary)
    for option in (
        ("--top-k", str(size)), ("--top-k", str(10**18)), ("--top-k", "none"), ("--top-p", "1"),
        ("--min-p", "0"), ("--prefix", ""),
    ):  # fmt: skip
        assert drawn(call, folder, "-n", "50", *option) == plain
    greedy = drawn(call, folder, "-n", "5", "--temperature", "0")
    for option in (("--top-k", "1"), ("--top-p", "1e-300"), ("--min-p", "1")):
        assert drawn(call, folder, "-n", "5", *option) == greedy


def test_74_how_many(folder: Path, call: Call) -> None:
    none = call("sample", folder, "-n", "0", "--seed", "1")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "")


def test_74_a_billion_lines_stream_and_end_on_an_interrupt(folder: Path) -> None:
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            [SCRIPT, "sample", folder, "-n", "1000000000", "--all"],
            stdout=nowhere, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None and process.stderr.readline().startswith(b"makemore: --s")
        time.sleep(0.3)  # it draws
        before = memory(process.pid)
        time.sleep(0.5)
        after = memory(process.pid)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        errors = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and time.monotonic() - began < 5
    assert b"Traceback" not in errors and after - before < 20 * 2**20


def memory(pid: int) -> int:
    """Bytes that a process holds; 0 where that cannot be asked."""
    path = Path(f"/proc/{pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


@pytest.mark.parametrize("model", ["folder", "neural"])
def test_75_a_prefix_longer_than_what_the_model_sees(
    model: str, call: Call, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(model)
    prefix = "emma" * 20
    assert len(prefix) > MakeMore.load(folder)._model.block_size
    samples = drawn(call, folder, "-n", "5", "--prefix", prefix)
    assert all(sample["text"].startswith(prefix) for sample in samples)
    scored = -MakeMore.load(folder).score_samples([sample["text"] for sample in samples])
    found = [sample["nll"] for sample in samples if not sample["capped"]]
    expected = [nll for nll, s in zip(scored, samples, strict=True) if not s["capped"]]
    assert found == pytest.approx(expected, rel=1e-4)


def test_76_what_cannot_be_is_told_at_once(folder: Path, call: Call) -> None:
    for options in (
        ("--min-length", "5", "--max-length", "4"), ("--prefix", "emma", "--max-length", "3"),
        ("--contains", "q"), ("--suffix", "E"), ("--pattern", "x+"),
        ("--suffix", "a", "--pattern", "[ab]*b"), ("--exclude", "abcdefghijklmnopqrstuvwxyz"),
        ("--prefix", "em", "--suffix", "mi", "--max-length", "2"),
    ):  # fmt: skip
        began = time.monotonic()
        ended = call("sample", folder, *options)
        failed(ended, 7, "no line satisfies all conditions", " ".join(options[:2]))
        assert ended.stdout == "" and time.monotonic() - began < 1


def test_76_what_is_not_found_ends_and_shows_what_was(folder: Path, call: Call) -> None:
    began = time.monotonic()
    ended = call("sample", folder, "-n", "500", "--max-length", "2", "--seed", "1")
    found = ended.stdout.splitlines()
    assert 0 < len(found) < 500 and all(len(line) <= 2 for line in found)
    assert ended.returncode == 7 and f"found {len(found)} of 500 lines after" in ended.stderr
    assert time.monotonic() - began < 30 and len(set(found)) == len(found)


def test_78_nothing_new_is_possible(call: Call) -> None:
    learn(call, b"a\naa\n" + b"aaa\naaaa\n")
    ended = call("sample", "run", "-n", "5", "--max-length", "4")
    failed(ended, 7, "found 0 of 5 lines after")
    assert ended.stdout == ""
    shown = call("sample", "run", "-n", "5", "--max-length", "4", "--all")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 5


def test_79_a_line_that_does_not_end_is_cut_and_marked(call: Call) -> None:
    learn(call, b"a" * 60 + b"\n", "--order", "2")
    samples = drawn(call, Path("run"), "-n", "200")
    capped = [sample for sample in samples if sample["capped"]]
    assert 5 < len(capped) < 195
    assert {len(sample["text"]) for sample in capped} == {120}  # twice the longest line
    assert max(len(sample["text"]) for sample in samples) == 120
    assert "\tnew capped\n" in call("sample", "run", "-n", "200", "--seed", "1", "--all").stdout
    shown = call("sample", "run", "-n", "30", "--seed", "1").stdout.splitlines()
    cut = {sample["text"] for sample in capped}
    assert len(shown) == 30 and not cut & set(shown)  # never shown as if it had ended


@pytest.mark.parametrize("model", ["folder", "neural"])
def test_82_every_line_has_its_score_in_order(
    model: str, call: Call, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(model)
    lines = ["emma", "", "zoe7", "ava" * 100, "\u00e9\x1b", "emma", "mia"]
    ended = call("score", folder, "--json", input="\n".join(lines).encode())
    scored = [json.loads(line) for line in ended.stdout.split("\n")[:-1]]
    assert ended.returncode == 0 and [entry["text"] for entry in scored] == lines
    assert [entry["unknown"] for entry in scored] == [
        [],
        [],
        ["7", "z"],
        [],
        ["\x1b", "\u00e9"],
        [],
        [],
    ]
    for entry in scored:
        assert (entry["nll"] is None) == bool(entry["unknown"])
        assert entry["nll"] is None or 0 < entry["nll"] < 100_000
    assert scored[0]["nll"] == pytest.approx(scored[5]["nll"]) and scored[3]["nll"] > 100
    plain = call("score", folder, input="\n".join(lines).encode()).stdout.split("\n")[:-1]
    assert plain[2] == "inf\tzoe7" and "nan" not in "".join(plain)


def test_82_bytes_that_are_no_text_are_named_by_line(folder: Path, call: Call) -> None:
    Path("bad.txt").write_bytes(b"emma\nava\nm\xe9a\n")
    for arguments, name in ((("bad.txt",), "bad.txt"), ((), "standard input")):
        ended = call("score", folder, *arguments, input=Path("bad.txt").read_bytes())
        failed(ended, 3, f"{name}:3:2", "no utf-8")
