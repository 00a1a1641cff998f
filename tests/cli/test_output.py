"""output.py: bytes in a pipe, escapes on a terminal, and streams that are closed or full."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import SCRIPT, TINY, failed
from conftest import Cli
from makemore import MakeMore
from makemore.escaping import visible_json


def test_a_reader_that_leaves_ends_it_quietly(ngram: Path) -> None:
    for line in (["sample", ngram, "--all", "-n", "100000"], ["--help"], ["sample", ngram]):
        read, write = os.pipe()
        process = subprocess.Popen([SCRIPT, *line], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        if line[-1] == "100000":
            assert os.read(read, 1)
        os.close(read)
        errors = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 141
        assert "Traceback" not in errors and "Exception" not in errors and "error" not in errors


@pytest.mark.slow
def test_streams_that_are_closed_or_full_end_it_with_its_code(ngram: Path) -> None:
    def shell(line: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f"{SCRIPT} {line}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert shell(f"sample {ngram} -n 3 >&-").returncode == 0
    assert shell(f"sample {ngram} -n 3 2>&-").stdout.count("\n") == 3
    assert shell(f"sample {ngram} -n 3 <&- >&- 2>&-").returncode == 0
    assert shell("sample missing 2>&-").returncode == 4
    if Path("/dev/full").exists():
        for line in (f"sample {ngram} -n 3 --seed 1", f"sample {ngram} --json --seed 1", "models"):
            ended = shell(f"{line} > /dev/full")
            assert ended.returncode == 5
            assert ended.stderr.startswith(
                "makemore: error: cannot write the results: no space left on device (stdout): they "
            )
            assert ended.stderr.count("\n") == 1
        assert shell("--help > /dev/full").returncode == 5
        assert shell("sample missing > /dev/full").returncode == 4


def test_a_training_whose_lines_cannot_be_written_says_that_it_is_saved(
    tmp_path: Path, cli: Cli
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("has no full device")
    (tmp_path / "names.txt").write_text("emma\nolivia\nava\n")
    line = f"cd {tmp_path} && {SCRIPT} train names.txt --model ngram -o run > /dev/full"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 5
    message = ended.stderr.splitlines()[-1]
    assert "(stdout): the run is saved, only these lines are lost: " in message
    assert cli("verify", "run").stdout.startswith("whole: ngram")


@pytest.mark.parametrize(
    "stderr", ["/dev/full", pytest.param("a reader that has gone", marks=pytest.mark.slow)]
)
def test_notes_that_cannot_be_written_change_nothing(
    stderr: str, tmp_path: Path, ngram: Path
) -> None:
    """Not the exit code, not the results, not what a training leaves behind."""
    if stderr == "/dev/full" and not Path(stderr).exists():
        pytest.skip("has no full device")
    (tmp_path / "names.txt").write_text("emma\nolivia\nava\n")

    def run(line: str) -> tuple[int, str]:
        read, gone = os.pipe()
        os.close(read)
        to = os.open(stderr, os.O_WRONLY) if stderr == "/dev/full" else gone
        command = [SCRIPT, *line.split()]
        with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=to, text=True) as process:
            out = process.communicate(timeout=60)[0]
        for handle in {to, gone}:
            os.close(handle)
        return process.returncode, out

    expected = MakeMore.load(ngram).sample(3, 1)
    assert run(f"sample {ngram} -n 3 --seed 1") == (0, "".join(f"{one}\n" for one in expected))
    code, out = run("train names.txt --model ngram -o made")
    assert (code, out.count("\n")) == (0, 20)
    assert run("verify made")[0] == 0
    assert run("sample missing") == (4, "") and run("sample") == (2, "")
    assert run("smaple run") == (3, "")


STRANGE_LINES = [
    "caf\u00e9", "\u674e\u660e", "\u05d0\u05d1", "e\u0301e", "a\x1b[31mb", "x\x07y", "n\u202eo",
    "a\x85b", "\U0001f469\u200d\U0001f680", "k\u2028l", "\x1b]0;t\x07z", "a\rb", "b\x00c",
]  # fmt: skip


@pytest.fixture(scope="module")
def strange(runs: Callable[..., Path]) -> Path:
    """A run whose samples hold letters, control characters and what reorders a terminal."""
    return runs("ngram", STRANGE_LINES, order=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "1"},
        pytest.param(
            {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONIOENCODING": "ascii"},
            marks=pytest.mark.slow,
        ),
        pytest.param({"HOME": None, "PATH": "/usr/bin:/bin", "TERM": None}, marks=pytest.mark.slow),
    ],
    ids=["LC_ALL=C", "dumb", "no HOME", "bare"],
)
def test_any_environment_gives_the_same_bytes(
    environment: dict[str, str | None], cli: Cli, strange: Path
) -> None:
    ended = cli("sample", strange, "-n", "30", "--seed", "1", env=environment)
    assert ended.returncode == 0 and ended.stderr == ""
    expected = MakeMore.load(strange).sample(30, 1)
    assert ended.stdout.split("\n")[:-1] == expected and not "".join(expected).isascii()
    failed(cli("sample", "caf\u00e9\u202e", env=environment), 4, "no run directory at 'caf")


def on_terminal(cwd: Path, *arguments: str | Path, **variables: str) -> str:
    """All that a person sees of a command on a terminal, once it has ended as it should."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, *arguments], cwd=cwd, env={**os.environ, **variables},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side has closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(60) == 0, shown
    return shown.decode()


