"""Files that others may have touched: read strictly, written whole or not at all.

Reading never follows a link, never blocks on a pipe, never runs code, never takes more than the
bound. Writing goes by a temporary name in the same folder, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError, SystemFault
from makemore.escaping import visible

MAX_JSON = 16 * 2**20
MAX_HEADER = 2**20
MAX_TENSORS = 10_000


def read_plain(path: Path, limit: int) -> bytes:
    """A regular file's bytes, never through a link, a pipe or a device, never more than `limit`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise RunError(f"cannot read {path.name}", f"{path.parent}: {reason}") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RunError(f"{path.name} is no regular file", str(path.parent))
        if status.st_size > limit:
            raise RunError(f"{path.name} is larger than {limit} bytes", str(path.parent))
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(status.st_size + 1)
    except OSError as error:
        raise RunError(f"cannot read {path.name}", f"{path.parent}: {error.strerror}") from None
    finally:
        os.close(handle)


def parse_json(body: bytes, name: str, folder: Path) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN, bounded; RunError for anything else."""

    def no_copies(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    def finite(word: str) -> float:
        return float(word) if math.isfinite(float(word)) else refuse(word)  # 1e999

    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=no_copies,
            parse_constant=refuse,
            parse_float=finite,
        )
    except (ValueError, RecursionError) as error:
        raise RunError(f"{name} is no valid JSON", f"{folder}: {visible(str(error), 80)}") from None


def parse_tensors(body: bytes, name: str, folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file; RunError for anything that is not whole and finite."""
    import safetensors.numpy

    header = int.from_bytes(body[:8], "little")
    if len(body) < 8 or header > min(MAX_HEADER, len(body) - 8):
        raise RunError(f"{name} is no safetensors file", f"{folder}: its header is too long")
    listed = parse_json(body[8 : 8 + header], name, folder)
    if not isinstance(listed, dict) or len(listed) > MAX_TENSORS:
        raise RunError(f"{name} lists more than {MAX_TENSORS} tensors", str(folder))
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(body)
    except Exception as error:  # safetensors raises its own kind, KeyError or ValueError
        raise RunError(f"{name} cannot be read", f"{folder}: {visible(str(error), 120)}") from None
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise RunError(
                f"tensor {visible(key, 80)!r} holds values that are no numbers", f"{folder}/{name}"
            )
    return arrays


def on_disk(error: OSError, folder: Path, name: str) -> SystemFault:
    """The error for a file of that name that could not be written."""
    if not folder.is_dir():
        return SystemFault("the run directory has gone", str(folder), "put it back, or train again")
    reason = (error.strerror or str(error)).lower()
    return SystemFault(
        f"cannot write {name}: {reason}", str(folder), "mend that and give the same command again"
    )


def write_atomically(folder: Path, name: str, body: bytes) -> dict[str, Any]:
    """Write folder/name whole or not at all; gives its size and sha256 for the manifest."""
    return write_parts(folder, name, [body])


def write_parts(folder: Path, name: str, parts: Iterable[bytes]) -> dict[str, Any]:
    """The same for a body that comes in parts, which are in memory one at a time."""
    target = folder / name
    temporary = target.parent / f".tmp-{target.name}"
    size, digest = 0, hashlib.sha256()
    try:
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                for part in parts:
                    stream.write(part)
                    digest.update(part)
                    size += len(part)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise on_disk(error, folder, name) from None
    return {"size": size, "sha256": digest.hexdigest()}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Take a file away if it is there. Raises SystemFault."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise on_disk(error, path.parent, path.name) from None


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def append(folder: Path, name: str, line: str) -> None:
    """Add a line to a log that grows outside the digests."""
    with appending(folder / name) as handle:
        body = (line + "\n").encode()
        while body:  # on a full disk a write may take only a part
            body = body[os.write(handle, body) :]


@contextmanager
def appending(path: Path) -> Iterator[int]:
    try:
        # Not blocking: a pipe that someone put there has no reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(path, flags | os.O_CLOEXEC, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise RunError(f"{path.name} is no regular file", str(path.parent))
            yield handle
        finally:
            os.close(handle)
    except OSError as error:
        raise on_disk(error, path.parent, path.name) from None


def count_lines(folder: Path, name: str) -> int:
    """Lines of a log."""
    return read_plain(folder / name, MAX_JSON).count(b"\n")
