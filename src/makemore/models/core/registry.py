"""The register: every model by its name, whether it is ours, installed or a plugin. No torch."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import makemore.models
from makemore.errors import UsageError
from makemore.models.core.base import Model
from makemore.options import unknown_key

# What stands beside the models: their shared parts, and the names these had until 0.1.
_NO_MODELS = {"core", "base", "neural"}

# What a model's class set under another name until 0.1: taken over for one release.
_RENAMED = {
    "reads": "input_kind",
    "mixes": "is_ensemble",
    "in_parts": "splits_steps",
    "in_threads": "splits_batches",
    "as_states": "transition_table",
}


M = TypeVar("M", bound=type[Model])
_register: dict[str, type[Model]] = {}


def register(name: str) -> Callable[[M], M]:
    """Class decorator: makes a model known by `name` to every command."""

    def enter(model: M) -> M:
        known = _register.get(name)
        if known is not None and known.__qualname__ != model.__qualname__:
            raise UsageError(f"two models are called {name!r}", None, "rename one of them")
        _take_over_old_names(model)
        model.name = name
        _register[name] = model
        return model

    return enter


def _take_over_old_names(model: type[Model]) -> None:
    """Give attributes that a plugin sets under their old names the names of today, and say so."""
    for old, new in _RENAMED.items():
        owner = next((each for each in model.__mro__ if old in vars(each)), None)
        if owner is not None:
            setattr(model, new, vars(owner)[old])
            message = f"{model.__name__}.{old} is called {new} now: rename it"
            warnings.warn(message, DeprecationWarning, stacklevel=3)


def model_names() -> list[str]:
    """Names of all models: those of this folder, of installed packages, and of plugins."""
    installed = (entry.name for entry in importlib.metadata.entry_points(group="makemore.models"))
    return sorted({*_here(), *installed, *_register})


def _here() -> set[str]:
    """Names of the models of makemore.models."""
    return {m.name for m in pkgutil.iter_modules(makemore.models.__path__)} - _NO_MODELS


def get_model(name: str) -> type[Model]:
    """The model class of that name, its file imported now. Raises UsageError if there is none."""
    if name not in _register and name in _here():  # what is installed is not looked through: 50 ms
        importlib.import_module(f"makemore.models.{name}")
    if name not in _register:
        for entry in importlib.metadata.entry_points(group="makemore.models", name=name):
            entry.load()
    if name not in _register:
        raise unknown_key(name, model_names(), "model")
    return _register[name]


def load_plugin(path: str) -> None:
    """Run a Python file that registers models. It is code: load only what you trust."""
    file = Path(path)
    spec = importlib.util.spec_from_file_location(f"makemore_plugin_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"no plugin at {path}", "--plugin", "give a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"the plugin {path} does not run", "--plugin", reason) from error


def about(model: type[Model]) -> tuple[str, str]:
    """The first line and the `Paper:` line of the docstring of a model's file."""
    text = inspect.getdoc(sys.modules[model.__module__]) or inspect.getdoc(model) or ""
    lines = text.splitlines() or [""]
    paper = next((line[6:].strip() for line in lines if line.startswith("Paper:")), "")
    return lines[0].rstrip("."), paper
