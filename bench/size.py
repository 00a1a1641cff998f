"""Lines of each file of makemore, of its spine and its leaves, and the functions over 40 lines."""

from __future__ import annotations

import ast
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG_FUNCTION = 40

# What is spine and what is leaf is written down once, in the test that holds it.
LAYERS = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))


def part(path: Path) -> str:
    """Which total a file counts towards: spine, leaves, or commands (with cli.py)."""
    top = path.relative_to(LAYERS["PACKAGE"]).parts[0].removesuffix(".py")
    if top in LAYERS["LEAVES"]:
        return "leaves"
    return "commands" if top in LAYERS["SURFACE"] else "spine"


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONG_FUNCTION:
                yield f"{lines:6}  {path.relative_to(ROOT)}:{node.lineno} {node.name}"


def main() -> None:
    files = sorted(LAYERS["PACKAGE"].rglob("*.py"))
    totals: Counter[str] = Counter()
    for path in files:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        totals[part(path)] += lines
        print(f"{lines:6}  {path.relative_to(ROOT)}")
    print()
    for name in ("spine", "leaves", "commands"):
        print(f"{totals[name]:6}  {name}")
    print(f"\nfunctions over {LONG_FUNCTION} lines")
    print("\n".join(line for path in files for line in long_functions(path)) or "  none")


if __name__ == "__main__":
    main()
