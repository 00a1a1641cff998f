"""Events: what a training yields while it runs, and its progress. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Step:
    """Reports one optimizer step: the batch's loss before it, in nats a symbol."""

    step: int  # counted from 1: how many steps were taken
    loss: Tensor  # (), on the model's device
    learning_rate: float  # of AdamW or SGD, by the schedule
    symbols: int  # targets in the batch, padding left out


@dataclass(frozen=True)
class Evaluated:
    """Reports an evaluation: the nll of both parts, in nats a symbol."""

    step: int
    train: float  # of the train part, or of a sample of its lines
    val: float | None  # None without a validation part
    best: bool  # the lowest validation loss so far (or no validation part)
    last: bool = False  # the training of the model ends with it


@dataclass(frozen=True)
class Saved:
    """Reports that the checkpoint of this step is on the disk, whole."""

    step: int


# Whoever consumes a training tells these apart by their class: `isinstance(event, Evaluated)`.
Event = Step | Evaluated | Saved


@dataclass
class Progress:
    """Counts how far a training has come: the part of a checkpoint that is no tensor."""

    step: int = 0  # steps taken
    best_step: int = 0  # the step whose weights are kept
    best_val: float | None = None  # nats a symbol; None if nothing was validated
    evaluations_since_best: int = 0  # compared with the option `patience`
    finished: bool = False  # all steps taken, or stopped early: there is nothing to resume
    ends: list[list[int]] = field(default_factory=list)  # moves of the schedule's end (pace.py)
    seconds: float = 0.0  # under a time budget: how much of it was used when this was saved

    def record(self) -> dict[str, Any]:
        """Return the values by the names that they have in a run directory.

        Example: {"step": 200, "best_step": 150, "best_val": 2.1, "waited": 1, "finished": False}
        """
        record = {_ON_DISK.get(name, name): value for name, value in asdict(self).items()}
        # Without a time budget a record has the keys that it always had.
        return {key: value for key, value in record.items() if value or key not in _BUDGET}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Progress:
        """Make a Progress of what `record` returned."""
        names = {short: name for name, short in _ON_DISK.items()}
        return cls(**{names.get(key, key): value for key, value in record.items()})


# Field -> its name on disk since format 1. That one stays, so that runs of any age can be read.
_ON_DISK = {"evaluations_since_best": "waited"}
_BUDGET = ("ends", "seconds")  # only in runs under a time budget
