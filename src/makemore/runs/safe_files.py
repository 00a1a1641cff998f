"""Safe files: files that others may have changed are read strictly, ours are written atomically.

Reading never follows a link, never blocks on a pipe, never runs code, and never takes more memory
than its limit. Writing uses a temporary name in the same folder, then fsync, rename, and fsync of
the folder: a reader, or a machine that starts again after a crash, sees the old file or the new
one, and never half of one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError, SystemFault
from makemore.escaping import visible
from makemore.runs.strict_json import strict_json

MAX_JSON = 16 * 2**20  # bytes of a JSON file
MAX_LINE = 16 * 2**20  # bytes of a line of a log
CHUNK = 2**20  # bytes that are read at once
MAX_HEADER = 2**20  # bytes of a safetensors file's header, which is JSON
MAX_TENSORS = 10_000  # in a safetensors file


def read_plain(path: Path, limit: int) -> bytes:
    """Read the bytes of a regular file, at most `limit` of them.

    Raises RunError for a link, a pipe, a device or a larger file, and FileNotFoundError.
    """
    with open_plain(path, limit) as (stream, size):
        # A file that grows meanwhile ends here. By the one byte more its size differs from the
        # manifest's, and it is refused.
        return stream.read(size + 1)


def lines_of_plain(path: Path, limit: int) -> Iterator[bytes]:
    """Read the whole lines of a regular file, one after the other, without their line feeds.

    What is behind the last line feed is left out: it may be half of a line. Raises what read_plain
    does, and RunError for a line of more than MAX_LINE bytes.
    """
    with open_plain(path, limit) as (stream, _):
        rest = b""
        while chunk := stream.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE:
                what = f"a line of {path.name} is longer than {MAX_LINE} bytes"
                raise RunError(what, str(path.parent), "take it out of the file")


@contextmanager
def open_plain(path: Path, limit: int) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file of at most `limit` bytes to read; yields the stream and its size.

    Raises what read_plain does, before anything is read.
    """
    try:
        # NOFOLLOW: a link could lead to any file of the user. NONBLOCK: to open a pipe would wait
        # until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:  # the caller knows what it means: a newer generation, or no run
        raise
    except ValueError:  # NUL, or half of a surrogate pair: no file has such a name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise RunError(f"cannot read {path.name}", f"{path.parent}: {reason}") from None
    try:
        # Asked of the open file, not of its path: that may name another file by now.
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RunError(f"{path.name} is no regular file", str(path.parent))
        if status.st_size > limit:
            raise RunError(f"{path.name} is larger than {limit} bytes", str(path.parent))
        with os.fdopen(handle, "rb", closefd=False) as stream:
            yield stream, status.st_size
    except OSError as error:
        raise RunError(f"cannot read {path.name}", f"{path.parent}: {error.strerror}") from None
    finally:
        os.close(handle)


def parse_json(body: bytes, name: str, folder: Path) -> Any:
    """Parse strict JSON: UTF-8, no duplicate keys, no NaN or infinity.

    name, folder: of the file, for the message. Raises RunError for anything else.
    """
    try:
        return strict_json(body)
    except ValueError as error:
        raise RunError(f"{name} is no valid JSON", f"{folder}: {visible(str(error), 80)}") from None


def parse_tensors(body: bytes, name: str, folder: Path) -> dict[str, NDArray[Any]]:
    """Parse a safetensors file: name -> array. Raises RunError unless all is whole and finite."""
    import safetensors.numpy

    parse_header(body, len(body), name, folder)
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(body)
    except Exception as error:  # safetensors raises its own kind, KeyError or ValueError
        raise RunError(f"{name} cannot be read", f"{folder}: {visible(str(error), 120)}") from None
    # One NaN in the weights can make every probability NaN, far from here.
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise RunError(
                f"tensor {visible(key, 80)!r} holds values that are no numbers", f"{folder}/{name}"
            )
    return arrays


