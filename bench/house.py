"""The house: its wings, their sizes, and the import arrows between them, from the source itself.

    python bench/house.py            a table, and exit code 1 where a rule of the house is broken
    python bench/house.py --json     the same as JSON

A wing is a folder of src/makemore, or a file of its ground floor. Every import counts, those inside
functions and under TYPE_CHECKING, too. The rules: an arrow goes from a wing to one above it, never
back; no module imports itself in a circle; at most 8 modules stand on the ground floor.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import statistics
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "makemore"
MOST_AT_THE_TOP = 8


def wings() -> list[set[str]]:
    """The wings in import order, those side by side in one set: as import-linter holds them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(each for each in contracts if each["type"] == "layers")["layers"]
    return [{name.strip() for name in layer.split("|")} for layer in reversed(layers)]


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, modules: set[str]) -> Iterator[str]:
    """The modules of makemore that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules else node.module


def graph() -> dict[str, set[str]]:
    """module -> the modules of makemore that it imports."""
    files = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    found = {name: {*imported(path, set(files))} - {name} for name, path in files.items()}
    faces = {name for name, path in files.items() if path.name == "__init__.py"}
    for face in faces:  # a face names its own modules, and imports none of them before it is asked
        found[face] = {other for other in found[face] if not other.startswith(face + ".")}
    return found


def cycles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def lines_of(path: Path) -> dict[str, int]:
    """Lines of code, comment and docstring of a file; one with code and a comment counts as both.

    Blank lines count nowhere.
    """
    source = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                docstrings |= {*range(value.lineno, (value.end_lineno or value.lineno) + 1)}
    code: set[int] = set()
    comments: set[int] = set()
    nothing = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in nothing:
            code |= {*range(token.start[0], token.end[0] + 1)}
    text = source.splitlines()
    written = {number for number in docstrings if text[number - 1].strip()}
    return {
        "code": len(code - docstrings), "comments": len(comments), "docstrings": len(written)
    }  # fmt: skip


def functions(paths: list[Path]) -> list[tuple[int, str]]:
    """(lines, where) of each function, the shortest first."""
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append((lines, f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"))
    return sorted(found)


def measured() -> dict[str, Any]:
    """All figures of the house, and what breaks its rules."""
    order = wings()
    height = {name: number for number, names in enumerate(order) for name in names}
    arrows = graph()

    def wing(module: str) -> str:
        return module.split(".")[1] if "." in module else "__init__"

    between: dict[tuple[str, str], int] = {}
    broken = []
    for module, others in arrows.items():
        for other in sorted(others):
            start, end = wing(module), wing(other)
            if start == end or start in ("__init__", "__main__"):
                continue  # the package's own face looks everywhere
            between[start, end] = between.get((start, end), 0) + 1
            if start in height and end in height and height[end] >= height[start]:
                broken.append(f"{module} imports {other}, which stands beside it or below")
            elif start not in height and end in height:
                broken.append(f"{module} of the ground floor imports {other}")
    broken += [f"a circle: {', '.join(group)}" for group in cycles(arrows)]
    top = sorted(path.name for path in PACKAGE.glob("*.py"))
    if len(top) > MOST_AT_THE_TOP:
        broken.append(f"{len(top)} modules at the top: {', '.join(top)}")
    folders = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
    if {*folders} != {*height}:
        broken.append(f"wings without a place: {', '.join(sorted({*folders} ^ {*height}))}")
    rows = {}
    for name in ["ground floor", *(n for names in order for n in sorted(names))]:
        here = PACKAGE if name == "ground floor" else PACKAGE / name
        paths = sorted(here.glob("*.py") if name == "ground floor" else here.rglob("*.py"))
        counts = [lines_of(path) for path in paths]
        sums = {
            key: sum(count[key] for count in counts) for key in ("code", "comments", "docstrings")
        }
        rows[name] = {"modules": len(paths), **sums, "functions": [n for n, _ in functions(paths)]}
    every = functions(sorted(PACKAGE.rglob("*.py")))
    return {
        "top": top, "wings": len(folders), "rows": rows, "functions": every, "broken": broken,
        "arrows": sum(between.values()), "pairs": len(between),
        "modules": sum(len(others) for others in arrows.values()),
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    print(f"{'wing':14}{'modules':>8}{'code':>7}{'comments':>9}{'per 100':>8}{'docstrings':>11}"
          f"{'functions: median, 90 %, longest':>34}")  # fmt: skip
    for name, row in found["rows"].items():
        lengths = row["functions"] or [0]
        ninth = lengths[int(0.9 * (len(lengths) - 1))]
        share = 100 * row["comments"] / max(1, row["code"])
        spread = f"{statistics.median(lengths):.0f}, {ninth}, {lengths[-1]}"
        print(f"{name:14}{row['modules']:8}{row['code']:7}{row['comments']:9}{share:8.1f}"
              f"{row['docstrings']:11}{spread:>34}")  # fmt: skip
    rows = found["rows"].values()
    code, comments = sum(row["code"] for row in rows), sum(row["comments"] for row in rows)
    docstrings = sum(row["docstrings"] for row in rows)
    lengths = [number for number, _ in found["functions"]]
    spread = (
        f"{statistics.median(lengths):.0f}, {lengths[int(0.9 * (len(lengths) - 1))]}, {lengths[-1]}"
    )
    print(f"{'all':14}{sum(row['modules'] for row in rows):8}{code:7}{comments:9}"
          f"{100 * comments / code:8.1f}{docstrings:11}{spread:>34}")  # fmt: skip
    print(f"\nmodules at the top: {len(found['top'])} ({', '.join(found['top'])})")
    print(f"wings: {found['wings']}")
    print(f"import arrows: {found['modules']} between modules, {found['arrows']} of them between "
          f"wings, {found['pairs']} between pairs of wings")  # fmt: skip
    print("longest functions:")
    for lines, where in found["functions"][:-6:-1]:
        print(f"{lines:6}  {where}")
    print("\n".join(found["broken"]) or "no arrow goes back, no circle")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    options = parser.parse_args()
    found = measured()
    if options.json:
        json.dump(found, sys.stdout, indent=1)
    else:
        show(found)
    return int(bool(found["broken"]))


if __name__ == "__main__":
    sys.exit(main())
