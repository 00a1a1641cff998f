"""Log: what the server tells the person who started it, in lines that no client can forge.

A path, a header or an error's text comes from outside. A line feed in it would begin a line of its
own, and an escape could rule the terminal: each entry is one line, with both shown as escapes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from makemore.escaping import visible

LOG = logging.getLogger("makemore.web.server")
OTHERS = ("uvicorn.error", "asyncio")  # what they would print, with tracebacks, to stderr
LONGEST = 400  # characters of an entry

Say = Callable[[str], None]


class OneLine(logging.Handler):
    """Gives each entry to `say` as one line of visible characters."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message, and of an exception its type and text."""
        text = record.getMessage().strip()
        if text.startswith("Traceback"):  # of a start that failed: the last line says why
            text = text.splitlines()[-1]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            text += f": {type(error).__name__}: {error}"
        # What the server itself ends is no fault. Our own entries are all said: a path in them
        # may hold any word.
        if record.name == LOG.name or "CancelledError" not in text:
            self.say(visible(text, LONGEST))


@contextmanager
def told(say: Say, requests: bool) -> Iterator[None]:
    """Tell `say` every fault inside the `with`, and every request if that is asked for."""
    handler = OneLine(say)
    before = []
    for name in (LOG.name, *OTHERS):
        logger = logging.getLogger(name)
        before.append((logger, logger.level, logger.propagate))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if requests and logger is LOG else logging.ERROR)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
