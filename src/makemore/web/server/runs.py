"""Runs: the run directories of a server by their ids, and what is said of each.

A client names a run by its id, which is looked up here: no text of a client becomes a path.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from makemore.errors import MakemoreError, SystemFault
from makemore.escaping import visible
from makemore.runs.nearby import COMMIT, FOLDER, run_folders
from makemore.web.server.http_errors import HttpError, as_json
from makemore.web.server.train_child import Trainings
from makemore.web.server.watched import Event, Watched

Told = tuple[str, dict[str, Any]]  # an event with its run's id, as clients get it
MOST_RUNS = 500  # that are looked at


@dataclass(frozen=True)
class Place:
    """Says where runs lie: below `folder`; or only the run `single`, with new ones beside it."""

    folder: Path
    single: Path | None = None

    @classmethod
    def of(cls, path: Path | None) -> Place:
        """Choose the place by the folder that was typed: a run, or one that holds runs."""
        folder = Path(os.path.abspath(path or FOLDER))
        if os.path.lexists(folder / COMMIT):
            return cls(folder.parent, folder)
        return cls(folder)


class Runs:
    """Knows the runs of a place, and what was last seen of each."""

    def __init__(self, place: Place, trainings: Trainings) -> None:
        self.place, self.trainings = place, trainings
        self._runs: dict[str, Watched] = {}
        self._told: dict[str, dict[str, Any]] = {}  # what was last said of each
        self._looking = threading.Lock()  # looks are taken in threads, one at a time

    def get(self, id: object) -> Watched:
        """Find a run by its id; None means the first. Raises HttpError (404)."""
        if id is None and self._runs:
            return next(iter(self.ordered()))
        run = self._runs.get(id) if isinstance(id, str) else None
        if run is None:
            what = "there are no runs yet" if id is None else f"there is no run {str(id)[:80]!r}"
            raise HttpError(404, what, None, "GET /api/runs lists them")
        return run

    def ordered(self) -> list[Watched]:
        """List the runs by their ids."""
        runs = self._runs.copy()  # a look in another thread may take in a run meanwhile
        return [run for _, run in sorted(runs.items())]

    def add(self, folder: Path) -> Watched:
        """Take in a run directory, which a training is about to fill."""
        id = folder.relative_to(self.place.folder).as_posix()
        return self._runs.setdefault(id, Watched(id, folder))

    def find(self) -> None:
        """Take in runs that have come into the place since."""
        single = self.place.single
        for folder in [single] if single else run_folders(self.place.folder):
            if len(self._runs) < MOST_RUNS and folder != self.place.folder:
                self.add(folder)

    def look(self, finds: bool = True) -> list[Told]:
        """Look at all runs; returns what has changed, as events for clients.

        finds: for new runs, too
        """
        with self._looking:
            if finds:
                self.find()
            told: list[Told] = []
            for run in self.ordered():
                told += self._changes(run, run.look())
            return told

    def _changes(self, run: Watched, events: list[Event]) -> list[Told]:
        now = self.record(run)
        changed: list[Told] = [] if now == self._told.get(run.id) else [("run", now)]
        self._told[run.id] = now
        return changed + [(name, {"run": run.id, **data}) for name, data in events]

    @property
    def trains(self) -> bool:
        """Tell whether some run is in training."""
        return any(run.locked or self.trainings.is_running(run.folder) for run in self.ordered())

    # -- what is said of a run --------------------------------------------------------------------

    def record(self, run: Watched) -> dict[str, Any]:
        """Write what is said of a run: Run of the API."""
        state, problem = self.state_of(run)
        training = self.trainings.of(run.folder)
        told = problem and as_json(problem, self.place.folder)["error"]
        return {
            "id": run.id, "name": visible(run.folder.name, 200),
            "model": run.saved.model or (training.model if training else ""),
            "state": state, "step": run.step, "of": run.saved.of,
            "generation": run.saved.generation,
            "seconds": round(run.curve.seconds, 1), "losses": run.losses(),
            "message": told and told["message"], "fix": told and told["fix"],
            "ours": training is not None,
        }  # fmt: skip

    def state_of(self, run: Watched) -> tuple[str, MakemoreError | None]:
        """Say in which state a run is, and what is wrong with it."""
        training = self.trainings.of(run.folder)
        running = training is not None and training.ended is None
        error = training.error if training else None
        of_child = SystemFault(error[0], None, error[1]) if error else None
        if run.gone and not running:
            gone = SystemFault("its folder has gone", run.id, "put it back, or train again")
            if training and training.failed:
                return "failed", of_child
            if training and not run.was_there:  # stopped before it began: its list is there
                return "stopped", None
            return "gone", gone
        if (run.locked or running) and not run.saved.finished:
            return "training", None
        if run.problem is not None:
            return "failed", run.problem
        if run.saved.finished:
            return "finished", None
        if training and training.failed:
            return "failed", of_child
        return "stopped", of_child

    def history(self, run: Watched) -> list[dict[str, Any]]:
        """List the losses of each evaluation, nats a symbol, by step."""
        history = run.curve.history.copy()  # a look in another thread may read on meanwhile
        return [{"step": step, **losses} for step, losses in sorted(history.items())]
