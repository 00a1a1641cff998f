"""Train child: trainings as child processes, each the command that a person would type.

So api.session trains, a run can be gone on with at a terminal, and what goes wrong in a training,
be it the machine's last memory, ends that process and not the server.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from makemore.errors import SystemFault
from makemore.web.server.http_errors import HttpError
from makemore.web.server.own_python import environment, python_command

MOST = 2  # trainings at the same time: each wants the cores
PATIENCE = 10.0  # seconds for saving after SIGINT, before SIGTERM; as many before SIGKILL
TAIL = 2**13  # bytes of stderr that are looked at for the error
STOPPED = {128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}


@dataclass
class Training:
    """Holds a training that this server has started, also once it has ended.

    words: options of the command; file: its list, for a run that has none of its own yet
    ended: the exit code, -N where signal N ended it; None while it goes on
    """

    folder: Path
    words: Sequence[str]
    file: Path | None
    model: str
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    ended: int | None = None
    error: tuple[str, str | None] | None = None  # what went wrong, and what to do
    watcher: asyncio.Task[None] | None = None
    ending: asyncio.Task[None] | None = None  # once somebody has stopped it

    @property
    def failed(self) -> bool:
        """Tell whether it ended by an error of its own, and nobody stopped it."""
        return self.ended is not None and self.ended > 0 and self.ended not in STOPPED


class Trainings:
    """Starts trainings and stops them; at most MOST at the same time.

    changed: called when one has begun or ended
    """

    def __init__(self, changed: Callable[[], None] = lambda: None, most: int = MOST) -> None:
        self.changed, self.most = changed, most
        self._all: dict[Path, Training] = {}

    def of(self, folder: Path) -> Training | None:
        """Return the last training that was started here in this run directory."""
        return self._all.get(folder)

    def is_running(self, folder: Path) -> bool:
        """Tell whether a process that was started here trains in this run directory."""
        training = self.of(folder)
        return training is not None and training.ended is None

    def check_room(self) -> None:
        """Raise HttpError (429) if there are as many trainings as there may be."""
        running = sum(training.ended is None for training in self._all.values())
        if running >= self.most:
            raise HttpError(
                429, f"no more than {self.most} trainings are started at the same time", None,
                "wait for one to end, or stop it",
            )  # fmt: skip

    def start(self, folder: Path, words: Sequence[str], file: Path | None, model: str) -> None:
        """Start `makemore train` in a run directory. Raises HttpError.

        file: the list to learn; None goes on with the run's own
        """
        self.check_room()
        command = [
            *python_command("makemore"), "train", *([str(file)] if file else []),
            f"--out={folder}", *words,
        ]  # fmt: skip
        stderr = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C at the terminal reaches the server alone, which then stops
        # its trainings once. Two SIGINTs would end them without a save.
        try:
            process = subprocess.Popen(  # noqa: S603 (our own program, with checked options)
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                start_new_session=True, env=environment(),
            )  # fmt: skip
        except OSError as error:
            stderr.close()
            raise SystemFault("cannot start a training", error.strerror, "try again") from None
        training = Training(folder, words, file, model, process, stderr)
        training.watcher = asyncio.create_task(self._watch(training))
        self._all[folder] = training
        self.changed()

    async def _watch(self, training: Training) -> None:
        """Wait for the end of a training, and keep what it said last."""
        code = await asyncio.to_thread(training.process.wait)
        training.error = last_error(training.stderr) if code > 0 else None
        # Python itself, interrupted while it starts, ends by the signal or with a traceback and 1.
        early = code == -signal.SIGINT or training.error == ("KeyboardInterrupt", None)
        if early and training.ending is not None:
            code, training.error = 128 + signal.SIGINT, None
        if code < 0 or code == 128 + signal.SIGKILL:
            name = signal_name(-code) if code < 0 else "SIGKILL"
            training.error = (f"the training was ended by {name}", "go on with it")
        training.stderr.close()
        training.ended = code
        self.changed()

    async def stop(self, folder: Path) -> None:
        """Stop a training: it saves, and the same command goes on. Returns once it has ended."""
        training = self.of(folder)
        if training is None or training.ended is not None:
            return
        if training.ending is None:  # a second SIGINT would end it without a save
            training.ending = asyncio.create_task(end(training))
        await asyncio.shield(training.ending)  # it is stopped also if who asked for it leaves

    async def close(self) -> None:
        """Stop all trainings, at the same time."""
        await asyncio.gather(*(self.stop(folder) for folder in list(self._all)))


async def end(training: Training) -> None:
    """Send SIGINT, then what cannot be ignored; returns once the process has ended."""
    assert training.watcher is not None  # noqa: S101 (since it was started)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        training.process.send_signal(signum)  # nothing happens if it has ended
        done, _ = await asyncio.wait({training.watcher}, timeout=PATIENCE)
        if done:
            return


def signal_name(number: int) -> str:
    """Name a signal; those of real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_error(stderr: IO[bytes]) -> tuple[str, str | None]:
    """Read the error that a command ended with: what went wrong, and what to do."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - TAIL))
    lines = stderr.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("makemore: error: ")]
    line = (errors or lines or ["it ended without a word"])[-1].removeprefix("makemore: error: ")
    # "WHAT (WHERE): WHAT TO DO", where there is a place; else "WHAT: WHAT TO DO".
    if "): " in line:
        what, _, to_do = line.partition("): ")
        return what + ")", to_do
    what, _, to_do = line.partition(": ")
    return what, to_do or None
