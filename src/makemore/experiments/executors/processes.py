"""Processes: an executor that works in processes of this machine."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

from makemore.experiments.executors.worker import Job, Worker

if TYPE_CHECKING:
    from makemore.experiments.trial import Record, Settings


class Processes:
    """Works in up to `size` processes; one that dies takes its work with it, and no other's."""

    def __init__(self, job: Job, size: int) -> None:
        self._told, self._size = job.told(), size
        self._numbers = list(reversed(range(size)))  # that no process has
        self._idle, self._busy = list[Worker](), 0
        self._answers = selectors.DefaultSelector()

    def size(self) -> int:
        return self._size

    def start(self, name: str, settings: Settings) -> None:
        worker = self._idle.pop() if self._idle else Worker(self._told, self._numbers.pop())
        # Watched before it is told anything: if that is interrupted, `close` knows it.
        assert worker.process.stdout is not None  # noqa: S101 (it is a pipe)
        self._answers.register(worker.process.stdout, selectors.EVENT_READ, worker)
        self._busy += 1
        worker.start(name, settings)

    def wait(self, seconds: float) -> list[tuple[str, Record]]:
        if not self._busy:
            time.sleep(seconds)
            return []
        came = []
        for key, _ in self._answers.select(seconds):
            worker: Worker = key.data
            came.append((worker.name, worker.answer()))
            self._answers.unregister(key.fileobj)
            self._busy -= 1
            if worker.dead:
                worker.close()
                self._numbers.append(worker.number)
            else:
                self._idle.append(worker)
        return came

    def close(self) -> None:
        busy: list[Worker] = [key.data for key in self._answers.get_map().values()]
        for worker in [*self._idle, *busy]:
            worker.close()
        self._answers.close()
