"""Trainings that several processes share: as a program, one of the processes that train all CASES.

bench/ranks.py starts such processes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

PATIENCE = 120.0  # seconds for what takes two or three, on a busy machine
LINES = [
    "".join(parts)
    for parts in product("bdkmnrst", ("a", "e", "io", "u"), "lmnr", ("", "a", "is", "elo", "anda"))
]
LABELLED = [f"{line}\t{number % 3}" for number, line in enumerate(LINES)]
SMALL: dict[str, Any] = {
    "max_steps": 50, "eval_interval": 50, "batch_size": 96, "seed": 5, "device": "cpu",
}  # fmt: skip
# Trained by two processes of one thread each, and compared with one process of two threads.
CASES: dict[str, dict[str, Any]] = {
    "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.2, "soft_targets": 0.4},
    "gru": {"n_hidden": 16, "n_embd": 8, "dropout": 0.2, "soft_targets": 0.4, "labels": True,
            "batch_size": 480},
    "mlp": {"n_hidden": 16, "soft_targets": 0.4, "labels": True, "grad_clip": 1.0},
    "lstm": {"n_hidden": 16, "n_embd": 8, "soft_targets": 0.0, "batch_size": 7},
    "bow": {"n_embd": 8, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5},
}  # fmt: skip


def options_of_case(model: str) -> dict[str, Any]:
    return {**SMALL, **CASES[model]}


def lines_of_case(model: str) -> list[str]:
    return LABELLED if CASES[model].get("labels") else LINES


def steps_in(folder: Path) -> int:
    """Training steps in the log of the run there."""
    log = folder / "run/metrics.jsonl"
    return log.read_bytes().count(b'"batch"') if log.exists() else 0


def wait_for_steps(folder: Path, number: int) -> None:
    """Until so many steps are in the log."""
    end = time.monotonic() + PATIENCE
    while steps_in(folder) < number:
        assert time.monotonic() < end, "the training does not begin"
        time.sleep(0.005)


def train_cases(folder: Path) -> None:
    """As rank 0: train each case, its losses written to losses.json. As another: serve."""
    from makemore.api.session import train_directory
    from makemore.training import Step
    from makemore.training.distributed import QUIT, serve
    from makemore.training.ranks import Place, connect, quietly

    place = Place.of(os.environ)
    assert place is not None
    ranks = connect(place, os.environ)
    if place.rank:
        serve(ranks)
        return
    found = {}
    for model in CASES:
        options = {**options_of_case(model), "threads": 1}
        events = train_directory(
            folder / model, lines_of_case(model), model=model, ranks=ranks, **options
        )
        found[model] = [float(event.loss) for event in events if isinstance(event, Step)]
    (folder / "losses.json").write_text(json.dumps(found))
    quietly(ranks, QUIT)


if __name__ == "__main__":
    train_cases(Path(sys.argv[1]))
