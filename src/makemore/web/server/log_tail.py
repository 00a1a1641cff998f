"""Log tail: what was appended to a log of a run since it was read last."""

from __future__ import annotations

import os
from pathlib import Path

from makemore.runs.logs import MAX_LOG_BYTES
from makemore.runs.safe_files import open_plain

ANCHOR = 64  # bytes before the place read up to, by which it is known that they are the same
MOST = 16 * 2**20  # bytes of one read: a longer log comes in several


class LogTail:
    """Reads a log as it grows; from its start again where it was cut or replaced."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.at, self.anchor = 0, b""  # where the next read starts, and the bytes before
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> tuple[list[bytes], bool]:
        """Read the whole lines that are new -> lines, and whether they begin at the log's start.

        A file that did not change is not opened. Raises RunError for what is no regular file.
        """
        try:
            status = os.stat(self.file, follow_symlinks=False)
        except OSError:
            changed, self._seen = self._seen is not None, None
            self.at, self.anchor = 0, b""
            return [], changed
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen == self._seen:
            return [], False
        try:
            with open_plain(self.file, MAX_LOG_BYTES) as (stream, size):
                stream.seek(max(0, self.at - len(self.anchor)))
                # A training that goes on cuts its log to what was saved, and writes on from there.
                restarted = size < self.at or stream.read(len(self.anchor)) != self.anchor
                if restarted:
                    self.at, self.anchor = 0, b""
                    stream.seek(0)
                body = stream.read(MOST)
        except FileNotFoundError:  # between the two looks
            return [], False
        whole = body.rfind(b"\n") + 1
        first = self.at == 0
        self.at += whole
        self.anchor = (self.anchor + body[:whole])[-ANCHOR:]
        if len(body) < MOST:  # else there is more to read, though the file stays as it is
            self._seen = seen
        return body[:whole].split(b"\n")[:-1], first


def last_block(file: Path, most: int = 2**16) -> list[bytes]:
    """Read the whole lines among the last bytes of a log; [] if there is none."""
    try:
        with open_plain(file, MAX_LOG_BYTES) as (stream, size):
            start = max(0, size - most)
            stream.seek(start)
            lines = stream.read(most).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return lines[1:] if start else lines  # the first may be half of one
