"""What all lessons share: numbers that are checked, answers that are judged, runs that are kept."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.image import imread

import course
import record

EXPECTED = {
    "loss": {"full": 2.45, "short": 2.5, "within": 0.02, "source": "x"},
    "names": {"full": ["mor", "axx"], "source": "x"},
    "table": {"full": [[0.25, 0.75], [0.5, 0.5]], "within": 0.001, "source": "x"},
    "lines": {"full": 424, "short": 0, "source": "x"},
    "lower": {"full": True, "source": "x"},
    "difference": {"full": 0.0, "within": 1e-5, "source": "x"},
}
AGAIN = "replace the dots, and run this cell again"


@pytest.fixture
def frame(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> course.Lesson:
    (tmp_path / "expected.json").write_text(json.dumps({"01_tiny": EXPECTED}))
    monkeypatch.setattr(course, "EXPECTED", tmp_path / "expected.json")
    monkeypatch.setattr(sys, "argv", ["01_tiny.py"])
    return course.Lesson("01_tiny")


# -- numbers --------------------------------------------------------------------------------------


def test_a_number_that_is_off_stops_the_lesson(frame: course.Lesson, capsys) -> None:
    frame.check("loss", 2.46)
    assert capsys.readouterr().out == "loss: expected 2.4500, measured 2.4600 (within 0.02)\n"
    with pytest.raises(AssertionError, match="2.48, expected 2.45 within 0.02"):
        frame.check("loss", 2.48)
    with pytest.raises(AssertionError):
        frame.check("loss", float("nan"))
    frame.check("names", ["mor", "axx"])
    assert capsys.readouterr().out.endswith("names: expected mor, axx, measured mor, axx\n")
    frame.check("table", [[0.25, 0.75], [0.5, 0.5]])
    assert "expected [0.2500, 0.7500], [0.5000, 0.5000], measured [" in capsys.readouterr().out
    for wrong in (["mor"], ["mor", "axxx"], ["mor", "axx", "a"]):
        with pytest.raises(AssertionError):
            frame.check("names", wrong)
    with pytest.raises(KeyError):
        frame.check("nobody expected this", 1)
    assert frame.rows[0] == {
        "quantity": "loss", "expected": 2.45, "measured": 2.46, "within": 0.02, "source": "x",
    }  # fmt: skip


def test_the_short_form_has_numbers_of_its_own(frame: course.Lesson, monkeypatch) -> None:
    assert frame.budget(5000, 300) == 5000
    monkeypatch.setattr(sys, "argv", ["01_tiny.py", "--short"])
    short = course.Lesson("01_tiny")
    short.check("loss", 2.5)
    short.check("names", ["only in the full form"])
    assert [row["quantity"] for row in short.rows] == ["loss"]
    assert short.budget(5000, 300) == 300
    words = short.words()
    assert len(words) > 5000 and all(word.islower() for word in words)


def test_the_list_is_found_where_one_would_put_it(
    frame: course.Lesson, monkeypatch, tmp_path: Path
) -> None:
    """In the folder that you are in, beside the lessons, above them, or where you say it is."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.setattr(course, "FOLDERS", (here, there))
    monkeypatch.delenv("MAKEMORE_NAMES", raising=False)
    with pytest.raises(SystemExit, match="makemore fetch names, or run the lesson with --short"):
        frame.words()
    (there / "names.txt").write_text("olivia\nava\n")
    assert frame.words() == ["olivia", "ava"]
    (here / "names.txt").write_text("emma\n")
    assert frame.words() == ["emma"]
    monkeypatch.setattr(sys, "argv", ["01_tiny.py", "--names", str(there / "names.txt")])
    assert frame.words() == ["olivia", "ava"]
    monkeypatch.setattr(sys, "argv", ["01_tiny.py", "--names", str(there / "no.txt")])
    with pytest.raises(SystemExit, match=r"no names at .*no\.txt"):
        frame.words()


# -- answers --------------------------------------------------------------------------------------


def raising(error: Exception) -> Callable[..., Any]:
    def function(*arguments: object) -> None:
        raise error

    return function