def test_control_characters_are_escaped_on_a_terminal_and_exact_in_a_pipe(
    cli: Cli, strange: Path, tmp_path: Path
) -> None:
    drawn = ("-n", "60", "--seed", "1", "--style", "plain")
    shown = on_terminal(tmp_path, "sample", strange, *drawn)
    exact = cli("sample", strange, *drawn).stdout
    assert {"\x1b", "\x07", "\u202e"} & set(exact) and "\\x1b" not in exact
    lines = shown.replace("\r\n", "\n")
    assert not {"\x1b", "\x07", "\x00", "\r", "\u202e", "\u2028", "\x85"} & set(lines)
    assert "\\x1b[" in lines and "\\u202e" in lines or "\\x07" in lines
    assert "\u200d" in lines or "\u200d" not in exact  # joiners make one picture of two
    assert lines.count("\n") == exact.count("\n") == 60


@pytest.mark.slow
def test_training_on_a_dumb_terminal_shows_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes("\n".join(STRANGE_LINES[:7]).encode())
    command = ("train", "lines.txt", "-o", "run", *TINY, "--max-steps", "4")
    shown = on_terminal(tmp_path, *command, TERM="dumb", COLUMNS="40", NO_COLOR="1")
    assert "\\x1b[31m" in shown or "\\x07" in shown
    assert not {"\x07", "\u202e", "\x00"} & set(shown)
    assert "Traceback" not in shown and "4/4" in shown


def test_json_on_a_terminal_escapes_what_controls_it(
    cli: Cli, strange: Path, tmp_path: Path
) -> None:
    drawn = ("sample", strange, "-n", "60", "--seed", "1", "--style", "plain", "--json")
    shown = on_terminal(tmp_path, *drawn).replace("\r\n", "\n")
    exact = cli(*drawn).stdout
    assert {"\u202e", "\u2028", "\x85"} & set(exact)
    assert "".join(shown.split("\n")).isprintable() or "\u200d" in shown
    assert [json.loads(line) for line in shown.split("\n")[:-1]] == [
        json.loads(line) for line in exact.split("\n")[:-1]
    ]
    assert shown.count("\n") == 60


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x9b31m", "\\u009b31m"), ("\x7f", "\\u007f"),
        ("\u202e\u200f\u061c", "\\u202e\\u200f\\u061c"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\u0085"),
        ("\u2066\u2069\ufeff", "\\u2066\\u2069\\ufeff"),
        ("\U000e0041", "\\udb40\\udc41"), ("é名😀\u200d", "é名😀\u200d"), ('"\\', '\\"\\\\'),
        ("\x1b", "\\u001b"), ("\ud800", "\\ud800"),
    ],
)  # fmt: skip
def test_escapes_of_json_are_the_same_value(text: str, escaped: str) -> None:
    line = visible_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert line == f'{{"{escaped}": ["{escaped}"]}}'
    assert json.loads(line) == {text: [text]}
