"""Arrays: the tensors of a model as one block of bytes and a list of what is where in it. No torch.

    {"name": "head.weight", "shape": [27, 64], "dtype": "F16", "offset": 128}

The same names of types as safetensors has; a tensor starts at a multiple of 8 bytes, so that a
browser can read it in place.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.models.core.base import Arrays

Weights = Literal["float16", "float32"]
DTYPES = {
    "float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32",
    "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
ALIGNMENT = 8  # bytes


def rounded(tensors: Arrays, weights: Weights) -> Arrays:
    """Round the weights of networks to half precision, if that is asked for.

    What counts and what mixes stays as it is: integers, and the few float64 weights of an ensemble.
    Raises UsageError where a weight is too large for half precision.
    """
    if weights == "float32":
        return dict(tensors)
    with np.errstate(over="ignore"):  # told below
        halves = {
            name: array.astype(np.float16) if array.dtype == np.float32 else array
            for name, array in tensors.items()
        }
    if not all(np.isfinite(array).all() for array in halves.values()):
        raise UsageError(
            "some weights are too large for half precision", "--weights float16",
            "give --weights float32",
        )  # fmt: skip
    return halves


def widened(tensors: Arrays) -> Arrays:
    """Return rounded weights as the float32 that a model computes with, here and in a page."""
    return {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in tensors.items()
    }


def packed(tensors: Arrays) -> tuple[list[dict[str, Any]], bytes]:
    """Pack tensors, in the order of their names -> what is where, and the bytes."""
    listed, body = [], bytearray()
    for name, array in sorted(tensors.items()):
        array = _readable(array)
        body.extend(bytes(-len(body) % ALIGNMENT))
        listed.append(
            {
                "name": name, "shape": list(array.shape), "dtype": DTYPES[array.dtype.name],
                "offset": len(body),
            }
        )  # fmt: skip
        body.extend(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return listed, bytes(body)


def _readable(array: NDArray[Any]) -> NDArray[Any]:
    """Convert the types that a page does not read: 64 unsigned bits, of which counts use 53."""
    return array.astype(np.int64) if array.dtype == np.uint64 else array
