"""The pages of docs/: made ones are current, typed commands exist, code runs, no row is missing."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from makemore import cli
from makemore.datasets import builtin_names

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = runpy.run_path(str(DOCS / "pages.py"))
COVERAGE = runpy.run_path(str(DOCS / "coverage.py"))
WRITTEN = sorted(path for path in DOCS.glob("*.md"))
TYPED = [
    pytest.param(line, id=f"{path.stem}-{line[9:60]}")
    for path in WRITTEN
    for line in dict.fromkeys(
        re.findall(r"^(makemore [^#\n]+)", path.read_text("utf-8"), re.MULTILINE)
        + re.findall(r"`(makemore [^`]+)`", path.read_text("utf-8"))
    )
    if path.stem != "commands" and line.strip() != "makemore FILE"
]


@pytest.mark.parametrize("name", sorted(PAGES["PAGES"]))
def test_made_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES["PAGES"][name]()


@pytest.mark.parametrize("line", TYPED)
def test_a_command_that_a_page_names_can_be_typed(line: str) -> None:
    words = cli.with_command(shlex.split(line, comments=True)[1:])
    words = [word.replace("NAME", "gru") if word == "NAME" else word for word in words]
    if words[0].startswith("--"):
        assert words[0] in ("--help", "--version")
        return
    with click.Context(cli.group, info_name="makemore") as top:
        command = cli.group.get_command(top, words[0])
        assert command is not None, line
        if {"--help", "--version"} & set(words):
            return
        command.make_context(words[0], words[1:], parent=top)


def test_a_flag_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.UsageError):
        test_a_command_that_a_page_names_can_be_typed("makemore names.txt --model mlp --head 2")


def test_the_code_of_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {"lines": builtin_names()[::20], "held_back": builtin_names()[5:200:20]}
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        short = re.sub(r"(max_steps\"?[=:] ?)\d+", r"\g<1>3", block)
        exec(compile(short, "docs/python.md", "exec"), known)  # noqa: S102 (our own page)
    assert (tmp_path / "runs" / "mine" / "checkpoint.json").is_file()


# -- coverage -------------------------------------------------------------------------------------


def test_no_row_of_the_notes_is_uncovered() -> None:
    found = COVERAGE["collected"]()
    assert COVERAGE["missing"](found) == []
    assert COVERAGE["unknown"](found) == []
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == COVERAGE["page"](found)


def test_the_rows_are_those_of_the_notes() -> None:
    """The notes are no part of the project; where they lie beside it, their rows are counted."""
    spec = ROOT.parent / "shared" / "spec.md"
    if not spec.is_file():
        pytest.skip("needs the notes beside the project")
    rows = re.findall(r"^\| ([A-Z]\d\d) \|", spec.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(COVERAGE["ids"]())


def test_an_uncovered_row_is_seen() -> None:
    found = {row: [("a", "b")] for row in COVERAGE["ids"]()} | {"T07": []}
    assert COVERAGE["missing"](found) == ["T07"]
    assert COVERAGE["unknown"]({"Z01": []}) == ["Z01"]


def test_no_row_is_put_off() -> None:
    assert not re.search(r"\blater\b", (DOCS / "coverage.md").read_text(encoding="utf-8"))


def test_the_licence_is_mit() -> None:  # spec: P17
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
