"""Make prior: trains one model on many lists, each line with its list as the label.

The lists are a text with labels, so this is a training in a run directory like any other: it can be
stopped and goes on, and `--prior DIR` starts from it. `pack` makes the two small files of prior.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from makemore.api.prior import Prior
from makemore.api.session import SessionEvent, train_directory
from makemore.errors import DataError
from makemore.runs import Run
from makemore.text import Corpus, Split, TextConfig
from makemore.text.line_hashes import PriorLines

MODEL = "transformer"
# With two threads on any machine, as the last bits of sums depend on their number.
OPTIONS: dict[str, Any] = {
    "n_layer": 4, "n_head": 4, "n_embd": 128, "dropout": 0.1, "soft_targets": 0.0,
    "batch_size": 384, "learning_rate": 0.004, "muon_learning_rate": 0.02, "threads": 2,
}  # fmt: skip
EPOCHS = 16
ONE_IN = 50  # lines that do not train: their loss is reported, and chooses the best weights


def labelled(lists: Mapping[str, Corpus]) -> Split:
    """Join lists to one text whose labels are their names, and hold back one line in 50.

    Which one depends on its text alone, so that a line of two lists is in one part.
    """
    lines = [line for corpus in lists.values() for line in corpus]
    names = [name for name, corpus in lists.items() for _ in range(len(corpus))]
    corpus = Corpus.from_lines(lines, TextConfig(max_vocab=100_000), names)
    held_back = Corpus.exactly(list(corpus)).hashes() % ONE_IN == 0
    parts = Split(corpus.take(~held_back), corpus.take(held_back), corpus.take(slice(0)))
    if len(lists) < 2 or not len(parts.train):
        raise DataError("a prior reads two lists or more", None, "give more files")
    return parts


def train_prior(
    folder: str | os.PathLike[str],
    lists: Mapping[str, Corpus],
    *,
    epochs: float = EPOCHS,
    fresh: bool = False,
    stop: threading.Event | None = None,
    **options: Any,
) -> Generator[SessionEvent, None, None]:
    """Train a prior on lists (name -> lines) in a run directory, or go on there; yields events.

    epochs: how often each line is read
    options: of the training, in place of OPTIONS
    Raises DataError for fewer than two lists, and what train_directory raises.
    """
    parts, values = labelled(lists), {**OPTIONS, **options}
    values["batch_size"] = min(values["batch_size"], len(parts.train))
    steps = max(1, round(epochs * len(parts.train) / values["batch_size"]))
    values.setdefault("max_steps", steps)
    yield from train_directory(
        folder, parts, model=MODEL, fresh=fresh, name="prior", stop=stop, **values
    )


def pack(
    folder: str | os.PathLike[str],
    target: Path,
    about: Mapping[str, Any],
    held_out: Corpus | None = None,
) -> Prior:
    """Write the prior of a finished run as two small files, with what a person wants to know.

    about: facts beside those that the run tells: each list with its lines and digest, the losses
    held_out: lines that it has not read, and that are not to be drawn as new either
    """
    run = Run.load(folder)
    prior = Prior.of_run(run, str(folder))
    if held_out is not None:
        none = np.zeros(0, dtype=np.uint64)
        others = PriorLines.of(none, held_out.hashes())
        prior = dataclasses.replace(prior, lines=PriorLines.union([prior.lines, others]))
    val = run.progress["best_val"]
    prior.about.update(
        {**about, "val_nll": val if val is None else round(val, 4), "steps": run.progress["step"]},
        lists=[
            {"name": name, "lines": lines, "sha256": digest}
            for name, lines, digest in described(run.split)
        ],
    )
    prior.write(target)
    return prior


def described(split: Split) -> list[tuple[str, int, str]]:
    """Describe the list behind each label: name, lines, sha256 of its sorted lines."""
    found: dict[str, list[str]] = {}
    for _, part in split:
        for line, name in zip(part, part.label_of_each() or (), strict=True):
            found.setdefault(name, []).append(line)
    return [
        (name, len(lines), hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest())
        for name, lines in sorted(found.items())
    ]
