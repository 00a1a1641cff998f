"""makemore runs: which runs there are, of what text, how good and how far."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.output import note, result_json, result_table
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.runs import RunSummary


@click.command(
    "runs",
    params=[
        click.Argument(["folder"], required=False, metavar="[FOLDER]"),
        click.Option(["--json"], is_flag=True, help="one object a run: run, text, model, val, "
                     "step, steps, best_step, finished, modified, problem"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """List the runs in FOLDER (default: runs) and in its folders, one a line.

    Of each: the text that it learned, the model, the loss of its validation lines (nll, nats a
    symbol, lower is better; `-` if none were held back), when it was saved last, and whether its
    training is finished. Losses of one text may be compared, those of two texts not.
    """
    from makemore.runs import summaries
    from makemore.runs.nearby import FOLDER

    folder = values["folder"] or FOLDER
    # Before the first training there is no such folder, which is no error unless it was named.
    found = summaries(folder) if values["folder"] or Path(folder).is_dir() else []
    if values["json"]:
        result_json(*map(as_json, found))
    elif found:
        header = ("run", "text", "model", "val", "saved", "training")
        result_table(header, [row_of(run) for run in found])
        whole = next((run for run in found if run.problem is None), None)
        if whole is not None:
            note(f"new lines of one: makemore sample {shlex.quote(whole.path)}")
    if not found:
        note(f"no runs in {folder}: makemore FILE makes one, makemore train one of its own names")
    return 0


def as_json(run: RunSummary) -> dict[str, Any]:
    """Make the JSON object of a run; its times are UTC."""
    facts = asdict(run)
    path, modified = facts.pop("path"), facts.pop("modified")
    return {"run": path, **facts, "modified": modified.isoformat(timespec="seconds")}


def row_of(run: RunSummary) -> list[Any]:
    """Make the row of a run; its time is that of the place where it is read."""
    when = run.modified.astimezone().strftime("%Y-%m-%d %H:%M")
    if run.problem is not None:
        return [visible(run.path), None, None, None, when, visible(f"damaged: {run.problem}", 60)]
    planned = f" of {run.steps:,}" if run.steps else ""
    training = "finished" if run.finished else f"step {run.step:,}{planned}"
    names = (visible(run.text or "", 40), visible(run.model or "", 40))
    return [visible(run.path), *names, run.val, when, training]
