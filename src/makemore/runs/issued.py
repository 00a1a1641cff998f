"""Issued lines: those that a run has given out, so that no later call gives them again.

They stand in given.txt in the run directory, outside the digests: it grows after the training.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from makemore.errors import RunError, SystemFault
from makemore.runs.safe_files import append, appending, read_plain
from makemore.text import Corpus

FILE = "given.txt"
MOST_BYTES = 2**30


class IssuedLines:
    """given.txt of a run, held by a lock from reading to the last line: two calls take turns.

    wait: called if another one holds it, before it is waited for.
    """

    def __init__(
        self, folder: str | os.PathLike[str], wait: Callable[[], None] = lambda: None
    ) -> None:
        self.folder, self.wait = Path(folder), wait

    def __enter__(self) -> IssuedLines:
        """Waits for its turn. Raises RunError for what is no list of lines, SystemFault."""
        path = self.folder / FILE
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise RunError(f"{FILE} is no regular file", str(self.folder), "take it away")
        with appending(path):  # made where it is missing; no link, no pipe
            pass
        self._lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._take()
            self.lines = self._read(path)
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError):
                raise SystemFault(f"cannot lock {FILE}", error.strerror) from None
            raise
        return self

    def _read(self, path: Path) -> Corpus:
        body = read_plain(path, MOST_BYTES)
        whole = body.rfind(b"\n") + 1
        if whole < len(body):  # the last writer was killed within a line, which was not shown
            with appending(path) as handle:
                os.ftruncate(handle, whole)
        try:
            return Corpus.exactly(body[:whole].decode("utf-8").split("\n")[:-1])
        except UnicodeDecodeError:
            raise RunError(
                f"{FILE} is no UTF-8", str(self.folder), "mend it or take it away"
            ) from None

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.wait()
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        os.close(self._lock)

    def add(self, lines: Iterable[str]) -> None:
        """Remember lines, before they are shown."""
        if text := "\n".join(lines):
            append(self.folder, FILE, text)
