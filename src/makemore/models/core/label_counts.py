"""Per-label counts: one model of counts for each label; nothing is shared between them.

A network learns all labels in one set of weights, so that each gains from the others' lines. Counts
are split: with few lines a label, its n-grams are seldom seen.
"""

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
    """Holds one count model for each label; a window's first column says which one answers.

    kind: the class of the count models, such as NGram
    block_size: their block_size and one more, for the label's column
    A window without a label gives the uniform distribution: nothing was counted there.
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
        """Count the n-grams of each label's lines.

        ids (n_symbols,), offsets (n_lines + 1,): as for CountModel; labels (n_lines,): their ids,
        from vocab_size on
        """
        if labels is None:
            raise ValueError("the lines of a labelled model have labels")
        lengths = np.diff(offsets)  # (n_lines,)
        symbol_labels = np.repeat(labels, lengths)  # (n_symbols,) the label of each symbol's line
        for label, table in enumerate(self.tables, self.vocab_size):
            # The lines of one label, moved together: their offsets begin at 0 again.
            chosen = lengths[labels == label]
            label_offsets = np.concatenate([[0], np.cumsum(chosen)]).astype(np.int64)
            table.fit_counts(ids[symbol_labels == label], label_offsets)

    def table_of(self, label: int) -> CountModel:
        """Return the count model of the label with this id, vocab_size or more."""
        table: CountModel = self.tables[label - self.vocab_size]
        return table

    def forward(self, inputs: Ints) -> Floats:
        logits = np.full((len(inputs), self.vocab_size), -np.log(self.vocab_size))  # (N, V)
        for label, table in enumerate(self.tables, self.vocab_size):
            rows = np.flatnonzero(inputs[:, 0] == label)  # (n,) the windows of this label
            if len(rows):
                logits[rows] = table.forward(inputs[rows, 1:])  # the label's column is cut off
        return logits

    def transition_table(self, most: int = MAX_TABLE_CELLS) -> TransitionTable | None:
        """Concatenate the labels' tables: the states of one label, then those of the next."""
        parts, firsts = list[TransitionTable](), [0]
        for table in self.tables:
            part = table.transition_table(most)
            # All labels together have to fit, not each alone.
            if part is None or firsts[-1] * self.vocab_size + part.logs.size > most:
                return None
            parts.append(part)
            firsts.append(firsts[-1] + len(part.logs))  # where the next label's states begin
        # State 0 of each table is its empty context.
        empty = {self.vocab_size + index: first for index, first in enumerate(firsts[:-1])}
        start = {
            label: first + part.start[0]
            for (label, first), part in zip(empty.items(), parts, strict=True)
        }
        # A state's index moves by the number of states before its table; labels never mix.
        after = [part.after + np.int32(first) for first, part in zip(firsts, parts, strict=False)]
        logs = np.concatenate([part.logs for part in parts])  # (S, V)
        return TransitionTable(logs, np.concatenate(after), start, empty)

    def initial_state(self, batch: int) -> State:
        return np.zeros((batch, self.block_size), dtype=np.int64)  # (B, block)

    def step(self, ids: Ints, state: State) -> tuple[Floats, State]:
        # As in NeuralModel.step: a label goes to the first column, and stays there.
        is_label = ids >= self.vocab_size
        label = np.where(is_label, ids, state[:, 0])  # (B,)
        line = np.concatenate([state[:, 1:], np.where(is_label, 0, ids)[:, None]], axis=1)
        window = np.concatenate([label[:, None], line[:, 1:]], axis=1)  # (B, block)
        return self.forward(window), window

    @property
    def n_parameters(self) -> int:
        return sum(table.n_parameters for table in self.tables)

    def tensors(self) -> Arrays:
        return {  # "0.counts" is the tensor counts of the first label
            f"{index}.{name}": value
            for index, table in enumerate(self.tables)
            for name, value in table.tensors().items()
        }

    def load_tensors(self, tensors: Arrays) -> None:
        by_label: list[Arrays] = [{} for _ in self.tables]
        for name, value in tensors.items():
            number, _, rest = name.partition(".")
            # The file may be damaged: a label's index has one spelling, "1" and not "01".
            canonical = number.isdecimal() and str(int(number[:9])) == number
            if not canonical or int(number) >= len(by_label):
                raise RunError(
                    f"the weights file holds an unknown tensor {visible(name, 80)!r}", "weights",
                    "is it this model's?",
                )  # fmt: skip
            by_label[int(number)][rest] = value
        for table, arrays in zip(self.tables, by_label, strict=True):
            table.load_tensors(arrays)
