"""Tensor file: a safetensors file whose numbers come in blocks, so that memory need not hold them.

The bytes are those that safetensors itself writes: 8 bytes with the length of the header, the
header in JSON, filled up with spaces to a multiple of 8, and the tensors one after another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ALIGNED = 8  # bytes: the data begin at a multiple of it


class Blocks(Protocol):
    """Gives the numbers of a tensor of one axis."""

    def __len__(self) -> int:
        """Count the numbers."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the unsigned type that they are written as."""

    def blocks(self) -> Iterator[NDArray[np.int64]]:
        """Yield them in order."""


def tensor_file(tensors: Mapping[str, Blocks]) -> Iterator[bytes]:
    """Yield the bytes of the safetensors file with these tensors."""
    # The widest types first, then by name: each tensor begins at a multiple of its numbers' size.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header, at = dict[str, Any](), 0
    for name in names:
        dtype, n = tensors[name].dtype, len(tensors[name])
        end = at + dtype.itemsize * n
        header[name] = {
            "dtype": f"U{8 * dtype.itemsize}", "shape": [n], "data_offsets": [at, end]
        }  # fmt: skip
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        for block in tensors[name].blocks():
            yield block.astype(tensors[name].dtype).tobytes()


def size_of(tensors: Mapping[str, Blocks]) -> int:
    """Count the bytes of the tensors, without the header."""
    return sum(each.dtype.itemsize * len(each) for each in tensors.values())
