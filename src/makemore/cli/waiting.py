"""Waiting: says on stderr how far a request is that takes more than a few seconds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from makemore.cli.output import note


class Waiting:
    """Says on stderr how far a request is, inside `with`: after FIRST s, and then less often.

    describe: says it, None where there is nothing to say; it may be replaced as the work goes on.
    A thread of its own asks, so that the work needs no clock and one long step is covered, too.
    """

    FIRST, LONGEST = 3.0, 60.0  # seconds until the first line, and between two at most

    def __init__(self, describe: Callable[[], str | None]) -> None:
        self.describe, self.began = describe, time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()  # no line of it comes after the last result

    def _run(self) -> None:
        pause = self.FIRST
        while not self._over.wait(pause):
            text = self.describe()
            if text is not None:
                with contextlib.suppress(OSError, ValueError):  # the reader of stderr has gone
                    note(f"{text}; {time.monotonic() - self.began:.0f} s so far")
            pause = min(2 * pause, self.LONGEST)
