"""Lessons with what their last full run printed: a script's cells, each beside its record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import RECORDED, cells_of, fingerprint, lessons


@dataclass(frozen=True)
class Cell:
    """A cell of a lesson with what it printed and showed; of a text, nothing."""

    kind: str  # "text", "code"
    tag: str  # "exercise", "solution" or ""
    source: str
    line: int
    printed: str = ""
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """A lesson with the record of its last full run."""

    name: str
    cells: tuple[Cell, ...]
    record: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"course/{self.name}.md"

    @property
    def number(self) -> int:
        return int(self.name.partition("_")[0])

    @property
    def title(self) -> str:
        return text_of(self.cells[0]).partition("\n")[0].removeprefix("# ")

    def promise(self, words: str) -> str:
        """A paragraph of the first cell by its first words, such as "It takes", without them."""
        found = re.search(
            rf"^\*\*{words}\*\* (.+?)(?:\n\n|\Z)", text_of(self.cells[0]), re.M | re.S
        )
        if found is None:
            raise SystemExit(f'lessons/{self.name}.py: the first cell has no "**{words}** ..."')
        return " ".join(found[1].split())


def read(only: list[str]) -> list[Recorded]:
    """The lessons with their records. Stops, saying what to type, where a record is not theirs."""
    paths = {path.stem: path for path in lessons()}
    for name in only:
        if name not in paths:
            raise SystemExit(f"no lesson {name!r}: there are {', '.join(paths)}")
    return [of_file(paths[name]) for name in only or paths]


def of_file(path: Path) -> Recorded:
    """A lesson with its record."""
    again = f"python lessons/record.py {path.stem}"
    file = RECORDED / f"{path.stem}.json"
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if "cells" not in record:
        raise SystemExit(f"lessons/{path.name}: no record of what its cells print: {again}")
    kept, cells = list(record["cells"]), []
    for beside, source, line in cells_of(path.read_text(encoding="utf-8")):
        tag = next((tag for tag in ("exercise", "solution") if f'"{tag}"' in beside), "")
        if beside.startswith("[markdown]"):
            cells.append(Cell("text", tag, source, line))
            continue
        came = kept.pop(0) if kept else {"code": "none"}
        if came["code"] != fingerprint(source):
            raise SystemExit(f"lessons/{path.name}:{line}: not the code that was recorded: {again}")
        cells.append(Cell("code", tag, source, line, came["printed"], tuple(came["pictures"])))
    if kept:
        raise SystemExit(f"lessons/{path.name}: fewer cells than were recorded: {again}")
    return Recorded(path.stem, tuple(cells), record)


def text_of(cell: Cell) -> str:
    """The Markdown of a cell, whose lines begin with "# " in the script."""
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in cell.source.splitlines())
