"""Progress line: shows on stderr how far `fit` is, in a terminal, a notebook or a log.

It is the one place outside the command line that prints: in Python nobody else would. In a terminal
and in a notebook one line is rewritten; elsewhere each evaluation is a line of its own. Nothing
goes to stdout.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from makemore.api.duration import in_words
from makemore.api.training_progress import TrainingProgress, losses_of
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.training.events import Evaluated, Event, Step

if TYPE_CHECKING:
    from makemore.api.plan import Plan

PATIENCE = 2.0  # seconds that fit takes without a word, where nobody typed verbose
INTERVAL = 0.1  # seconds between two rewritings of the line
BAR = 20  # cells


def wants_progress(verbose: bool | int | None) -> bool | None:
    """Return whether fit shows its progress; None: if it takes long. Raises UsageError.

    Where `verbose` is None, it does if somebody watches: in a terminal, a Python prompt or a
    notebook. Workers of joblib and other threads stay silent.
    """
    if verbose is None:
        stream, notebook = _stream(), _in_notebook()
        first = threading.current_thread() is threading.main_thread()
        alone = multiprocessing.parent_process() is None
        watched = notebook or hasattr(sys, "ps1") or _is_terminal(stream)
        return None if first and alone and watched else False
    if isinstance(verbose, (bool, np.bool_, int, np.integer)) and verbose >= 0:
        return bool(verbose)
    raise UsageError(f"verbose cannot be {verbose!r}", "verbose", "give 0, 1 or None")


def show_events(
    events: Iterable[Event], plan: Plan, why: str, shown: bool | None
) -> Iterator[Event]:
    """Pass on the events of a training, and show how far it is unless `shown` is False.

    why: how the model was chosen, in one sentence; "" if it was named
    """
    stream = None if shown is False else _stream()
    if stream is None:
        yield from events
        return
    line = ProgressLine(plan, stream, rewrites=_is_terminal(stream) or _in_notebook())
    line.quiet_until = time.monotonic() + (PATIENCE if shown is None else 0.0)
    if why and shown:
        line.say(f"makemore: {why}")
    try:
        for event in events:
            line.see(event)
            yield event
    finally:
        line.close()


class ProgressLine:
    """Writes the progress of a training: one line that is rewritten, or a line an evaluation."""

    def __init__(self, plan: Plan, stream: TextIO, rewrites: bool) -> None:
        self.progress, self.stream, self.rewrites = TrainingProgress(plan), stream, rewrites
        self.quiet_until = self.next = 0.0  # time.monotonic()
        self.width = 0  # characters of the line that stands there
        self.written = False

    def see(self, event: Event) -> None:
        """Show an event of the training."""
        if isinstance(event, Step):
            self.progress.step(event)
        elif isinstance(event, Evaluated):
            text = self.progress.evaluated(event)
            if not self.rewrites and time.monotonic() >= self.quiet_until:
                self.say(text)
        if self.rewrites and time.monotonic() >= max(self.quiet_until, self.next):
            self.next = time.monotonic() + INTERVAL
            self.rewrite(self.bar(event.step))

    def bar(self, step: int) -> str:
        """Draw the bar of the steps, with the latest losses and the remaining seconds."""
        progress = self.progress
        filled = min(BAR, BAR * step // progress.steps)
        left = progress.seconds_left(step)
        bar = "#" * filled + "." * (BAR - filled)
        parts = [
            f"step {step}/{progress.planned}{progress.steps} [{bar}]",
            losses_of(progress.last) if progress.last else "",
            f"{progress.speed:,.0f} symbols/s" if progress.speed else "",
            f"{in_words(left)} left" if left >= 1 else "",
        ]
        return "  ".join(part for part in parts if part)

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self._write(visible(text) + "\n")

    def rewrite(self, text: str) -> None:
        """Write over the line that stands there; it never wraps, or it could not be rewritten."""
        text = visible(text)[: max(20, shutil.get_terminal_size().columns - 1)]
        self._write("\r" + text + " " * (self.width - len(text)))
        self.width = len(text)

    def close(self) -> None:
        """Leave the last line there, complete."""
        if self.width:
            last = self.progress.last
            if last is not None and last.step >= self.progress.steps:
                self.rewrite(self.bar(last.step))
            self._write("\n")
            self.width = 0
        if self.written and (warning := self.progress.warning()):
            self.say(warning)

    def _write(self, text: str) -> None:
        """Write to the stream; one that is closed or full ends no training."""
        try:
            self.stream.write(text)
            self.stream.flush()
            self.written = True
        except (AttributeError, OSError, ValueError):
            self.quiet_until = float("inf")


def _stream() -> TextIO | None:
    """Return stderr; None in a program that has none."""
    return sys.stderr  # noqa: TID251 (see above)


def _is_terminal(stream: TextIO | None) -> bool:
    """Check for a terminal; what a program put in place of stderr may be closed, or only write."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return stream is not None and stream.isatty()
    return False


def _in_notebook() -> bool:
    """Check whether a Jupyter kernel runs this program: it rewrites lines as a terminal does."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
