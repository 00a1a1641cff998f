"""While a model trains: what a person sees of it, and how it is told to stop."""

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
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.api.session import SessionEvent, Started
    from makemore.training import Evaluated, Step


class StopSignals:
    """SIGINT, SIGTERM or SIGHUP asks training to stop and save; a second SIGINT ends it at once."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or & in a script
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        if self.event.is_set() and number == signal.SIGINT:
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise KeyboardInterrupt
        self.number = number
        self.event.set()


def show_progress(events: Iterable[SessionEvent]) -> Started:
    """Show a training as it goes on; gives how it began, once it has ended."""
    from makemore.api.session import Message, Preview, Started
    from makemore.training import Evaluated, Step

    started: Started | None = None
    view: ProgressView | None = None
    with ExitStack() as stack:
        for event in events:
            if isinstance(event, Message):
                note(f"makemore: {event.text}")
            elif isinstance(event, Started):
                started = event
                if not event.finished:
                    view = stack.enter_context(ProgressView(event.maker))
            elif view is not None and isinstance(event, Step):
                view.step(event)
            elif view is not None and isinstance(event, Evaluated):
                view.evaluated(event)
            elif view is not None and isinstance(event, Preview):
                view.preview(event.lines)
    assert started is not None  # noqa: S101 (the first event of every session)
    return started


class ProgressView:
    """What a person sees of a training: a live bar on a terminal, plain lines elsewhere."""

    def __init__(self, maker: MakeMore) -> None:
        self.steps = maker.plan_.recipe.max_steps or 1 if maker.plan_ else 1
        self.worse_than_guessing = 1.5 * math.log(len(maker.vocabulary))
        self.began, self.symbols, self.speed = time.monotonic(), 0, 0.0
        self.first: int | None = None
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
        """Show the loss of a step, and how many symbols a second are learned."""
        self.symbols += event.symbols
        self.speed = self.symbols / max(time.monotonic() - self.began, 1e-9)
        self.first = event.step - 1 if self.first is None else self.first
        if self.bar:
            loss = f"loss {float(event.loss):.3f}"
            shown = f"{self.speed:,.0f} symbols/s"
            self.bar.update(self.task, completed=event.step, losses=loss, speed=shown)

    def evaluated(self, event: Evaluated) -> None:
        """Show the losses of an evaluation, nats a symbol, and the seconds that are left."""
        done = event.step - (self.first or 0)
        left = (time.monotonic() - self.began) / done * (self.steps - event.step) if done > 0 else 0
        val = "" if event.val is None else f"  val {event.val:.4f}{' (best)' if event.best else ''}"
        speed = (
            f"  {self.speed:,.0f} symbols/s  {left:.0f} s left" if done > 0 and left >= 1 else ""
        )
        self.say(f"step {event.step}/{self.steps}  train {event.train:.4f}{val}{speed}")
        self.last = event

    def preview(self, lines: list[str]) -> None:
        """Show lines that the model makes now, and warn where it learns nothing."""
        if lines:
            self.say("  " + "  ".join(lines))
        if self.last is None:
            return
        loss = self.last.train if self.last.val is None else self.last.val
        if self.last.step and loss > self.worse_than_guessing:
            self.say("makemore: warning: worse than guessing; try a smaller --learning-rate")

    def say(self, text: str) -> None:
        if self.bar:
            self.bar.console.print(visible(text), markup=False, highlight=False)
        else:
            note(text)
