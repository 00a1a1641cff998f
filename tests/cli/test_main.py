"""main.py: help, what cannot be right, and the exit code and message of whatever goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.conftest import TEXT, failed
from conftest import Call
from makemore import MakeMore
from makemore.cli.main import run
from makemore.cli.suggestions import NAMES
from makemore.runs.run import Run
from makemore.version import __version__


def test_no_arguments_are_a_question(call: Call) -> None:
    shown = call()
    assert shown.returncode == 0 and shown.stderr == ""
    assert shown.stdout == call("--help").stdout == call("-h").stdout
    for name in NAMES:
        assert (f"  {name} " in shown.stdout) == (name != "original")
    assert call("--version").stdout == f"makemore, version {__version__}\n"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself(name: str, call: Call) -> None:
    shown = call(name, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    assert shown.stdout.startswith(f"Usage: makemore {name}") and len(shown.stdout) > 200


USAGE = {
    "sample": "DIR", "sample a b": "b", "score": "DIR", "verify": "DIR", "eval": "DIR",
    "sample run -n x": "x", "sample run --seed x": "x", "train a.txt b.txt": "b.txt",
    "fetch poems": "poems", "sample run --nonsense": "--nonsense", "--nonsense": "--nonsense",
    "-i": "-i", "train --max-steps": "--max-steps", "train --model": "--model",
    "train --model nothing": "nothing", "train --plugin none.py": "none.py",
    "sample run --plugin none.py": "none.py", "models --plugin none.py": "none.py",
}  # fmt: skip


@pytest.mark.parametrize("line", USAGE)
def test_what_cannot_be_right_is_a_usage_error(line: str, call: Call) -> None:
    failed(call(*line.split()), 2, USAGE[line])
    assert os.listdir() == []


def test_a_misspelt_command_is_named(call: Call) -> None:
    failed(call("smaple", "run"), 3, "did you mean makemore sample run?")


@pytest.mark.parametrize("command", ["sample", "score", "eval", "verify"])
def test_a_folder_that_is_no_run_is_said_so(command: str, call: Call) -> None:
    Path("folder").mkdir()
    failed(call(command, "folder"), 4, "no run here", "folder")
    failed(call(command, "missing"), 4, "no run directory", "missing")
    Path("folder/letter.txt").write_text("mine")
    failed(call("train", "-o", "folder", "--model", "ngram"), 4, "not empty and no run", "folder")
    assert os.listdir(Path("folder")) == ["letter.txt"]


def test_a_file_that_is_missing_is_the_datas_fault(call: Call) -> None:
    for line in ("missing.txt", "train missing.txt", "-i missing.txt -o run"):
        failed(call(*line.split()), 3, "No such file")
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 5, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5, "memory"),
        (OSError(28, "No space left on device"), 5, "no space left on device"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("by \x1b[31m zero\n"), 1, "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_below_has_its_code(
    error: BaseException, code: int, words: str, call: Call, ngram: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(run: Run) -> MakeMore:
        raise error

    monkeypatch.setattr(MakeMore, "of_run", fail)
    ended = call("sample", ngram)
    assert ended.returncode == code and ended.stdout == ""
    assert words in ended.stderr and "Traceback" not in ended.stderr
    assert ended.stderr.replace("\n", "").isprintable() and ended.stderr.count("\n") <= 3
    assert ("our bug" in ended.stderr) == (code == 1)
    if code == 1:
        with pytest.raises(ZeroDivisionError):
            run(["sample", str(ngram)], debug=True)


HOSTILE_NAMES = {  # and what has to be read in the message
    "new\nline": "new\\nline", "esc\x1b[31m": "esc\\x1b[31m", "\x07bell": "'\\x07bell",
    "quote'\"": "quote", "bidi\u202e": "bidi\\u202e", "$(touch pwned)": "$(touch pwned)",
    "%s{0}": "%s{0}", "\udcff\udcfe": "\\udcfe",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_file_names_are_shown_escaped(name: str, call: Call) -> None:
    for line in (("train", name), ("sample", name), ("verify", name), ("-i", name, "-o", "run")):
        ended = call(*line)
        failed(ended, 3 if line[0] in ("train", "-i") else 4, HOSTILE_NAMES[name])
        assert ended.stderr.count("\n") == 1
    Path(name).write_bytes(TEXT.encode())
    ended = call("train", name, "--model", "ngram")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    assert ended.stderr.replace("\n", "").isprintable()
    folder = next(Path("runs").iterdir())
    assert call("sample", folder, "-n", "2").returncode == 0
    assert not Path("pwned").exists()
