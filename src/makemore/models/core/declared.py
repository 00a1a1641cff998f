"""Declared: what the file of a model declares, read from its text without importing it. No torch.

A server lists models and checks their options, and would wait a second for torch to do so. What a
class declares at its top (its options, what it reads) are constants, so the text has them all.
"""

from __future__ import annotations

import ast
import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import makemore.models
from makemore.errors import UsageError
from makemore.models.core.base import Model
from makemore.models.core.registry import get_model, here
from makemore.options import option, unknown_key


@dataclasses.dataclass(frozen=True)
class Declared:
    """Describes a model: its name, its one idea in a sentence, and its class without a body.

    kind: has name, input_kind, is_ensemble, Options and context_for, as the real class; no weights
    counts: whether it learns by counting
    """

    name: str
    idea: str
    kind: type[Model]
    counts: bool


def declared_models() -> list[Declared]:
    """Describe all models that come with makemore, in the order of their names."""
    return [declared(name) for name in sorted(here())]


def declared(name: str) -> Declared:
    """Describe the model of this name. Raises UsageError unless it comes with makemore."""
    if not isinstance(name, str) or name not in here():
        raise unknown_key(str(name), sorted(here()), "model")
    return _read(name)


@cache
def _read(name: str) -> Declared:
    file = Path(next(iter(makemore.models.__path__))) / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    idea = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
    if not imports_torch(tree):  # a model of counts is light, and may compute its sizes itself
        return Declared(name, idea, get_model(name), counts=True)
    model: Any = next(node for node in tree.body if is_registered(node))
    facts = {target: constant(node.value) for target, node in assigned(model)}
    body = {"name": name, "Options": options_class(model), **facts}
    return Declared(name, idea, type(model.name, (Model,), body), counts=False)


def imports_torch(tree: ast.Module) -> bool:
    """Tell whether a file imports torch itself."""
    return any(
        any(alias.name == "torch" for alias in node.names)
        if isinstance(node, ast.Import)
        else isinstance(node, ast.ImportFrom) and node.module == "torch"
        for node in tree.body
    )


def is_registered(node: ast.stmt) -> bool:
    """Tell whether a statement is the class of a model, by its @register."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Name)
        and each.func.id == "register"
        for each in node.decorator_list
    )


def assigned(model: Any) -> list[tuple[str, ast.Assign]]:
    """List what a class says of itself that sizes depend on: what it reads, if it is a mixture."""
    nodes = [node for node in model.body if isinstance(node, ast.Assign)]
    named = [(node.targets[0].id, node) for node in nodes if isinstance(node.targets[0], ast.Name)]
    return [(name, node) for name, node in named if name in ("input_kind", "is_ensemble")]


def options_class(model: Any) -> type:
    """Make the dataclass Options of a class again, with the same types, defaults and limits."""
    (options,) = (node for node in model.body if getattr(node, "name", "") == "Options")
    fields = []
    for node in options.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            call = node.value
            if not isinstance(call, ast.Call):
                raise UsageError(f"{node.target.id} is no option()", f"model {model.name}")
            field = option(
                *map(constant, call.args),
                **{str(each.arg): constant(each.value) for each in call.keywords},
            )
            fields.append((node.target.id, ast.unparse(node.annotation), field))
    return dataclasses.make_dataclass("Options", fields, frozen=True)


def constant(node: ast.expr) -> Any:
    """Compute a constant of the text: a literal, or the quotient of two, as 5 / 3."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return constant(node.left) / constant(node.right)
    return ast.literal_eval(node)
