"""Compared models: trains the models of a comparison, here one by one or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.workers import workers_of

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.experiments import ResultLog
    from makemore.experiments.compare import Row
    from makemore.text import Split

STOPPED = "stopped; the same command goes on with the models that are missing"


def train(
    models: Sequence[str], parts: Split, requested: Mapping[str, Any], test: bool,
    journal: ResultLog,
) -> list[Row]:  # fmt: skip
    """Train the models that are missing and record their rows; show a bar, then a line of each."""
    from makemore.cli.progress import ProgressView
    from makemore.experiments import compare
    from makemore.training import Step

    rows: list[Row] = []
    maker: MakeMore | None = None
    try:
        with ExitStack() as stack:
            name = journal.first["text"]
            for event in compare.compare(models, parts, requested, test, name):
                if isinstance(event, compare.Started):
                    maker = event.maker
                    view = stack.enter_context(ProgressView(event.maker))
                    if view.bar:
                        view.say(f"makemore: {event.model}, {view.progress.steps:,} steps")
                elif isinstance(event, Step):
                    view.step(event)
                elif isinstance(event, compare.Row):
                    stack.close()  # the bar
                    if maker is not None and event.error is None:
                        compare.keep(journal.folder, maker)
                    journal.append(asdict(event))
                    rows.append(event)
                    note(outcome(event))
    except KeyboardInterrupt:
        note(STOPPED)
        raise
    return rows


def outcome(row: Row) -> str:
    """Describe a row in one line: size, seconds and the loss that orders, or the error."""
    if row.error is not None:
        return f"{row.model} failed: {row.error}"
    loss = f"train {row.train:.4f}" if row.val is None else f"val {row.val:.4f}"
    return f"{row.model}: {row.parameters:,} parameters, {row.seconds:,.1f} s, {loss}"


def train_elsewhere(
    models: Sequence[str], parts: Split, requested: Mapping[str, Any], values: Mapping[str, Any],
    journal: ResultLog,
) -> list[Row]:  # fmt: skip
    """Train the models that are missing on a cluster, several at a time; a line of each.

    They are kept and recorded as if they had been trained here.
    """
    from makemore.api.threads import shared_threads
    from makemore.experiments.compare import FLOOR
    from makemore.experiments.executors import Job, executor, finished
    from makemore.experiments.sent_models import keep_sent

    in_order = sorted(dict.fromkeys(models), key=lambda name: name != FLOOR)
    pieces = {name: {"model": name, **requested} for name in in_order}
    threads = requested.get("threads") or shared_threads([])  # as most models take
    shared = {"test": values["test"], "name": journal.first["text"]}
    job = Job("row", shared, parts, values["plugin"])
    workers = workers_of(values, threads, len(pieces))
    rows: list[Row] = []
    try:
        with executor(job, workers, values["cluster"]) as pool:
            for name, record in finished(pool, pieces):
                rows.append(row := keep_sent(journal.folder, record, name))
                journal.append(asdict(row))
                note(outcome(row))
    except KeyboardInterrupt:
        note(STOPPED)
        raise
    return rows
