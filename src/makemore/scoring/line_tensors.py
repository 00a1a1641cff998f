"""Encoded lines as tensors on a device: windows (N, block_size) or sequences (B, T)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.text.ragged import scatter

# Symbols of a packed row, or its longest line: wider ones cost more in attention.
MAX_ROW_SYMBOLS = 24
IGNORED = -1  # target of a padded place


class LineTensors:
    """Encoded lines of one part on a device.

    ids: (n_symbols,) one line after another; offsets: (n_lines + 1,). A window model's lines are
    preceded by block_size boundaries, a sequence's by one. labels: (n_lines,) ids, or None.
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
        # (n_lines,) the place of each line's first symbol.
        self.first = offsets[:-1] + self.margin * np.arange(1, len(offsets))
        flat = np.zeros(len(ids) + self.margin * len(self) + 1, dtype=ids.dtype)
        scatter(ids, offsets, self.first, flat)
        self.flat = torch.from_numpy(flat).to(self.device)
        self.labels = None if labels is None else torch.from_numpy(labels).to(self.device)
        self._starts = torch.from_numpy(self.first).to(self.device) if labels is not None else None

    def __len__(self) -> int:
        return len(self.lengths)

    def windows(self, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Places of targets (N,) -> inputs (N, block_size), targets (N,)."""
        reach = torch.arange(-self.block_size, 0, device=self.device)
        inputs = self._at(ends[:, None] + reach)
        if self.labels is not None and self._starts is not None:
            rows = (
                torch.searchsorted(self._starts, ends, right=True) - 1
            )  # the lines of the targets
            inputs[:, 0] = self.labels[rows]
        return inputs, self._at(ends)

    def _at(self, places: Tensor) -> Tensor:
        """The ids there, as a model reads them: in memory they are of their smallest type."""
        return self.flat[places].long()

    def sequences(self, rows: NDArray[Any], longest: int) -> tuple[Tensor, Tensor]:
        """Rows (B,) -> inputs (B, T) and targets (B, T), -1 after a line's end.

        T is the longest of these lines and their end, at most `longest`: of a longer line the first
        `longest` symbols are targets, and its end is not.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        place = torch.arange(int(counts.max()), device=self.device)  # (T,)
        inside = place < torch.from_numpy(counts).to(self.device)[:, None]  # (B, T)
        first = torch.from_numpy(self.first[rows]).to(self.device)
        targets = torch.where(inside, first[:, None] + place, 0)  # as places in flat
        inputs = self._at(torch.where(inside, targets - 1, 0))
        if self.labels is not None:
            inputs[:, 0] = self.labels[torch.from_numpy(rows).to(self.device)]
        return inputs, torch.where(inside, self._at(targets), IGNORED)

    def packed(self, rows: NDArray[Any], longest: int) -> tuple[Tensor, Tensor]:
        """Rows -> inputs (B, T) and targets (B, T), several lines in a row one after another.

        T is the longest of these lines and their end, at least ROW. The boundary that a line starts
        with tells it from the one before; what is left of a row holds boundaries, its targets -1.
        """
        counts = np.minimum(self.lengths[rows] + 1, longest)
        width = max(MAX_ROW_SYMBOLS, int(counts.max()))
        order, begins, size = pack_first_fit(counts, width)
        rows, counts = rows[order], counts[order]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        to = torch.from_numpy(np.repeat(begins, counts) + within).to(self.device)
        places = torch.from_numpy(np.repeat(self.first[rows], counts) + within).to(self.device)
        inputs = torch.zeros(size * width, dtype=torch.long, device=self.device)
        targets = torch.full_like(inputs, IGNORED)
        inputs[to], targets[to] = self._at(places - 1), self._at(places)
        if self.labels is not None:
            lines = torch.from_numpy(rows).to(self.device)
            inputs[torch.from_numpy(begins).to(self.device)] = self.labels[lines]
        return inputs.view(size, width), targets.view(size, width)

    @property
    def n_targets(self) -> int:
        """Symbols and ends of lines."""
        return len(self.flat) - 1 - (self.margin - 1) * len(self)

    def ends(self, numbers: NDArray[Any] | None = None) -> NDArray[np.int64]:
        """The places of the targets of these numbers (N,); without any, of all, in order.

        The targets are each line's symbols and its end: n_symbols + n_lines in all.
        """
        numbers = np.arange(self.n_targets) if numbers is None else numbers
        if self.margin == 1:
            return np.asarray(numbers + 1)
        rows = np.searchsorted(self._first_targets, numbers, side="right")  # from 1
        return np.asarray(numbers + rows * (self.margin - 1) + 1)

    @cached_property
    def _first_targets(self) -> NDArray[np.int64]:
        """(n_lines,) the number of each line's first target among all of them."""
        return self.first - (self.margin - 1) * np.arange(1, len(self) + 1) - 1


def pack_first_fit(
    counts: NDArray[Any], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Pack lines of so many symbols in rows of `width`: the longest that fits, again and again.

    Gives the lines in order, where each begins in the rows laid end to end, and how many rows.
    """
    waiting: list[list[int]] = [[] for _ in range(width + 1)]
    for line, count in enumerate(counts.tolist()):
        waiting[count].append(line)
    order: list[int] = []
    begins: list[int] = []
    row = 0
    while len(order) < len(counts):
        free = size = width
        while size:
            if waiting[size]:
                order.append(waiting[size].pop())
                begins.append(row * width + width - free)
                free -= size
                size = min(size, free)
            else:
                size -= 1
        row += 1
    return np.array(order), np.array(begins), row
