"""The run in words: two tables, of the run and of its exact losses, and the findings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from makemore.analysis import advise
from makemore.api import MakeMore
from makemore.api.plan import MAX_TRAIN_LINES
from makemore.models import CountModel, get_model
from makemore.models.core.registry import about
from makemore.report.page import Part, Table, Verses
from makemore.runs import Run


def summary(maker: MakeMore, run: Run, logs: Sequence[Any], looks: Sequence[Any]) -> Iterator[Part]:
    """Yield two tables, of the run and of its exact losses, and the findings in words."""
    config, progress = run.config, run.progress
    first, paper = about(get_model(config.model))
    sizes = {name: len(part) for name, part in maker.split}
    steps = "none: it counts"
    if not isinstance(maker.model_, CountModel):
        done = "" if progress["finished"] else ", not finished"
        steps = (f"{progress['step']:,} of {config.resolved.get('max_steps'):,}{done}; "
                 f"best weights: step {progress['best_step']:,}")  # fmt: skip
    rows = [
        ("model", f"{config.model}: {first} ({paper})" if paper else f"{config.model}: {first}"),
        ("parameters", f"{maker.n_parameters:,}"),
        ("data", f"{config.data['name']}: {sizes['train']:,} lines to learn from, "
                 f"{sizes['val']:,} to choose by, {sizes['test']:,} for the end (not used here)"),
        ("symbols", f"{len(maker.vocabulary.symbols):,} and the boundary"),
        ("steps", steps),
    ]  # fmt: skip
    yield Table("summary", "The run", "", ("", ""), rows)
    reports = [maker.report(name) for name in ("train", "val") if sizes[name]]
    cells = [
        (r["split"], *(_cell(r[key]) for key in ("nll", "bits", "perplexity")), f"{r['lines']:,}")
        for r in reports
    ]
    header = ("part", "nats a symbol", "bits a symbol", "perplexity", "lines")
    about_it = "Exact, over all lines."
    if logs and sizes["train"] > MAX_TRAIN_LINES:
        looked_at = f"{MAX_TRAIN_LINES:,} of the lines to learn from"
        about_it += f" The findings and the curve go by what was logged: the loss of {looked_at}."
    yield Table("parts", "Losses of the best weights", about_it, header, cells)
    optimizer = str(config.resolved.get("optimizer", "adamw"))
    mixed = get_model(config.model).is_ensemble
    if sentences := advise(logs, looks, len(maker.vocabulary), optimizer, mixed):
        yield Verses("findings", "Findings", sentences)


def _cell(value: float | None) -> str:
    """Write a loss for a table; a dash for none or an infinite one."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"
