"""Per-label counts: one model of counts for each label; nothing is shared between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import RunError
from makemore.escaping import visible
from makemore.models.core.base import Arrays, CountModel
from makemore.models.core.state import State
from makemore.models.core.transition_table import MAX_TABLE_CELLS, TransitionTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PerLabelCounts(CountModel):
    """Counts of `n_labels` labels. The first column of a window says whose are asked.

    kind: the class of the models; block_size: theirs and the label's column. After no label
    nothing was counted, so all symbols are alike there.
    """

    input_kind = "window"

    def __init__(
        self, kind: Any, vocab_size: int, block_size: int, options: Any, n_labels: int
    ) -> None:
        self.name = kind.name  # type: ignore[misc]
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options
        self.n_labels = n_labels
        self.tables: list[Any] = [
            kind(vocab_size, block_size - 1, options) for _ in range(n_labels)
        ]

    def fit_counts(self, ids: Ints, offsets: Ints, labels: Ints | None = None) -> None:
        """Count lines: ids (n_symbols,), offsets (n_lines + 1,), ids of their labels (n_lines,)."""
        if labels is None:
            raise ValueError("the lines of a labelled model have labels")
        lengths = np.diff(offsets)
        of_symbol = np.repeat(labels, lengths)
        for number, table in enumerate(self.tables, self.vocab_size):
            own = lengths[labels == number]
            ends = np.concatenate([[0], np.cumsum(own)]).astype(np.int64)
            table.fit_counts(ids[of_symbol == number], ends)

    def table_of(self, label: int) -> CountModel:
        """The counts of the label with this id."""
        table: CountModel = self.tables[label - self.vocab_size]
        return table

    def forward(self, inputs: Ints) -> Floats:
        logits = np.full((len(inputs), self.vocab_size), -np.log(self.vocab_size))  # (N, V)
        for number, table in enumerate(self.tables, self.vocab_size):
            rows = np.flatnonzero(inputs[:, 0] == number)
            if len(rows):
                logits[rows] = table.forward(inputs[rows, 1:])
        return logits

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
        """Those of the labels one after the other."""
        parts, firsts = list[TransitionTable](), [0]
        for table in self.tables:
            own = table.transition_table(most)
            if own is None or firsts[-1] * self.vocab_size + own.logs.size > most:
                return None
            parts.append(own)
            firsts.append(firsts[-1] + len(own.logs))
        empty = {self.vocab_size + number: first for number, first in enumerate(firsts[:-1])}
        start = {
            label: first + own.start[0]
            for (label, first), own in zip(empty.items(), parts, strict=True)
        }
        after = [own.after + np.int32(first) for first, own in zip(firsts, parts, strict=False)]
        logs = np.concatenate([own.logs for own in parts])
        return TransitionTable(logs, np.concatenate(after), start, empty)

    def initial_state(self, batch: int) -> State:
        return np.zeros((batch, self.block_size), dtype=np.int64)  # (B, block)

    def step(self, ids: Ints, state: State) -> tuple[Floats, State]:
        label = ids >= self.vocab_size  # it takes its place; a boundary starts the line
        slot = np.where(label, ids, state[:, 0])
        line = np.concatenate([state[:, 1:], np.where(label, 0, ids)[:, None]], axis=1)
        window = np.concatenate([slot[:, None], line[:, 1:]], axis=1)  # (B, block)
        return self.forward(window), window

    @property
    def n_parameters(self) -> int:
        return sum(table.n_parameters for table in self.tables)

    def tensors(self) -> Arrays:
        return {
            f"{number}.{name}": value
            for number, table in enumerate(self.tables)
            for name, value in table.tensors().items()
        }

    def load_tensors(self, tensors: Arrays) -> None:
        own: list[Arrays] = [{} for _ in self.tables]
        for name, value in tensors.items():
            number, _, rest = name.partition(".")
            if not number.isdecimal() or str(int(number[:9])) != number or int(number) >= len(own):
                raise RunError(
                    f"the weights file holds an unknown tensor {visible(name, 80)!r}", "weights",
                    "is it this model's?",
                )  # fmt: skip
            own[int(number)][rest] = value
        for table, arrays in zip(self.tables, own, strict=True):
            table.load_tensors(arrays)
