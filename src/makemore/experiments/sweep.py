"""Sweep: many trials of one model on one text, by any number of processes, in one file.

trials.jsonl holds a first line that says which sweep it is, and one line for each finished trial.
Whoever starts the same sweep again runs only what is missing; whoever starts it while it runs
shares the work (shared_log.py). Where the trials run is an executor's matter (executors/).
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from makemore.experiments.shared_log import SharedLog
from makemore.experiments.trial import FAILED, TRIED, Axis, Record, Settings, digest
from makemore.runs.shapes import has_shape
from makemore.text import Split
from makemore.training import TrainingConfig
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.experiments.executors import Executor

FORMAT = 1
FILE = "trials.jsonl"
IDENTITY = ("format", "data", "model", "fixed", "axes", "drawn")
LOOK = 0.5  # seconds between two looks at what other processes have finished


@dataclass(frozen=True)
class Sweep:
    """What is tried: `fixed` options of every trial, and the `trials`, in the order of a table.

    random: how many draws the trials are, where they are no grid
    tpe: how many trials, where each is chosen by those before it (tpe.py) and not listed here
    """

    model: str
    parts: Split
    fixed: Settings
    axes: tuple[Axis, ...]
    trials: tuple[Settings, ...]
    random: int | None = None
    plugin: str | None = None
    tpe: int | None = None

    @property
    def header(self) -> Record:
        """The first line of the file: two sweeps are the same if these are equal."""
        drawn = {"random": self.random, **({"tpe": self.tpe} if self.tpe else {})}
        return {
            "format": FORMAT, "version": __version__, "data": self.parts.digest(),
            "model": self.model, "fixed": self.fixed, "drawn": drawn,
            "axes": {axis.key: axis.typed for axis in self.axes},
        }  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Name the trials in the order of a table: by their ids, those of TPE by their numbers."""
        if self.tpe:
            return [str(number) for number in range(self.tpe)]
        return [self.id_of(trial) for trial in self.trials]

    def id_of(self, trial: Settings) -> str:
        return digest({**self.fixed, **trial})

    def name_of(self, record: Record) -> str | None:
        """Name the trial of a record; None if it has another shape, or the id of other options."""
        shape = {"id": str, "options": dict, **(FAILED if "error" in record else TRIED)}
        if not has_shape(record, {**shape, **({"number": int} if self.tpe else {})}):
            return None
        if self.id_of(record["options"]) != record["id"]:
            return None
        if not self.tpe:
            return str(record["id"])
        # Others do no harm, but TPE computes with these.
        options: Settings = record["options"]
        whole = options.keys() == {axis.key for axis in self.axes}
        right = whole and all(axis.has(options[axis.key]) for axis in self.axes)
        return str(record["number"]) if right else None

    def record_of(self, name: str, trial: Settings, came: Record) -> Record:
        """Make the record of a finished trial."""
        number = {"number": int(name)} if self.tpe else {}
        return {"id": self.id_of(trial), **number, "options": trial, **came}


def opened(folder: Path, sweep: Sweep, fresh: bool = False) -> SharedLog:
    """Open the log of a sweep, which other processes may be working on.

    Raises what SharedLog does: another sweep is refused, and what differs is named.
    """
    charts = [path.name for path in folder.glob("loss-*.png")]
    return SharedLog(folder, FILE, sweep.header, IDENTITY, sweep.name_of, charts, fresh)


class Trials:
    """The trials of a sweep that are missing, and what is known of the others."""

    def __init__(self, sweep: Sweep, log: SharedLog, retry: bool = False) -> None:
        """retry: the trials that failed are missing, too."""
        self.sweep, self.log, self.done = sweep, log, log.read()
        # By them TPE chooses; a trial that is run again keeps its options.
        self.failed = {name: each for name, each in self.done.items() if "error" in each}
        for name in self.failed if retry else ():
            log.forget(name)
            del self.done[name]
        listed: list[Settings] = [{}] * sweep.tpe if sweep.tpe else list(sweep.trials)
        self.missing = {
            name: trial for name, trial in zip(sweep.names, listed, strict=True)
            if name not in self.done
        }  # fmt: skip
        self.running: dict[str, Settings] = {}
        self.news: list[Record] = []  # of other processes, not yet looked at

    def take(self) -> str | None:
        """Take the first trial that nobody works on; None if there is none now."""
        name = self.log.take(self.missing)
        if name is not None:
            self.running[name] = self._options(name, self.missing.pop(name))
        return name

    def _options(self, name: str, trial: Settings) -> Settings:
        if name in self.failed:
            options: Settings = self.failed[name]["options"]
            return options
        if not self.sweep.tpe:
            return trial
        from makemore.experiments.tpe import chosen

        seed = self.sweep.fixed.get("seed", TrainingConfig().seed)
        known = {**self.failed, **self.done}
        return chosen(self.sweep.axes, seed, int(name), known, self.running)

    def end(self, name: str, came: Record) -> Record:
        """Write down what came of a trial."""
        record = self.sweep.record_of(name, self.running.pop(name), came)
        self.log.add(name, record)
        self.done[name] = record
        return record

    def look(self) -> None:
        """Read what other processes have finished since the last look."""
        for name, record in self.log.newer(self.done).items():
            # Not what is running here, too, since this process stood still for a minute.
            if self.missing.pop(name, None) is not None:
                self.done[name] = record
                self.news.append(record)


def run(trials: Trials, pool: Executor) -> Generator[Record, None, None]:
    """Run the trials that are missing; yields the record of each, also of other processes.

    It ends when all are finished, by whichever process. Raises SystemFault.
    """
    look = 0.0
    while trials.missing or trials.running:
        if time.monotonic() >= look:
            began = time.monotonic()
            trials.look()
            # Reading the names of very many files takes a while: no more than a tenth of the time.
            look = time.monotonic() + max(LOOK, 10 * (time.monotonic() - began))
        while len(trials.running) < pool.size() and (name := trials.take()):
            pool.start(name, {**trials.sweep.fixed, **trials.running[name]})
        while trials.news:
            yield trials.news.pop(0)
        for name, came in pool.wait(LOOK if trials.missing or trials.running else 0.0):
            yield trials.end(name, came)
