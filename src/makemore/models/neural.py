"""nn.Module's side of the interface: parameters as arrays, and `step` with numpy at its border."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from makemore.errors import RunError, UsageError, visible
from makemore.models.base import Arrays, Model
from makemore.state import State

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


class NothingDrawn(TorchFunctionMode):
    """Inside, no random number is drawn: for modules on the meta device, which have only shapes.

    Drawing on that device would import torch's compiler, which takes longer than all of torch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))


_drawn = threading.local()


@contextmanager
def drawn_from(generator: torch.Generator) -> Iterator[None]:
    """Inside, Dropout in this thread draws from the generator, not from torch's global one."""
    _drawn.generator = generator
    try:
        yield
    finally:
        _drawn.generator = None


class Dropout(nn.Module):
    """Dropout whose mask costs a third of torch's own on a CPU, which draws number by number.

    Four 16-bit numbers are taken from each draw, so the share is exact to 1 / 65,536.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64)
        draws.random_(-(2**63), None, generator=getattr(_drawn, "generator", None))
        numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)
        dropped = round(self.share * 2**16) - 2**15  # the numbers below it
        # The comparison as arithmetic: on a CPU, masks of booleans are several times slower.
        kept = numbers.to(x.dtype).sub_(dropped - 1).clamp_(0, 1)
        return x * kept.mul_(1 / (1 - self.share))


class Cache:
    """Keys and values of the inputs that lines began with, in all blocks: for attention by steps.

    What an input gave is kept where it was computed; a line, a row of this State, has only the row
    numbers of its own. So lines that begin alike share it, and `take` copies no keys: they are
    gathered once a step and block, to where attention reads.

    kept: for each input so far, (N, n_layer, 2, n_embd): keys and values of N lines
    rows: (T, B) which of the N is each line's
    """

    def __init__(self, kept: tuple[Tensor, ...], rows: Tensor) -> None:
        self.kept, self.rows = kept, rows

    @classmethod
    def empty(cls, ids: Tensor) -> Cache:
        """Of lines (B,) before their first input."""
        return cls((), ids.new_empty(0, len(ids)))

    def __len__(self) -> int:
        return self.rows.shape[1]

    def __getitem__(self, rows: NDArray[Any]) -> Cache:
        return Cache(self.kept, self.rows[:, torch.as_tensor(rows, device=self.rows.device)])

    def tip(self) -> Tensor:
        """(B, n_layer, 2, n_embd) of the last input."""
        return self.kept[-1].index_select(0, self.rows[-1])

    def grown(self, tips: Tensor, rows: NDArray[np.int64]) -> Cache:
        """With one input more: tips (N, n_layer, 2, n_embd), of which row rows[b] is line b's."""
        own = torch.as_tensor(rows, device=self.rows.device)
        return Cache((*self.kept, tips), torch.cat([self.rows, own[None]]))

    def with_(self, new: Tensor) -> Cache:
        """With T inputs more, whose keys and values are new (B, T, n_layer, 2, n_embd)."""
        B, T = new.shape[:2]
        own = torch.arange(B, device=self.rows.device).expand(T, B)
        return Cache((*self.kept, *new.unbind(1)), torch.cat([self.rows, own]))

    @property
    def length(self) -> int:
        """Inputs so far."""
        return len(self.kept)

    def attend(self, block: int, q: Tensor, own: Tensor) -> Tensor:
        """Attention of one more input to those so far and itself: q (B, n_head, D) -> like q.

        own: (B, 2, n_embd) its keys and values. With one query a line, sums over what lies input
        by input take half the time that products of so small matrices do; keys and values lie
        apart, so that those of an input are multiplied in one go.
        """
        B, n_head, D = q.shape
        keys, values = own.new_empty(2, self.length + 1, B, n_head * D).unbind()
        for place, rows in enumerate(self.rows):
            torch.index_select(self.kept[place][:, block, 0], 0, rows, out=keys[place])
            torch.index_select(self.kept[place][:, block, 1], 0, rows, out=values[place])
        keys[-1], values[-1] = own.unbind(1)
        scores = keys.mul_((q * D**-0.5).flatten(1)).view(-1, B, n_head, D).sum(-1)
        weights = scores.softmax(0)[..., None]  # (T + 1, B, n_head, 1)
        return values.view(-1, B, n_head, D).mul_(weights).sum(0)


class NeuralModel(nn.Module, Model):
    """A model that learns by gradients.

    A subclass that reads windows has to define only `__init__` and `forward`; one that reads
    sequences also `initial_state` and `step`.
    """

    # Layers whose weight is several matrices one above the other, by name: how many.
    parts: ClassVar[Mapping[str, int]] = {}
    # Whether parts of a batch may be computed at the same time, in threads of one process: what it
    # draws, it draws by Dropout alone, and a forward pass leaves nothing behind (no BatchNorm).
    in_threads: ClassVar[bool] = False

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
    def shares_batches(self) -> bool:
        """Whether parts of a batch are computed at the same time: on a CPU, where it may be."""
        return self.in_threads and self.device.type == "cpu"

    @property
    def in_parts(self) -> bool:
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
