"""Options of a training, each declared once: flag, type, default, help and limits. No torch.

They are not in the modules that use them, because those import torch, and `train --help` should not
wait for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from makemore.errors import UsageError
from makemore.options import option, options_of

DEFAULT_MODEL = "transformer"  # where neither a model nor a time is named, if the list is long
AUTO_PRIOR, NO_PRIOR, BUILTIN_PRIOR = "auto", "none", "builtin"  # values of the option prior
BUDGET_MODEL = "ensemble"  # what a time is filled with, where no model is named


@dataclass(frozen=True)
class TrainingConfig:
    """Holds the options of a training: how long, with which optimizer, and how often it reports.

    A model's `recipe` replaces some of these defaults. Example: TrainingConfig(max_steps=200)
    """

    # -- how long, and in which batches; None is decided once the text is read --------------------
    max_steps: int | None = option(
        None, "training steps (default: from the amount of data)", minimum=1, maximum=10**9
    )
    batch_size: int = option(
        512, "lines in a batch (windows, for a model that reads windows)", minimum=1, maximum=2**20
    )
    # -- the optimizer (optimizers.py says what each of these does) -------------------------------
    optimizer: str = option(
        "muon", "muon: Muon for the hidden matrices, AdamW for the other parameters",
        choices=("sgd", "adamw", "muon"),
    )  # fmt: skip
    # Two rates, as the updates differ in size: AdamW's has entries of about 1, Muon's is a matrix
    # with singular values of about 1.
    learning_rate: float = option(0.003, "peak learning rate of AdamW or SGD", above=0.0)
    muon_learning_rate: float = option(0.02, "peak learning rate of Muon", above=0.0)
    muon_momentum: float = option(0.95, "momentum of Muon", minimum=0.0, maximum=0.9999)
    muon_row_momentum: float = option(
        0.0, "Muon: divide each row of an update by its root mean square, a running average with "
        "this decay, as in NorMuon (0: off)",
        minimum=0.0, maximum=0.9999,
    )  # fmt: skip
    # None is not among its values: 0 is off, and the default is replaced once the text is read.
    soft_targets: float = option(
        0.0, "fraction of the target that comes from n-gram counts of the training lines; the rest "
        "is what follows in all training lines with the same prefix (0: one-hot targets; default: "
        "more for fewer lines)",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    momentum: float = option(0.0, "momentum of SGD", minimum=0.0, maximum=0.9999)
    weight_decay: float = option(0.01, "weight decay of matrices, embeddings left out", minimum=0.0)
    # -- the schedule: the learning rate in each step, as a factor of its peak --------------------
    schedule: str = option(
        "linear",
        "how the learning rate falls: not (constant), to a tenth (step), to 0 (linear, cosine)",
        choices=("constant", "step", "linear", "cosine"),
    )
    warmup_steps: int = option(
        0, "first steps, in which the learning rate rises linearly to its peak", minimum=0
    )
    decay_at: float = option(
        0.5, "step schedule: fraction of the steps after which the learning rate is a tenth",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    ends: str = option(
        "", "STEP:END/STEP:END: after STEP steps the schedule's end is moved to END, as a time "
        "budget does; to take the same steps again",
    )  # fmt: skip
    grad_clip: float | None = option(
        None, "largest norm of the gradient of all parameters: a longer one is scaled down to it",
        above=0.0,
    )  # fmt: skip
    # -- where the weights start ------------------------------------------------------------------
    prior: str = option(
        "auto", "a model of many lists to start from, not from random weights: builtin, the folder "
        "of a run or of `makemore prior`, none, or auto: builtin where no model is named and the "
        "list is short",
    )  # fmt: skip
    # -- evaluation, and when to stop early -------------------------------------------------------
    eval_interval: int | None = option(
        None,
        "steps between evaluations (default: a twentieth of the steps, at least 10)",
        minimum=1,
    )
    patience: int | None = option(
        None,
        "stop after this many evaluations in a row without a lower validation loss",
        minimum=1,
    )
    calibrate: bool = option(
        False, "BatchNorm: evaluate with the mean and variance of one epoch, not running averages"
    )
    seed: int = option(
        3407, "seed of initial weights, data order and dropout", minimum=0, maximum=2**63 - 1
    )
    # -- how the training is carried out: two runs that differ in these alone are the same run ----
    save_interval: float = option(
        10.0, "seconds between checkpoints", minimum=0.0, identifies_run=False
    )
    log_interval: int = option(
        10, "steps between entries of the batch loss in the log", minimum=1, identifies_run=False
    )
    threads: int | None = option(
        None, "CPU threads (default: chosen for the machine and recorded)", minimum=1, maximum=1024,
        identifies_run=False,
    )  # fmt: skip
    device: str = option(
        "auto", "auto (cuda if there is one, else cpu), cpu, cuda or mps", identifies_run=False
    )


@dataclass(frozen=True)
class TimeBudget:
    """Holds the seconds that a training may take, in place of options that say how long it is."""

    time: float | None = option(
        None, "seconds that training may take; model, size and steps are chosen to fit",
        above=0.0, maximum=1e7,
    )  # fmt: skip


def names_prior(value: str | None) -> bool:
    """Tell whether a value of the option `prior`, None if it was not given, names one."""
    return value not in (None, AUTO_PRIOR, NO_PRIOR)


def parse_seconds(time: float | str) -> float:
    """Convert a time to seconds: 60 -> 60.0, "60s" -> 60.0, "1.5h" -> 5400.0.

    Raises UsageError for text that is not a time, and for a time that is not above 0.
    """
    if not isinstance(time, str):
        return float(options_of(TimeBudget)["time"].check(time))
    # A bounded count of digits: float() of any such text is finite.
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|h)?", time.strip(), re.ASCII)
    value = float(match[1]) * {None: 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if value <= 0:
        raise UsageError(f"{time!r} is no time", "--time", "give 60s, 10m or 1h")
    return value
