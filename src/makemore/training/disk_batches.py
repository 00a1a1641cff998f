"""Disk batches: the batches of lines that memory does not hold, read as they are needed.

The lines lie in blocks on the disk (text/line_file.py). An epoch is a random order of the blocks.
As many as memory holds are read at once, into a buffer, and the lines in it are shuffled together
and cut into batches, as Batches does it. Then the next blocks are read:

    blocks 0 1 2 3 4 5     epoch 0:  [4 1 0]  [2 5 3]      epoch 1:  [5 0 2]  [3 4 1]

Each line comes once an epoch. The order follows from (seed, epoch) and from which blocks are in a
buffer together, so any step's batch can be made again. A buffer that holds all blocks has them in
their order: its batches are those of Batches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.scoring.line_tensors import Examples, LineTensors
from makemore.text import Corpus
from makemore.text.line_file import LineFile
from makemore.text.vocabulary import Encoded
from makemore.training.batches import Batches, batches_of_epoch, shuffled

ORDER_OF_BLOCKS = 2**63  # the random stream of an epoch that orders its blocks; buffers have others
INDEX_BYTES = 4  # of an item in the shuffled order
LINE_BYTES = 48  # of a line's offsets, beside its symbols, while a buffer is filled
FEWEST_BATCHES = 2  # of a buffer, so that each of its lines comes into a batch

Ints = NDArray[np.int64]


class DiskBatches:
    """Gives the training batch of each step, of lines in a LineFile; a BatchSource.

    at_once: blocks that a buffer holds at most
    encode: makes ids of lines; make: makes Batches of (lines, batches of an epoch, random stream)
    Raises UsageError for a batch that is too large for a buffer.
    """

    def __init__(
        self,
        train: LineFile,
        at_once: int,
        batch_size: int,
        seed: int,
        reads: tuple[str, int, torch.device],
        encode: Callable[[Corpus], Encoded],
        make: Callable[[LineTensors, int, int], Batches],
    ) -> None:
        """reads: input_kind and block_size of the model, and its device."""
        self.train, self.seed, self.reads, self.encode, self.make = train, seed, reads, encode, make
        self.items = items_of_blocks(train, reads[0] == "window")  # (n_blocks,) lines or windows
        self.buffers = buffers_of(self.items, at_once, batch_size)  # of an epoch
        self.per_epoch = batches_of_epoch(int(self.items.sum()), batch_size)
        self._held: tuple[int, int, Batches] | None = None  # epoch, number of the buffer, batches

    def __call__(self, step: int) -> list[Examples]:
        """Gather the batch of a step, counted from 0: (inputs, targets) of each of its groups.

        Raises SystemFault where the lines on the disk are no longer what was written.
        """
        epoch, batch = divmod(step, self.per_epoch)
        parts = self.blocks_of(epoch)
        firsts = self.first_batches(parts)
        number = int(np.searchsorted(firsts, batch, side="right")) - 1
        if self._held is None or self._held[:2] != (epoch, number):
            self._held = None  # before the next buffer is read: memory holds one
            lines, count = self._read(parts[number]), int(firsts[number + 1] - firsts[number])
            self._held = epoch, number, self.make(lines, count, number)
        batches = self._held[2]
        return batches(epoch * batches.per_epoch + batch - int(firsts[number]))

    def blocks_of(self, epoch: int) -> list[Ints]:
        """Choose the blocks of each buffer of an epoch."""
        if self.buffers == 1:  # their lines are shuffled together, so their order is of no use
            return [np.arange(self.train.n_blocks)]
        order = shuffled(self.train.n_blocks, self.seed, epoch, ORDER_OF_BLOCKS)
        return np.array_split(order.astype(np.int64), self.buffers)

    def first_batches(self, parts: list[Ints]) -> Ints:
        """Number the first batch of each buffer (buffers + 1,); the last number is per_epoch."""
        ends = np.cumsum([0, *(int(self.items[part].sum()) for part in parts)])
        # Batches are dealt to buffers by their lines, so that all batches are of like size.
        total = int(ends[-1])
        return np.array([(2 * int(end) * self.per_epoch + total) // (2 * total) for end in ends])

    def _read(self, part: Ints) -> LineTensors:
        """Read blocks into a buffer on the model's device."""
        text = self.encode(self.train.read_blocks(part))
        input_kind, block_size, device = self.reads
        return LineTensors(text.ids, text.offsets, input_kind, block_size, device)


def items_of_blocks(train: LineFile, windows: bool) -> Ints:
    """Count what is shuffled of each block (n_blocks,): its lines, or its windows."""
    lines = np.diff(train.block_lines)
    return lines + np.diff(train.block_symbols) if windows else lines


def buffers_of(items: Ints, at_once: int, batch_size: int) -> int:
    """Count the buffers of an epoch: items (n_blocks,) as above, of which at_once are in memory.

    Raises UsageError for a batch that is too large for the smallest of them.
    """
    buffers = -(-len(items) // at_once)
    if buffers > 1:
        fewest = int(items.min()) * (len(items) // buffers)
        if batch_size * FEWEST_BATCHES > fewest:
            raise UsageError(
                f"a batch of {batch_size:,} is too large for the {fewest:,} that are in memory at "
                "once", "--batch-size",
                f"give at most {max(1, fewest // FEWEST_BATCHES)}, or more --memory",
            )  # fmt: skip
    return buffers


def blocks_in(room: int, train: LineFile, id_bytes: int, windows: bool, block_size: int) -> int:
    """Count how many blocks, whichever they are, a buffer of `room` bytes can hold; 1 at least.

    id_bytes: of an id; windows, block_size: what the model reads
    """
    lines, symbols = np.diff(train.block_lines), np.diff(train.block_symbols)
    margin = max(block_size, 1) if windows else 1
    # While a buffer is filled there are code points, ids, and ids with boundaries between them.
    sizes = symbols * (train.symbols.dtype.itemsize + 2 * id_bytes)
    sizes += lines * (LINE_BYTES + margin * id_bytes)
    sizes += items_of_blocks(train, windows) * INDEX_BYTES
    return max(1, min(train.n_blocks, room // int(sizes.max(initial=1))))
