"""What a person sees of a training: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

from makemore.commands import note
from makemore.errors import visible

if TYPE_CHECKING:
    from makemore.estimator import MakeMore


class View:
    """What a person sees of a training: a live bar on a terminal, plain lines elsewhere."""

    def __init__(self, steps: int, maker: MakeMore) -> None:
        self.steps, self.maker, self.speed, self.began = steps, maker, 0.0, time.monotonic()
        self.first: int | None = None
        self.bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"), BarColumn(),
                TextColumn("{task.fields[losses]}"), TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=steps, losses="", speed="")

    def __enter__(self) -> View:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, event: Any, speed: float) -> None:
        self.speed = speed
        self.first = event.step - 1 if self.first is None else self.first
        if self.bar:
            loss = f"loss {float(event.loss):.3f}"
            shown = f"{speed:,.0f} symbols/s"
            self.bar.update(self.task, completed=event.step, losses=loss, speed=shown)

    def evaluated(self, event: Any, lines: list[str]) -> None:
        done = event.step - (self.first or 0)
        left = (time.monotonic() - self.began) / done * (self.steps - event.step) if done > 0 else 0
        val = "" if event.val is None else f"  val {event.val:.4f}{' (best)' if event.best else ''}"
        speed = (
            f"  {self.speed:,.0f} symbols/s  {left:.0f} s left" if done > 0 and left >= 1 else ""
        )
        self.say(f"step {event.step}/{self.steps}  train {event.train:.4f}{val}{speed}")
        if lines:
            self.say("  " + "  ".join(lines))
        loss = event.train if event.val is None else event.val
        if event.step and loss > 1.5 * math.log(len(self.maker.vocabulary)):
            self.say("makemore: warning: worse than guessing; try a smaller --learning-rate")

    def say(self, text: str) -> None:
        if self.bar:
            self.bar.console.print(visible(text), markup=False, highlight=False)
        else:
            note(text)
