"""Compressed: bytes as text in a page, which its browser inflates. No torch.

Bytes of numbers compress little as they stand. But the first bytes of all weights, which hold sign
and exponent, are much alike, and so are the first bytes of sorted hashes. So bytes are regrouped by
their place in a number: all first bytes, then all second ones, and so on. That saves a fifth.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

WIDTHS = (1, 2, 4, 5, 8)  # bytes of a number: text, F16, F32, hashes, F64


def as_text(body: bytes) -> str:
    """Write bytes as base64 of a header and a zlib stream, in the shortest of all ways.

    The header: bytes of a number (1 byte), bytes in all (4, the lowest first).
    """
    # The first of the shortest, so that equal bytes always give equal text.
    width, stream = min(
        ((width, zlib.compress(planes(body, width), 9)) for width in WIDTHS),
        key=lambda each: len(each[1]),
    )
    return base64.b64encode(struct.pack("<BI", width, len(body)) + stream).decode()


def planes(body: bytes, width: int) -> bytes:
    """Group bytes by their place in numbers of `width` bytes; zeros fill up the last number."""
    padded = np.frombuffer(body + bytes(-len(body) % width), dtype=np.uint8)
    return padded.reshape(-1, width).T.tobytes()
