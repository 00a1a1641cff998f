"""Device decoder: draws lines on the GPU where the model is. No torch here.

It draws by rejection with the random numbers of decoder.py, so it gives the same lines for the same
seed, up to rounding: a GPU adds in another order, and a probability differs in its last digits. The
model draws whole lines by itself (models/core/device_drawer.py), which come back in one copy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.models.core.draw_rules import DrawnLines, DrawRules, LineDrawer
from makemore.sampling.categorical import DrawBatch
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.decoder import first_of
from makemore.sampling.results import Completions
from makemore.sampling.table_decoder import ended

Ints = NDArray[np.int64]

DEVICE_FROM = 1024  # draws from which on a batch is drawn on the device; fewer are soon done here


class DeviceDecoder:
    """Draws lines from a model on its device under an automaton, each draw a line of its own.

    labels: first input (id) -> probability that a draw begins with it
    """

    def __init__(self, drawer: LineDrawer, prefix: list[int], labels: dict[int, float]) -> None:
        self.drawer = drawer
        self.prefix = np.array(prefix, dtype=np.int64)
        self.labels = np.array(list(labels), dtype=np.int64)
        self.probabilities = np.array(list(labels.values()))

    @classmethod
    def of(
        cls, model: Model, automaton: Automaton, options: SamplingConfig, prefix: list[int],
        labels: dict[int, float],
    ) -> DeviceDecoder | None:  # fmt: skip
        """Make the decoder of a model; None for a model that draws no lines by itself."""
        rules = DrawRules(
            inputs=np.array(list(labels), dtype=np.int64),
            prefix=tuple(prefix),
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            next=automaton.next,
            accepts=automaton.accepts,
            can_complete=automaton.can_complete,
            min_length=automaton.min_length,
            max_length=automaton.max_length,
            keeps_cut=automaton.cuts and options.all,
        )
        drawer = model.line_drawer(rules)
        return None if drawer is None else cls(drawer, prefix, labels)

    @property
    def most(self) -> int:
        """Return how many draws there is memory for on the device."""
        return self.drawer.most

    def draw(self, batch: DrawBatch) -> list[Completions]:
        """Draw the lines of a batch; return the finished ones by length, as TableDecoder does."""
        rows = np.arange(batch.bounds[-1]) if len(self.labels) > 1 else np.zeros(1, dtype=np.int64)
        first = first_of(self.probabilities, batch, rows)  # (R,), or (1,) for all
        lines = self.drawer.draw(batch.bounds, batch.counters, first)
        # Lines of one length stand together, cut ones before the others.
        changes = np.diff(2 * lines.length - lines.cut, prepend=-2) != 0
        bounds = np.append(np.flatnonzero(changes), len(changes))
        return [
            self._ended(lines, first, slice(start, stop))
            for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]

    def _ended(self, lines: DrawnLines, first: Ints, some: slice) -> Completions:
        """Make the Completions of some lines, which have one length and are all cut, or none."""
        draws, length = lines.draws[some], int(lines.length[some.start])
        ids = lines.ids[some, : length - len(self.prefix)]
        before = np.broadcast_to(self.prefix.astype(ids.dtype), (len(ids), len(self.prefix)))
        label = self.labels[first[draws] if len(first) > 1 else np.zeros_like(draws)]
        return ended(
            np.hstack([before, ids]), lines.nll[some], label, draws, bool(lines.cut[some.start])
        )
