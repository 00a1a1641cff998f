"""Starting: writes a list that was posted beside its run to be, and starts a training of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from makemore.errors import MakemoreError, SystemFault
from makemore.runs.nearby import COMMIT
from makemore.text.config import text_config
from makemore.text.dataset import read_split
from makemore.web.server.http_errors import HttpError
from makemore.web.server.runs import Runs
from makemore.web.server.training_request import TrainingRequest, words_to_go_on
from makemore.web.server.watched import Watched

MOST_NAMES = 10_000  # of runs that are called alike: NAME, NAME-2, ...


def write_list(folder: Path, asked: TrainingRequest) -> Path:
    """Write the list as a new file NAME.txt, and check that it can be read; returns the file.

    NAME is not that of a run or file which is there. Raises SystemFault, DataError, UsageError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = new_file(folder, asked.name, asked.text.encode())
    except OSError as error:
        raise SystemFault(
            "cannot write the list", error.strerror, f"make room in {folder.name}, or let it be "
            "written there",
        ) from None  # fmt: skip
    try:
        # As the training will read it: what is wrong with the list is told at once.
        read_split(str(file), text_config(asked.options))
    except MakemoreError as error:
        file.unlink(missing_ok=True)
        if error.where is not None:  # the path tells a client nothing
            error.where = "list"
        raise
    return file


def new_file(folder: Path, name: str, body: bytes) -> Path:
    """Write a new file of this name, or with a number where a file or run is called so."""
    for number in range(1, MOST_NAMES):
        file = folder / f"{name if number == 1 else f'{name}-{number}'}.txt"
        if os.path.lexists(file.with_suffix("")):
            continue
        with suppress(FileExistsError):
            # EXCL: also of two who post at the same time, one gets the name; never through a link.
            with open(file, "xb") as stream:
                try:
                    stream.write(body)
                    stream.flush()
                except OSError:  # the disk is full
                    file.unlink(missing_ok=True)
                    raise
            return file
    raise SystemFault(f"there are {MOST_NAMES} runs called {name!r}", None, "give another name")


def start_training(runs: Runs, asked: TrainingRequest, file: Path) -> Watched:
    """Start to learn a list that was written; returns its run. Raises HttpError."""
    folder = file.with_suffix("")
    try:
        runs.trainings.start(folder, asked.words, file, asked.model or "")
    except MakemoreError:
        file.unlink(missing_ok=True)
        raise
    return runs.add(folder)


def go_on(runs: Runs, run: Watched) -> None:
    """Go on with a training that was stopped or killed. Raises HttpError (409, 429)."""
    state, problem = runs.state_of(run)
    if state in ("training", "finished"):
        words = "is in training" if state == "training" else "has finished its training"
        raise HttpError(409, f"the run {words}", run.id, "GET /api/events follows it")
    if state == "gone":
        raise HttpError(409, "the run has gone", run.id, "put its folder back, or train again")
    if run.problem is not None and problem is run.problem:
        raise HttpError(409, run.problem.what, run.id, run.problem.to_do)
    before = runs.trainings.of(run.folder)
    if os.path.lexists(run.folder / COMMIT):  # with it the run has its own lines
        words_on = words_to_go_on(run.saved.model, run.saved.asked)
        runs.trainings.start(run.folder, words_on, None, run.saved.model)
    elif before is not None and before.file is not None:
        runs.trainings.start(run.folder, before.words, before.file, before.model)
    else:
        raise HttpError(409, "the run was never saved", run.id, "train its list again")


def check_stoppable(runs: Runs, run: Watched) -> None:
    """Raise HttpError (409) for a run that does not train, or that another process trains."""
    trains = runs.state_of(run)[0] == "training"  # one that has finished may still show its lines
    if trains and runs.trainings.is_running(run.folder):
        return
    if trains:
        to_do = "stop it where it was started: Ctrl-C there"
        raise HttpError(409, "another process trains this run", run.id, to_do)
    raise HttpError(
        409, "the run is not in training", run.id, 'POST /api/train {"run": ID} goes on'
    )
