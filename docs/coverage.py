"""Writes docs/coverage.md: every row of the notes that makemore grew from, and what covers it.

    python docs/coverage.py            write it
    python docs/coverage.py --check    exit 1 if it is not what it would be, or if a place is wrong

docs/coverage.toml lists the places that cover each row; how a place is written stands at its top.
Each is looked up, so that a row whose test was renamed or whose heading was changed is told.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
TABLE = ROOT / "docs" / "coverage.toml"

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
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A heading, or the bold words that begin a paragraph; in a lesson they stand behind "# ".
HEADING = re.compile(r"^(?:#{1,4} (?P<heading>.+)|\*\*(?P<bold>.+?)\*\*.*)$", re.MULTILINE)
# People learn from these folders: a comment that names a row may not stand in them.
MARK = re.compile(r"(?:#|<!--)\s*spec:.*")
READ = ("docs", "lessons", "src", "tests")

Table = dict[str, list[str]]  # row -> places, as written in coverage.toml
Found = dict[str, list[tuple[str, str]]]  # row -> (what, file)


def ids() -> list[str]:
    return [f"{letter}{n:02}" for letter, (_, many) in GROUPS.items() for n in range(1, many + 1)]


# -- what there is --------------------------------------------------------------------------------


def defined(node: ast.Module | ast.ClassDef, before: str = "") -> Iterator[str]:
    """Names of functions, classes and constants; a method is Class.method, a key TABLE.key."""
    for child in node.body:
        match child:
            case ast.FunctionDef(name=name):
                yield before + name
            case ast.ClassDef(name=name):
                yield before + name
                yield from defined(child, f"{before}{name}.")
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                yield before + name
                keys = value.keys if isinstance(value, ast.Dict) else []
                texts = (key.value for key in keys if isinstance(key, ast.Constant))
                yield from (f"{before}{name}.{text!s}" for text in texts)


def names(root: Path = ROOT) -> dict[str, set[str]]:
    """Name -> the files of tests/ and src/ that define it."""
    found: dict[str, set[str]] = {}
    for path in sorted([*root.glob("tests/**/*.py"), *root.glob("src/**/*.py")]):
        for name in defined(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(name, set()).add(path.relative_to(root).as_posix())
    return found


def headings(path: Path) -> list[str]:
    """The headings of a page, or of the text between a lesson's code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        cells = re.findall(r"^# %% \[markdown\]\n((?:#.*\n?)*)", text, re.MULTILINE)
        text = "\n".join(line.removeprefix("# ") for cell in cells for line in cell.splitlines())
    found = HEADING.finditer(FENCED.sub("", text))
    return [match["heading"] or match["bold"] for match in found]


def marks(root: Path = ROOT) -> list[str]:
    """Where a comment in code or prose names a row, as FILE:LINE: COMMENT."""
    files = [path for folder in READ for path in sorted((root / folder).rglob("*"))]
    found = []
    for path in files:
        if path.suffix not in (".py", ".md", ".toml", ".json"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := MARK.search(line):
                found.append(f"{path.relative_to(root).as_posix()}:{number}: {match[0]}")
    return found


# -- what is written ------------------------------------------------------------------------------


def find(place: str, known: dict[str, set[str]], root: Path = ROOT) -> tuple[str, str]:
    """(what, file) of a place. LookupError, which says what to change, if it is not just one."""
    file, colon, heading = place.partition(": ")
    if colon:
        return find_heading(file, heading, root)
    file, _, name = place.rpartition("::")
    files = sorted(each for each in known.get(name, ()) if not file or each == file)
    if not files:
        where = file or "tests and src"
        raise LookupError(f"nothing in {where} has this name; {like(name, known)}")
    if len(files) > 1:
        raise LookupError(f"{' and '.join(files)} have this name: write FILE::{name}")
    return name.rpartition(".")[2].removeprefix("test_").replace("_", " "), files[0]


def find_heading(file: str, heading: str, root: Path) -> tuple[str, str]:
    if not (root / file).is_file():
        raise LookupError("there is no such file; write the one where the heading stands now")
    there = headings(root / file)
    if heading not in there:
        raise LookupError(f"it has no such heading; {like(heading, there)}")
    if there.count(heading) > 1:
        raise LookupError("it has this heading twice; call one of them something else")
    return heading.removesuffix("."), file


def like(anchor: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(anchor, list(known), 1)
    what = "write what it is called now, or what covers the row instead"
    return what + "".join(f" (there is {each!r})" for each in near)


def collected(table: Table, root: Path = ROOT) -> tuple[Found, list[str]]:
    """What covers each row, and what is wrong with the table, in words."""
    known = names(root)
    found: Found = {row: [] for row in ids()}
    wrong = [f"{row}: no such row in the notes; take it out" for row in table if row not in found]
    for row in found:
        for place in table.get(row, ()):
            try:
                entry = find(place, known, root)
            except LookupError as error:
                wrong.append(f'{row}, "{place}": {error}')
                continue
            if entry in found[row]:
                wrong.append(f'{row}, "{place}": it stands there twice; take one out')
            found[row].append(entry)
        if not table.get(row):
            wrong.append(f"{row}: nothing covers it; write the test or the heading that does")
    return found, wrong


def page(found: Found) -> str:
    lines = [
        "# What covers what",
        "",
        "Every capability, number, experiment and exercise in the notes on the lectures from which",
        "this project grew has an ID. `make docs` makes this page from the places in",
        "[coverage.toml](coverage.toml); a test fails when a place is not there or a row has none.",
    ]
    for letter, (title, _) in GROUPS.items():
        lines += ["", f"## {letter}: {title}", "", "| row | covered by |", "|---|---|"]
        for row in (row for row in found if row[0] == letter):
            told = [
                f"{what.replace('|', chr(92) + '|')} ([{Path(file).name}](../{file}))"
                for what, file in found[row]
            ]
            lines.append(f"| {row} | {'; '.join(told)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    found, wrong = collected(tomllib.loads(TABLE.read_text(encoding="utf-8")))
    wrong = [f"docs/coverage.toml: {each}" for each in wrong]
    wrong += [f"{mark}: take it out, docs/coverage.toml has its place" for mark in marks()]
    text = page(found)
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        wrong.append("docs/coverage.md is not what it would be: make docs")
    for each in wrong:
        print(each, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
