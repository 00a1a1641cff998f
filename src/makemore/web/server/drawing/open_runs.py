"""Open runs: the runs that the child holds in memory, each of the generation that is on the disk.

A run that is deleted or damaged under the server is still served, as it was loaded, and a note
says so.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

from makemore.analysis.surprisal import Standing
from makemore.api import MakeMore
from makemore.errors import MakemoreError
from makemore.runs import Run

MOST_OPEN = 4
Stamp = tuple[int, int, int]  # inode, time and size of the file that names a generation


class OpenRun:
    """Holds a run as it was loaded, and what was computed of it."""

    def __init__(self, folder: str, stamp: Stamp | None) -> None:
        run = Run.load(folder)
        self.maker, self.stamp = MakeMore.of_run(run), stamp
        self.best_step: int = run.progress["best_step"]  # of the weights that lines are drawn from
        self.notes: list[str] = []  # why it is not what is on the disk

    @cached_property
    def percentiles_of(self) -> Standing:
        """Rank lines among the training lines, of which 2,000 are scored for it."""
        return Standing(self.maker)


class OpenRuns:
    """Keeps the runs that were used last, up to `most` of them."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self.most, self._runs = most, OrderedDict[str, OpenRun]()

    def __call__(self, folder: str) -> OpenRun:
        """Open a run, unless it is open with its latest generation. Raises RunError."""
        held, stamp = self._runs.get(folder), stamp_of(folder)
        if held is None or held.stamp != stamp:
            held = self._loaded(folder, stamp, held)
        self._runs[folder] = held
        self._runs.move_to_end(folder)
        while len(self._runs) > self.most:
            self._runs.popitem(last=False)
        return held

    def _loaded(self, folder: str, stamp: Stamp | None, held: OpenRun | None) -> OpenRun:
        """Load a run; keep the one that is held where that fails, with a note."""
        try:
            return OpenRun(folder, stamp)
        except MakemoreError as error:
            if held is None:
                raise
            why = "is gone" if stamp is None else f"cannot be read ({error.what})"
            held.notes = [f"the run on the disk {why}: this is what was loaded before"]
            held.stamp = stamp  # not tried again before it changes
            return held


def stamp_of(folder: str) -> Stamp | None:
    """Return what changes with each generation of a run directory or a zip; None if it is gone."""
    path = Path(folder)
    try:
        found = os.stat(path / "checkpoint.json" if path.is_dir() else path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
