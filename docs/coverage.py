"""Writes docs/coverage.md: every row of the notes that makemore grew from, and what covers it.

    python docs/coverage.py            write it
    python docs/coverage.py --check    exit 1 if it is not what it would be, or a row is uncovered

A test, a command or a lesson's cell that covers a row carries a comment `spec: ID`. The page is
made from these marks alone: the ID, what it is about as the place that covers it says, and where.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
PLACES = ("src/**/*.py", "lessons/*.py", "tests/*.py", "docs/*.md")

# How many rows each group of the notes has.
GROUPS = {
    "P": ("Product and command line", 21),
    "D": ("Data, vocabulary, splits", 15),
    "M": ("Models and layers", 25),
    "T": ("Loss, training, diagnostics", 28),
    "G": ("Sampling", 10),
    "E": ("Shapes, explanations, intuitions", 20),
    "X": ("Exercises", 19),
    "R": ("Rows that are easily missed", 10),
    "W": ("Where the notes are wrong or disagree", 17),
}
MARK = re.compile(r"(?:#|<!--) ?spec: ((?:[A-Z]\d\d ?)+)")
HEADING = re.compile(r"^(?:#  ?)?#{1,4} (.+)$")
NAMED = re.compile(r"^\s*(?:def|class) (\w+)")


def ids() -> list[str]:
    return [f"{letter}{n:02}" for letter, (_, many) in GROUPS.items() for n in range(1, many + 1)]


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """(ID, what is there) for each mark of a file: the heading above, or the test that it is at."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heading = ""
    for number, line in enumerate(lines):
        if path.parts[-2] in ("lessons", "docs") and (found := HEADING.match(line)):
            heading = found[1].strip("# ")
        if not (found := MARK.search(line)):
            continue
        what = heading
        if path.parts[-2] not in ("lessons", "docs"):
            near = (NAMED.match(later) for later in lines[number : number + 60])
            name = next((match[1] for match in near if match), path.stem)
            what = name.removeprefix("test_").replace("_", " ")
        for row in found[1].split():
            yield row, what


def collected() -> dict[str, list[tuple[str, str]]]:
    """For each ID the (file, what) that cover it."""
    found: dict[str, list[tuple[str, str]]] = {row: [] for row in ids()}
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            if path == PAGE:
                continue
            for row, what in marks(path):
                entry = path.relative_to(ROOT).as_posix(), what
                if entry not in found.setdefault(row, []):
                    found[row].append(entry)
    return found


def page(found: dict[str, list[tuple[str, str]]]) -> str:
    lines = [
        "# What covers what",
        "",
        "Every capability, number, experiment and exercise in the notes on the lectures from which",
        "this project grew has an ID. `make docs` makes this page from the marks `spec: ID` in",
        "lessons, tests, commands and docs; a test fails when a row has none.",
    ]
    for letter, (title, _) in GROUPS.items():
        lines += ["", f"## {letter}: {title}", "", "| row | covered by |", "|---|---|"]
        for row in (row for row in found if row[0] == letter):
            told = [
                f"{what.replace('|', chr(92) + '|')} ([{Path(file).name}](../{file}))"
                for file, what in found[row]
            ]
            lines.append(f"| {row} | {'; '.join(told)} |")
    return "\n".join(lines) + "\n"


def missing(found: dict[str, list[tuple[str, str]]]) -> list[str]:
    return [row for row in ids() if not found[row]]


def unknown(found: dict[str, list[tuple[str, str]]]) -> list[str]:
    return sorted(set(found) - set(ids()))


def main() -> int:
    found = collected()
    for name, rows in (("uncovered", missing(found)), ("no such row", unknown(found))):
        if rows:
            print(f"{name}: {' '.join(rows)}", file=sys.stderr)
    bad = bool(missing(found) or unknown(found))
    text = page(found)
    if "--check" in sys.argv:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        if not same:
            print("docs/coverage.md is not what it would be: make docs", file=sys.stderr)
        return int(bad or not same)
    PAGE.write_text(text, encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
