"""What a client may ask to be trained, and that nothing of it becomes a path or a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.cli.model_command import value_of
from makemore.cli.suggestions import command_of
from makemore.errors import DataError, MakemoreError, UsageError
from makemore.web.server.http_errors import status_of
from makemore.web.server.training_request import (
    NAME_LENGTH,
    safe_name,
    training_request,
    words_to_go_on,
)

LINES = ["emma", "olivia"]


def test_a_request_is_what_one_would_type() -> None:
    options = {"max_steps": 5, "n_hidden": 8, "labels": False, "patience": None, "gain": 1.5}
    asked = training_request(
        {"lines": LINES, "name": "names.txt", "model": "mlp", "time": "60s", "options": options}
    )
    assert asked.text == "emma\nolivia\n" and asked.name == "names"
    assert asked.words == [
        "--model=mlp", "--time=60s", "--save-interval=2.0", "--max-steps=5", "--n-hidden=8",
        "--no-labels", "--patience=none", "--gain=1.5",
    ]  # fmt: skip
    assert training_request({"text": "a\r\nb"}).text == "a\r\nb"


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "give lines or text"),
    ({"lines": LINES, "text": "a"}, 400, "give lines or text"),
    ({"lines": "emma"}, 400, "no list of texts"),
    ({"lines": ["a", 1]}, 400, "no list of texts"),
    ({"text": 5}, 400, "text is no text"),
    ({"lines": ["a\nb"]}, 422, "line end"),
    ({"lines": ["\ud800"]}, 422, "surrogate"),
    ({"lines": []}, 422, "nothing to learn"),
    ({"text": " \n\t\n"}, 422, "nothing to learn"),
    ({"text": "a", "name": 5}, 422, "name is no text"),
    ({"text": "a", "nmae": "x"}, 422, "unknown key 'nmae'.*did you mean 'name'"),
    ({"text": "a", "model": "gruu"}, 422, "unknown model 'gruu'.*'gru'"),
    ({"text": "a", "model": "../gru"}, 422, "unknown model"),
    ({"text": "a", "time": "soon"}, 422, "no time"),
    ({"text": "a", "time": True}, 422, "time cannot be True"),
    ({"text": "a", "options": [1]}, 422, "no object"),
    ({"text": "a", "options": {"max_stepz": 5}}, 422, "did you mean 'max_steps'"),
    ({"text": "a", "options": {"max_steps": 0}}, 422, "max_steps cannot be 0"),
    ({"text": "a", "options": {"max_steps": True}}, 422, "max_steps cannot be True"),
    ({"text": "a", "options": {"max_steps": "5"}}, 422, "whole number"),
    ({"text": "a", "options": {"learning_rate": 1e400}}, 422, "finite"),
    ({"text": "a", "options": {"n_hidden": 5}}, 422, "unknown option 'n_hidden'"),
    ({"text": "a", "options": {"plugin": "/a/x.py"}}, 422, "unknown option"),
    ({"text": "a", "options": {"out": "/a/x"}}, 422, "unknown option"),
    ({"text": "a", "options": {"val": "/etc/passwd"}}, 422, "unknown option"),
    ({"text": "a", "options": {"encoding": "utf-7"}}, 422, "unknown option"),
    ({"text": "a", "options": {"symbols": "a\0"}}, 422, "no word of a command"),
    ({"text": "a", "options": {"symbols": "\ud800"}}, 422, "no word of a command"),
    ({"text": "a", "options": {"symbols": "a" * 10_001}}, 422, "no word of a command"),
    ({"text": "a", "options": {"prior": "/etc"}}, 422, "no prior is called '/etc'"),
    ({"text": "a", "model": "ensemble", "options": {"members": "ngram, gru prior=/etc"}}, 422,
     "no prior is called '/etc'"),
    ({"text": "a", "model": "ensemble", "options": {"members": "ngram, mine"}}, 422,
     "unknown model 'mine'"),
]  # fmt: skip


@pytest.mark.parametrize("body, status, what", BAD)
def test_what_cannot_be_is_said(body: dict[str, Any], status: int, what: str) -> None:
    with pytest.raises(MakemoreError, match=what) as caught:
        training_request(body)
    assert status_of(caught.value) == status and caught.value.to_do


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@given(WORDS)
def test_no_value_is_taken_for_an_option(value: str) -> None:
    """Not even by what looks for --model and --plugin before the command is parsed."""
    asked = training_request({"text": "a", "options": {"symbols": value, "delimiter": value}})
    arguments = ["/a/list.txt", "--out=/a/list", *asked.words]
    assert value_of("--plugin", arguments) is None and value_of("--model", arguments) is None


def test_a_plugin_in_a_value_is_not_run(tmp_path: Path) -> None:
    plugin = tmp_path / "evil.py"
    plugin.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "list.txt").write_text("emma\nolivia\n")
    asked = training_request({"text": "a", "options": {"symbols": f"--plugin={plugin}"}})
    words = [str(tmp_path / "list.txt"), f"--out={tmp_path / 'run'}", "--overfit-batch"]
    command = command_of("train")
    with pytest.raises((MakemoreError, click.ClickException)):
        command.main([*words, *asked.words], standalone_mode=False)
    assert not (tmp_path / "ran").exists()


@given(st.text(max_size=400) | st.text(st.characters(), max_size=9))
def test_a_name_is_one_of_a_file_in_its_folder(name: str) -> None:
    spelled = safe_name(name)
    assert 0 < len(spelled) <= NAME_LENGTH and len(spelled.encode()) <= 2 * NAME_LENGTH
    assert Path("/runs", spelled).parent == Path("/runs") and spelled[0] not in "-._"
    assert all(char.isalnum() or char in "-_" for char in spelled)
    assert safe_name(spelled) == spelled


@pytest.mark.parametrize(
    "name, spelled",
    [("names.txt", "names"), ("../../etc/passwd", "passwd"), ("имена", "имена"), ("", "list"),
     ("a b/c", "c"), ("--plugin=x", "plugin-x"), ("...", "list"), ("a\0b", "a-b"), ("a\ud800", "a"),
     ("x" * 300, "x" * NAME_LENGTH)],
)  # fmt: skip
def test_names_are_spelled_anew(name: str, spelled: str) -> None:
    assert safe_name(name) == spelled


def test_a_run_goes_on_with_what_it_was_asked() -> None:
    words = words_to_go_on("gru", {"max_steps": 9, "patience": None, "val": "x", "plugin": "y"})
    assert words == ["--model=gru", "--save-interval=2.0", "--max-steps=9", "--patience=none"]
    assert words_to_go_on("ensemble", {"model": "default"}) == ["--save-interval=2.0"]
    assert "--time=90.500000" in words_to_go_on("ensemble", {"time": 90.5})
    with pytest.raises(UsageError, match="unknown model"):
        words_to_go_on("somebody's", {})
    for text in ("a\0b", "\ud800", "x" * 20_000):  # of a config.json that somebody has edited
        with pytest.raises(UsageError, match="symbols is no word of a command"):
            words_to_go_on("gru", {"symbols": text})
    with pytest.raises(DataError):
        training_request({"text": ""})
