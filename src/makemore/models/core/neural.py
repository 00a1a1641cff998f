"""Neural models: the interface for an nn.Module, with numpy at its border and torch inside.

Sampling, run directories and commands know arrays only; what turns tensors into arrays is here, so
that a model's file holds its idea and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.errors import RunError, UsageError
from makemore.escaping import visible
from makemore.models.core.base import Arrays, Model
from makemore.models.core.device_drawer import DeviceDrawer
from makemore.models.core.draw_rules import DrawRules, LineDrawer
from makemore.models.core.layers import eval_mode
from makemore.models.core.state import State

# Where whole lines are drawn: not on a CPU, where drawing by prefix is quicker, nor on mps, which
# has no float64.
DRAWN_ON = frozenset({"cuda"})

NumpyStep = Callable[[Any, NDArray[np.int64], State], tuple[NDArray[Any], State]]


def numpy_step(step: Callable[[Any, Tensor, State], tuple[Tensor, State]]) -> NumpyStep:
    """Wrap a `step` written in torch so that it takes and gives numpy arrays.

    It runs in evaluation mode (no dropout, BatchNorm by its running statistics), without gradients,
    and leaves the mode of the model as it was. The step in torch stays as its attribute `in_torch`,
    for who draws on the model's device (device_drawer.py). A decorator.
    """

    @functools.wraps(step)
    def wrapped(self: NeuralModel, ids: NDArray[np.int64], state: State) -> tuple[Any, State]:
        with eval_mode(self):
            logits, state = step(self, torch.as_tensor(ids, device=self.device), state)
        # detach: what the step did not compute, such as a weight itself, still requires gradients.
        return logits.detach().float().cpu().numpy(), state

    wrapped.in_torch = step  # type: ignore[attr-defined]
    return wrapped


class NeuralModel(nn.Module, Model):
    """Learns its parameters by gradients: an nn.Module with the interface of Model.

    A subclass that reads windows has to define only `__init__` and `forward`; one that reads
    sequences also `initial_state` and `step`.
    """

    # Layers whose weight is several matrices one above the other, by name: how many.
    parts: ClassVar[Mapping[str, int]] = {}
    # Whether parts of a batch may be computed in threads at the same time. Then Dropout (ours) is
    # the only source of random numbers, and rows do not depend on each other (no BatchNorm).
    splits_batches: ClassVar[bool] = False

    def __init__(self, vocab_size: int, block_size: int, options: Any) -> None:
        super().__init__()
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options

    def add_labels(self, number: int) -> None:
        """Add a row for each of `number` labels to the embedding of symbols.

        A label's row starts as a copy of a symbol's. No random number is drawn, so all other
        weights start as those of a model without labels. Raises UsageError without an embedding.
        """
        tables = (part for part in self.modules() if isinstance(part, nn.Embedding))
        # The embedding of positions has another size, or comes after that of the symbols.
        table = next((each for each in tables if each.num_embeddings == self.vocab_size), None)
        if table is None:
            raise UsageError(
                f"{self.name} has no table of symbols, so it reads no labels", "--labels",
                "choose another --model",
            )  # fmt: skip
        rows = table.weight.detach()  # (V, n_embd)
        symbols = rows[1:] if len(rows) > 1 else rows  # without the boundary, which is no symbol
        # Not cat() and repeat(), which on the meta device import torch's compiler, for 2 seconds.
        whole = rows.new_empty(len(rows) + number, rows.shape[1])  # (V + n_labels, n_embd)
        whole[: len(rows)].copy_(rows)
        # More labels than symbols: the copies begin again from the first.
        for start in range(len(rows), len(whole), len(symbols)):
            part = whole[start : start + len(symbols)]
            part.copy_(symbols[: len(part)])
        table.weight = nn.Parameter(whole)
        table.num_embeddings += number
        self.n_labels = number

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device  # all are on one device

    @property
    def computes_in_parts(self) -> bool:
        """Whether parts of a batch are computed at the same time: on a CPU, if the model allows it.

        A GPU computes a whole batch at the same time anyway.
        """
        return self.splits_batches and self.device.type == "cpu"

    @property
    def splits_steps(self) -> bool:
        return self.device.type == "cpu"

    def line_drawer(self, rules: DrawRules) -> LineDrawer | None:
        # A step of numpy's own, such as an ensemble's, works on the CPU in between.
        if self.device.type not in DRAWN_ON or not hasattr(type(self).step, "in_torch"):
            return None
        return DeviceDrawer(self, rules)

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def matrices(self) -> set[str]:
        """Return the names of the hidden matrices, the parameters that Muon updates.

        Embeddings and the head are not among them: each of their rows belongs to one symbol. AdamW
        updates those, and all vectors.
        """
        tables = {
            f"{name}.weight"
            for name, part in self.named_modules()
            if isinstance(part, nn.Embedding)
        }
        return {
            name
            for name, parameter in self.named_parameters()
            if parameter.ndim == 2 and name not in tables and not name.startswith("head.")
        }

    def initial_state(self, batch: int) -> State:
        """Make the state of a window model: the last block_size inputs, at first all the boundary.

        With labels, the first column is the label's id, and does not move on with the others.
        """
        return torch.zeros(
            batch, self.block_size, dtype=torch.long, device=self.device
        )  # (B, block)

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        if not self.n_labels:
            # The oldest symbol leaves on the left, the newest comes in on the right.
            window = torch.cat([state[:, 1:], ids[:, None]], dim=1)  # (B, block)
            return self(window), window
        # A label goes to the first column, and in its stead the line starts with the boundary.
        is_label = ids >= self.vocab_size
        label = torch.where(is_label, ids, state[:, 0])  # (B,)
        line = torch.cat([state[:, 1:], torch.where(is_label, 0, ids)[:, None]], dim=1)
        window = torch.cat([label[:, None], line[:, 1:]], dim=1)  # (B, block)
        return self(window), window

    def restarted(self, seen: Tensor) -> Tensor:
        """Return the inputs to start again from when all positions are used: the last half.

        seen (B, T): all inputs so far -> (B, block_size // 2); with labels, the label comes first.
        """
        # Half, not all but one: there are steps again until the next restart.
        half = self.block_size // 2
        last = seen[:, seen.shape[1] - half :]  # (B, half)
        return torch.cat([seen[:, :1], last[:, 1:]], dim=1) if self.n_labels and half else last

    def tensors(self) -> Arrays:
        # Copies: training goes on in the tensors while a file is written.
        return {
            name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()
        }

    def check_tensors(self, tensors: Arrays) -> None:
        """Raise RunError for a wrong name, shape or type of a tensor; nothing is loaded.

        The model may be on the meta device, where tensors have shapes and no memory.
        """
        expected = self.state_dict()
        for name in sorted(expected.keys() ^ tensors.keys()):  # names of one side only
            kind = "lacks" if name in expected else "holds an unknown"
            raise RunError(
                f"the weights file {kind} tensor {visible(name, 80)!r}",
                "weights",
                "is it this model's?",
            )
        for name, value in expected.items():
            array, shape = tensors[name], tuple(value.shape)
            # numpy's type, from an empty tensor: one on the meta device cannot become an array.
            dtype = torch.empty(0, dtype=value.dtype).numpy().dtype
            if array.shape != shape or array.dtype != dtype:
                raise RunError(
                    f"tensor {name!r} is {array.dtype}{list(array.shape)}, "
                    f"expected {dtype}{list(shape)}",
                    "weights",
                )

    def load_tensors(self, tensors: Arrays) -> None:
        self.check_tensors(tensors)
        self.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
        )

    def check_length(self, inputs: Tensor) -> None:
        """Raise ValueError if inputs (B, T) have more positions than were learned, block_size."""
        if inputs.shape[1] > self.block_size:
            raise ValueError(f"{inputs.shape[1]} inputs are more than block_size {self.block_size}")
