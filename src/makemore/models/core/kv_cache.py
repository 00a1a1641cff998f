"""KV cache: keys and values of earlier inputs, shared by lines that begin alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class KVCache:
    """Keys and values of the inputs that lines began with, in all blocks: for attention by steps.

    What an input gave is kept where it was computed; a line, a row of this State, has only the row
    numbers of its own. So lines that begin alike share it, and `take` copies no keys: they are
    gathered once a step and block, to where attention reads.

    kept: for each input so far, (N, n_layer, 2, n_embd): keys and values of N lines
    rows: (T, B) which of the N is each line's
    """

    def __init__(self, kept: tuple[Tensor, ...], rows: Tensor) -> None:
        self.kept, self.rows = kept, rows

    @classmethod
    def empty(cls, ids: Tensor) -> KVCache:
        """Of lines (B,) before their first input."""
        return cls((), ids.new_empty(0, len(ids)))

    def __len__(self) -> int:
        return self.rows.shape[1]

    def __getitem__(self, rows: NDArray[Any]) -> KVCache:
        return KVCache(self.kept, self.rows[:, torch.as_tensor(rows, device=self.rows.device)])

    def tip(self) -> Tensor:
        """(B, n_layer, 2, n_embd) of the last input."""
        return self.kept[-1].index_select(0, self.rows[-1])

    def grown(self, tips: Tensor, rows: NDArray[np.int64]) -> KVCache:
        """With one input more: tips (N, n_layer, 2, n_embd), of which row rows[b] is line b's."""
        own = torch.as_tensor(rows, device=self.rows.device)
        return KVCache((*self.kept, tips), torch.cat([self.rows, own[None]]))

    def with_(self, new: Tensor) -> KVCache:
        """With T inputs more, whose keys and values are new (B, T, n_layer, 2, n_embd)."""
        B, T = new.shape[:2]
        own = torch.arange(B, device=self.rows.device).expand(T, B)
        return KVCache((*self.kept, *new.unbind(1)), torch.cat([self.rows, own]))

    @property
    def length(self) -> int:
        """Inputs so far."""
        return len(self.kept)

    def attend(self, block: int, q: Tensor, own: Tensor) -> Tensor:
        """Attention of one more input to those so far and itself: q (B, n_head, D) -> like q.

        own: (B, 2, n_embd) its keys and values. With one query a line, sums over what lies input
        by input take half the time that products of so small matrices do; keys and values lie
        apart, so that those of an input are multiplied in one go.
        """
        B, n_head, D = q.shape
        keys, values = own.new_empty(2, self.length + 1, B, n_head * D).unbind()
        for place, rows in enumerate(self.rows):
            torch.index_select(self.kept[place][:, block, 0], 0, rows, out=keys[place])
            torch.index_select(self.kept[place][:, block, 1], 0, rows, out=values[place])
        keys[-1], values[-1] = own.unbind(1)
        scores = keys.mul_((q * D**-0.5).flatten(1)).view(-1, B, n_head, D).sum(-1)
        weights = scores.softmax(0)[..., None]  # (T + 1, B, n_head, 1)
        return values.view(-1, B, n_head, D).mul_(weights).sum(0)
