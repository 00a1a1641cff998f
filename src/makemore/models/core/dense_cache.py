"""Dense cache: keys and values of each line's inputs side by side, for many lines on a GPU.

KVCache keeps keys in one table for each position, so that lines that begin alike share them. That
pays where there are few rows; on a GPU, gathering from each table is a call of its own, and a call
takes longer than its work.
"""

from __future__ import annotations

import torch
from torch import Tensor


class DenseCache:
    """Stores the keys and values of all inputs so far, each line's own: attention step by step.

    It goes on in one way only: a step writes into the memory of the cache that it was given.

    entries: (room, B, n_layer, 2, n_embd) keys and values by position; room is length or more
    length: inputs so far
    """

    def __init__(self, entries: Tensor, length: int) -> None:
        self.entries, self.length = entries, length

    @classmethod
    def empty(cls, ids: Tensor) -> DenseCache:
        """Make the cache of B lines before their first input; ids (B, ...) says how many, where."""
        return cls(ids.new_empty(0, len(ids)), 0)

    def __len__(self) -> int:
        return self.entries.shape[1]  # lines, as for a tensor with the batch first

    def __getitem__(self, rows: Tensor) -> DenseCache:
        # What `state.select` calls. With room for the step that comes next.
        before = self.entries[: self.length]
        entries = before.new_empty(self.length + 1, len(rows), *before.shape[2:])
        # out= writes where the step goes on: no copy is made to append to afterwards.
        torch.index_select(before, 1, rows, out=entries[: self.length])
        return DenseCache(entries, self.length)

    def last_entry(self) -> Tensor:
        """Return the keys and values of the last input, (B, n_layer, 2, n_embd)."""
        return self.entries[self.length - 1]

    def with_(self, new: Tensor) -> DenseCache:
        """Append T inputs, whose keys and values are new (B, T, n_layer, 2, n_embd)."""
        if not self.length:
            return DenseCache(new.transpose(0, 1).contiguous(), new.shape[1])
        # One input, T = 1: `attend` has written what each block has of it.
        return DenseCache(self.entries, self.length + 1)

    def attend(self, block: int, q: Tensor, new: Tensor) -> Tensor:
        """Compute one block's attention for one more input of each line.

        q (B, n_head, D): its queries; new (B, 2, n_embd): its keys and values, which come last
        -> (B, n_head, D)
        """
        if len(self.entries) == self.length:
            self.entries = torch.cat([self.entries, torch.empty_like(self.entries[:1])])
        self.entries[self.length, :, block] = new
        keys, values = self.entries[: self.length + 1, :, block].unbind(2)  # (T + 1, B, n_embd)
        # The same sums as in KVCache.attend, read where they stand.
        B, n_head, D = q.shape
        scores = (keys * (q * D**-0.5).flatten(1)).view(-1, B, n_head, D).sum(-1)
        weights = scores.softmax(0)[..., None]  # (T + 1, B, n_head, 1)
        return (values.view(-1, B, n_head, D) * weights).sum(0)  # (B, n_head, D)
