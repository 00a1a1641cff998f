"""Reading order is import order: what a module of makemore may import, and when.

The checks read the source instead of importing it, so that they also see imports inside functions
and under TYPE_CHECKING. Each is tried on planted sources first: a check that cannot fail is none.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "makemore"

# A module may import only what stands before it. A file that is not here has no place yet.
SPINE = (
    "errors",
    "crew",
    "options",
    "settings",
    "reading",
    "pieces",
    "cleaning",
    "tables",
    "corpus",
    "split",
    "datasets",
    "symbols",
    "near",
    "vocabulary",
    "state",
    "beginnings",
    "pool",
    "models",
    "models.base",
    "models.ngram",
    "models.labelled",
    "models.neural",
    "models.bigram",
    "models.mlp",
    "models.deep_mlp",
    "models.wavenet",
    "models.bow",
    "models.rnn",
    "models.gru",
    "models.lstm",
    "models.transformer",
    "models.ensemble",
    "chances",
    "patterns",
    "constraints",
    "lookahead",
    "used",
    "memory",
    "ended",
    "draws",
    "walks",
    "samples",
    "generate",
    "search",
    "files",
    "run",
    "run_writer",
    "remembered",
    "runtime",
    "trie",
    "batches",
    "teacher",
    "evaluate",
    "posterior",
    "classifier",
    "optim",
    "train",
    "plan",
    "learning",
    "trained",
    "estimator",
)
LEAVES = (
    "autopilot",
    "trace",
    "forward",
    "explain",
    "diagnostics",
    "findings",
    "surprisal",
    "characters",
    "census",
    "novelty",
    "calibration",
    "lr_finder",
    "ledger",
    "presets",
    "trial",
    "sweep",
    "compare",
    "plots",
    "report",
    "inspection",
    "export",
    "web",
)
SURFACE = ("startup", "commands", "cli", "__main__")
LAYERS = (*SPINE, *LEAVES, *SURFACE)

# Any file may stand in these, and its siblings are as high as it is.
FOLDERS = ("plots", "web", "commands")
PACKAGES = ("models", *FOLDERS)

# Where torch may be imported at the top. `estimator` is not here, so that MakeMore can be imported
# without it; nor are the commands, whose --help must not wait for it.
TORCH_AT_THE_TOP = frozenset(
    SPINE[SPINE.index("models.neural") : SPINE.index("chances")]
    + SPINE[SPINE.index("runtime") : SPINE.index("plan")]
    + LEAVES
)
TORCH = ("torch", "safetensors.torch")
NEVER_AT_THE_TOP = ("matplotlib", "rich", "faker", "rapidfuzz", "regex")


@dataclass(frozen=True)
class Import:
    name: str  # dotted, with the imported name at its end: makemore.corpus.Corpus
    line: int
    at_top: bool  # runs when the module is imported


class ImportReader(ast.NodeVisitor):
    """Collects every import of a module, wherever in the source it stands."""

    def __init__(self, module: str) -> None:
        self.found: list[Import] = []
        self.at_top = True
        parts = [] if module == "__init__" else module.split(".")
        self.package = parts if module in PACKAGES or not parts else parts[:-1]

    def add(self, name: str, node: ast.AST) -> None:
        self.found.append(Import(name, getattr(node, "lineno", 0), self.at_top))

    def later(self, nodes: list[ast.stmt]) -> None:
        before, self.at_top = self.at_top, False
        for node in nodes:
            self.visit(node)
        self.at_top = before

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.later(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.later(node.body)
        else:
            for child in node.body:
                self.visit(child)
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = [] if node.module is None else node.module.split(".")
        if node.level:
            above = self.package[: len(self.package) - (node.level - 1)]
            base = ["makemore", *above, *base]
        for alias in node.names:
            self.add(".".join([*base, alias.name]), node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func).rpartition(".")[2]
        first = node.args[0] if node.args else None
        if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
            self.add(str(first.value), node)
        self.generic_visit(node)


@cache
def imports(module: str, source: str) -> list[Import]:
    reader = ImportReader(module)
    reader.visit(ast.parse(source))
    return reader.found


def place(module: str) -> str | None:
    """The entry of LAYERS that a module belongs to."""
    top = module.partition(".")[0]
    entry = top if top in FOLDERS else module
    return entry if entry in LAYERS or entry == "__init__" else None


def target(name: str) -> str | None:
    """The module of makemore that an imported name belongs to; None where it is none of ours."""
    parts = name.split(".")[1:]
    if not parts or parts[0].startswith("__"):
        return "__init__"
    if parts[0] in FOLDERS:
        return ".".join(parts)
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in LAYERS:
            return ".".join(parts[:length])
    return None


def is_ours(name: str) -> bool:
    return name.partition(".")[0] == "makemore"


def is_under(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(top + ".") for top in tops)


def misplaced(module: str, name: str) -> str | None:
    """Why `module` may not import `name` of makemore, or None where it may."""
    if name == "makemore" or (found := target(name)) is None:
        return "is no module of the list; import a name from the module that defines it"
    here, there = place(module), place(found)
    if here is None or there is None:
        return "one of the two has no place in the list"
    if there == "__init__" or (here == there and here in FOLDERS):
        return None
    if here == "__init__":
        return None if there in SPINE else "the public names come from the spine"
    if LAYERS.index(there) >= LAYERS.index(here):
        return "does not stand above it"
    if here in ("cli", "__main__") and there in LEAVES:
        return "is a leaf; only commands and the web server import leaves"
    siblings = here.startswith("models.") and there.startswith("models.")
    if siblings and there not in ("models.base", "models.neural") and here != "models.ensemble":
        return "is a sibling; a model stands alone on base and neural"
    return None


def wrong_order(sources: Mapping[str, str]) -> Iterator[str]:
    for module, source in sources.items():
        for found in imports(module, source):
            if is_ours(found.name) and (why := misplaced(module, found.name)):
                yield f"{module}:{found.line} imports {found.name}: {why}"


def without_place(sources: Mapping[str, str]) -> Iterator[str]:
    for module in sources:
        if place(module) is None:
            yield f"{module} has no place in LAYERS"


def loaded_by(module: str, sources: Mapping[str, str]) -> dict[str, str]:
    """All that importing `module` loads at once, each with the chain that leads there."""
    chains, waiting = {module: module}, [module]
    while waiting:
        here = waiting.pop()
        found = [each.name for each in imports(here, sources.get(here, "")) if each.at_top]
        for name in found:
            # A module's folder is loaded before the module.
            ours = target(name) if is_ours(name) else None
            steps = (
                [name] if ours is None else [ours, *[p for p in PACKAGES if is_under(ours, (p,))]]
            )
            for step in steps:
                if step not in chains:
                    chains[step] = f"{chains[here]} > {step}"
                    if ours is not None:
                        waiting.append(step)
    return chains


def early_torch(sources: Mapping[str, str]) -> Iterator[str]:
    for module in sources:
        if place(module) not in TORCH_AT_THE_TOP:
            for name, chain in loaded_by(module, sources).items():
                if is_under(name, TORCH):
                    yield f"{module} loads torch when it is imported: {chain}"


def early_extras(sources: Mapping[str, str]) -> Iterator[str]:
    for module, source in sources.items():
        for found in imports(module, source):
            if found.at_top and is_under(found.name, NEVER_AT_THE_TOP):
                yield f"{module}:{found.line} imports {found.name} at the top"


def cycles(sources: Mapping[str, str]) -> Iterator[str]:
    """Modules of a folder that import each other at the top; elsewhere the order forbids it."""
    for module in sources:
        if place(module) in FOLDERS:
            for found in imports(module, sources[module]):
                there = target(found.name) if found.at_top and is_ours(found.name) else None
                while there and there not in sources:
                    there = there.rpartition(".")[0]
                if there and there != module and module in loaded_modules(there, sources):
                    yield f"{module} and {there} import each other"


def loaded_modules(module: str, sources: Mapping[str, str]) -> set[str]:
    names = loaded_by(module, sources)
    return {known for known in sources if any(is_under(name, (known,)) for name in names)}


def talkers(sources: Mapping[str, str]) -> Iterator[str]:
    """Calls that print, outside the two places that may."""
    prints = ("print", "echo", "secho", "click.echo", "click.secho")
    streams = ("sys.stdout.write", "sys.stderr.write")
    for module, source in sources.items():
        if place(module) not in ("commands", "cli"):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in prints + streams:
                    yield f"{module}:{node.lineno} prints"


def read_package() -> dict[str, str]:
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return sources


CHECKS = (without_place, wrong_order, early_torch, early_extras, cycles, talkers)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_makemore_holds_its_layers(check):
    assert list(check(read_package())) == []


BROKEN = {
    "a file without a place": (without_place, {"helpers": ""}),
    "a model file without a place": (without_place, {"models.mamba": ""}),
    "from below": (wrong_order, {"corpus": "from makemore.train import fit"}),
    "a module of itself": (wrong_order, {"corpus": "import makemore.corpus"}),
    "from below, module named": (wrong_order, {"corpus": "from makemore import train"}),
    "from below, relative": (wrong_order, {"corpus": "from .train import fit"}),
    "from below, out of a folder": (wrong_order, {"models.base": "from ..train import fit"}),
    "from below, in a function": (
        wrong_order,
        {"run": "def load():\n    import makemore.estimator"},
    ),
    "from below, for types": (
        wrong_order,
        {"run": "if TYPE_CHECKING:\n    from makemore.estimator import MakeMore"},
    ),
    "from below, by a string": (wrong_order, {"run": "importlib.import_module('makemore.train')"}),
    "the front door": (wrong_order, {"report": "from makemore import MakeMore"}),
    "the front door, whole": (wrong_order, {"report": "import makemore"}),
    "a sibling model": (wrong_order, {"models.gru": "from makemore.models.rnn import Options"}),
    "neural on a model": (wrong_order, {"models.neural": "from makemore.models import ngram"}),
    "a folder on its files": (wrong_order, {"models": "from makemore.models import base"}),
    "spine on a leaf": (wrong_order, {"estimator": "from makemore import plots"}),
    "public names on a leaf": (wrong_order, {"__init__": "from makemore.plots import curves"}),
    "the entry point on a leaf": (wrong_order, {"cli": "from makemore.web.server import serve"}),
    "a leaf on a command": (wrong_order, {"web.server": "from makemore.commands import train"}),
    "torch": (early_torch, {"generate": "import torch.nn as nn"}),
    "torch in a count model": (early_torch, {"models.ngram": "from torch import Tensor"}),
    "torch in a class body": (early_torch, {"run": "class A:\n    import torch"}),
    "torch by way of safetensors": (early_torch, {"run": "from safetensors import torch"}),
    "torch by way of a module": (
        early_torch,
        {"search": "from makemore.models.gru import Gru", "models.gru": "import torch"},
    ),
    "torch by way of a folder": (
        early_torch,
        {"run": "import makemore.models.base", "models": "import torch"},
    ),
    "torch in the estimator": (
        early_torch,
        {"estimator": "from makemore import train", "train": "import torch"},
    ),
    "torch in a command": (early_torch, {"commands.train": "import torch"}),
    "rich in a command": (early_extras, {"commands.train": "from rich.progress import Progress"}),
    "matplotlib": (early_extras, {"plots": "try:\n    import matplotlib\nexcept ImportError: ..."}),
    "faker": (early_extras, {"datasets": "from faker.providers.person.en import Provider"}),
    "a cycle": (
        cycles,
        {
            "web.a": "from makemore.web.b import y",
            "web.b": "from makemore.web import c",
            "web.c": "from . import a",
        },
    ),
    "print": (talkers, {"train": "def f():\n    print(1)"}),
    "click's echo": (talkers, {"report": "click.echo(1)"}),
    "echo by its name": (talkers, {"report": "from click import echo\necho(1)"}),
    "a stream": (talkers, {"web.server": "sys.stderr.write('x')"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_layer_is_found(name):
    check, sources = BROKEN[name]
    assert list(check(sources)) != []


SOUND = {
    "__init__": "def __getattr__(name):\n    from makemore.estimator import MakeMore",
    "datasets": "def names():\n    from faker.providers.person.en import Provider",
    "models": "",
    "models.ngram": "from makemore.models.base import Model\nfrom makemore.corpus import Corpus",
    "models.gru": "import torch\nfrom makemore.models import base, neural",
    "models.ensemble": "from makemore.models.gru import Gru",
    "run": "if TYPE_CHECKING:\n    import torch\nelse:\n    import torchlike",
    "train": "import torch\nfrom makemore.models.gru import Gru",
    "estimator": "def fit():\n    from makemore.train import fit\n    import torch",
    "plots": "from makemore.diagnostics import ratios\ndef curves():\n    import matplotlib",
    "web": "",
    "web.server": "from makemore.web.page import html\nfrom makemore.report import write",
    "web.page": "from makemore import web",
    "commands.serve": "def run():\n    from makemore.web.server import serve\n    print(1)",
    "cli": "import click\nfrom makemore import __version__, commands\nclick.echo(1)",
    "__main__": "from makemore.cli import main",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_package_passes(check):
    assert list(check(SOUND)) == []


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", *NEVER_AT_THE_TOP}


def test_importing_makemore_is_light():
    assert not HEAVY & loaded_after("import makemore")


def test_what_promises_to_load_no_torch_loads_none():
    """The same as `early_torch` says, seen from outside: by what Python has loaded."""
    quiet = [module for module in read_package() if place(module) not in TORCH_AT_THE_TOP]
    names = [f"makemore.{module}" for module in quiet if module not in ("__init__", "__main__")]
    assert not HEAVY & loaded_after("".join(f"import {name}\n" for name in names))


def test_a_heavy_import_is_seen():
    assert HEAVY & loaded_after("import rich") == {"rich"}
