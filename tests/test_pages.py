"""The pages of docs/: made ones are current, typed commands exist, code runs, no row is missing."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from makemore.cli import main
from makemore.text.builtin_lists import builtin_names

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
    if path.stem != "commands" and line.strip() != "makemore FILE" and "--plugin" not in line
]


@pytest.mark.parametrize("name", sorted(PAGES["PAGES"]))
def test_made_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES["PAGES"][name]()


def test_a_page_that_is_not_current_is_found(tmp_path: Path, monkeypatch, capsys) -> None:
    """`docs/pages.py --check` in a folder that is ours but for one record of a bench."""
    docs = shutil.copytree(DOCS, tmp_path / "docs")
    monkeypatch.setitem(PAGES["main"].__globals__, "DOCS", docs)
    assert PAGES["main"](["--check"]) == 0
    record = docs / "performance" / "memory.json"
    record.write_text(json.dumps(json.loads(record.read_text("utf-8")) | {"load": 9.5}))
    assert PAGES["main"](["--check"]) == 1
    assert "docs/performance.md" in capsys.readouterr().err


def test_a_lesson_that_was_not_recorded_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(PAGES["main"].__globals__, "LESSONS", tmp_path)
    (tmp_path / "01_tiny.py").write_text("# %% [markdown]\n# # 1. Tiny\n")
    again = "python lessons/record.py 01_tiny"
    with pytest.raises(SystemExit, match=f"01_tiny.py was never run in full: {again}"):
        PAGES["lessons"]()
    rows = [
        {"quantity": "a|b", "expected": 2, "measured": 2.5, "within": 0.5, "source": "x"},
        {"quantity": "c", "expected": [[3], []], "measured": [[3], []], "within": 0, "source": "y"},
    ]
    found: dict[str, Any] = {"date": "2026-01-01", "machine": "this", "seconds": 1234, "rows": rows}
    (tmp_path / "recorded").mkdir()
    record = tmp_path / "recorded" / "01_tiny.json"
    record.write_text(json.dumps(found))
    with pytest.raises(SystemExit, match=f"01_tiny.json has no cells, as older ones: {again}"):
        PAGES["lessons"]()
    record.write_text(json.dumps(found | {"cells": [{"code": "", "printed": "", "pictures": []}]}))
    page = PAGES["lessons"]()
    assert "## [1. Tiny](../lessons/01_tiny.py)\n\n2026-01-01, this, 1,234 seconds.\n" in page
    assert "|\n| a\\|b | 2 | 2.5000 | 0.5 | x |\n| c | [3], [] | [3], [] | nothing | y |\n" in page


@pytest.mark.parametrize("line", TYPED)
def test_a_command_that_a_page_names_can_be_typed(line: str) -> None:
    words = main.with_command(shlex.split(line, comments=True)[1:])
    words = [word.replace("NAME", "gru") if word == "NAME" else word for word in words]
    if words[0].startswith("--"):
        assert words[0] in ("--help", "--version")
        return
    with click.Context(main.group, info_name="makemore") as top:
        command = main.group.get_command(top, words[0])
        assert command is not None, line
        if {"--help", "--version"} & set(words):
            return
        command.make_context(words[0], words[1:], parent=top)


def test_a_flag_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.UsageError):
        test_a_command_that_a_page_names_can_be_typed("makemore names.txt --model mlp --head 2")


@pytest.mark.slow
def test_the_code_of_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {"lines": builtin_names()[::40], "held_back": builtin_names()[5:200:20]}
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        short = re.sub(r"(max_steps\"?[=:] ?)\d+", r"\g<1>3", block).replace("=192", "=16")
        exec(compile(short, "docs/python.md", "exec"), known)  # noqa: S102 (our own page)
    assert (tmp_path / "runs" / "mine" / "checkpoint.json").is_file()


def test_the_lab_notes_name_files_that_exist() -> None:
    text = (DOCS / "lab-notes.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", text)
    assert len(named) > 5
    places = (ROOT, ROOT / "src" / "makemore")
    assert [name for name in named if not any((at / name).is_file() for at in places)] == []


# -- coverage -------------------------------------------------------------------------------------


def test_every_row_of_the_notes_is_covered_by_what_is_there() -> None:
    found, wrong = COVERAGE["collected"](tomllib.loads((DOCS / "coverage.toml").read_text("utf-8")))
    assert wrong == COVERAGE["marks"]() == []  # and neither code nor prose names rows
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == COVERAGE["page"](found)


def test_the_rows_are_those_of_the_notes() -> None:
    """The notes are no part of the project; where they lie beside it, their rows are counted."""
    spec = ROOT.parent / "shared" / "spec.md"
    if not spec.is_file():
        pytest.skip("needs the notes beside the project")
    rows = re.findall(r"^\| ([A-Z]\d\d) \|", spec.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(COVERAGE["ids"]())


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A project with a few places of each kind."""
    files = {
        "tests/test_a.py": "def test_one(): ...\nclass TestIt:\n    def test_two(self): ...\n",
        "tests/test_b.py": "def test_twice(): ...\n",
        "tests/test_c.py": "def test_twice(): ...\n",
        "src/makemore/presets.py": 'PRESETS = {"batch-norm": 1}\ndef show(): ...\n',
        "lessons/01.py": "# %% [markdown]\n# # The words\n#\n# **Read.** Each line.\n\n"
        "# %%\n# # no heading\nx = 1\n",
        "docs/page.md": "## Again\n\n```bash\n# no heading\n```\n\n## Again\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def told(small: Path, *places: str) -> tuple[list[tuple[str, str]], list[str]]:
    """What the page says of T07 with these places, and what is wrong with them."""
    table = {row: ["test_one"] for row in COVERAGE["ids"]()} | {"T07": list(places)}
    found, wrong = COVERAGE["collected"](table, small)
    return found["T07"], wrong


@pytest.mark.parametrize(
    "place, what, file",
    [
        ("test_one", "one", "tests/test_a.py"),
        ("TestIt.test_two", "two", "tests/test_a.py"),
        ("tests/test_b.py::test_twice", "twice", "tests/test_b.py"),
        ("show", "show", "src/makemore/presets.py"),
        ("PRESETS.batch-norm", "batch-norm", "src/makemore/presets.py"),
        ("lessons/01.py: The words", "The words", "lessons/01.py"),
        ("lessons/01.py: Read.", "Read", "lessons/01.py"),
    ],  # fmt: skip
)
def test_a_place_is_found(place: str, what: str, file: str, small: Path) -> None:
    assert told(small, place) == ([(what, file)], [])


def test_a_test_that_moves_to_another_file_is_found_there(small: Path) -> None:
    (small / "tests" / "test_a.py").rename(small / "tests" / "test_moved.py")
    assert told(small, "test_one") == ([("one", "tests/test_moved.py")], [])


@pytest.mark.parametrize(
    "places, message",
    [
        ([], "T07: nothing covers it; write the test or the heading that does"),
        (["test_ones"], "nothing in tests and src has this name; .* .there is 'test_one'."),
        (["test_two"], "nothing in tests and src has this name; write what it is called now"),
        (["PRESETS.batch"], "nothing in tests and src has this name"),
        (["tests/test_b.py::test_one"], "nothing in tests/test_b.py has this name"),
        (["test_twice"], "tests/test_b.py and tests/test_c.py have .*: write FILE::test_twice"),
        (["docs/gone.md: Again"], "there is no such file"),
        (["lessons/01.py: The word"], "it has no such heading; .* .there is 'The words'."),
        (["lessons/01.py: no heading"], "it has no such heading"),
        (["docs/page.md: no heading"], "it has no such heading"),
        (["docs/page.md: Again"], "it has this heading twice"),
        (["test_one", "tests/test_a.py::test_one"], "it stands there twice; take one out"),
    ],
)
def test_a_place_that_is_not_there_is_told(places: list[str], message: str, small: Path) -> None:
    _, [wrong] = told(small, *places)
    assert wrong.startswith(f'T07, "{places[-1]}": ' if places else "T07: ")
    assert re.search(message, wrong)


def test_a_row_that_the_notes_have_not_is_told(small: Path) -> None:
    table = {row: ["test_one"] for row in [*COVERAGE["ids"](), "Z01"]}
    assert COVERAGE["collected"](table, small)[1] == ["Z01: no such row in the notes; take it out"]


@pytest.mark.parametrize(
    "file, mark",
    [
        ("tests/test_a.py", "# {}: T07"),
        ("src/makemore/presets.py", "    x = 1  #{}: T07, T08"),
        ("lessons/01.py", "# {}: anything"),
        ("docs/page.md", "<!-- {}: T07 -->"),
    ],
)
def test_a_mark_in_code_or_prose_is_told(file: str, mark: str, small: Path) -> None:
    assert COVERAGE["marks"](small) == []
    with (small / file).open("a", encoding="utf-8") as writer:
        writer.write(mark.format("spec") + "\n")
    [found] = COVERAGE["marks"](small)
    assert re.match(rf"{file}:\d+: (#|<!--) ?spec: ", found)


def test_the_check_fails_for_each_of_them(monkeypatch, tmp_path: Path, capsys) -> None:
    (tmp_path / "coverage.toml").write_text('P01 = ["test_of_nothing"]\n')
    (tmp_path / "coverage.md").write_text("of yesterday\n")
    scope = COVERAGE["main"].__globals__
    monkeypatch.setitem(scope, "TABLE", tmp_path / "coverage.toml")
    monkeypatch.setitem(scope, "PAGE", tmp_path / "coverage.md")
    monkeypatch.setitem(scope, "marks", lambda: ["tests/test_a.py:7: a mark"])
    monkeypatch.setattr(sys, "argv", ["coverage.py", "--check"])
    assert COVERAGE["main"]() == 1
    said = capsys.readouterr().err
    for line in (
        'docs/coverage.toml: P01, "test_of_nothing": nothing in tests and src has this name; ',
        "docs/coverage.toml: P02: nothing covers it; ",
        "tests/test_a.py:7: a mark: take it out, docs/coverage.toml has its place\n",
        "docs/coverage.md is not what it would be: make docs\n",
    ):
        assert line in said
    assert (tmp_path / "coverage.md").read_text() == "of yesterday\n"


def test_the_licence_is_mit() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
