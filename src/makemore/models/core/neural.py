"""nn.Module's side of the interface: parameters as arrays, and `step` with numpy at its border."""

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
from makemore.models.core.state import State

NumpyStep = Callable[[Any, NDArray[np.int64], State], tuple[NDArray[Any], State]]


def numpy_step(step: Callable[[Any, Tensor, State], tuple[Tensor, State]]) -> NumpyStep:
    """Decorator: a `step` written in torch, called with numpy; evaluation mode, no gradients."""

    @functools.wraps(step)
    def wrapped(self: NeuralModel, ids: NDArray[np.int64], state: State) -> tuple[Any, State]:
        was_training = self.training
        if was_training:
            self.eval()
        try:
            with torch.no_grad():
                logits, state = step(self, torch.as_tensor(ids, device=self.device), state)
        finally:
            if was_training:
                self.train()
        # A view of a weight still asks for gradients: a model may give out its bias as it is.
        return logits.detach().float().cpu().numpy(), state

    return wrapped


class NeuralModel(nn.Module, Model):
    """A model that learns by gradients.

    A subclass that reads windows has to define only `__init__` and `forward`; one that reads
    sequences also `initial_state` and `step`.
    """

    # Layers whose weight is several matrices one above the other, by name: how many.
    parts: ClassVar[Mapping[str, int]] = {}
    # Whether parts of a batch may be computed at the same time, in threads of one process: what it
    # draws, it draws by Dropout alone, and a forward pass leaves nothing behind (no BatchNorm).
    splits_batches: ClassVar[bool] = False

    def __init__(self, vocab_size: int, block_size: int, options: Any) -> None:
        super().__init__()
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options

    def add_labels(self, number: int) -> None:
        """Give the table that reads ids a row for each label. Raises UsageError if there is none.

        A label's row starts as a copy of a symbol's: nothing is drawn, so the other weights are
        those of a model without labels.
        """
        tables = (part for part in self.modules() if isinstance(part, nn.Embedding))
        table = next((t for t in tables if t.num_embeddings == self.vocab_size), None)
        if table is None:
            raise UsageError(
                f"{self.name} has no table of symbols, so it reads no labels", "--labels",
                "choose another --model",
            )  # fmt: skip
        rows = table.weight.detach()
        symbols = rows[1:] if len(rows) > 1 else rows
        copies = symbols.repeat(-(-number // len(symbols)), 1)[:number]
        table.weight = nn.Parameter(torch.cat([rows, copies]))
        table.num_embeddings += number
        self.n_labels = number

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def computes_in_parts(self) -> bool:
        """Whether parts of a batch are computed at the same time: on a CPU, where it may be."""
        return self.splits_batches and self.device.type == "cpu"

    @property
    def splits_steps(self) -> bool:
        return self.device.type == "cpu"

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def matrices(self) -> set[str]:
        """Names of the hidden matrices, which Muon may learn: neither embeddings nor the head."""
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
        """A window model's state is its last block_size inputs, boundaries at first.

        With labels, the first of them is the label's, and stays.
        """
        return torch.zeros(
            batch, self.block_size, dtype=torch.long, device=self.device
        )  # (B, block)

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        if not self.n_labels:
            window = torch.cat([state[:, 1:], ids[:, None]], dim=1)  # (B, block)
            return self(window), window
        label = ids >= self.vocab_size  # it takes its place; a boundary starts the line
        slot = torch.where(label, ids, state[:, 0])
        line = torch.cat([state[:, 1:], torch.where(label, 0, ids)[:, None]], dim=1)
        window = torch.cat([slot[:, None], line[:, 1:]], dim=1)  # (B, block)
        return self(window), window

    def restarted(self, seen: Tensor) -> Tensor:
        """Inputs (B, T) to start again from where no place is left: the last half, label first."""
        half = self.block_size // 2
        last = seen[:, seen.shape[1] - half :]  # (B, half)
        return torch.cat([seen[:, :1], last[:, 1:]], dim=1) if self.n_labels and half else last

    def tensors(self) -> Arrays:
        return {
            name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()
        }

    def check_tensors(self, tensors: Arrays) -> None:
        """Raise RunError for a wrong name, shape or type. The model may be one without memory."""
        own = self.state_dict()
        for name in sorted(own.keys() ^ tensors.keys()):
            kind = "lacks" if name in own else "holds an unknown"
            raise RunError(
                f"the weights file {kind} tensor {visible(name, 80)!r}",
                "weights",
                "is it this model's?",
            )
        for name, value in own.items():
            found, shape = tensors[name], tuple(value.shape)
            dtype = torch.empty(0, dtype=value.dtype).numpy().dtype
            if found.shape != shape or found.dtype != dtype:
                raise RunError(
                    f"tensor {name!r} is {found.dtype}{list(found.shape)}, "
                    f"expected {dtype}{list(shape)}",
                    "weights",
                )

    def load_tensors(self, tensors: Arrays) -> None:
        self.check_tensors(tensors)
        self.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
        )

    def check_length(self, inputs: Tensor) -> None:
        """Raise ValueError if a sequence has more inputs than positions were learned."""
        if inputs.shape[1] > self.block_size:
            raise ValueError(f"{inputs.shape[1]} inputs are more than block_size {self.block_size}")
