"""The course: every lesson runs in its short form, measures what it expects, and was recorded."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest

import course
import record

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
NAMES = [
    "01_counting", "02_pair_network", "03_mlp", "04_training", "05_initialisation",
    "06_batchnorm", "07_inside", "08_backprop", "09_wavenet", "10_recurrent", "11_attention",
    "12_generalising", "13_one_page",
]  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = json.loads((LESSONS / "expected.json").read_text("utf-8"))
BEGINNINGS = ["You will be able to", "You need", "It takes"]  # what a lesson says of itself first
AGAIN = "replace the dots, and run this cell again"

# Whom a module's functions stand in with the text that explains them: to the letter.
EXPLAINED = {
    ("mlp", "03_mlp"): {
        "build_dataset", "split", "new_net", "logits_of", "train", "falling", "loss_of",
        "names_from",
    },
    ("mlp", "05_initialisation"): {"sgd", "part_loss"},
    ("rows", "10_recurrent"): {"encode", "losses", "evaluate", "train"},
}  # fmt: skip
IN_WORDS_ONLY = {"mlp": set(), "rows": {"repeated_letter", "loss_of_letter"}}


def lesson(name: str, *flags: str | Path, **where: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", LESSONS / f"{name}.py", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, **where)


def source(name: str) -> str:
    return (LESSONS / f"{name}.py").read_text(encoding="utf-8")


def cells(name: str) -> list[tuple[str, str]]:
    """What stands beside `# %%`, and the source, of each cell."""
    return [(kind, text) for kind, text, _ in record.cells_of(source(name))]


def code_cells(name: str) -> list[str]:
    return [text for kind, text in cells(name) if not kind.startswith("[markdown]")]


def calls(text: str, function: str) -> list[ast.expr]:
    """First arguments of each call of a function by this name, such as "lesson.check"."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [node.args[0] for node in found if ast.unparse(node.func) == function]


def pattern(key: ast.expr) -> str:
    """A key as a regular expression: one in an f-string may hold anything in its braces."""
    parts = key.values if isinstance(key, ast.JoinedStr) else [key]
    return "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts)


def answered(name: str) -> list[ast.expr]:
    """What a lesson's cells to fill in ask for, one entry for each answer."""
    asked = [text for kind, text in cells(name) if '"exercise"' in kind]
    return [key for text in asked for of in ("check", "compare") for key in calls(text, of)]


