"""Logs of a run: losses, samples and diagnostics of the training, evaluations on the test part.

metrics.jsonl        {"step": 200, "kind": "val", "nll": 2.1, "lr": null, ...}
samples.txt          STEP<tab>LINE
diagnostics.jsonl    activations, gradients and updates by layer, with --watch
looks.jsonl          one entry for each time that the test part was scored
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from makemore.errors import RunError
from makemore.runs.safe_files import append, count_lines, lines_of_plain, parse_json
from makemore.runs.shapes import has_shape

if TYPE_CHECKING:
    from makemore.runs.writer import RunWriter


Entry = dict[str, Any]


MAX_LOG_BYTES = 2**30  # bytes
REPAIR = "take the line out of the file: the model does not depend on it"


class RunLog:
    """Writes the logs of a training: metrics.jsonl, samples.txt and diagnostics.jsonl.

    every: steps between entries of the batch loss. Losses are in nats a symbol. The `symbols` and
    `seconds` of an entry are counted from when this object was made: a resumed training starts
    both at 0 again.
    """

    def __init__(self, writer: RunWriter, every: int) -> None:
        self.writer, self.every = writer, every
        self.began, self.symbols = time.monotonic(), 0

    def step(self, step: int, loss: SupportsFloat, learning_rate: float, symbols: int) -> None:
        """Log a step: the batch's loss in nats a symbol, and its count of symbols.

        loss: a number, or a tensor () that is read only for an entry, as it may be on a card
        """
        self.symbols += symbols  # of every step, also of those that get no entry
        if step % self.every == 0:
            self._metric(step, "batch", float(loss), learning_rate)

    def evaluated(self, step: int, train: float, val: float | None) -> None:
        """Log an evaluation: nll in nats a symbol; val is None without a validation part."""
        self._metric(step, "train", train, None)
        if val is not None:
            self._metric(step, "val", val, None)

    def samples(self, step: int, lines: Iterable[str]) -> None:
        """Log lines that were sampled at an evaluation."""
        for line in lines:
            self.writer.log("samples.txt", f"{step}\t{line}")

    def diagnostics(self, entry: Mapping[str, Any]) -> None:
        """Log the diagnostics of a step, a JSON object with its `step` and `kind`."""
        self.writer.log("diagnostics.jsonl", json.dumps(entry, allow_nan=False))

    def _metric(self, step: int, kind: str, nll: float, rate: float | None) -> None:
        # JSON has no infinity and no NaN: such a loss is null.
        entry = {
            "step": step, "kind": kind, "nll": nll if math.isfinite(nll) else None, "lr": rate,
            "symbols": self.symbols, "seconds": round(time.monotonic() - self.began, 3),
        }  # fmt: skip
        self.writer.log("metrics.jsonl", json.dumps(entry, allow_nan=False))


def count_look(folder: Path, nll: float | None) -> int:
    """Add an entry to looks.jsonl: the test part was scored, in nats a symbol. Returns the count.

    A part that was looked at often, to choose by it, is no test any more: so looks are counted.
    """
    append(folder, "looks.jsonl", json.dumps({"time": round(time.time()), "nll": nll}))
    return count_lines(folder, "looks.jsonl")


def read_diagnostics(folder: Path) -> list[Entry]:
    """Read diagnostics.jsonl; [] if the training did not write it. Raises RunError."""
    return _entries(folder, "diagnostics.jsonl")


def read_metrics(folder: Path) -> list[Entry]:
    """Read metrics.jsonl; [] if there is none yet. Raises RunError."""
    return _entries(folder, "metrics.jsonl")


def _entries(folder: Path, name: str) -> list[Entry]:
    """Parse a JSON-lines log. Raises RunError for a line that is no entry."""
    entries = []
    try:
        # A training may be writing the last line at this moment: without its end it is left out.
        for number, line in enumerate(lines_of_plain(folder / name, MAX_LOG_BYTES), 1):
            entries.append(entry_of(line, folder, f"{name}, line {number},"))
    except FileNotFoundError:
        return []
    return entries


def entry_of(line: bytes, folder: Path, where: str = "a line of metrics.jsonl") -> Entry:
    """Parse a line of a JSON-lines log. Raises RunError if it is no entry."""
    entry: Entry = parse_json(line, where, folder)
    if wrong := _what_is_wrong(entry):
        raise RunError(f"{where} {wrong}", str(folder), REPAIR)
    return entry


def _what_is_wrong(entry: Any) -> str:
    """Say why a line is no entry, "" if it is one; what else it holds, whoever reads it checks."""
    if not isinstance(entry, dict) or not {"kind", "step"} <= entry.keys():
        return "is no entry"
    sound = has_shape(entry, {"kind": str, "step": int}) and 0 <= entry["step"] <= 2**53
    return "" if sound else "is not makemore's"
