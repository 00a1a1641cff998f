"""While a model trains: what goes to the logs, what a person sees, and how it is told to stop."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from makemore.commands import note
from makemore.commands._view import View

if TYPE_CHECKING:
    from makemore.estimator import MakeMore
    from makemore.run import Run
    from makemore.run_writer import RunWriter

GLIMPSE = 8  # new lines at each evaluation


class StopSignals:
    """SIGINT, SIGTERM or SIGHUP asks training to stop and save; a second SIGINT ends it at once."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or & in a script
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: object) -> None:
        if self.event.is_set() and number == signal.SIGINT:
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise KeyboardInterrupt
        self.number = number
        self.event.set()


def follow(
    maker: MakeMore, writer: RunWriter, run: Run | None, stop: StopSignals, watching: bool
) -> None:
    """Consume the training's events: the logs, and what a person sees of them."""
    from makemore.diagnostics import Watch
    from makemore.train import Evaluated, Step

    steps = maker.plan_.recipe.max_steps or 1 if maker.plan_ else 1
    every = maker.plan_.recipe.log_interval if maker.plan_ else 1
    began, symbols = time.monotonic(), 0
    view = View(steps, maker)
    watch = Watch.of(maker) if watching else None
    if watching and watch is None:
        note(f"makemore: {maker.model} has nothing to watch: it does not learn by steps")
    with view:
        for event in maker.training(writer, run, stop.event):
            for entry in watch.see(event) if watch else ():
                writer.log("diagnostics.jsonl", json.dumps(entry, allow_nan=False))
            seconds = round(time.monotonic() - began, 3)
            if isinstance(event, Step):
                symbols += event.symbols
                view.step(event, symbols / max(seconds, 1e-9))
                if event.step % every == 0:
                    log(
                        writer,
                        event.step,
                        "batch",
                        float(event.loss),
                        event.learning_rate,
                        symbols,
                        seconds,
                    )
            elif isinstance(event, Evaluated):
                log(writer, event.step, "train", event.train, None, symbols, seconds)
                if event.val is not None:
                    log(writer, event.step, "val", event.val, None, symbols, seconds)
                lines = glimpse(maker, event.step)
                for line in lines:
                    writer.log("samples.txt", f"{event.step}\t{line}")
                view.evaluated(event, lines)


def log(
    writer: RunWriter,
    step: int,
    kind: str,
    nll: float,
    rate: float | None,
    symbols: int,
    seconds: float,
) -> None:
    entry = {
        "step": step, "kind": kind, "nll": nll if math.isfinite(nll) else None, "lr": rate,
        "symbols": symbols, "seconds": seconds,
    }  # fmt: skip
    writer.log("metrics.jsonl", json.dumps(entry, allow_nan=False))


def glimpse(maker: MakeMore, step: int) -> list[str]:
    """Up to 8 new lines from the first draws of the model as it is now."""
    sampler = maker.sampler(step)
    sampler.round_size = min(sampler.round_size, 4 * GLIMPSE)
    return list(next(sampler.rounds()).texts)[:GLIMPSE]
