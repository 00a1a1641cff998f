"""Events: what a training yields, one after the other, and where it stands. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One step was taken. `step` counts from 1; `loss` is the batch's nll before the step."""

    step: int
    loss: Tensor
    learning_rate: float
    symbols: int


@dataclass(frozen=True)
class Evaluated:
    """Losses by part, in nats a symbol; val is None where there is no such part."""

    step: int
    train: float
    val: float | None
    best: bool  # the lowest validation loss so far (or no validation part)


@dataclass(frozen=True)
class Saved:
    """A checkpoint of this step is on the disk, whole."""

    step: int


Event = Step | Evaluated | Saved


@dataclass
class Progress:
    """Where a training stands, beside its tensors."""

    step: int = 0
    best_step: int = 0
    best_val: float | None = None
    evaluations_since_best: int = 0
    finished: bool = False

    def record(self) -> dict[str, Any]:
        """The values as a run directory keeps them, where one has a shorter name since format 1."""
        return {_ON_DISK.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Progress:
        """The same, from what `record` gave."""
        names = {short: name for name, short in _ON_DISK.items()}
        return cls(**{names.get(key, key): value for key, value in record.items()})


_ON_DISK = {"evaluations_since_best": "waited"}
