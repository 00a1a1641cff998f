"""Options of a training, each declared once; a model's own `recipe` overrides defaults. No torch.

They stand apart from the code that uses them because `train --help` waits for neither numpy nor
torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from makemore.errors import UsageError
from makemore.options import option, options_of


@dataclass(frozen=True)
class TrainingConfig:
    """The options of a training. A model's own `recipe` overrides these defaults."""

    max_steps: int | None = option(
        None, "training steps (default: from the amount of data)", minimum=1, maximum=10**9
    )
    batch_size: int = option(
        512, "lines (or windows, for window models) in a step", minimum=1, maximum=2**20
    )
    optimizer: str = option(
        "muon", "muon: Muon for matrices, AdamW for the rest", choices=("sgd", "adamw", "muon")
    )
    learning_rate: float = option(0.003, "peak learning rate of AdamW or SGD", above=0.0)
    muon_learning_rate: float = option(0.02, "peak learning rate of Muon's matrices", above=0.0)
    muon_momentum: float = option(0.95, "momentum of Muon", minimum=0.0, maximum=0.9999)
    muon_row_momentum: float = option(
        0.0, "Muon: rows that moved far move less, by this momentum of their squares (0: alike)",
        minimum=0.0, maximum=0.9999,
    )  # fmt: skip
    soft_targets: float = option(
        0.0, "learn from what may follow, not only from what does: this share by counts of the "
        "train lines, the rest by the lines that begin alike (0: each line by itself; default: "
        "more of it the fewer lines there are)",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    momentum: float = option(0.0, "momentum of SGD", minimum=0.0, maximum=0.9999)
    weight_decay: float = option(0.01, "decoupled weight decay of matrices", minimum=0.0)
    schedule: str = option(
        "linear",
        "how the learning rate falls from its peak",
        choices=("constant", "step", "linear", "cosine"),
    )
    warmup_steps: int = option(0, "steps in which the learning rate rises from 0", minimum=0)
    decay_at: float = option(
        0.5, "step schedule: the share of the steps after which the rate is a tenth",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    grad_clip: float | None = option(None, "clip the norm of all gradients to this", above=0.0)
    eval_interval: int | None = option(
        None, "steps between evaluations (default: 20 of them in a training)", minimum=1
    )
    patience: int | None = option(
        None, "stop after this many evaluations without a better validation loss", minimum=1
    )
    calibrate: bool = option(
        False, "BatchNorm: statistics of one whole epoch before each evaluation, not running ones"
    )
    seed: int = option(
        3407, "of initial weights, data order and dropout", minimum=0, maximum=2**63 - 1
    )
    save_interval: float = option(
        10.0, "seconds between checkpoints", minimum=0.0, identifies_run=False
    )
    log_interval: int = option(
        10, "steps between lines of the log", minimum=1, identifies_run=False
    )
    threads: int | None = option(
        None, "CPU threads (default: chosen once and recorded)", minimum=1, maximum=1024,
        identifies_run=False,
    )  # fmt: skip
    device: str = option(
        "auto", "auto (cuda if there is one, else cpu), cpu, cuda or mps", identifies_run=False
    )


@dataclass(frozen=True)
class TimeBudget:
    """What a training may cost, in place of saying what it shall be."""

    time: float | None = option(
        None, "seconds that training may take; model, size and steps are chosen for them",
        above=0.0, maximum=1e7,
    )  # fmt: skip


def parse_seconds(time: float | str) -> float:
    """`60`, `"60s"`, `"10m"`, `"1.5h"` -> seconds. Raises UsageError."""
    if not isinstance(time, str):
        return float(options_of(TimeBudget)["time"].check(time))
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|h)?", time.strip(), re.ASCII)
    value = float(found[1]) * {None: 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if value <= 0:
        raise UsageError(f"{time!r} is no time", "--time", "give 60s, 10m or 1h")
    return value
