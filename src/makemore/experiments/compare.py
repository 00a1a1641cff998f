"""Compare: every model on the same lines, each by its own recipe, against the counts as a floor.

`compare` is a generator that trains; rows.jsonl holds what is finished, so that no model is trained
twice, and each model is kept as a run beside it. Val chooses and orders. The test part is scored
only on request, and orders nothing.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.analysis import sample_shares
from makemore.analysis.novelty import DRAWS_SEED, new_lines
from makemore.api import MakeMore, Plan
from makemore.errors import MakemoreError, RunError
from makemore.experiments.journal import ResultLog
from makemore.models.core.registry import model_names
from makemore.runs.shapes import ANY, MAYBE, NUMBER, has_shape
from makemore.runs.writer import remove_run
from makemore.text import Split
from makemore.training.config import DEFAULT_MODEL
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.training.events import Event


FORMAT = 1
FILE = "rows.jsonl"
TABLE, CHARTS = "table.md", ("compare.png", "compare-dark.png")
IDENTITY = ("format", "data", "asked", "test")
FLOOR = "ngram"  # modified Kneser-Ney counts: seconds of work, and no gradient
SAMPLES = 12  # new lines of each model


Facts = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Holds the result of one model. Losses are nats a symbol; None where there is no such part.

    train, val, test: over all lines of a part; *_unseen: over those that are not in train, where
    the part has copies of training lines
    bits: of val (of train, without val), bits a symbol
    shares: fractions of 1,000 draws: new, repeated, copied, cut or empty
    error: why there is nothing but a name
    """

    model: str
    parameters: int | None = None
    seconds: float | None = None
    train: float | None = None
    val: float | None = None
    val_unseen: float | None = None
    test: float | None = None
    test_unseen: float | None = None
    bits: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    error: str | None = None
    code: int = 0  # the exit code of that error


@dataclass(frozen=True)
class Started:
    """Says that the training of a model begins; its maker has the plan."""

    model: str
    maker: MakeMore


def compare(
    models: Sequence[str], parts: Split, requested: Mapping[str, Any], test: bool = False,
    name: str = "compare",
) -> Iterator[Started | Event | Row]:  # fmt: skip
    """Train every model on the same parts, the floor first; its Row ends each model's events.

    name: what the text is called in the runs that are kept
    A model that cannot be trained gives a Row with the error, and the next one begins.
    """
    for model in sorted(dict.fromkeys(models), key=lambda name: name != FLOOR):
        try:
            yield from _one(model, parts, requested, test, name)
        except MakemoreError as error:
            yield Row(model, error=str(error), code=error.exit_code)
        except Exception as error:  # a plugin may raise anything, memory may run out
            yield Row(model, error=f"{type(error).__name__}: {error}", code=1)


def _one(
    model: str, parts: Split, requested: Mapping[str, Any], test: bool, name: str
) -> Iterator[Started | Event | Row]:
    """Train one model: yields its start, its events, and its row."""
    began = time.perf_counter()
    maker = MakeMore(model)
    maker.begin(Plan.make(model, requested, parts, name))
    yield Started(model, maker)
    yield from maker.training()
    seconds = time.perf_counter() - began
    yield row_of(maker, seconds, test)


def row_of(maker: MakeMore, seconds: float, test: bool = False) -> Row:
    """Score a trained model. seconds: that its training took, evaluations included."""
    # Every look at the test part counts: none without a request.
    reports = {
        name: maker.report(name)
        for name, part in maker.split
        if len(part) and (test or name != "test")
    }
    nll = {name: report["nll"] for name, report in reports.items()}
    unseen = {name: report["nll_unseen"] for name, report in reports.items()}
    chosen = nll.get("val", nll["train"])  # of few lines none is held back
    return Row(
        maker.model or DEFAULT_MODEL, maker.n_parameters, seconds, nll["train"],
        nll.get("val"), unseen.get("val"), nll.get("test"), unseen.get("test"),
        None if chosen is None else chosen / math.log(2),
        sample_shares(maker), new_lines(maker, SAMPLES, DRAWS_SEED),
    )  # fmt: skip


# -- what the rows say ----------------------------------------------------------------------------


