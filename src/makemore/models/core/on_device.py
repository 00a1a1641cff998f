"""On device: copies arrays to a graphics card, and asks how much memory is free there."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device. A card reads pinned memory by itself: the host does not wait."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def free_bytes(device: torch.device) -> int | None:
    """Return the bytes that a card can still give; None for a device that does not tell."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    # torch keeps what it has freed, and gives it out again.
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
