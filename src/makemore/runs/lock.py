"""Lock: who trains in a run directory holds its lock file by flock; others may look at that."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from makemore.errors import SystemFault
from makemore.escaping import visible
from makemore.runs.safe_files import on_disk

LOOKED_AT = 0.1  # seconds after which nobody only looks at a lock any more
TRIES = 25


def acquire(handle: int) -> None:
    """Take the lock of an open lock file. Raises BlockingIOError if another process trains."""
    for again in reversed(range(TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not again:
                raise
            # `is_locked` in a process that only looks has it for some microseconds.
            time.sleep(LOOKED_AT / TRIES)


def lock_folder(folder: Path, at_work: str = "training") -> int:
    """Take the lock of a directory -> a descriptor that holds it until it is closed.

    at_work: what another process that has the lock is doing here, for the error
    Raises SystemFault if there is one, or where the file cannot be written.
    """
    try:
        handle = os.open(
            folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
    except OSError as error:
        raise on_disk(error, folder, "lock") from None
    try:
        # The system releases it when the process ends, however it ends: no lock is ever stale.
        # That the file is there says nothing; only flock does.
        acquire(handle)
        os.ftruncate(handle, 0)  # the process id is for the message below alone
        os.write(handle, f"{os.getpid()}\n".encode())
    except BlockingIOError:
        holder = visible(os.pread(handle, 20, 0).decode("ascii", "replace").strip(), 20)
        os.close(handle)
        raise SystemFault(
            f"process {holder} is {at_work} here", str(folder),
            "wait for it, or give another directory",
        ) from None  # fmt: skip
    except OSError as error:
        os.close(handle)
        raise on_disk(error, folder, "lock") from None
    return handle


class Locked:
    """Holds the lock of a directory that it writes to, until it is closed; or use `with`."""

    def __init__(self, folder: Path, at_work: str = "training") -> None:
        """Take the lock. Raises SystemFault as lock_folder does."""
        self.folder, self._lock = folder, lock_folder(folder, at_work)

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def is_locked(folder: Path) -> bool:
    """Tell whether some process trains in a run directory; nothing is written there."""
    try:
        handle = os.open(
            folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError:  # nobody has trained here, or what is there is no lock
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks: nobody can hold one
        return False
    finally:
        os.close(handle)
    return False
