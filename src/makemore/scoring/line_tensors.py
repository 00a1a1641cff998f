"""Line tensors: encoded lines on a device, cut to windows (N, block_size) or sequences (B, T).

All lines lie in one flat tensor with boundaries (0) between them. The lines "ab" and "c", for a
window model of block_size 3 and for a sequence model:

    0 0 0 a b 0 0 0 c 0    windows    [000] -> a  [00a] -> b  [0ab] -> 0  [000] -> c  [00c] -> 0
    0 a b 0 c 0            sequences  [0ab] -> [ab0]  [0c] -> [c0]
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.models.core.on_device import to_device
from makemore.scoring.packing import pack_first_fit
from makemore.text.ragged import scatter

# Symbols of a packed row, unless a line is longer: attention costs the square of a row's width.
MAX_ROW_SYMBOLS = 24
IGNORED = -1  # the target of a padded position


class Examples(tuple[Tensor, Tensor]):
    """Holds inputs and targets, as a pair, and how many of the targets are no padding.

    symbols: their number, known on the host: nobody has to ask the device for it, and to wait
    """

    symbols: int

    def __new__(cls, inputs: Tensor, targets: Tensor, symbols: int) -> Examples:
        examples = super().__new__(cls, (inputs, targets))
        examples.symbols = symbols
        return examples


class LineTensors:
    """Holds the encoded lines of one part on a device, and cuts inputs and targets from them.

    ids: (n_symbols,) one line after another; offsets: (n_lines + 1,); labels: (n_lines,) ids, or
    None. Each line is preceded by block_size boundaries for a window model, by one for a sequence
    model; the boundary after a line is the first of those before the next.
    """

    def __init__(
        self,
        ids: NDArray[Any],
        offsets: NDArray[np.int64],
        input_kind: str,
        block_size: int,
        device: torch.device | str = "cpu",
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        self.input_kind, self.block_size, self.device = input_kind, block_size, torch.device(device)
        self.lengths: NDArray[Any] = np.diff(offsets).astype(np.int32)
        self.margin = max(block_size, 1) if input_kind == "window" else 1
        # (n_lines,) the index of each line's first symbol in flat.
        self.first = offsets[:-1] + self.margin * np.arange(1, len(offsets))
        flat = np.zeros(len(ids) + self.margin * len(self) + 1, dtype=ids.dtype)
        scatter(ids, offsets, self.first, flat)
        self.flat = torch.from_numpy(flat).to(self.device)
        self.labels = None if labels is None else torch.from_numpy(labels).to(self.device)
        self._starts = torch.from_numpy(self.first).to(self.device) if labels is not None else None

    def __len__(self) -> int:
        return len(self.lengths)

    def windows(self, ends: Tensor) -> Examples:
        """Cut windows: indices of targets in flat (N,) -> inputs (N, block_size), targets (N,)."""
        reach = torch.arange(-self.block_size, 0, device=self.device)
        inputs = self._at(ends[:, None] + reach)
        if self.labels is not None and self._starts is not None:
            # The line of each target: the last one that starts at or before it. An end of a line
            # comes before the next line's first symbol, so it still belongs to its own.
            rows = torch.searchsorted(self._starts, ends, right=True) - 1
            inputs[:, 0] = self.labels[rows]
        return Examples(inputs, self._at(ends), len(ends))

    def _at(self, places: Tensor) -> Tensor:
        """Read ids from flat as int64, as embeddings take them; in memory they may be bytes."""
        return self.flat[places].long()

    def sequences(
        self, rows: NDArray[Any], longest: int, shape: tuple[int, int] | None = None
    ) -> Examples:
        """Cut sequences: rows (n,) -> inputs (B, T) and targets (B, T), -1 after a line's end.

        B is n and T the length of the longest of these lines with its end, at most `longest`; or
        they are `shape`, which has room for that. Of a longer line the first `longest` symbols are
        targets, and its end is not.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        B, T = shape or (len(rows), int(counts.max()))
        count, first, line = self._sent(B, counts, self.first[rows], rows)  # (B,) each
        place = torch.arange(T, device=self.device)  # (T,)
        inside = place < count[:, None]  # (B, T); a row that is padding has no symbols inside
        targets = torch.where(inside, first[:, None] + place, 0)  # as indices in flat
        # An input is the symbol before its target: the boundary for a line's first symbol.
        inputs = self._at(torch.where(inside, targets - 1, 0))
        if self.labels is not None:
            inputs[: len(rows), 0] = self.labels[line[: len(rows)]]
        targets = torch.where(inside, self._at(targets), IGNORED)
        return Examples(inputs, targets, int(counts.sum()))

    def packed(
        self, rows: NDArray[Any], longest: int, width: int = 0, multiple: int = 1
    ) -> Examples:
        """Pack lines into inputs (B, T) and targets (B, T), several lines in each row.

        T is the length of the longest of these lines with its end, at least MAX_ROW_SYMBOLS and at
        least `width`; B is a multiple of `multiple`. Each line starts with a boundary (or its
        label), by which attention keeps to one line. The rest of a row, and rows that are too many,
        are padding: boundaries whose targets are -1.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        width = max(MAX_ROW_SYMBOLS, width, int(counts.max()))
        order, begins, size = pack_first_fit(counts, width)
        rows, counts = rows[order], counts[order]
        total, before = int(counts.sum()), np.cumsum(counts) - counts
        # Targets are numbered line after line. Added to the number, `to` gives the target's index
        # in the packed rows, and `place` that in flat.
        count, to, place, begin, line = self._sent(
            len(rows), counts, begins - before, self.first[rows] - before, begins, rows
        )
        number = torch.arange(total, device=self.device)  # (n_targets,)
        each = self._repeated(count, counts, total)  # (n_targets,) the line of each
        to, place = (part.index_select(0, each).add_(number) for part in (to, place))
        size += -size % multiple
        inputs = torch.zeros(size * width, dtype=torch.long, device=self.device)
        targets = torch.full_like(inputs, IGNORED)
        # All lines are copied at once.
        inputs[to], targets[to] = self._at(place - 1), self._at(place)
        if self.labels is not None:
            inputs[begin] = self.labels[line]
        return Examples(inputs.view(size, width), targets.view(size, width), total)

    def _repeated(self, count: Tensor, counts: NDArray[Any], total: int) -> Tensor:
        """Repeat each index as often as its count says: counts (n,) -> (total,) on the device.

        Counts 2 0 1 give 0 0 2.
        """
        if self.device.type == "cpu":
            # torch would share so little work among its threads, and the others then spin for some
            # milliseconds, beside the threads that compute the step.
            return torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
        # With the size of its result torch need not ask the device for it, and wait.
        return torch.repeat_interleave(count, output_size=total)

    def _sent(self, size: int, *columns: NDArray[Any]) -> tuple[Tensor, ...]:
        """Copy columns of integers (n,) to the device, in one go, padded with 0 to (size,)."""
        if self.device.type == "cpu" and size == len(columns[0]):  # there is nothing to copy
            return tuple(map(torch.from_numpy, columns))
        table = np.zeros((len(columns), size), dtype=np.int64)
        for row, column in zip(table, columns, strict=True):
            row[: len(column)] = column
        return to_device(table, self.device).unbind()

    @property
    def n_targets(self) -> int:
        """Count the targets: all symbols, and the end of each line."""
        return len(self.flat) - 1 - (self.margin - 1) * len(self)

    def ends(self, numbers: NDArray[Any] | None = None) -> NDArray[np.int64]:
        """Find the indices in flat of the targets of these numbers (N,); without any, of all.

        The targets are numbered line after line, each line's symbols and then its end:
        n_symbols + n_lines in all.
        """
        numbers = np.arange(self.n_targets) if numbers is None else numbers
        if self.margin == 1:  # one boundary between lines, which is a target itself
            return np.asarray(numbers + 1)
        # Each line before a target has margin - 1 further boundaries, which are no targets.
        rows = np.searchsorted(self.first_targets, numbers, side="right")  # from 1
        return np.asarray(numbers + rows * (self.margin - 1) + 1)

    @cached_property
    def first_targets(self) -> NDArray[np.int64]:
        """Number each line's first target among all targets (n_lines,)."""
        return self.first - (self.margin - 1) * np.arange(1, len(self) + 1) - 1