RIGHT = [
    ("loss", 2.451), ("loss", torch.tensor(2.45, requires_grad=True)), ("loss", np.float32(2.45)),
    ("names", ("mor", "axx")), ("lines", np.int64(424)), ("lines", 424.0),
    ("table", torch.tensor([[0.25, 0.75], [0.5, 0.5]], requires_grad=True)),
    ("table", [torch.tensor([0.25, 0.75]), np.array([0.5, 0.5])]),
    ("lower", torch.tensor(True)), ("difference", torch.tensor(-1e-6)),
]  # fmt: skip


@pytest.mark.parametrize("key, answer", RIGHT)
def test_a_right_answer(frame: course.Lesson, capsys, key: str, answer: Any) -> None:
    frame.try_answer(key, answer)
    frame.try_answer(key, lambda given: given, answer)
    assert capsys.readouterr().out == f"{key} - right\n" * 2


DOTS = [
    ..., None, [..., 1], (2.45, ...), [[0.25, ...], [0.5, 0.5]], {"loss": 2.45, "gradient": ...},
]  # fmt: skip


@pytest.mark.parametrize("dots", DOTS, ids=str)
def test_dots_are_a_cell_that_is_not_filled_in(frame: course.Lesson, capsys, dots: Any) -> None:
    frame.try_answer("loss", dots)
    frame.try_answer("loss", lambda: dots)
    frame.try_answer("loss", raising(ValueError("called with dots")), dots)
    assert capsys.readouterr().out == f"loss - {AGAIN}\n" * 3


WRONG = [
    ("loss", 2.4711, "you have 2.4711"), ("loss", float("nan"), "you have nan"),
    ("loss", "low", "you have low"), ("loss", [2.46, 1], "you have 2.46, 1"), ("loss", 1j, "1j"),
    ("loss", {"a": 1}, "you have {'a': 1}"), ("loss", object(), "you have <object"),
    ("loss", np.array(["a"]), "you have a"), ("loss", torch.zeros(3), "you have 0, 0, 0"),
    ("loss", torch.zeros(27, 10), "numbers of shape (27, 10)"), ("lines", 425, "you have 425"),
    ("loss", np.zeros((3, 4)), "numbers of shape (3, 4)"), ("names", ["mor"], "you have mor"),
    ("names", "mor", "you have mor"), ("names", 3, "you have 3"), ("lower", False, "False"),
    ("names", {"mor", "axx"}, "you have {"), ("names", ["mor", 3], "you have mor, 3"),
    ("table", [[0.25, 0.75], [0.5]], "you have [0.25, 0.75], [0.5]"), ("table", 0.25, "0.25"),
    ("table", torch.full((2, 2), torch.nan), "you have [nan, nan], [nan, nan]"),
    ("difference", 3e-5, "you have 3e-05"),  # not 0.0000, which is right
    ("loss", [0.5] * 1000, "0.5, ..."),
]  # fmt: skip


