"""The interface of a model: `forward` for training, `step` for sampling. No torch.

A model maps ids to logits and does nothing else: no loss, no prints, no files, no device. It is one
file of models/; its name, flags, checkpoint, docs row and tests follow from that file alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from makemore.models.core.state import State
from makemore.models.core.transition_table import MAX_TABLE_CELLS, TransitionTable

Arrays = dict[str, NDArray[Any]]

MAX_CONTEXT = 256


class Model(ABC):
    """What every model is, whether it counts or learns by gradients.

    vocab_size: V, symbols and the boundary
    block_size: inputs that a forward pass may have (a window's width, a sequence's longest)
    n_labels: labels that it tells apart, 0 without. The id of label i is vocab_size + i. It is the
        first input of a sequence in place of the boundary, and the first column of every window.
    """

    name: ClassVar[str]
    input_kind: ClassVar[Literal["window", "sequence"]]
    packs: ClassVar[bool] = False  # several lines may stand in a row of a sequence's inputs
    limited: ClassVar[bool] = True  # forward refuses more than block_size inputs
    is_ensemble: ClassVar[bool] = False  # it is made of others, which learn one after the other
    recipe: ClassVar[Mapping[str, Any]] = {}
    Options: ClassVar[type]

    vocab_size: int
    block_size: int
    options: Any
    n_labels: int = 0

    @classmethod
    def context_for(cls, options: Any, longest: int) -> int:
        """block_size for a text whose longest line has `longest` symbols."""
        if cls.input_kind == "window":
            return int(options.block_size)
        return min(longest + 1, MAX_CONTEXT)

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
    def splits_steps(self) -> bool:
        """Whether it pays to make a step of many rows in parts, at the same time."""
        return False

    def extends(self, inputs: int) -> bool:
        """Whether a step after so many inputs keeps what they gave; a full sequence starts anew."""
        return inputs > 0 and (self.input_kind == "window" or inputs < self.block_size)

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
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


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """logits (B, V) -> log-probabilities (B, V)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
