"""Logs of a run: losses and lines while it trains, what was seen inside, looks at the test part."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.errors import RunError
from makemore.runs.safe_files import append, count_lines, parse_json, read_plain

if TYPE_CHECKING:
    from makemore.runs.writer import RunWriter


Entry = dict[str, Any]


MAX_LOG_BYTES = 2**30  # bytes


class RunLog:
    """Writes the logs of a training: metrics.jsonl, samples.txt and diagnostics.jsonl.

    every: steps between entries of the batch loss. Losses are nats a symbol; `symbols` and
    `seconds` of an entry count from here on.
    """

    def __init__(self, writer: RunWriter, every: int) -> None:
        self.writer, self.every = writer, every
        self.began, self.symbols = time.monotonic(), 0

    def step(self, step: int, loss: float, learning_rate: float, symbols: int) -> None:
        """One step was taken, with this batch loss, by so many symbols."""
        self.symbols += symbols
        if step % self.every == 0:
            self._metric(step, "batch", loss, learning_rate)

    def evaluated(self, step: int, train: float, val: float | None) -> None:
        """The losses of the parts; val is None where there is no such part."""
        self._metric(step, "train", train, None)
        if val is not None:
            self._metric(step, "val", val, None)

    def samples(self, step: int, lines: Iterable[str]) -> None:
        """New lines that the model gave at an evaluation."""
        for line in lines:
            self.writer.log("samples.txt", f"{step}\t{line}")

    def diagnostics(self, entry: Mapping[str, Any]) -> None:
        """What was seen inside the model, as a JSON object."""
        self.writer.log("diagnostics.jsonl", json.dumps(entry, allow_nan=False))

    def _metric(self, step: int, kind: str, nll: float, rate: float | None) -> None:
        entry = {
            "step": step, "kind": kind, "nll": nll if math.isfinite(nll) else None, "lr": rate,
            "symbols": self.symbols, "seconds": round(time.monotonic() - self.began, 3),
        }  # fmt: skip
        self.writer.log("metrics.jsonl", json.dumps(entry, allow_nan=False))


def count_look(folder: Path, nll: float | None) -> int:
    """Add a look at the test part to looks.jsonl; gives how many there are now."""
    append(folder, "looks.jsonl", json.dumps({"time": round(time.time()), "nll": nll}))
    return count_lines(folder, "looks.jsonl")


def read_diagnostics(folder: Path) -> list[Entry]:
    """The entries of diagnostics.jsonl; none where the training was not watched."""
    return _entries(folder, "diagnostics.jsonl")


def read_metrics(folder: Path) -> list[Entry]:
    """The entries of metrics.jsonl."""
    return _entries(folder, "metrics.jsonl")


def _entries(folder: Path, name: str) -> list[Entry]:
    """The whole lines of a log: a training may be writing the last one. Raises RunError."""
    try:
        body = read_plain(folder / name, MAX_LOG_BYTES)
    except FileNotFoundError:
        return []
    entries = []
    for number, line in enumerate(body[: body.rfind(b"\n") + 1].splitlines(), 1):
        entry = parse_json(line, f"{name}, line {number},", folder)
        if not isinstance(entry, dict) or not {"kind", "step"} <= entry.keys():
            raise RunError(f"{name}, line {number}, is no entry", str(folder))
        entries.append(entry)
    return entries