def parse_header(start: bytes, size: int, name: str, folder: Path) -> dict[str, Any]:
    """Parse the header of a safetensors file of `size` bytes, of which `start` are the first ones.

    The format: 8 bytes with the length of the header, the header in JSON, the data. It is checked
    before the library sees it, by our stricter rules. Raises RunError.
    """
    header = int.from_bytes(start[:8], "little")
    if size < 8 or header > min(MAX_HEADER, size - 8):
        raise RunError(f"{name} is no safetensors file", f"{folder}: its header is too long")
    listed = parse_json(start[8 : 8 + header], name, folder)
    if not isinstance(listed, dict) or len(listed) > MAX_TENSORS:
        raise RunError(f"{name} lists more than {MAX_TENSORS} tensors", str(folder))
    try:
        ends = [entry["data_offsets"][1] for key, entry in listed.items() if key != "__metadata__"]
        filled = max(ends, default=0) == size - 8 - header
    except (KeyError, IndexError, TypeError):
        filled = False
    if not filled:
        raise RunError(f"{name} is no safetensors file", f"{folder}: its tensors do not fill it")
    return listed


def on_disk(error: OSError, folder: Path, name: str) -> SystemFault:
    """Make the error for a file of that name that could not be written."""
    if not folder.is_dir():
        return SystemFault("the run directory has gone", str(folder), "put it back, or train again")
    reason = (error.strerror or str(error)).lower()
    return SystemFault(
        f"cannot write {name}: {reason}", str(folder), "mend that and give the same command again"
    )


def write_atomically(folder: Path, name: str, body: bytes) -> dict[str, Any]:
    """Write folder/name whole or not at all. Raises SystemFault.

    Returns its entry in the manifest: {"size": bytes, "sha256": hex digest}.
    """
    return write_parts(folder, name, [body])


def write_parts(folder: Path, name: str, parts: Iterable[bytes]) -> dict[str, Any]:
    """Write a body that comes in parts, one in memory at a time; else like write_atomically."""
    with writing(folder, name) as file:
        for part in parts:
            file.write(part)
    return file.entry


class NewFile:
    """Writes a file in parts, and knows its entry in the manifest: size and sha256."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._size, self._digest = stream, 0, hashlib.sha256()

    def write(self, part: bytes | memoryview) -> None:
        """Append bytes. Raises OSError."""
        self._stream.write(part)
        self._digest.update(part)
        self._size += len(part)

    @property
    def entry(self) -> dict[str, Any]:
        """Return the entry of what was written so far."""
        return {"size": self._size, "sha256": self._digest.hexdigest()}


@contextmanager
def writing(folder: Path, name: str) -> Iterator[NewFile]:
    """Write folder/name in parts inside `with`: it is there whole behind it, or not at all.

    Raises SystemFault.
    """
    # In the same folder: a rename is atomic only within one file system.
    target = folder / name
    temporary = target.parent / f".tmp-{target.name}"
    try:
        temporary.unlink(missing_ok=True)  # of a writer that was killed
        # EXCL: the file is a new one, and not a link that somebody put there in between.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield NewFile(stream)
                stream.flush()  # from Python's buffer to the system
                os.fsync(stream.fileno())  # from the system to the disk
            # Only now: a file system may put the rename on the disk before the data, and a crash
            # in between would leave an empty file under the final name.
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        # The name is data of the folder. Without this the rename itself could be lost, and a
        # manifest that is written later would name a file that is not there.
        sync_folder(target.parent)
    except OSError as error:
        raise on_disk(error, folder, name) from None


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file if there is one. Raises SystemFault."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise on_disk(error, path.parent, path.name) from None


def make_folder(folder: Path) -> None:
    """Make a directory to write to, with those above it. Raises RunError, SystemFault."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise RunError("no directory", str(folder), "give another directory") from None
        raise SystemFault(
            f"cannot make {folder}", error.strerror, "give another directory"
        ) from None


def to_json(value: Any) -> bytes:
    """Encode a value as JSON that a person can read. Raises ValueError for NaN and infinity."""
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def append(folder: Path, name: str, line: str) -> None:
    """Append a line to folder/name, which is created if missing. Raises SystemFault, RunError.

    It is not fsynced, which takes milliseconds: RunWriter syncs its logs when it commits them.
    """
    with appending(folder / name) as handle:
        body = (line + "\n").encode()
        while body:  # on a full disk a write may take only a part
            body = body[os.write(handle, body) :]


@contextmanager
def appending(path: Path) -> Iterator[int]:
    """Open a regular file to append to it, created if missing; yields its file descriptor.

    Raises SystemFault if it cannot be written, RunError if it is a pipe or a device.
    """
    try:
        # APPEND: the system finds the end at each write, so two processes do not overwrite each
        # other. NONBLOCK: a pipe that someone put there has no reader, and opening it would wait.
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
    """Count the lines of a log. Raises RunError, FileNotFoundError."""
    return read_plain(folder / name, MAX_JSON).count(b"\n")
