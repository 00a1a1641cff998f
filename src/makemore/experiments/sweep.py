"""Sweep: many trials of one model on one text, in processes of their own, in one file that grows.

trials.jsonl holds a first line that says which sweep it is, and one line for each finished trial.
Whoever starts the same sweep again runs only what is missing. A worker that dies takes its trial
with it and no other; one whose parent has gone ends itself.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch

from makemore.errors import SystemFault
from makemore.experiments.journal import ResultLog, finite
from makemore.experiments.trial import (
    FAILED,
    TRIED,
    Axis,
    Record,
    Settings,
    digest,
    failure,
    run_trial,
)
from makemore.models.core.registry import load_plugin
from makemore.runs.shapes import has_shape
from makemore.text import Corpus, Split
from makemore.version import __version__

FORMAT = 1
FILE = "trials.jsonl"
IDENTITY = ("format", "data", "model", "fixed", "axes", "drawn")


@dataclass(frozen=True)
class Sweep:
    """What is tried: `fixed` options of every trial, and the `trials`, in the order of a table."""

    model: str
    parts: Split
    fixed: Settings
    axes: tuple[Axis, ...]
    trials: tuple[Settings, ...]
    random: int | None = None  # draws, where the trials are no grid
    plugin: str | None = None

    @property
    def header(self) -> Record:
        """The first line of the file: two sweeps are the same if these are equal."""
        return {
            "format": FORMAT, "version": __version__, "data": self.parts.digest(),
            "model": self.model, "fixed": self.fixed, "drawn": {"random": self.random},
            "axes": {axis.key: axis.typed for axis in self.axes},
        }  # fmt: skip

    def id_of(self, trial: Settings) -> str:
        return digest({**self.fixed, **trial})


def opened(folder: Path, sweep: Sweep, fresh: bool = False) -> tuple[ResultLog, dict[str, Record]]:
    """The file of a sweep, held, and its finished trials by id, those of a retry in their place.

    Raises what ResultLog does: another sweep is refused, and what differs is named.
    """
    charts = [path.name for path in folder.glob("loss-*.png")]

    def wrong(record: Record) -> bool:
        """Tell whether a record has another shape than ours, or the id of other options."""
        shape = FAILED if "error" in record else TRIED
        if not has_shape(record, {"id": str, "options": dict, **shape}):
            return True
        return sweep.id_of(record["options"]) != record["id"]

    journal = ResultLog(folder, FILE, sweep.header, IDENTITY, charts, fresh, wrong)
    return journal, {record["id"]: record for record in journal.records}


# -- processes ------------------------------------------------------------------------------------

# The text is read before torch is imported, so that starting one worker does not wait for it; -P:
# files of the current folder are no modules.
START = (
    "import sys; told = sys.stdin.buffer.readline(); "
    "from makemore.experiments.sweep import work; work(told)"
)


class Worker:
    """A process that runs trials one after another. It has its own session: ^C is not for it."""

    def __init__(self, told: bytes) -> None:
        self.trial: Settings = {}
        pipe = subprocess.PIPE
        command = [sys.executable, "-P", "-c", START]
        self.process = subprocess.Popen(  # noqa: S603 (our own code)
            command, stdin=pipe, stdout=pipe, start_new_session=True
        )
        self._tell(told)

    def start(self, trial: Settings, settings: Settings) -> None:
        self.trial = trial
        self._tell(json.dumps(settings).encode())

    def _tell(self, line: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 (it is a pipe)
        try:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; its answer will say so

    def answer(self) -> Record:
        """What came of its trial, once its stdout can be read."""
        assert self.process.stdout is not None  # noqa: S101 (it is a pipe)
        line = self.process.stdout.readline()
        if line.endswith(b"\n"):
            found: Record = json.loads(line)
            return found
        code = self.process.wait()
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was killed by signal {-code}" + " (no memory?)" * (code == -signal.SIGKILL)
        return {"error": f"the worker {how}", "kind": "killed", "code": SystemFault.exit_code}

    @property
    def dead(self) -> bool:
        return self.process.returncode is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


def finished(sweep: Sweep, missing: list[Settings], workers: int) -> Generator[Record, None, None]:
    """Run trials in `workers` processes; yields the record of each as it ends.

    The processes end with the generator: close it (contextlib.closing) if it is not read out.
    """
    texts = [part.text() for _, part in sweep.parts]
    names = [part.label_of_each() for _, part in sweep.parts]
    setup = {"model": sweep.model, "plugin": sweep.plugin, "parts": texts, "labels": names}
    told = json.dumps(setup).encode()
    waiting, running = list(reversed(missing)), list[Worker]()

    def employ() -> Worker:
        running.append(worker := Worker(told))
        ready.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        give(worker)
        return worker

    def give(worker: Worker) -> None:
        trial = waiting.pop()
        worker.start(trial, {**sweep.fixed, **trial})

    with selectors.DefaultSelector() as ready:
        try:
            for _ in range(min(workers, len(waiting))):
                employ()
            while ready.get_map():
                for key, _ in ready.select():
                    worker: Worker = key.data
                    trial, came = worker.trial, worker.answer()
                    yield {"id": sweep.id_of(trial), "options": trial, **came}
                    if not worker.dead and waiting:
                        give(worker)
                        continue
                    ready.unregister(key.fileobj)
                    if waiting:
                        employ()
        finally:
            for worker in running:
                worker.close()


def work(told: bytes) -> None:
    """What a worker's process does: trials from stdin, a record for each to stdout."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a plugin prints is no answer
    setup = json.loads(told)
    trials: queue.SimpleQueue[Settings] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(trials,), daemon=True).start()
    if setup["plugin"]:
        load_plugin(setup["plugin"])
    pairs = zip(setup["parts"], setup["labels"], strict=True)
    parts = Split(*(Corpus.exactly(text.split("\n")[:-1], names) for text, names in pairs))
    while True:
        settings = trials.get()
        torch.set_num_threads(settings.get("threads") or 1)
        try:
            came = run_trial(setup["model"], settings, parts)
        except Exception as error:  # whatever it is, the other trials go on
            came = failure(error)
        answers.write(json.dumps(finite(came)).encode() + b"\n")
        answers.flush()


def _listen(trials: queue.SimpleQueue[Settings]) -> None:
    for line in sys.stdin.buffer:
        trials.put(json.loads(line))
    os._exit(0)  # the parent has gone: nobody waits for an answer
