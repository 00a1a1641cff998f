"""Watched: one run directory as a server sees it, by looking at its files again and again.

A look costs three calls of stat where nothing has changed. Nothing is ever written there, so a
training does not notice that it is watched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from makemore.errors import MakemoreError, RunError
from makemore.runs.lock import is_locked
from makemore.runs.logs import Entry, entry_of
from makemore.runs.manifest import read_manifest, read_verified
from makemore.runs.nearby import COMMIT
from makemore.runs.run import parse_config, parse_progress
from makemore.web.server.log_tail import LogTail, last_block

BATCHES = 8  # entries of the batch loss that one look passes on: a small model logs hundreds
PREVIEW = 8  # lines

Event = tuple[str, dict[str, Any]]  # its name, and its data without the run's id


@dataclass
class Saved:
    """Holds what the last save of a run says: from checkpoint.json, config.json and the state."""

    name: str = ""
    model: str = ""
    of: int | None = None
    generation: int = 0
    step: int = 0
    best_step: int = 0
    best: float | None = None
    finished: bool = False
    weights: Any = None  # the manifest's entry of the weights file: another one, other weights
    asked: dict[str, Any] = field(default_factory=dict)


@dataclass
class Curve:
    """Holds what metrics.jsonl says: losses in nats a symbol, by step, and seconds of training."""

    history: dict[int, dict[str, float | None]] = field(default_factory=dict)
    step: int = 0
    train: float | None = None
    val: float | None = None
    best: float | None = None  # the lowest of val
    before: float = 0.0  # seconds of the calls before: each counts from 0
    now: float = 0.0

    @property
    def seconds(self) -> float:
        """Return how long the run has trained, over all calls."""
        return self.before + self.now

    def add(self, entry: Entry) -> None:
        """Take in an entry of the log."""
        self.step = entry["step"]
        nll, seconds = finite(entry.get("nll")), finite(entry.get("seconds")) or 0.0
        if seconds < self.now:  # the training was stopped, and goes on
            self.before += self.now
        self.now = seconds
        if entry["kind"] in ("train", "val"):
            losses = self.history.setdefault(entry["step"], {"train": None, "val": None})
            losses[entry["kind"]] = None if nll is None else round(nll, 4)
            setattr(self, entry["kind"], losses[entry["kind"]])
        if self.val is not None:
            self.best = self.val if self.best is None else min(self.best, self.val)


class Watched:
    """Knows one run directory: its last save, its losses, its preview, and who trains there."""

    def __init__(self, id: str, folder: Path) -> None:
        self.id, self.folder = id, folder
        self.saved, self.curve = Saved(), Curve()
        self.preview: dict[str, Any] | None = None
        self.locked, self.gone = False, False
        self.was_there = False  # its folder, at some look
        self.problem: MakemoreError | None = None  # why its files cannot be read
        self._looked = False
        self._metrics = LogTail(folder / "metrics.jsonl")
        self._commit: tuple[int, int, int] | None = None
        self._samples: tuple[int, int, int] | None = None

    def look(self) -> list[Event]:
        """Look at the files; returns what has come since the last look: metric, preview, weights.

        Raises nothing: what is wrong with the run is `problem`, and a run that is away is `gone`.
        """
        commit, self.gone = stamp(self.folder / COMMIT), not os.path.isdir(self.folder)
        self.was_there = self.was_there or not self.gone
        # A finished run has no training; one that starts over has another checkpoint first.
        self.locked = not (self.saved.finished and commit == self._commit) and is_locked(
            self.folder
        )
        events: list[Event] = []
        try:
            events += self._new_entries()
            events += self._new_preview()
            if commit != self._commit:
                events += self._new_save(commit)
                self._commit = commit
                self.problem = None
        except FileNotFoundError:
            # Of a save that another has replaced meanwhile: the next look reads that one.
            if commit == stamp(self.folder / COMMIT):
                self._commit = commit
                self.problem = RunError("files of the run are missing", str(self.folder))
        except MakemoreError as error:
            self._commit = commit  # the same files are not read again, nor their error told again
            self.problem = error
        return events

    def _new_entries(self) -> Iterator[Event]:
        lines, first = self._metrics.read()
        # What is there at the first look, or once more after a cut, is history: it is asked for.
        is_history = not self._looked or (first and self.curve.step > 0)
        if first:
            self.curve = Curve()
        self._looked = True
        entries: list[Entry] = []
        for line in lines:
            with suppress(RunError):  # a line that is none of ours: the model does not depend on it
                entry = entry_of(line, self.folder)
                self.curve.add(entry)
                entries.append({**entry, "seconds": self.curve.seconds})
        if not is_history:
            for entry in thinned(entries):
                keys = ("step", "kind", "nll", "lr", "seconds")
                yield "metric", {key: entry.get(key) for key in keys}

    def _new_preview(self) -> Iterator[Event]:
        samples = stamp(self.folder / "samples.txt")
        if samples == self._samples:
            return
        self._samples = samples
        lines = [line.partition(b"\t") for line in last_block(self.folder / "samples.txt")]
        lines = [line for line in lines if line[0].isdigit() and len(line[0]) <= 16]
        if lines:
            step = lines[-1][0]
            shown = [text.decode(errors="replace") for at, _, text in lines if at == step]
            self.preview = {"step": int(step), "lines": shown[-PREVIEW:]}
            yield "preview", self.preview

    def _new_save(self, commit: tuple[int, int, int] | None) -> Iterator[Event]:
        if commit is None:  # taken away, or not yet there
            self.saved = Saved()
            return
        before, self.saved = self.saved, read_saved(self.folder)
        if self.saved.weights != before.weights:
            yield "weights", {"generation": self.saved.generation, "step": self.saved.best_step}

    @property
    def step(self) -> int:
        """Return how many steps were taken, by the log or by the last save."""
        return max(self.saved.step, self.curve.step)

    def losses(self) -> dict[str, float | None]:
        """Return the losses of the last evaluation, and the best of val, nats a symbol."""
        bests = [each for each in (self.saved.best, self.curve.best) if each is not None]
        best = min(bests, default=None)
        return {
            "train": self.curve.train, "val": self.curve.val,
            "best": None if best is None else round(best, 4),
        }  # fmt: skip


def read_saved(folder: Path) -> Saved:
    """Read what the last save of a run says, without its weights. Raises RunError."""
    manifest = read_manifest(folder)
    config = parse_config(read_verified(folder, "config.json", manifest), folder)
    progress = parse_progress(read_verified(folder, manifest["state"] + ".json", manifest), folder)
    of = config.resolved.get("max_steps")
    return Saved(
        config.data["name"], config.model, of if type(of) is int else None,
        manifest["generation"], progress["step"], progress["best_step"], progress["best_val"],
        progress["finished"], (manifest["weights"], manifest["files"][manifest["weights"]]),
        config.asked,
    )  # fmt: skip


def thinned(entries: list[Entry]) -> list[Entry]:
    """Keep all evaluations and at most BATCHES of the batch losses, evenly, the last one too."""
    batches = [number for number, entry in enumerate(entries) if entry["kind"] == "batch"]
    every = -(-len(batches) // BATCHES) or 1
    kept = set(batches[::-1][::every])
    return [each for n, each in enumerate(entries) if n in kept or each["kind"] != "batch"]


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or grows; None if there is none."""
    try:
        status = os.stat(file, follow_symlinks=False)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def finite(value: Any) -> float | None:
    """Return a number of a log; anything else that somebody wrote there is None."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e30 else None
