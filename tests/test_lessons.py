"""The course: every lesson runs in its short form and measures what it expects."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest

import course

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
NAMES = [
    "01_bigram", "02_mlp", "03_batchnorm", "04_backprop", "05_wavenet", "06_attention",
    "07_one_page",
]  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = json.loads((LESSONS / "expected.json").read_text("utf-8"))


def lesson(name: str, *flags: str | Path, **where: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", LESSONS / f"{name}.py", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, **where)


def source(name: str) -> str:
    return (LESSONS / f"{name}.py").read_text(encoding="utf-8")


def test_the_lessons_are_these() -> None:
    assert sorted(path.stem for path in LESSONS.glob("0*.py")) == NAMES == list(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_and_measures_what_it_expects(name: str, tmp_path: Path) -> None:
    done = lesson(name, "--short", "--pictures", tmp_path / "pictures", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shown = re.findall(r"^(.+): expected .+, measured .+$", done.stdout, re.MULTILINE)
    wanted = {key for key, entry in EXPECTED[name].items() if "short" in entry}
    assert set(shown) == wanted, "expected.json and the lesson's checks differ"
    pictures = list((tmp_path / "pictures").glob("*.png"))
    assert len(pictures) == len(set(re.findall(r'lesson\.show\(.*"([\w-]+)"\)', source(name))))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_has_a_source_and_was_measured(name: str) -> None:
    """Every number that the full form expects was recorded, and is what is expected now."""
    for quantity, entry in EXPECTED[name].items():
        assert entry.get("source"), f"{name}: where does {quantity!r} come from?"
        assert {"full", "short"} & entry.keys()
    text = (LESSONS / "recorded" / f"{name}.json").read_text(encoding="utf-8")
    rows = {row["quantity"]: row for row in json.loads(text)["rows"]}
    full = {key: entry for key, entry in EXPECTED[name].items() if "full" in entry}
    assert full and rows.keys() == full.keys()
    for quantity, entry in full.items():
        row = rows[quantity]
        assert row["expected"] == entry["full"] and row["within"] == entry.get("within", 0)
        assert course.agrees(entry["full"], row["measured"], row["within"]), quantity


# The lectures' numbers, with how far off a run may be: pinned apart from expected.json, so that
# nobody mends a lesson by changing what it expects.
LECTURES = [
    ("01_bigram", 2.4540, 0.02), ("01_bigram", 2.4546, 0.02), ("02_mlp", 2.1701, 0.02),
    ("03_batchnorm", 2.1027, 0.02), ("03_batchnorm", 2.1048, 0.02),
    ("04_backprop", 2.1099, 0.02), ("05_wavenet", 1.9937, 0.02),
]  # fmt: skip


@pytest.mark.parametrize("name, number, within", LECTURES)
def test_the_lectures_numbers_are_expected(name: str, number: float, within: float) -> None:
    entries = [e for e in EXPECTED[name].values() if e.get("full") == number]
    assert entries and all(entry["within"] <= within for entry in entries)


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_needs_nothing_but_torch_and_the_course(name: str) -> None:
    nodes = list(ast.walk(ast.parse(source(name))))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    allowed = {"torch", "matplotlib", "numpy", "course", "layers", *sys.stdlib_module_names}
    assert {module.partition(".")[0] for module in found} <= allowed


def test_cells_are_short_and_the_last_lesson_is_one_page() -> None:
    for name in NAMES:
        text = source(name)
        assert text.count("# %% [markdown]") >= 6, name
        for cell in re.split(r"^# %%.*$", text, flags=re.MULTILINE):
            assert len(cell.strip().splitlines()) <= 60, f"{name}: a cell is long"
    lines = [line.strip() for line in source("07_one_page").splitlines()]
    code = [line for line in lines if line and not line.startswith("#")]
    assert 60 < len(code) < 200  # written out, and still a page


@pytest.mark.slow
def test_without_names_the_full_form_says_what_to_do(tmp_path: Path) -> None:
    done = lesson("01_bigram", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 1
    assert "makemore fetch names" in done.stderr and "--short" in done.stderr


@pytest.fixture
def frame(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> course.Lesson:
    entry = {"loss": {"full": 2.45, "short": 2.5, "within": 0.02, "source": "x"},
             "names": {"full": ["mor", "axx"], "source": "x"}}  # fmt: skip
    (tmp_path / "expected.json").write_text(json.dumps({"01_bigram": entry}))
    monkeypatch.setattr(course, "EXPECTED", tmp_path / "expected.json")
    monkeypatch.setattr(course, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(sys, "argv", ["01_bigram.py", "--record"])
    return course.Lesson("01_bigram")


def test_a_number_that_is_off_stops_the_lesson(frame: course.Lesson, capsys) -> None:
    frame.check("loss", 2.46)
    assert capsys.readouterr().out == "loss: expected 2.4500, measured 2.4600 (within 0.02)\n"
    with pytest.raises(AssertionError, match="2.48, expected 2.45 within 0.02"):
        frame.check("loss", 2.48)
    with pytest.raises(AssertionError):
        frame.check("loss", float("nan"))
    frame.check("names", ["mor", "axx"])
    for wrong in (["mor"], ["mor", "axxx"], ["mor", "axx", "a"]):
        with pytest.raises(AssertionError):
            frame.check("names", wrong)
    with pytest.raises(KeyError):
        frame.check("nobody expected this", 1)


def test_what_was_measured_is_recorded(frame: course.Lesson, tmp_path: Path) -> None:
    frame.check("loss", 2.46)
    found = json.loads((tmp_path / "recorded" / "01_bigram.json").read_text())
    assert found["rows"][0]["measured"] == 2.46 and found["rows"][0]["expected"] == 2.45
    assert found["date"] and found["machine"]


def test_the_short_form_has_numbers_of_its_own(frame, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["01_bigram.py", "--short", "--record"])
    short = course.Lesson("01_bigram")
    short.check("loss", 2.5)
    short.check("names", ["only in the full form"])
    assert [row["quantity"] for row in short.rows] == ["loss"]
    assert not (tmp_path / "recorded").exists()
    words = short.words()
    assert len(words) > 5000 and all(word.islower() for word in words)


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_becomes_a_notebook(name: str) -> None:
    notebook = jupytext.reads(source(name), fmt="py:percent")
    kinds = [cell.cell_type for cell in notebook.cells]
    assert {"markdown", "code"} == set(kinds) and kinds[0] == "markdown"
    json.loads(jupytext.writes(notebook, fmt="ipynb"))
    assert all("# %%" not in cell.source for cell in notebook.cells)
