"""Layers: dropout that is faster on a CPU, cells exact on a card, modules without values."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@contextmanager
def eval_mode(model: Any) -> Iterator[None]:
    """Set a model to evaluation mode without gradients inside `with`, and restore its mode after.

    In evaluation mode dropout is off, and BatchNorm uses its running statistics. A model that
    counts has no mode.
    """
    was_training = isinstance(model, nn.Module) and model.training
    if was_training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if was_training:
            model.train()


class skip_init(TorchFunctionMode):
    """Skips the random initial values of modules that are made inside `with skip_init():`.

    For modules on the meta device, which have shapes but no memory. Drawing on that device would
    import torch's compiler, which takes longer than importing all the rest of torch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # torch calls this for every function inside; these two fill a tensor at random. Given back
        # as it is, the tensor has the shape that the caller asked for.
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))


# The generator of each thread: parts of a batch are computed in threads at the same time, and each
# has to draw the same masks whichever thread computes it.
_drawn = threading.local()


@contextmanager
def dropout_generator(generator: torch.Generator) -> Iterator[None]:
    """Let Dropout draw its masks from this generator, in this thread, not from torch's global one.

    with dropout_generator(torch.Generator().manual_seed(step)):
        logits = model(inputs)
    """
    _drawn.generator = generator
    try:
        yield
    finally:
        _drawn.generator = None


_precision = threading.Lock()  # held while cuDNN's precision is another: it is of the process


def run_cells(cells: nn.RNNBase, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run torch's recurrent cells over inputs (B, T, n_in); on a card they are exact but to learn.

    cuDNN rounds what its cells multiply to 10 bits (TF32) by default. For a gradient that is
    enough, but a drawn line or a score would differ from the CPU's.
    """
    if cells.training or not x.is_cuda:
        return cells(x, state)
    rnn: Any = torch.backends.cudnn.rnn
    with _precision:
        before, rnn.fp32_precision = rnn.fp32_precision, "ieee"
        try:
            return cells(x, state)
        finally:
            rnn.fp32_precision = before


class Dropout(nn.Module):
    """Sets a share of its inputs to 0 in training, and scales the others so that the mean stays.

    The same as nn.Dropout, but on a CPU its mask takes a third of the time: torch draws one number
    for each input, this one draw of 64 bits for four. With 16 bits each, the share is exact to
    1 / 65,536. Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        # One 64-bit integer for four inputs, rounded up; None: up to the largest integer.
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64)
        draws.random_(-(2**63), None, generator=getattr(_drawn, "generator", None))
        # The same memory read as 16-bit integers, from -2**15 on: four for each draw.
        numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)
        dropped = round(self.share * 2**16) - 2**15  # integers below this one drop their input
        # numbers >= dropped, as arithmetic: below it the difference is clamped to 0, from it on to
        # 1. On a CPU, masks of booleans are several times slower.
        kept = numbers.to(x.dtype).sub_(dropped - 1).clamp_(0, 1)
        # Scaled up by what is left, so that evaluation needs no scale of its own.
        return x * kept.mul_(1 / (1 - self.share))
