"""Frames: JSON objects between the server and its child, each after its length in 4 bytes."""

from __future__ import annotations

import json
import struct
from asyncio import IncompleteReadError, StreamReader
from typing import Any, BinaryIO

Message = dict[str, Any]
LENGTH = struct.Struct("<I")


def framed(message: Message) -> bytes:
    """Write an object as a frame."""
    body = json.dumps(message, allow_nan=False).encode()
    return LENGTH.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> Message | None:
    """Read the next frame of a pipe; None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    message: Message = json.loads(stream.read(LENGTH.unpack(head)[0]))
    return message


async def next_frame(stream: StreamReader) -> Message | None:
    """Wait for the next frame of a pipe; None at its end, also within a frame."""
    try:
        (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
        message: Message = json.loads(await stream.readexactly(length))
    except IncompleteReadError:
        return None
    return message
