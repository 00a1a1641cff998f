"""suggestions.py: what an error names for a command or an option that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import TEXT, failed
from conftest import Call

COMMANDS = {
    "smaple runs/x -n 3": "no command or file 'smaple': did you mean makemore sample runs/x -n 3?",
    "Sample runs/x": "did you mean makemore sample runs/x?",
    "smaple --help": "did you mean makemore sample --help?",
    "help smaple": "did you mean makemore sample --help?",
    "lr_find": "did you mean makemore lr-find?",
    "generate runs/x": "did you mean makemore sample runs/x?",
    "ls": "did you mean makemore runs?",
    "towns": "did you mean makemore towns.txt?",
    "list": "did you mean makemore list.txt?",
    "nonsense": "no command or file 'nonsense': makemore --help lists the commands",
    "smaple $(x)": "did you mean makemore sample '$(x)'?",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_mistyped_command_is_typed_as_it_should_be(line: str, call: Call) -> None:
    for name in ("towns.txt", "list.txt"):
        Path(name).write_text(TEXT)
    failed(call(*line.split()), 3, COMMANDS[line])


def test_a_missing_file_is_still_a_missing_file(call: Call) -> None:
    for name in ("sampel.txt", "data/sample", "./smaple"):
        failed(call(name), 3, f"cannot read '{name}'")


def test_help_is_a_word_too(call: Call) -> None:
    assert call("help").stdout == call("--help").stdout != ""
    assert call("help", "sample").stdout == call("sample", "--help").stdout != ""


OPTIONS = {
    "sample run --model gru": "No such option '--model': --model belongs to makemore train",
    "top run --model=gru": "--model belongs to makemore train",
    "--model gru towns.txt": "--model belongs to makemore train",
    "sample run --n-embd 4": "--n-embd belongs to makemore train, where a model has it",
    "train towns.txt --model ngram --n-embd 4":
        "this model has none; makemore models lists the options of each",
    "train towns.txt --prefix a": "--prefix belongs to makemore sample",
    "sample run --restore": "--restore belongs to makemore verify",
    "sample run --prefx a": "did you mean --prefix?",
    "train towns.txt --max-step 3": "did you mean --max-steps?",
    "sample run --zzz": "No such option '--zzz': see makemore sample --help",
    "sample run --hlp": "see makemore sample --help",
    "sample run -x": "No such option '-x': see makemore sample --help",
}  # fmt: skip


@pytest.mark.parametrize("line", OPTIONS)
def test_an_unknown_option_names_whose_it_is(line: str, call: Call) -> None:
    Path("towns.txt").write_text(TEXT)
    failed(call(*line.split()), 2, OPTIONS[line])


def test_an_option_with_control_characters_is_shown_escaped(call: Call) -> None:
    failed(call("sample", "run", "--a\x1b[31m"), 2, "--a\\x1b[31m")


def test_a_run_in_place_of_a_text_is_told_from_it(call: Call, ngram: Path) -> None:
    for line in ((ngram,), ("train", ngram), ("compare", ngram)):
        failed(call(*line), 3, "this is a run, and no text", f"makemore sample {ngram}")


def test_a_name_that_begins_with_a_dash(call: Call) -> None:
    Path("-towns.txt").write_text("york\nbath\n")
    for words in (("-towns.txt",), ("data", "-towns.txt"), ("train", "-towns.txt")):
        failed(call(*words), 2, "did you mean ./-towns.txt?")
    assert call("./-towns.txt", "--model", "ngram").returncode == 0
    assert call("data", "--", "-towns.txt").returncode == 0
    failed(call("--", "-missing.txt"), 3, "cannot read '-missing.txt'")  # a text, and no options
