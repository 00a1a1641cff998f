"""Layers that torch has, faster on a CPU: dropout; and modules made without initial values."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class skip_init(TorchFunctionMode):
    """Inside, no random number is drawn: for modules on the meta device, which have only shapes.

    Drawing on that device would import torch's compiler, which takes longer than all of torch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))


_drawn = threading.local()


@contextmanager
def dropout_generator(generator: torch.Generator) -> Iterator[None]:
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
