"""Experiments: many trainings that are compared: sweeps, comparisons, learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.experiments.journal import ResultLog
    from makemore.experiments.lr_finder import at_each_rate
    from makemore.experiments.sweep import Sweep
    from makemore.experiments.trial import run_trial

__all__ = ["ResultLog", "Sweep", "at_each_rate", "run_trial"]

__getattr__ = late_names(
    __name__,
    {"Sweep": "sweep", "run_trial": "trial", "at_each_rate": "lr_finder", "ResultLog": "journal"},
)
