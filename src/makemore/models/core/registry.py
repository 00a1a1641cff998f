"""Registry: finds a model class by its name, whether it is ours, installed or a plugin. No torch.

A model's file is imported only when its name is asked for: an n-gram must not wait for torch.
"""

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

# Modules of makemore.models that are no models: shared parts, and the names these had until 0.1.
_NO_MODELS = {"core", "base", "neural"}

# Attributes of a model class, old name -> new name: plugins may use the old ones for one release.
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
    """Register a model class under a name, as a decorator: every command then knows it.

        @register("bigram")
        class Bigram(NeuralModel): ...

    Raises UsageError if another class has that name.
    """

    def enter(model: M) -> M:
        known = _register.get(name)
        # The same class again is no error: a plugin's file may be run more than once.
        if known is not None and known.__qualname__ != model.__qualname__:
            raise UsageError(f"two models are called {name!r}", None, "rename one of them")
        _take_over_old_names(model)
        model.name = name
        _register[name] = model
        return model

    return enter


def _take_over_old_names(model: type[Model]) -> None:
    """Copy attributes that a plugin sets under old names to the new ones, with a warning."""
    for old, new in _RENAMED.items():
        # From the class that sets it, the model or one that it inherits from: as a property or a
        # method it must be copied itself, not its value.
        owner = next((each for each in model.__mro__ if old in vars(each)), None)
        if owner is not None:
            setattr(model, new, vars(owner)[old])
            message = f"{model.__name__}.{old} is called {new} now: rename it"
            warnings.warn(message, DeprecationWarning, stacklevel=3)


def model_names() -> list[str]:
    """List the names of all models: of this folder, of installed packages, and of plugins."""
    installed = (entry.name for entry in importlib.metadata.entry_points(group="makemore.models"))
    return sorted({*here(), *installed, *_register})


def here() -> set[str]:
    """List the models of makemore.models by their files, without importing them."""
    return {m.name for m in pkgutil.iter_modules(makemore.models.__path__)} - _NO_MODELS


def get_model(name: str) -> type[Model]:
    """Return the model class of a name, importing its file. Raises UsageError if there is none."""
    if not isinstance(name, str):
        to_do = "give a name: " + ", ".join(model_names())
        raise UsageError(f"model cannot be {name!r}", "--model", to_do)
    # Importing a file runs its @register. Ours come first: searching installed packages for entry
    # points takes 50 ms.
    if name not in _register and name in here():
        importlib.import_module(f"makemore.models.{name}")
    if name not in _register:
        for entry in importlib.metadata.entry_points(group="makemore.models", name=name):
            entry.load()
    if name not in _register:
        raise unknown_key(name, model_names(), "model")
    return _register[name]


def load_plugin(path: str) -> None:
    """Run a Python file that registers models. It is code: load only what you trust.

    Raises UsageError if there is no such file, or if it does not run.
    """
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
    """Return the first line and the `Paper:` line of the docstring of a model's file."""
    # A class made in a notebook has no file's docstring: its own does as well.
    text = inspect.getdoc(sys.modules[model.__module__]) or inspect.getdoc(model) or ""
    lines = text.splitlines() or [""]
    paper = next((line[6:].strip() for line in lines if line.startswith("Paper:")), "")
    return lines[0].rstrip("."), paper
