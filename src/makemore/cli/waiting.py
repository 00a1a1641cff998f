"""Waiting: says on stderr how far a request is that takes more than a few seconds."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from makemore.cli.output import note


class Waiting:
    """Says on stderr how far a request is, inside `with`: after FIRST s, and then less often.

    describe: says it, None where there is nothing to say; it may be replaced as the work goes on.
    A thread of its own asks, so that the work needs no clock and one long step is covered, too.
    `heard` tells it that the request itself has printed something: nobody waits in the dark then.
    stopped: what is said after ^C; nothing where None
    """

    FIRST, LONGEST = 3.0, 60.0  # seconds of silence until the first line, and between two at most

    def __init__(self, describe: Callable[[], str | None], stopped: str | None = None) -> None:
        self.describe, self.stopped, self.began = describe, stopped, time.monotonic()
        self._last = self.began  # when something was printed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._over.set()
        self._thread.join()  # no line of it comes after the last result
        if kind is KeyboardInterrupt and self.stopped:
            note(f"stopped: {self.stopped}")

    def heard(self) -> None:
        """Note that something was printed just now."""
        self._last = time.monotonic()

    def _run(self) -> None:
        pause = self.FIRST
        while not self._over.wait(max(0.01, self._last + pause - time.monotonic())):
            if time.monotonic() < self._last + pause:  # something was printed meanwhile
                continue
            text = self.describe()
            if text is not None:
                with contextlib.suppress(OSError, ValueError):  # the reader of stderr has gone
                    note(f"{text}; {time.monotonic() - self.began:.0f} s so far")
            self.heard()
            pause = min(2 * pause, self.LONGEST)


def reading(file: str | None) -> Callable[[], str | None]:
    """Make what says how much of a file has been read: for Waiting."""

    def describe() -> str | None:
        if file is None:
            return "reading the built-in names"
        at, size = read_so_far(file)
        of = f": {at / 1e6:,.1f} of {size / 1e6:,.1f} MB" if at and size else ""
        return f"reading {'standard input' if file == '-' else file}{of}"

    return describe


def read_so_far(file: str) -> tuple[int, int]:
    """Return how many bytes of a file this process has read, and how many it has; 0: unknown.

    The reader knows nothing of progress: Linux tells where each open file stands.
    """
    with contextlib.suppress(OSError, ValueError):
        size = os.fstat(0).st_size if file == "-" else Path(file).stat().st_size
        for entry in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError, ValueError):
                if (
                    entry == "0"
                    if file == "-"
                    else os.path.samefile(f"/proc/self/fd/{entry}", file)
                ):
                    position = Path(f"/proc/self/fdinfo/{entry}").read_text().split()[1]
                    return int(position), size
    return 0, 0
