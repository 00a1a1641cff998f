"""Samples: what sampling gives, and where each of its lines stands already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.corpus import Corpus
from makemore.split import Split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ORIGINS = ("new", "train", "val", "test", "avoid", "given")


class Sample(NamedTuple):
    """A drawn line: where it stands already, its nll in nats (end included), whether it was cut.

    exact: drawn by the model's own distribution among the lines that the conditions allow
    """

    text: str
    origin: str
    nll: float
    capped: bool = False
    exact: bool = True
    label: str | None = None


@dataclass(frozen=True)
class Lines:
    """The lines of a round as columns, n of them; iterate for Samples.

    origins: (n,) places in ORIGINS; labels: (n,) places in label_names
    """

    texts: Corpus
    origins: Ints
    nll: Floats
    capped: NDArray[np.bool_]
    exact: bool
    labels: Ints
    label_names: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Sample]:
        columns = zip(
            self.texts, map(ORIGINS.__getitem__, self.origins.tolist()), self.nll.tolist(),
            self.capped.tolist(), repeat(self.exact),
            map(self.label_names.__getitem__, self.labels.tolist()),
        )  # fmt: skip
        return map(partial(tuple.__new__, Sample), columns)  # Sample(*each), but quicker


class Known:
    """Which lines are known and from where, by a 64-bit hash of their text: 8 bytes a line."""

    def __init__(
        self, split: Split, avoid: Corpus | None = None, given: Corpus | None = None
    ) -> None:
        parts = (split.train, split.val, split.test, avoid, given)  # in the order of ORIGINS
        self.parts = {
            origin: np.sort(part.hashes())
            for origin, part in enumerate(parts, 1)
            if part is not None and len(part)
        }

    def origins(self, hashes: NDArray[np.uint64]) -> NDArray[Any]:
        """(n,) hashes -> (n,) places in ORIGINS, the first of several; 0 is new."""
        found = np.zeros(len(hashes), dtype=np.int64)
        for origin, known in reversed(self.parts.items()):
            found[within(hashes, known)] = origin
        return found


def within(hashes: NDArray[np.uint64], those: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n,) whether each hash is among `those`, which are sorted."""
    if not len(those):
        return np.zeros(len(hashes), dtype=bool)
    place = np.searchsorted(those, hashes)
    return np.asarray(those[np.minimum(place, len(those) - 1)] == hashes)
