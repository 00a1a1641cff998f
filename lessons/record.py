"""Runs lessons in full, cell by cell, and keeps what each cell prints and shows.

    python lessons/record.py                      all of them: an hour on two cores
    python lessons/record.py 01_counting 03_mlp   these two

recorded/LESSON.json has the measured numbers beside the expected ones, and of each code cell its
output, the names of its pictures, and a fingerprint of its code: the rendered course is made of
them in seconds, and says so where a lesson's code is no longer what ran. Pictures go to
docs/lessons, light and dark.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from course import HERE, Lesson

RECORDED = HERE / "recorded"
PICTURES = HERE.parent / "docs/lessons"
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)


def lessons() -> list[Path]:
    """The lessons, in their order."""
    return sorted(HERE.glob("[01][0-9]_*.py"))


def cells_of(text: str) -> list[tuple[str, str, int]]:
    """Split a lesson into cells: what stands beside `# %%`, the source, its first line's number."""
    marks = list(CELL.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [
        (mark[1].strip(), text[mark.end() : end].strip("\n"), text.count("\n", 0, mark.end()) + 1)
        for mark, end in zip(marks, ends, strict=True)
    ]


def fingerprint(source: str) -> str:
    """Of the code itself: comments and line breaks change nothing."""
    return hashlib.sha256(ast.dump(ast.parse(source)).encode()).hexdigest()[:16]


class Both(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


def lesson_in(main: ModuleType) -> Lesson | None:
    return next((value for value in vars(main).values() if isinstance(value, Lesson)), None)


def run(path: Path) -> dict[str, Any]:
    """Run a lesson's code cells in this process. Raises what a cell raises."""
    main = ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main
    sys.argv = [str(path), "--pictures", str(PICTURES)]
    found: list[dict[str, Any]] = []
    lesson: Lesson | None = None
    began, seen = time.perf_counter(), 0
    for kind, source, line in cells_of(path.read_text(encoding="utf-8")):
        if kind.startswith("[markdown]"):
            continue
        with redirect_stdout(Both()) as printed:
            # The lines before it keep the numbers of a traceback true.
            exec(compile("\n" * (line - 1) + source, path, "exec"), main.__dict__)  # noqa: S102
        shown = lesson.pictures if (lesson := lesson_in(main)) else []
        found.append({"code": fingerprint(source), "printed": printed.getvalue(),
                      "pictures": shown[seen:]})  # fmt: skip
        seen = len(shown)
    assert lesson is not None, f"{path.name} has no Lesson"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores ({platform.machine()})",
        "seconds": round(time.perf_counter() - began),
        "rows": lesson.rows,
        "cells": found,
    }


def record(path: Path) -> None:
    """Run a lesson and write what it measured."""
    text = json.dumps(run(path), indent=1, ensure_ascii=False) + "\n"
    RECORDED.mkdir(exist_ok=True)
    (RECORDED / f"{path.stem}.json").write_text(text, encoding="utf-8")


def main(names: list[str]) -> int:
    if len(names) == 1:
        record(HERE / f"{Path(names[0]).stem}.py")
        return 0
    for name in names or [path.stem for path in lessons()]:  # each in a process of its own
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, name])  # noqa: S603
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
