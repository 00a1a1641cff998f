"""Fills the blocks of README.md that are made from the source: the models and the files.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1, naming the block, if one is not what it would be

A block stands between two comments, `<!-- generated: NAME -->` and `<!-- end of NAME -->`. It is
made from the docstrings and the classes as they are, so that it cannot say anything else.
"""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from makemore.models.base import CountModel, about, find

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PACKAGE = ROOT / "src" / "makemore"
# In which order modules are read is written down once, in the test that holds it.
LAYERS = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))["LAYERS"]

# names.txt, the lectures' list: 26 letters and the boundary; its longest names have 15 letters.
VOCABULARY, LONGEST = 27, 15


def path_of(module: str) -> Path:
    """The file of a dotted module: a folder's is its __init__.py."""
    path = PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules() -> list[str]:
    """Every module that exists, in reading order: the public names, the layers, the commands."""
    found = ["__init__"]
    for entry in LAYERS:
        if path_of(entry).is_file():
            found.append(entry)
        if entry in ("plots", "web", "commands"):
            files = sorted((PACKAGE / entry).glob("*.py"))
            found += [f"{entry}.{path.stem}" for path in files if path.stem != "__init__"]
    return found


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without the full stop at its end."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].removesuffix(".")


def tree() -> str:
    """One line a file, folders before what they hold."""
    rows = []
    for module in modules():
        parts = path_of(module).relative_to(PACKAGE).parts
        if parts[-1] == "__init__.py" and len(parts) > 1:
            rows.append(("  " * (len(parts) - 1) + parts[-2] + "/", first_line(path_of(module))))
        else:
            rows.append(("  " * len(parts) + parts[-1], first_line(path_of(module))))
    width = max(len(name) for name, _ in rows)
    lines = ["src/makemore/", *(f"{name:{width}}  {about}" for name, about in rows)]
    return "\n".join(["```text", *(line.rstrip() for line in lines), "```"])


def models() -> str:
    """A row for each model: its name, its paper, its idea, its parameters on names.txt."""
    rows = ["| model | paper | its one idea | parameters |", "|---|---|---|--:|"]
    for module in modules():
        name = module.removeprefix("models.")
        if name == module or name in ("base", "neural", "labelled"):
            continue
        kind = find(name)
        headline, paper = about(kind)
        options = kind.Options()
        size = "as many as it counts"
        if kind.mixes:
            size = "those of its members"
        elif not issubclass(kind, CountModel):
            model = kind(VOCABULARY, kind.context_for(options, LONGEST), options)
            size = f"{model.n_parameters:,}"
        # "MLP: symbols become points" -> "symbols become points"; `name` stands beside it.
        rows.append(f"| `{name}` | {paper} | {headline.partition(': ')[2]} | {size} |")
    return "\n".join(rows)


BLOCKS: dict[str, Callable[[], str]] = {"models": models, "files": tree}


def filled(text: str) -> str:
    """`text` with every block as it has to be. Raises ValueError for a block that is not there."""
    for name, make in BLOCKS.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the text holds no block {name!r}, or two")
        block = f"{start}\n{make()}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    return text


def main(arguments: list[str]) -> int:
    before = README.read_text(encoding="utf-8")
    after = filled(before)
    if "--check" not in arguments:
        README.write_text(after, encoding="utf-8")
        return 0
    for old, new in zip(before.splitlines(), after.splitlines(), strict=False):
        if old != new:
            print(f"{README.name} is not what the source says:\n- {old}\n+ {new}", file=sys.stderr)
            break
    if before != after:
        print("make docs writes it anew", file=sys.stderr)
    return int(before != after)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
