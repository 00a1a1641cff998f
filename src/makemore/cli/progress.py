"""Progress: shows a training to a person, and stops it on a signal."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.waiting import StepsLeft, Waiting
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.api.session import SessionEvent, Started
    from makemore.training import Evaluated, Step


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


def show_progress(events: Iterable[SessionEvent]) -> Started:
    """Show a training until it ends; returns its first event, which has the trained model."""
    from makemore.api.session import Message, Preview, Started
    from makemore.training import Evaluated, Step

    started: Started  # both are set by the first event that is no message
    view: ProgressView
    with ExitStack() as stack:
        waiting = stack.enter_context(Waiting(lambda: "getting ready to train"))
        for event in events:
            if isinstance(event, Message):
                note(event.text)
            elif isinstance(event, Started):
                started = event
                if not event.finished:  # else no event follows, and a bar would only flash up
                    view = stack.enter_context(ProgressView(event.maker))
                    left = StepsLeft(view.steps)
                    waiting.describe = left
            elif isinstance(event, Step):
                view.step(event)
                left.see(event.step)
            elif isinstance(event, Evaluated):
                view.evaluated(event)
            elif isinstance(event, Preview):
                view.preview(event.lines)
    return started


class ProgressView:
    """Shows a training as a live bar on a terminal, as plain lines of stderr elsewhere."""

    def __init__(self, maker: MakeMore) -> None:
        self.steps = maker.plan_.recipe.max_steps or 1 if maker.plan_ else 1
        # Under a time budget the last step is only planned, and the clock may move it.
        self.planned = "about " if maker.plan_ and "time" in maker.plan_.config.asked else ""
        # log V is the loss of guessing evenly among V symbols; 1.5 leaves room for a bad start.
        self.worse_than_guessing = 1.5 * math.log(len(maker.vocabulary))
        self.began, self.symbols, self.speed = time.monotonic(), 0, 0.0
        self.first: int | None = None  # the first step that this process took; timed from its end
        self.last: Evaluated | None = None
        self.bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"), BarColumn(),
                TextColumn("{task.fields[losses]}"), TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=self.steps, losses="", speed="")

    def __enter__(self) -> ProgressView:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, event: Step) -> None:
        """Show the batch loss of a step, and the speed in symbols a second."""
        if self.first is None:
            # Counts come before it, and the first evaluation: a rate of steps has neither.
            self.first, self.began = event.step, time.monotonic()
            return
        self.symbols += event.symbols
        self.speed = self.symbols / max(time.monotonic() - self.began, 1e-9)
        if self.bar:
            loss = f"loss {float(event.loss):.3f}"
            shown = f"{self.speed:,.0f} symbols/s"
            self.bar.update(self.task, completed=event.step, losses=loss, speed=shown)

    def evaluated(self, event: Evaluated) -> None:
        """Show the losses of an evaluation, in nats a symbol, and the remaining seconds."""
        done = 0 if self.first is None else event.step - self.first
        left = (time.monotonic() - self.began) / done * (self.steps - event.step) if done > 0 else 0
        val = "" if event.val is None else f"  val {event.val:.4f}{' (best)' if event.best else ''}"
        speed = f"  {self.speed:,.0f} symbols/s  {left:.0f} s left" if left >= 1 else ""
        self.say(
            f"step {event.step}/{self.planned}{self.steps}  train {event.train:.4f}{val}{speed}"
        )
        self.last = event

    def preview(self, lines: list[str]) -> None:
        """Show lines that the model draws now, and warn if it learns nothing."""
        if lines:
            self.say("  " + "  ".join(lines))
        if self.last is None:
            return
        loss = self.last.train if self.last.val is None else self.last.val
        if self.last.step and loss > self.worse_than_guessing:
            self.say("makemore: warning: worse than guessing; try a smaller --learning-rate")

    def say(self, text: str) -> None:
        """Print a line above the bar, or to stderr where there is none."""
        if self.bar:
            self.bar.console.print(visible(text), markup=False, highlight=False)
        else:
            note(text, prefix="")
