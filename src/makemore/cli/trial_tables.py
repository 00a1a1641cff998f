"""Trial tables: the trials of a sweep as lines, tables and charts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note, result, result_table

if TYPE_CHECKING:
    from makemore.experiments import Sweep
    from makemore.experiments.shared_log import SharedLog
    from makemore.experiments.trial import Record, Settings


def settings_of(options: Settings) -> str:
    """Format the options of a trial: `n_hidden=100 learning_rate=0.01`."""
    from makemore.report.plots.sweeps import written

    return " ".join(f"{key}={written(value)}" for key, value in options.items())


def outcome(record: Record) -> str:
    """Describe a trial in one line: its loss in nats a symbol and its seconds, or the error."""
    from makemore.experiments.trial import loss_of

    if "error" in record:
        return f"failed: {record['error']}"
    part = "train" if record["val"] is None else "val"
    return f"{part} {loss_of(record):.4f}  {record['seconds']:.1f} s"


def show(records: Sequence[Record], plan: Sweep) -> None:
    """Print the trials in their order, the means over seeds, and new lines of each trial."""
    result_table(*table(records, plan))
    if any(axis.key == "seed" for axis in plan.axes) and len(plan.axes) > 1:
        result("")
        result_table(*seed_table(records))
    for record in records:
        if record.get("names"):
            result("", f"{settings_of(record['options'])}:", "  " + "  ".join(record["names"]))


def table(records: Sequence[Record], plan: Sweep) -> tuple[list[str], list[list[Any]]]:
    """Make the header and the rows of the table of trials; losses in nats a symbol."""
    from makemore.experiments.trial import loss_of
    from makemore.report.plots.sweeps import written

    keys = [axis.key for axis in plan.axes]
    # A column for val lines that are not in train, where val has copies of train lines.
    unseen = ["unseen"] * any(record.get("nll_unseen") is not None for record in records)
    head = ["val", *unseen, "train", "first", "last val", "best step", "steps", "parameters",
            "seconds", "in train"]  # fmt: skip
    best = min(records, key=loss_of)
    rows = []
    for record in records:
        cells: list[Any] = [None] * len(head)
        remark = record["kind"] if "error" in record else "best" if record is best else ""
        if "error" not in record:
            cells = [
                record["val"], *([record["nll_unseen"]] if unseen else []), record["train"],
                record["first"]["train"], record["last"]["val"], record["best_step"],
                record["steps"], record["parameters"], f"{record['seconds']:.1f}",
                f"{100 * record['copied']:.1f} %",
            ]  # fmt: skip
        rows.append([*(written(record["options"][key]) for key in keys), *cells, remark])
    return [*keys, *head, ""], rows


def seed_table(records: Sequence[Record]) -> tuple[list[str], list[list[Any]]]:
    """Make a table of the mean loss over seeds and its standard deviation."""
    from makemore.experiments.trial import loss_of

    losses: dict[str, list[float]] = {}
    for record in records:
        others = {k: v for k, v in record["options"].items() if k != "seed"}
        group = losses.setdefault(settings_of(others), [])
        if loss_of(record) < math.inf:  # it is infinite for a trial that failed
            group.append(loss_of(record))
    means = {name: statistics.fmean(each) for name, each in losses.items() if each}
    best = min(means, key=means.__getitem__, default=None)
    rows = [[name, means.get(name), statistics.stdev(each) if len(each) > 1 else None, len(each),
             "best" if name == best else ""] for name, each in losses.items()]  # fmt: skip
    return ["over seeds", "mean", "deviation", "trials", ""], rows


def draw_charts(log: SharedLog, records: Sequence[Record], plan: Sweep) -> None:
    """Draw loss-KEY.png for each option that varies, light and dark.

    Of several processes that end at the same time, one does.
    """
    if all("error" in record for record in records) or not log.leases.take_first(["charts"]):
        return
    from makemore.report.plots import sweeps
    from makemore.report.plots.style import save
    from makemore.text import Vocabulary

    log_v = math.log(len(Vocabulary.of(part for _, part in plan.parts)))  # the loss of guessing
    paths: list[Path] = []
    for axis in plan.axes:
        # Seeds have no order: they have a chart only where nothing else varies.
        if len(axis.values) > 1 and (axis.key != "seed" or len(plan.axes) == 1):
            paths += save(log.folder, f"loss-{axis.key}", sweeps.against, axis.key, records, log_v,
                          is_range=axis.is_range)  # fmt: skip
    log.leases.release("charts")
    if paths:
        note(f"charts: {', '.join(map(str, paths))}")
