"""Sections: what a page shows of a run, and what it leaves out and why, by subject.

They come from the run directory's logs and from the model with its best weights. Nothing here is
chosen or scored by the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from makemore.api import MakeMore
from makemore.models import CountModel
from makemore.report.page import LeftOut, Part
from makemore.report.plots.training import check_entry
from makemore.report.sections import drawn, model, summary, training
from makemore.runs import Run
from makemore.runs.logs import read_diagnostics, read_metrics

COUNTS = "this model counts; it does not learn step by step"


def parts(
    run: Run, word: str | None, seed: int, beside: Callable[[str], Part] | None = None
) -> Iterator[Part]:
    """Yield the parts of a report of a run. Raises RunError, UsageError (the word).

    word: the line whose attention is shown; None: the beginning of the first training line
    beside: makes the page that lies beside the report, given that line
    """
    maker, logs = MakeMore.of_run(run), read_metrics(run.path)
    looks = read_diagnostics(run.path)
    # Logs and word are checked before the first part: a page is whole, or there is none.
    for file, entries in (("metrics.jsonl", logs), ("diagnostics.jsonl", looks)):
        for number, entry in enumerate(entries, 1):
            check_entry(entry, f"{file}, line {number}", run.path)
    line = model.first_word(maker) if word is None else word
    inputs = [0] if word is None and not line else model.word_ids(maker, line)
    yield from summary.summary(maker, run, logs, looks)
    yield from drawn.some_lines(maker, seed)
    if beside is not None:
        yield beside(line)
    if isinstance(maker.model_, CountModel):
        yield LeftOut("losses, learning rate, saturation, ratios, histograms", COUNTS)
    else:
        yield from training.training(maker, run, logs, looks)
    yield model.pairs(maker)
    yield from model.embeddings(maker, looks)
    yield from model.attention(maker, inputs)
    yield from drawn.draws(maker, seed)
    yield from drawn.calibration(maker)