@pytest.mark.parametrize("key, answer, told", WRONG)
def test_a_wrong_answer(frame: course.Lesson, capsys, key: str, answer: Any, told: str) -> None:
    """One line with what the reader has, and never with what is right."""
    frame.try_answer(key, answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{key} - not yet: ") and told in said and said.count("\n") == 1
    assert len(said) < 250 and "2.45" not in said and "424" not in said


FAILS = [
    (raising(ValueError("no")), "ValueError: no"),
    (raising(NotImplementedError()), "NotImplementedError"),
    (raising(RuntimeError("one\n  two\n" + "x" * 900)), "RuntimeError: one two xxx"),
    (lambda: ... + 1, "TypeError: unsupported operand type(s) for +: 'ellipsis' and 'int'"),
    (lambda: torch.zeros(2, 3) @ torch.zeros(2, 3), "RuntimeError: mat1 and mat2 shapes"),
    (lambda: torch.zeros(3)[7], "IndexError: "),
    (lambda missing: missing, "TypeError: "),
]  # fmt: skip


@pytest.mark.parametrize("function, told", FAILS)
def test_what_a_readers_function_raises_is_said(
    frame: course.Lesson, capsys, function: Any, told: str
) -> None:
    frame.try_answer("loss", function)
    said = capsys.readouterr().out
    assert said.startswith(f"loss - not yet: {told}") and said.count("\n") == 1
    assert len(said) < 250 and "2.45" not in said


def test_an_answer_may_be_further_off_than_the_solution(frame: course.Lesson, capsys) -> None:
    frame.try_answer("loss", 2.5, within=0.1)
    assert capsys.readouterr().out == "loss - right\n"


def test_an_answer_that_only_names_txt_has(frame: course.Lesson, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["01_tiny.py", "--short"])
    short = course.Lesson("01_tiny")
    short.try_answer("names", ["mor", "axx"])
    short.try_answer("names", ...)
    assert capsys.readouterr().out == (
        f"names - only names.txt has this answer: run without --short\nnames - {AGAIN}\n"
    )


# -- runs that are kept ---------------------------------------------------------------------------

TINY = """# %% [markdown]
# # 1. Tiny

# %%
from matplotlib.figure import Figure

from course import Lesson

lesson = Lesson("01_tiny")

# %%
# %% tags=["exercise"]
answer = ...

lesson.try_answer("loss", answer)

# %% [markdown] tags=["solution"]
# The number is told below.

# %% tags=["solution"]
lesson.check("loss", 2.46)
figure = Figure()
figure.subplots().set_title("a finding")
lesson.show(figure, "curve")


# %%
def last() -> str:
    return "here"


print(last())
"""


@pytest.fixture
def tiny(frame: course.Lesson, monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # it is put in place
    monkeypatch.setattr(record, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(record, "RECORDED", tmp_path / "recorded")
    (tmp_path / "01_tiny.py").write_text(TINY)
    return tmp_path / "01_tiny.py"


def test_a_lesson_is_kept_cell_by_cell(tiny: Path) -> None:
    record.record(tiny)
    found = json.loads((tiny.parent / "recorded/01_tiny.json").read_text())
    assert found["date"] and found["machine"] and found["seconds"] >= 0
    assert [(row["quantity"], row["measured"]) for row in found["rows"]] == [("loss", 2.46)]
    assert [cell["printed"] for cell in found["cells"]] == [
        "", "", f"loss - {AGAIN}\n", "loss: expected 2.4500, measured 2.4600 (within 0.02)\n",
        "here\n",
    ]  # fmt: skip
    assert [cell["pictures"] for cell in found["cells"]] == [[], [], [], ["curve"], []]
    codes = [text for kind, text, _ in record.cells_of(TINY) if "[markdown]" not in kind]
    assert [cell["code"] for cell in found["cells"]] == list(map(record.fingerprint, codes))
    light, dark = (imread(tiny.parent / f"pictures/01_tiny-curve{of}.png") for of in ("", "-dark"))
    assert light[0, 0, :3].min() == 1 and dark[0, 0, :3].max() < 0.1  # the paper


def test_a_cell_that_fails_says_where(tiny: Path) -> None:
    """By the line of the lesson, not of the cell."""
    tiny.write_text(TINY.replace('return "here"', "return 1 / 0"))
    with pytest.raises(ZeroDivisionError) as found:
        record.record(tiny)
    last = traceback.extract_tb(found.value.__traceback__)[-1]
    lines = tiny.read_text().splitlines()
    assert last.filename == str(tiny) and last.name == "last"
    assert lines[(last.lineno or 0) - 1] == "    return 1 / 0"
    assert not (tiny.parent / "recorded").exists()


def test_a_fingerprint_is_of_the_code() -> None:
    code = "a = [1, 2]  # why\nprint(a)\n"
    assert record.fingerprint(code) == record.fingerprint("a = [\n    1,\n    2,\n]\n\nprint(a)")
    for other in ("a = [1, 3]\nprint(a)\n", "a = [1, 2]\nprint(a, a)\n", "b = [1, 2]\nprint(b)\n"):
        assert record.fingerprint(code) != record.fingerprint(other)


def test_cells_of_a_lesson() -> None:
    found = record.cells_of(TINY)
    assert [kind for kind, _, _ in found] == [
        "[markdown]", "", "", 'tags=["exercise"]', '[markdown] tags=["solution"]',
        'tags=["solution"]', "",
    ]  # fmt: skip
    lines = TINY.splitlines()
    for _, text, line in found:
        assert not text or text.splitlines()[0] == next(filter(None, lines[line - 1 :]))