def measure(rows: Sequence[Row]) -> str:
    """Name the part that orders: val, or train where no lines are held back."""
    return "val" if any(row.val is not None for row in rows) else "train"


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Order rows by loss, the lowest first, those that failed last. Never by test."""
    part = measure(rows)

    def key(row: Row) -> tuple[bool, float]:
        loss = getattr(row, part)
        return row.error is not None, math.inf if loss is None else loss

    return sorted(rows, key=key)  # stable: of equal losses the first that was trained


def floor(rows: Sequence[Row]) -> float | None:
    """Find the val loss of the Kneser-Ney counts, which a neural model must beat; or None."""
    return next((row.val for row in rows if row.model == FLOOR), None)


def verdict(rows: Sequence[Row]) -> list[str]:
    """Say in sentences which models beat the floor and which do not."""
    if measure(rows) == "train":
        return ["No lines are held back, so the order is by train, where learning by heart wins."]
    # The counts cost seconds: what does not beat them is not worth a training.
    level = floor(rows)
    if level is None:
        return [f"There is no floor: {FLOOR} has no row."]
    sentences = [f"The floor, {FLOOR} (Kneser-Ney counts), has val {level:.4f}."]
    others = [row for row in ordered(rows) if row.error is None and row.model != FLOOR]
    below = [row.model for row in others if row.val is not None and row.val < level]
    above = [row.model for row in others if row.model not in below]
    if below:
        sentences.append(f"Below it, as a neural model must be: {', '.join(below)}.")
    if above:
        better = ", ".join(above)
        sentences.append(f"Not below it, so that counting does as well or better: {better}.")
    return sentences


# -- the models -----------------------------------------------------------------------------------


def run_folder(folder: Path, model: str) -> Path:
    """Name the run directory that a model of a comparison is kept in."""
    return folder / re.sub(r"[^\w-]", "_", model)  # a plugin may call its model anything


def keep(folder: Path, maker: MakeMore) -> None:
    """Keep a trained model as a run beside the rows. Raises RunError, SystemFault."""
    path = run_folder(folder, maker.model or DEFAULT_MODEL)
    if path.is_symlink():
        raise RunError("this is a link", str(path), "take it away")
    maker.save(path, replace=True)  # a kill may have come between this and its row


def kept(folder: Path, row: Row) -> Path | None:
    """Find the run of a row; None if it failed, or was trained by a version that kept none."""
    path = run_folder(folder, row.model)
    return path if row.error is None and (path / "checkpoint.json").is_file() else None


def _forget(folder: Path) -> None:
    """Remove the models that an earlier comparison kept in a folder."""
    for model in model_names():
        path = run_folder(folder, model)
        if (path / "checkpoint.json").is_file() and not path.is_symlink():
            remove_run(path)


# -- rows.jsonl -----------------------------------------------------------------------------------


def header(name: str, parts: Split, requested: Mapping[str, Any], test: bool) -> Facts:
    """Make the first line of rows.jsonl: which comparison it is, and where it was measured."""
    import torch  # here, as `makemore compare --help` needs none

    return {
        "format": FORMAT, "version": __version__, "text": name, "data": parts.digest(),
        "lines": {part: len(lines) for part, lines in parts}, "asked": dict(requested),
        "test": test, "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(), "machine": platform.machine(), "torch": str(torch.__version__),
        "python": platform.python_version(),
    }  # fmt: skip


def opened(folder: Path, facts: Facts, fresh: bool = False) -> tuple[ResultLog, list[Row]]:
    """Open the rows.jsonl of a folder: it and its finished rows. Raises what ResultLog does."""
    journal = ResultLog(folder, FILE, facts, IDENTITY, (TABLE, *CHARTS), fresh, _is_no_row)
    try:
        if not has_shape(journal.first["lines"], {part: int for part in facts["lines"]}):
            raise RunError(f"{FILE} has another first line than ours", str(folder), "use --fresh")
        if fresh:
            _forget(folder)
        return journal, [Row(**line) for line in journal.records]
    except BaseException:  # whatever it is, the file must not stay locked
        journal.close()
        raise


SHAPE = {
    **dict.fromkeys((each.name for each in dataclasses.fields(Row)), MAYBE),
    "model": str, "parameters": int | None, "shares": {ANY: NUMBER}, "samples": [str],
    "error": str | None, "code": int,
}  # fmt: skip


def _is_no_row(line: Facts) -> bool:
    """Tell whether a line of rows.jsonl has other keys or values than a row's."""
    if line.keys() != SHAPE.keys() or not has_shape(line, SHAPE):
        return True
    return line["error"] is None and None in (line["parameters"], line["seconds"])
