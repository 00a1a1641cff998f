"""The interface of a model, its State, and the register. No torch.

A model maps ids to logits and does nothing else: no loss, no prints, no files, no device. It is one
file in this folder; its name, flags, checkpoint, docs row and tests follow from that file alone.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

import makemore.models
from makemore.errors import UsageError
from makemore.options import unknown_key
from makemore.state import State

Arrays = dict[str, NDArray[Any]]

LONGEST_CONTEXT = 256
MOST_CELLS = 2**22  # states times symbols of a table: 50 MB, and as much while it is made
_INTERFACE = ("base", "neural", "labelled")


@dataclass(frozen=True, eq=False)
class States:
    """A whole model as a table of its states: for the models that have few enough of them.

    logs: (S, V) log p of the next symbol in each state; after: (S, V) the state that it leads to
    start: first input -> state; empty: first input -> the state in which nothing else is known
    """

    logs: NDArray[np.float64]
    after: NDArray[np.int32]
    start: Mapping[int, int]
    empty: Mapping[int, int]


class Model(ABC):
    """What every model is, whether it counts or learns by gradients.

    vocab_size: V, symbols and the boundary
    block_size: inputs that a forward pass may have (a window's width, a sequence's longest)
    n_labels: labels that it tells apart, 0 without. The id of label i is vocab_size + i. It is the
        first input of a sequence in place of the boundary, and the first column of every window.
    """

    name: ClassVar[str]
    reads: ClassVar[Literal["window", "sequence"]]
    packs: ClassVar[bool] = False  # several lines may stand in a row of a sequence's inputs
    limited: ClassVar[bool] = True  # forward refuses more than block_size inputs
    mixes: ClassVar[bool] = False  # it is made of others, which learn one after the other
    recipe: ClassVar[Mapping[str, Any]] = {}
    Options: ClassVar[type]

    vocab_size: int
    block_size: int
    options: Any
    n_labels: int = 0

    @classmethod
    def context_for(cls, options: Any, longest: int) -> int:
        """block_size for a text whose longest line has `longest` symbols."""
        if cls.reads == "window":
            return int(options.block_size)
        return min(longest + 1, LONGEST_CONTEXT)

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Numbers that were learned or counted."""

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """The state before the first step, whose ids are all the boundary."""

    @abstractmethod
    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        """ids (B,) -> logits (B, V) for the symbol after them, and the state to go on from."""

    @property
    def in_parts(self) -> bool:
        """Whether it pays to make a step of many rows in parts, at the same time."""
        return False

    def extends(self, inputs: int) -> bool:
        """Whether a step after so many inputs keeps what they gave; a full sequence starts anew."""
        return inputs > 0 and (self.reads == "window" or inputs < self.block_size)

    def as_states(self, most: int = MOST_CELLS) -> States | None:
        """All that `step` can answer, where that is little; None where it is not, or not known.

        most: states times symbols that there is room for
        """
        return None

    @abstractmethod
    def tensors(self) -> Arrays:
        """All that was learned, by name, as arrays."""

    @abstractmethod
    def load_tensors(self, tensors: Arrays) -> None:
        """Take over what `tensors` gave. Raises RunError for a wrong name, shape or type."""


class CountModel(Model):
    """A model that counts instead of following gradients."""

    @abstractmethod
    def fit_counts(self, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
        """Count lines: ids (n_symbols,), one line after another, and offsets (n_lines + 1,)."""

    @abstractmethod
    def forward(self, inputs: NDArray[np.int64]) -> NDArray[np.float64]:
        """inputs (N, block_size) -> log-probabilities (N, V)."""


M = TypeVar("M", bound=type[Model])
_register: dict[str, type[Model]] = {}


def register(name: str) -> Callable[[M], M]:
    """Class decorator: makes a model known by `name` to every command."""

    def enter(model: M) -> M:
        known = _register.get(name)
        if known is not None and known.__qualname__ != model.__qualname__:
            raise UsageError(f"two models are called {name!r}", None, "rename one of them")
        model.name = name
        _register[name] = model
        return model

    return enter


def names() -> list[str]:
    """Names of all models: those of this folder, of installed packages, and of plugins."""
    installed = (entry.name for entry in importlib.metadata.entry_points(group="makemore.models"))
    return sorted({*_here(), *installed, *_register})


def _here() -> set[str]:
    """Names of the models of this folder."""
    return {m.name for m in pkgutil.iter_modules(makemore.models.__path__)} - {*_INTERFACE}


def find(name: str) -> type[Model]:
    """The model class of that name, its file imported now. Raises UsageError if there is none."""
    if name not in _register and name in _here():  # what is installed is not looked through: 50 ms
        importlib.import_module(f"makemore.models.{name}")
    if name not in _register:
        for entry in importlib.metadata.entry_points(group="makemore.models", name=name):
            entry.load()
    if name not in _register:
        raise unknown_key(name, names(), "model")
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
