"""Opening: opens a file for bytes that a program names by its path, or takes one that is open."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeGuard

from makemore.errors import DataError, MakemoreError, UsageError
from makemore.escaping import visible


class Kept(io.BytesIO):
    """Holds the bytes of a file in memory, to be read more than once: a pipe gives them once."""

    def __init__(self, body: bytes, name: str) -> None:
        super().__init__(body)
        self.name = name


def is_file(source: Any) -> TypeGuard[os.PathLike[str] | BinaryIO]:
    """Check whether lines have to be read as bytes: a Path, or a file that is open for bytes."""
    return isinstance(source, os.PathLike) or opened(source) is not None


def opened(source: Any) -> BinaryIO | None:
    """Return the stream of a file that is open for bytes, that of a temporary file included."""
    stream: Any = getattr(source, "file", source)  # tempfile wraps the file that it opens
    binary = isinstance(stream, io.IOBase) and not isinstance(stream, io.TextIOBase)
    return stream if binary else None


def is_decoded(source: Any) -> bool:
    """Check for a file that is open for text: its bytes are decoded already."""
    return isinstance(getattr(source, "file", source), io.TextIOBase)


def path_of(path: Any, kind: str = "file") -> str:
    """Return a path as a string; ``~/`` is the home folder, as in a shell. Raises UsageError.

    kind: "file" or "folder", for the error where it is no path
    """
    # A run must not come to lie in a new folder that is called "~": who removes that by a shell
    # removes the home folder. Where there is such a folder, it is meant.
    if isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str):
        text = str(os.fspath(path))
        home = text.partition("/")[0] == "~" and not os.path.lexists("~")
        return os.path.expanduser(text) if home else text
    what = "None" if path is None else type(path).__name__
    to_do = f"give the {kind}'s path: a string or a pathlib.Path"
    raise UsageError(f"{what} is no path", kind, to_do)


@contextmanager
def reading(source: Any) -> Iterator[tuple[BinaryIO, str]]:
    """Open a path for bytes (``-`` is standard input), or take a stream; yields it and its name.

    Raises DataError where it cannot be read, while it is read, too.
    """
    stream = opened(source)
    name = str(getattr(stream, "name", "lines")) if stream else path_of(source)
    name = "standard input" if name == "-" else visible(name, 200)
    try:
        if stream is not None:  # whoever opened it closes it
            _check_not_read(stream, name)
            yield stream, name
        elif name == "standard input":
            yield sys.stdin.buffer, name
        else:
            with open(path_of(source), "rb") as stream:
                yield stream, name
    except (OSError, ValueError) as error:
        # A DataError is a ValueError, too; and a pipe that breaks is one that is written to.
        if isinstance(error, (MakemoreError, BrokenPipeError)):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read '{name}'", reason, "give a text file") from None


def _check_not_read(stream: BinaryIO, name: str) -> None:
    """Raise DataError for an open file that was read, or written, to its end."""
    begin = position(stream)
    if begin and not stream.read(1):
        raise used_up(f"'{name}'")
    if begin:
        stream.seek(begin)


def position(stream: Any) -> int:
    """Return where in an open file the next read begins; 0 where nobody knows (a pipe)."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return int(stream.tell()) if stream.seekable() else 0
    return 0


def used_up(what: str) -> DataError:
    """Make the error for an open file that gives no line any more: it would pass for empty."""
    return DataError(f"{what} has been read to its end", "lines", "go back first: file.seek(0)")
