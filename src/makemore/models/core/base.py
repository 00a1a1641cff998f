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

from makemore.errors import RunError
from makemore.models.core.draw_rules import DrawRules, LineDrawer
from makemore.models.core.state import State
from makemore.models.core.transition_table import MAX_TABLE_CELLS, TransitionTable

Arrays = dict[str, NDArray[Any]]

MAX_CONTEXT = 256  # block_size of a sequence model at most, however long the lines


class Model(ABC):
    """Maps ids to logits for the next symbol: the interface of every model.

    vocab_size: V, the number of symbols and the boundary
    block_size: number of inputs of a forward pass (a window's width, a sequence's longest)
    n_labels: number of labels, 0 without. The id of label i is vocab_size + i. It is the first
        input of a sequence in place of the boundary, and the first column of every window.
    """

    name: ClassVar[str]  # set by @register
    # What forward reads. window: ids (N, block_size) -> logits (N, V), one example a row, as in
    # makemore parts 1 to 5. sequence: (B, T) -> (B, T, V), a target at every position of a line.
    input_kind: ClassVar[Literal["window", "sequence"]]
    packs: ClassVar[bool] = False  # several lines may stand in a row of a sequence's inputs
    limited: ClassVar[bool] = True  # forward refuses more than block_size inputs
    is_ensemble: ClassVar[bool] = False  # made of other models, which are trained one by one
    recipe: ClassVar[Mapping[str, Any]] = {}  # training options that suit it, in place of defaults
    Options: ClassVar[type]  # a frozen dataclass: each field is a flag, a config key, a keyword

    vocab_size: int
    block_size: int
    options: Any
    n_labels: int = 0

    @classmethod
    def context_for(cls, options: Any, longest: int) -> int:
        """Compute block_size for a text whose longest line has `longest` symbols."""
        if cls.input_kind == "window":
            return int(options.block_size)
        # A line and the boundary before it; its end is a target, never an input.
        return min(longest + 1, MAX_CONTEXT)

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Count the learned parameters, or the stored n-grams of a model that counts."""

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """Make the state of `batch` lines before their first step, which reads the boundary."""

    @abstractmethod
    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        """Read one symbol of each line: ids (B,) -> logits (B, V) for the next, and the new state.

        The logits are those of `forward` at that position; nothing is computed twice.
        """

    @property
    def splits_steps(self) -> bool:
        """Whether a step of many rows should be split and computed in threads."""
        return False

    def extends(self, inputs: int) -> bool:
        """Whether a step after `inputs` inputs appends to the state, and does not rebuild it.

        At block_size a sequence model drops the first half of its inputs and starts again.
        """
        return inputs > 0 and (self.input_kind == "window" or inputs < self.block_size)

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
        """Tabulate all states of the model; None if they are too many, or not countable.

        most: the largest number of states times symbols
        """
        return None  # a network's states are vectors of real numbers

    def line_drawer(self, rules: DrawRules) -> LineDrawer | None:
        """Make what draws whole lines on the model's device; None where steps are taken from here.

        rules: how a line begins, the filters and the constraints
        """
        return None  # numpy is on the CPU, and so is what calls `step`

    @abstractmethod
    def tensors(self) -> Arrays:
        """Return all that was learned, by name, as arrays: what the weights file holds."""

    @abstractmethod
    def load_tensors(self, tensors: Arrays) -> None:
        """Load what `tensors` returned. Raises RunError for a wrong name, shape or type."""


class CountModel(Model):
    """Learns by counting n-grams in one pass, not by gradients; it needs no torch."""

    @abstractmethod
    def fit_counts(self, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
        """Count the n-grams of lines.

        ids (n_symbols,): the lines one after another; offsets (n_lines + 1,): line i is
        ids[offsets[i] : offsets[i + 1]]
        """

    @abstractmethod
    def forward(self, inputs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Look up windows: inputs (N, block_size) -> log-probabilities (N, V), in nats."""


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Normalise logits (B, V) to log-probabilities (B, V) in nats: exp of a row sums to 1."""
    # The largest logit becomes 0: exp of a large number would be infinite, and no softmax changes
    # when all logits of a row are moved together.
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def no_probabilities(where: str | None = None) -> RunError:
    """Make the error for logits that are not finite: finite weights may overflow to them."""
    return RunError(
        "the weights give no probabilities: some are far too large", where,
        "train again, or take a copy of the run",
    )  # fmt: skip
