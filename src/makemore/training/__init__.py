"""Training: the loop, its events, batches, optimizers and soft targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.training.config import TrainingConfig
    from makemore.training.events import Evaluated, Saved, Step
    from makemore.training.trainer import Trainer, train_steps

__all__ = ["Evaluated", "Saved", "Step", "Trainer", "TrainingConfig", "train_steps"]

__getattr__ = late_names(
    __name__,
    {
        "Trainer": "trainer",
        "TrainingConfig": "config",
        "train_steps": "trainer",
        "Step": "events",
        "Evaluated": "events",
        "Saved": "events",
    },
)
