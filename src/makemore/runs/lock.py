"""Lock: who trains in a run directory holds its lock file by flock; others may look at that."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

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