def functions(path: Path) -> dict[str, str]:
    """Each function of a file as a tree in words; comments and line breaks change nothing."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: ast.dump(node) for node in nodes if isinstance(node, ast.FunctionDef)}


def test_the_lessons_are_these() -> None:
    assert [path.stem for path in record.lessons()] == NAMES == list(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:3])  # test_notebooks.py runs the code of them all
def test_a_lesson_runs_and_measures_what_it_expects(name: str, tmp_path: Path) -> None:
    """With no exercise filled in, which stops nothing and is said."""
    done = lesson(name, "--short", "--pictures", tmp_path / "pictures", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shown = re.findall(r"^(.+): expected .+, measured .+$", done.stdout, re.MULTILINE)
    wanted = {key for key, entry in EXPECTED[name].items() if "short" in entry}
    assert set(shown) == wanted, "expected.json and the lesson's checks differ"
    assert done.stdout.count(f" - {AGAIN}\n") == len(answered(name))
    pictures = {path.stem for path in (tmp_path / "pictures").glob("*.png")}
    named = re.findall(r'lesson\.show\(.*"([\w-]+)"\)', source(name))
    assert pictures == {f"{name}-{each}{of}" for each in named for of in ("", "-dark")}


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


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_what_was_recorded(name: str) -> None:
    """What the rendered course prints below a cell came from this very code."""
    again = f"python lessons/record.py {name} records it anew"
    text = (LESSONS / "recorded" / f"{name}.json").read_text(encoding="utf-8")
    found = json.loads(text).get("cells", [])
    sources = code_cells(name)
    assert len(found) == len(sources), f"{len(found)} of {len(sources)} cells: {again}"
    for cell, code in zip(found, sources, strict=True):
        assert cell["code"] == record.fingerprint(code), f"{again}; this changed:\n{code}"
    shown = [picture for cell in found for picture in cell["pictures"]]
    assert shown == re.findall(r'lesson\.show\(.*"([\w-]+)"\)', source(name)), again
    for picture in shown:
        for ending in ("", "-dark"):
            assert (ROOT / f"docs/lessons/{name}-{picture}{ending}.png").is_file(), again


# The lectures' numbers, with how far off a run may be: pinned apart from expected.json, so that
# nobody mends a lesson by changing what it expects.
LECTURES = [
    ("01_counting", 2.4540, 0.02), ("01_counting", 2.4546, 0.02), ("04_training", 2.1701, 0.02),
    ("05_initialisation", 2.1027, 0.02), ("06_batchnorm", 2.1048, 0.02),
    ("08_backprop", 2.1099, 0.02), ("09_wavenet", 1.9937, 0.02),
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
    allowed = {"torch", "matplotlib", "course", "layers", "mlp", "rows", *sys.stdlib_module_names}
    assert {module.partition(".")[0] for module in found} <= allowed


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_is_one_evenings(name: str) -> None:
    text, found = source(name), cells(name)
    assert 250 <= len(text.splitlines()) <= 450
    assert sum(kind.startswith("[markdown]") for kind, _ in found) >= 6
    for kind, cell in found:
        assert len(cell.splitlines()) <= 60, f"a cell is long: {kind}\n{cell}"
    kind, first = found[0]
    assert kind == "[markdown]" and first.startswith(f"# # {int(name[:2])}. ")
    assert re.findall(r"^# \*\*(.+?)\*\*", first, re.MULTILINE) == BEGINNINGS


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_argues_with_nobody(name: str) -> None:
    assert not re.findall(r"\b[Nn]otes\b|In truth|often say", source(name))


def test_the_last_lesson_is_one_page() -> None:
    lines = [line.strip() for line in source(NAMES[-1]).splitlines()]
    code = [line for line in lines if line and not line.startswith("#")]
    assert 60 < len(code) < 200  # written out, and still a page


@pytest.mark.parametrize("name", NAMES[:-1])
def test_an_exercise_is_followed_by_its_solution(name: str) -> None:
    """The solution is folded, and measures what the reader's answer is held against."""
    kinds = [kind for kind, _ in cells(name)]
    asked = [place for place, kind in enumerate(kinds) if '"exercise"' in kind]
    assert asked and all('tags=["solution"]' in kinds[place + 1] for place in asked)
    assert all("..." in text for kind, text in cells(name) if '"exercise"' in kind)
    keys = {ast.literal_eval(key) for key in calls(source(name), "check")}
    checked = "|".join(pattern(key) for key in calls(source(name), "lesson.check"))
    assert all(re.fullmatch(checked, key) for key in keys) and keys <= EXPECTED[name].keys()
    assert len(answered(name)) >= len(asked)


@pytest.mark.parametrize("module, name", EXPLAINED)
def test_what_a_lesson_explains_is_what_later_ones_import(module: str, name: str) -> None:
    ours, explained = functions(LESSONS / f"{module}.py"), functions(LESSONS / f"{name}.py")
    for function in EXPLAINED[module, name]:
        assert ours[function] == explained[function], f"{function} differs from {name}.py"


@pytest.mark.parametrize("module", IN_WORDS_ONLY)
def test_all_that_lessons_import_is_explained(module: str) -> None:
    explained = [names for (of, _), names in EXPLAINED.items() if of == module]
    known = set().union(*explained) | IN_WORDS_ONLY[module]
    assert functions(LESSONS / f"{module}.py").keys() == known


@pytest.mark.slow
def test_without_names_the_full_form_says_what_to_do(tmp_path: Path) -> None:
    for file in (f"{NAMES[0]}.py", "course.py", "expected.json"):  # away from any names.txt
        shutil.copy(LESSONS / file, tmp_path)
    command = [sys.executable, f"{NAMES[0]}.py"]
    where = {"cwd": tmp_path, "env": {"PATH": "/usr/bin:/bin"}}
    done = subprocess.run(command, capture_output=True, text=True, **where)
    assert done.returncode == 1
    assert "makemore fetch names" in done.stderr and "--short" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_becomes_a_notebook(name: str) -> None:
    notebook = jupytext.reads(source(name), fmt="py:percent")
    kinds = [cell.cell_type for cell in notebook.cells]
    assert {"markdown", "code"} == set(kinds) and kinds[0] == "markdown"
    json.loads(jupytext.writes(notebook, fmt="ipynb"))
    assert all("# %%" not in cell.source for cell in notebook.cells)
