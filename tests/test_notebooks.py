"""Notebooks: the lessons with their recorded outputs, which run alone in an empty folder."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

import notebooks
import prepare
from makemore.errors import SystemFault
from makemore.text import builtin_lists
from record import PICTURES, cells_of, fingerprint, lessons
from test_lessons import AGAIN, answered

ROOT = Path(__file__).resolve().parent.parent
LESSONS = lessons()
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
NOWHERE = "http://127.0.0.1:9"  # a proxy that refuses at once: no network


def code_of(made: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in made.cells if cell.cell_type == "code"]


def printed(cell: NotebookNode) -> str:
    return "".join(part.text for part in cell.outputs if part.output_type == "stream")


def pictures(cell: NotebookNode) -> list[bytes]:
    data = [part.data for part in cell.outputs if "data" in part]
    return [base64.b64decode(each["image/png"]) for each in data if "image/png" in each]


# -- what is written ------------------------------------------------------------------------------


@each_lesson
def test_a_notebook_is_its_lesson_with_the_recorded_outputs(lesson: Path) -> None:
    made = notebooks.notebook(lesson)
    nbformat.validate(made)
    record = json.loads((notebooks.RECORDED / f"{lesson.stem}.json").read_text("utf-8"))
    cells = cells_of(lesson.read_text("utf-8"))
    sources = [source for kind, source, _ in cells if not kind.startswith("[markdown]")]
    form, first, *code = code_of(made)
    assert form.source.startswith("SHORT = False") and not form.outputs and not first.outputs
    assert len(made.cells) == len(cells) + 3 and len(code) == len(sources)
    for cell, source, was in zip(code, sources, record["cells"], strict=True):
        assert fingerprint(cell.source) == was["code"]  # a semicolon and a comment change nothing
        assert source.replace(";", "") in cell.source.replace(";", "")
        assert printed(cell) == was["printed"]
        files = [PICTURES / f"{lesson.stem}-{name}.png" for name in was["pictures"]]
        assert pictures(cell) == [file.read_bytes() for file in files]
    assert record["date"] in made.cells[1].source


@each_lesson
def test_solutions_are_folded_and_nothing_else(lesson: Path) -> None:
    folded = 0
    for cell in notebooks.notebook(lesson).cells[4:]:
        solution = "solution" in cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            assert cell.source.startswith("<details>\n<summary>") == solution
            assert "\n\n# " not in cell.source or not solution  # a heading would not fold with it
        else:
            folds = {"source_hidden": True, "outputs_hidden": True} if solution else None
            assert cell.metadata.get("jupyter") == folds
            # JupyterLab shows the first line of a folded cell: it must give nothing away.
            assert cell.source.startswith("# The solution's code\n") == solution
        folded += solution
    assert folded or lesson.stem == "13_one_page"


@pytest.mark.parametrize(
    "source, quiet",
    [
        ("model.train()", "model.train();"),
        ("f('é')  # why", "f('é');  # why"),
        ("f(\n    1,\n)\n# end", "f(\n    1,\n);\n# end"),
        ("f()\nx = f()", "f()\nx = f()"),
        ("lesson.check('a', 1)", "lesson.check('a', 1)"),
        ("for x in y:\n    f(x)", "for x in y:\n    f(x)"),
    ],
)
def test_a_cell_shows_no_value_that_a_script_would_not(source: str, quiet: str) -> None:
    assert notebooks.without_echo(source) == quiet


def test_a_notebook_is_the_same_from_build_to_build() -> None:
    first, second = (nbformat.writes(notebooks.notebook(LESSONS[0])) for _ in range(2))
    assert first == second
    ids = [cell.id for cell in json.loads(first, object_hook=nbformat.from_dict).cells]
    assert len(set(ids)) == len(ids)


@each_lesson
def test_the_first_cells_bring_whatever_the_lesson_imports(
    lesson: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = [cell for cell in code_of(notebooks.notebook(lesson)) if "FILES" in cell.source]
    assert cell.metadata["jupyter"] == {"source_hidden": True}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAKEMORE_SHORT", "1")
    monkeypatch.setattr(sys, "argv", ["kernel", "-f", "connection.json"])
    source = cell.source.removesuffix("\n%matplotlib inline")
    exec(compile(source, "first cell", "exec"), {"SHORT": False})  # noqa: S102
    assert sys.argv == ["kernel", "--short"]
    expected = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    assert expected == {lesson.stem: json.loads(notebooks.EXPECTED.read_text("utf-8"))[lesson.stem]}
    brought = {path.name for path in tmp_path.iterdir()} - {"expected.json"}
    files = [lesson, *(ROOT / "lessons" / name for name in brought)]
    text = "\n".join(file.read_text("utf-8") for file in files)
    imported = set(re.findall(r"^ *(?:from|import) (\w+)", text, re.MULTILINE))
    ours = {path.name for path in (ROOT / "lessons").glob("[a-z]*.py")}
    assert brought == {f"{name}.py" for name in imported} & ours and "course.py" in brought
    for name in brought:
        assert (tmp_path / name).read_bytes() == (ROOT / "lessons" / name).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path / "notebooks"


def test_what_a_reader_typed_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = LESSONS[0].stem
    assert notebooks.main([name]) == 0
    path = folder / f"{name}.ipynb"
    new = path.read_text("utf-8")
    found = nbformat.reads(new, as_version=4)
    found.cells[5].outputs = []  # it was run again, or cleared: nothing of the reader's
    nbformat.write(found, path)
    assert notebooks.main([name]) == 0 and path.read_text("utf-8") == new
    found.cells[5].source += "\nprint('mine')"
    nbformat.write(found, path)
    (folder / "course.py").write_text("old")
    capsys.readouterr()
    assert notebooks.main([name]) == 0
    assert "print('mine')" in path.read_text("utf-8")
    assert f"{name}.ipynb stays, since you have changed it: delete it" in capsys.readouterr().out
    assert "class Lesson" in (folder / "course.py").read_text("utf-8")
    path.write_text("no notebook")
    assert notebooks.main([name]) == 0 and path.read_text() == "no notebook"


def test_a_record_of_other_code_is_refused(folder: Path, monkeypatch, tmp_path: Path) -> None:
    lesson = LESSONS[0]
    record = json.loads((notebooks.RECORDED / f"{lesson.stem}.json").read_text("utf-8"))
    monkeypatch.setattr(notebooks, "RECORDED", tmp_path)
    anew = rf"python lessons/record\.py {lesson.stem} records it anew"
    with pytest.raises(SystemExit, match=anew):  # never recorded
        notebooks.main([lesson.stem])
    for stale in ({**record, "cells": record["cells"][1:]}, {"rows": record["rows"]}):
        (tmp_path / f"{lesson.stem}.json").write_text(json.dumps(stale))
        with pytest.raises(SystemExit, match=anew):
            notebooks.main([lesson.stem])
    with pytest.raises(SystemExit, match="there is no lesson 99_none: give one of 01_counting"):
        notebooks.main(["99_none"])
    assert not folder.exists()


# -- the first cell -------------------------------------------------------------------------------


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a names.txt in it or above."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("MAKEMORE_NAMES", "")  # and undone afterwards, whatever a test sets
    return inner


def test_files_that_are_there_stay(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "mlp.py").write_text("mine")
    (empty / "rows.py").write_text("same")
    prepare.bring({"mlp.py": "theirs", "rows.py": "same", "layers.py": "new"})
    assert [(empty / f"{name}.py").read_text() for name in ("mlp", "rows", "layers")] == [
        "mine", "same", "new",
    ]  # fmt: skip
    [said] = capsys.readouterr().out.splitlines()
    assert said.startswith("The mlp.py in this folder") and "delete it" in said


def test_lessons_share_what_they_expect(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.bring_expected("01", {"loss": {"full": 2.5}})
    prepare.bring_expected("02", {"loss": {"full": 2.4}})
    prepare.bring_expected("01", {"loss": {"full": 2.5}})
    assert capsys.readouterr().out == ""
    prepare.bring_expected("01", {"loss": {"full": 9.9}})
    assert capsys.readouterr().out.startswith("The expected.json in this folder")
    lessons = json.loads((empty / "expected.json").read_text("utf-8"))
    assert lessons == {"01": {"loss": {"full": 2.5}}, "02": {"loss": {"full": 2.4}}}


@pytest.mark.parametrize("above", [0, 1, 2])
def test_names_are_found_here_and_above(above: int, empty: Path, monkeypatch) -> None:
    monkeypatch.setattr(builtin_lists, "fetch", None)  # not asked for
    where = [empty, *empty.parents][above] / "names.txt"
    where.write_text("emma\n")
    assert prepare.found_names() and os.environ["MAKEMORE_NAMES"] == str(where)


def test_names_are_downloaded_as_the_command_does(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(builtin_lists, "fetch", lambda *given: asked.append(given))
    assert prepare.found_names() and "Downloaded names.txt" in capsys.readouterr().out
    assert asked == [(builtin_lists.NAMES_URL, builtin_lists.NAMES_SHA256, Path("names.txt"))]


def test_without_a_network_it_says_so_and_goes_on(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(*_: Any) -> None:
        raise SystemFault("cannot download it", "no route", "check the network")

    monkeypatch.setattr(builtin_lists, "fetch", fetch)
    monkeypatch.delenv("MAKEMORE_SHORT", raising=False)
    monkeypatch.setattr(sys, "argv", ["kernel"])
    prepare.prepare("01", {}, {}, short=False)
    assert sys.argv == ["kernel", "--short"]
    [said] = capsys.readouterr().out.splitlines()
    assert said.startswith("No names.txt: cannot download it") and "short form" in said
    (empty / "names.txt").write_text("emma\n")
    prepare.prepare("01", {}, {}, short=False)  # the cell again, now that they are there
    assert sys.argv == ["kernel"]
    prepare.prepare("01", {}, {}, short=True)
    assert sys.argv == ["kernel", "--short"]


def test_what_is_not_installed_is_named_with_the_command(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "makemore").mkdir()  # a copy of its repository is not makemore installed
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("torch", "matplotlib", "makemore"):  # what is imported already counts as found
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        prepare.say_what_is_missing()
    said = str(stopped.value)
    assert "no torch and no matplotlib and no makemore" in said
    assert f"{sys.executable} -m pip install -c constraints.txt ." in said


# -- run, each alone in an empty folder -----------------------------------------------------------


@pytest.fixture
def run(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a lesson's notebook as somebody does who has makemore, this file, and no network."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))  # not lessons/, where the files are, too
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("no_proxy", "NO_PROXY", "MAKEMORE_NAMES", "MAKEMORE_SHORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # nothing is left at home
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))

    def run_lesson(lesson: Path) -> list[NotebookNode]:
        made = notebooks.notebook(lesson)
        for cell in code_of(made):
            cell.outputs = []
        where = {"metadata": {"path": str(empty)}}
        NotebookClient(made, timeout=250, kernel_name="python3", resources=where).execute()
        code = code_of(made)
        streams = [part for cell in code for part in cell.outputs if part.output_type == "stream"]
        assert [part.text for part in streams if part.name == "stderr"] == []
        kinds = {part.output_type for cell in code for part in cell.outputs}
        assert kinds <= {"stream", "display_data"}  # as recorded: no value beside what is printed
        return code

    return run_lesson


def measured(code: list[NotebookNode]) -> set[str]:
    """The quantities that were checked and agreed: an error would have stopped the notebook."""
    text = "".join(map(printed, code))
    return set(re.findall(r"^(.+): expected .+, measured .+$", text, re.MULTILINE))


@pytest.mark.slow
@each_lesson
def test_a_notebook_runs_in_an_empty_folder(lesson: Path, run, empty: Path, monkeypatch) -> None:
    monkeypatch.setenv("MAKEMORE_SHORT", "1")
    code = run(lesson)
    expected = json.loads(notebooks.EXPECTED.read_text("utf-8"))[lesson.stem]
    assert measured(code) == {name for name, entry in expected.items() if "short" in entry}
    wanted = len(re.findall(r"^lesson\.show\(", lesson.read_text("utf-8"), re.MULTILINE))
    assert sum(len(pictures(cell)) for cell in code) == wanted
    # No exercise is filled in, which stops nothing and is said.
    assert "".join(map(printed, code)).count(f" - {AGAIN}\n") == len(answered(lesson.stem))
    assert not printed(code[1]) and not (empty / "names.txt").exists()


@pytest.mark.slow
def test_a_notebook_without_names_and_network_takes_the_short_form(run) -> None:
    code = run(LESSONS[0])
    [said] = printed(code[1]).splitlines()
    assert said.startswith("No names.txt: cannot download ") and "short form" in said
    assert "lines: expected 6824, measured 6824" in printed(code[3])


@pytest.mark.slow
def test_a_notebook_with_names_prints_what_was_recorded(run, empty: Path, names_file: Path) -> None:
    (empty.parent / "names.txt").write_bytes(names_file.read_bytes())
    code = run(LESSONS[0])
    expected = json.loads(notebooks.EXPECTED.read_text("utf-8"))[LESSONS[0].stem]
    assert measured(code) == {name for name, entry in expected.items() if "full" in entry}
    assert printed(code[3]) == printed(code_of(notebooks.notebook(LESSONS[0]))[3]) != ""
