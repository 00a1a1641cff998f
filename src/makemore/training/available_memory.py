"""Available memory: how many bytes this process can still take, by the machine and its limits.

A process that takes more is killed without a word by the system, so it is asked beforehand.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Return the bytes that are free, by whichever limit leaves fewest; None where none is known.

    The limits are the machine's memory, that of the container (cgroup) and `ulimit -v`.
    """
    free = [*_of_machine(), *_of_cgroups(), *_of_address_space()]
    return max(0, min(free)) if free else None


def _of_machine() -> Iterator[int]:
    """Yield the bytes that the machine can give without swapping; all that it has on macOS."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_cgroups(root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Yield what the cgroup of this process and each one above it leaves, in versions 2 and 1."""
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                top, limit, usage = root, "memory.max", "memory.current"
            elif "memory" in kinds.split(","):
                top = root / "memory"
                limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
            else:
                continue
            here = top / path.lstrip("/")
            for folder in (here, *here.parents):
                with contextlib.suppress(OSError, ValueError):  # no limit there: `max`, or no file
                    yield int((folder / limit).read_text()) - int((folder / usage).read_text())
                if folder == top:
                    break


def _of_address_space() -> Iterator[int]:
    """Yield what `ulimit -v` leaves to this process."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            yield limit - pages * resource.getpagesize()
