"""Progress: shows a training to a person, and stops it on a signal."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.waiting import Waiting
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.api.session import SessionEvent, Started
    from makemore.training import Evaluated, Step

INTERVAL = 0.1  # seconds between two changes of the bar


class StopSignals:
    """Turns SIGINT, SIGTERM or SIGHUP into `event`, on which training saves and stops.

    A second SIGINT ends the process at once.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signum: int | None = None  # the signal that came
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Ignored by nohup, or by & in a script: whoever did that wants the training to go on.
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, self._stop)
        return self

    def __exit__(self, *exception: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _stop(self, signum: int, frame: object) -> None:
        if self.event.is_set() and signum == signal.SIGINT:
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise KeyboardInterrupt
        self.signum = signum
        self.event.set()


def show_progress(events: Iterable[SessionEvent]) -> Started | None:
    """Show a training until it ends; returns its first event, which has the trained model.

    None where it was stopped before that.
    """
    from makemore.api.session import Message, Preview, Started
    from makemore.training import Evaluated, Step

    started: Started | None = None
    view: ProgressView  # both are set by the first event that is no message
    with ExitStack() as stack:
        waiting = stack.enter_context(Waiting(lambda: "getting ready to train"))
        for event in events:
            if not isinstance(event, Step):  # of all others a line is printed
                waiting.heard()
            if isinstance(event, Message):
                note(event.text)
            elif isinstance(event, Started):
                started = event
                if not event.finished:  # else no event follows, and a bar would only flash up
                    view = stack.enter_context(ProgressView(event.maker))
                    waiting.describe = view.describe
            elif isinstance(event, Step):
                view.step(event)
            elif isinstance(event, Evaluated):
                view.evaluated(event)
            elif isinstance(event, Preview):
                view.preview(event.lines)
    return started


class ProgressView:
    """Shows a training as a live bar on a terminal, as plain lines of stderr elsewhere."""

    def __init__(self, maker: MakeMore) -> None:
        from makemore.api.training_progress import TrainingProgress

        assert maker.plan_ is not None  # noqa: S101 (a training has begun)
        self.progress = TrainingProgress(maker.plan_)
        self.bar: Any = None
        self.next = 0.0  # time.monotonic() from which the bar is drawn anew
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"), BarColumn(),
                TextColumn("{task.fields[losses]}"), TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=self.progress.steps, losses="", speed="")

    def __enter__(self) -> ProgressView:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, event: Step) -> None:
        """Show the batch loss of a step, and the speed in symbols a second."""
        self.progress.step(event)
        # Not at every step: to read the loss of a card is to wait for it.
        if self.bar and self.progress.speed and time.monotonic() >= self.next:
            self.next = time.monotonic() + INTERVAL
            loss = f"loss {float(event.loss):.3f}"
            shown = f"{self.progress.speed:,.0f} symbols/s"
            self.bar.update(self.task, completed=event.step, losses=loss, speed=shown)

    def describe(self) -> str | None:
        """Say how far it is; None where a bar shows it."""
        return None if self.bar else str(self.progress)

    def evaluated(self, event: Evaluated) -> None:
        """Show the losses of an evaluation, in nats a symbol, and the remaining seconds."""
        self.say(self.progress.evaluated(event))

    def preview(self, lines: list[str]) -> None:
        """Show lines that the model draws now, and warn if it learns nothing."""
        if lines:
            self.say("  " + "  ".join(lines))
        if warning := self.progress.warning():
            self.say(warning)

    def say(self, text: str) -> None:
        """Print a line above the bar, or to stderr where there is none."""
        if self.bar:
            self.bar.console.print(visible(text), markup=False, highlight=False)
        else:
            note(text, prefix="")
