"""Fills the blocks of README.md that are made from the source: the models and the wings.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1, naming the block, if one is not what it would be

A block stands between two comments, `<!-- generated: NAME -->` and `<!-- end of NAME -->`. It is
made from the docstrings, the classes and the import order as they are, so that it cannot say
anything else.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from makemore.models.core.base import CountModel, Model
from makemore.models.core.registry import about, get_model

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PACKAGE = ROOT / "src" / "makemore"
CONTRACT = "wings in import order"  # of import-linter, in pyproject.toml

# names.txt, the lectures' list: 26 letters and the boundary; its longest names have 15 letters.
VOCABULARY, LONGEST = 27, 15

# In which order the models are read; one that is not named here comes last.
READING = (
    "ngram", "bigram", "mlp", "deep_mlp", "wavenet", "bow", "rnn", "gru", "lstm", "transformer",
    "ensemble",
)  # fmt: skip
NO_MODELS = {"__init__", "base", "neural"}  # files of models/ that hold none


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without its topic and its full stop.

    "Runs: directories that hold all that sampling needs." -> "directories that hold ... needs"
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = text.partition("\n")[0].removesuffix(".")
    return line.partition(": ")[2] or line


# -- the wings ------------------------------------------------------------------------------------


def wing_names() -> list[str]:
    """The wings, first to read first: import-linter's layers, which begin with the last one."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each["name"] == CONTRACT]
    return [name.strip() for layer in reversed(layers) for name in layer.split("|")]


def wings() -> str:
    """One line for the files that stand alone, and one for each wing."""
    alone = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem[0] != "_")
    rows = [("*.py", ", ".join(alone) + ": what every wing may use")]
    rows += [(f"{name}/", first_line(PACKAGE / name / "__init__.py")) for name in wing_names()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(["```text", *(f"{name:{width}}  {what}" for name, what in rows), "```"])


# -- the models -----------------------------------------------------------------------------------


def model_names() -> list[str]:
    """The models of src/makemore/models, in reading order."""
    found = {path.stem for path in (PACKAGE / "models").glob("*.py")} - NO_MODELS
    order = {name: number for number, name in enumerate(READING)}
    return sorted(found, key=lambda name: (order.get(name, len(order)), name))


def size_of(kind: type[Model]) -> str:
    """How many parameters a model has on names.txt with its own default options."""
    options = kind.Options()
    if kind.is_ensemble:
        return "its members'"
    if issubclass(kind, CountModel):
        return "its counts"
    model = kind(VOCABULARY, kind.context_for(options, LONGEST), options)
    return f"{model.n_parameters:,}"


def models() -> str:
    """A row for each model: its name, its idea, who wrote the paper and when, its parameters."""
    rows = ["| model | its one idea | paper | parameters |", "|---|---|---|--:|"]
    for name in model_names():
        kind = get_model(name)
        headline, paper = about(kind)
        # "MLP: symbols become points" -> "symbols become points"; `name` stands beside it.
        idea, source = headline.partition(": ")[2], paper.partition(",")[0]
        rows.append(f"| `{name}` | {idea} | {source} | {size_of(kind)} |")
    return "\n".join(rows)


BLOCKS: dict[str, Callable[[], str]] = {"models": models, "wings": wings}


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
