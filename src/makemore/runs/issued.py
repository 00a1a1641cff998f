"""Issued lines: the lines that a run has given out, so that no later call gives them again.

They are kept in given.txt in the run directory, one a line. The checkpoint's digests leave that
file out, because it grows after the training.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from makemore.errors import RunError, SystemFault
from makemore.runs.safe_files import append, appending, lines_of_plain
from makemore.text import Corpus

FILE = "given.txt"
MOST_BYTES = 2**30


class IssuedLines:
    """Holds given.txt of a run under a lock, so that two processes never issue the same line.

    wait: called once if another process holds the lock, before waiting for it

        with IssuedLines("runs/names") as issued:
            issued.add(["mora"])     # issued.lines: a Corpus of all lines issued before
    """

    def __init__(
        self, folder: str | os.PathLike[str], wait: Callable[[], None] = lambda: None
    ) -> None:
        self.folder, self.wait = Path(folder), wait

    def __enter__(self) -> IssuedLines:
        """Wait for the lock and read the lines.

        Raises RunError if the file is no list of lines, SystemFault if it cannot be locked.
        """
        path = self.folder / FILE
        # Links and pipes are refused below, too; here the message says what to do.
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise RunError(f"{FILE} is no regular file", str(self.folder), "take it away")
        # Created if it is missing. appending() checks again, on the open file: the file at this
        # path may have changed since the line above.
        with appending(path):
            pass
        # flock belongs to the open file and goes when that is closed: a process that is killed
        # leaves no lock behind. CLOEXEC: a program that we start must not keep it open.
        self._lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._acquire()
            # Only now: what was read before the lock could be old by now.
            self.lines = self._read(path)
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError):
                raise SystemFault(f"cannot lock {FILE}", error.strerror) from None
            raise
        return self

    def _read(self, path: Path) -> Corpus:
        try:
            # Not splitlines(): a line may hold characters that it takes for line ends, as U+2028.
            whole = [line.decode("utf-8") for line in lines_of_plain(path, MOST_BYTES)]
        except UnicodeDecodeError:
            raise RunError(
                f"{FILE} is no UTF-8", str(self.folder), "mend it or take it away"
            ) from None
        complete = sum(len(line.encode()) + 1 for line in whole)  # bytes of whole lines
        # The last writer was killed within a line. Lines are added before they are shown, so nobody
        # has seen this one: it is cut off, or the next line would be glued to it.
        with appending(path) as handle:
            if complete < os.fstat(handle).st_size:
                os.ftruncate(handle, complete)
        return Corpus.exactly(whole)

    def _acquire(self) -> None:
        # First without waiting, only to know whether to call `wait`: a user should see why nothing
        # happens.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.wait()
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        os.close(self._lock)  # and with it the lock

    def add(self, lines: Iterable[str]) -> None:
        """Append lines to given.txt, before they are shown. Raises SystemFault, RunError.

        In this order a kill between the two loses a line; in the other one it would issue it twice.
        """
        if text := "\n".join(lines):
            append(self.folder, FILE, text)
