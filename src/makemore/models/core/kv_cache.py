"""KV cache: keys and values of earlier inputs, shared by lines that begin alike.

Without it, a transformer that draws a line of T symbols would compute the keys and values of the
first one T times: they depend only on what stands before them, so once is enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.models.core.dense_cache import DenseCache
from makemore.models.core.packed_lines import positions_and_mask
from makemore.models.core.state import State


class KVCache:
    """Stores the keys and values of all inputs so far, for every block: attention step by step.

    Keys and values stay in the table in which they were computed, one table for each position. A
    line of the batch stores only row numbers of these tables. So lines that begin alike use the
    same rows, and selecting lines of a State copies row numbers, no keys.

    kept: for each position so far, (N, n_layer, 2, n_embd): keys and values of N prefixes
    rows: (T, B) at position t line b has row rows[t, b] of kept[t]
    """

    def __init__(self, kept: tuple[Tensor, ...], rows: Tensor) -> None:
        self.kept, self.rows = kept, rows

    @classmethod
    def empty(cls, ids: Tensor) -> KVCache:
        """Make the cache of B lines before their first input; ids (B, ...) says how many, where."""
        return cls((), ids.new_empty(0, len(ids)))

    def __len__(self) -> int:
        return self.rows.shape[1]  # lines, as for a tensor with the batch first

    def __getitem__(self, rows: NDArray[Any]) -> KVCache:
        # What `state.select` calls: the tables are shared, only the columns of `rows` are copied.
        return KVCache(self.kept, self.rows[:, torch.as_tensor(rows, device=self.rows.device)])

    def dense(self) -> DenseCache:
        """Gather the keys and values of each line from the tables: none is shared afterwards."""
        each = [table[rows] for table, rows in zip(self.kept, self.rows, strict=True)]
        return DenseCache(torch.stack(each), len(each))

    def last_entry(self) -> Tensor:
        """Return the keys and values of the last input, (B, n_layer, 2, n_embd)."""
        return self.kept[-1].index_select(0, self.rows[-1])

    def append(self, tips: Tensor, rows: NDArray[np.int64]) -> KVCache:
        """Append one input: tips (N, n_layer, 2, n_embd), of which row rows[b] is line b's.

        Lines whose prefixes are equal may have the same row.
        """
        last_rows = torch.as_tensor(rows, device=self.rows.device)  # (B,)
        return KVCache((*self.kept, tips), torch.cat([self.rows, last_rows[None]]))

    def with_(self, new: Tensor) -> KVCache:
        """Append T inputs, whose keys and values are new (B, T, n_layer, 2, n_embd)."""
        B, T = new.shape[:2]
        # Nothing is shared here: in the table of each new position row b is line b's.
        new_rows = torch.arange(B, device=self.rows.device).expand(T, B)
        return KVCache((*self.kept, *new.unbind(1)), torch.cat([self.rows, new_rows]))

    @property
    def length(self) -> int:
        """Return the number of inputs so far."""
        return len(self.kept)

    def attend(self, block: int, q: Tensor, new: Tensor) -> Tensor:
        """Compute one block's attention for one more input of each line.

        q (B, n_head, D): its queries; new (B, 2, n_embd): its keys and values, which come last
        -> (B, n_head, D)
        """
        B, n_head, D = q.shape
        # Positions first, (T + 1, B, n_embd): what one position gives is then one block of memory,
        # gathered in one go. Keys and values lie apart for the same reason.
        keys, values = new.new_empty(2, self.length + 1, B, n_head * D).unbind()
        for position, rows in enumerate(self.rows):
            # out= writes where attention reads: no copy is made and concatenated afterwards.
            torch.index_select(self.kept[position][:, block, 0], 0, rows, out=keys[position])
            torch.index_select(self.kept[position][:, block, 1], 0, rows, out=values[position])
        keys[-1], values[-1] = new.unbind(1)
        # The same softmax(q k / sqrt(D)) v as `attention` in transformer.py. With one query a line,
        # multiplying in place and summing takes half the time of many tiny matrix products.
        scores = keys.mul_((q * D**-0.5).flatten(1)).view(-1, B, n_head, D).sum(-1)
        weights = scores.softmax(0)[..., None]  # (T + 1, B, n_head, 1)
        return values.view(-1, B, n_head, D).mul_(weights).sum(0)  # (B, n_head, D)


def cached_step(model: Any, ids: Tensor, state: State) -> tuple[Tensor, State]:
    """Step a transformer: ids (B,), state (inputs so far (B, T), KVCache) -> logits (B, V), state.

    The same as the last position of model.forward, computed from what the cache holds.
    """
    seen, cache = state
    inputs = ids[:, None]  # (B, 1)
    # All positions are used: start again from the last half. Its keys and values are computed
    # anew, since each input stands at another position now.
    if seen.shape[1] == model.block_size:
        seen = model.restarted(seen)
        inputs, cache = torch.cat([seen, inputs], dim=1), type(cache).empty(ids)
    if cache.length:
        positions = torch.full_like(inputs, cache.length)
    else:
        positions, mask = positions_and_mask(model, inputs)
        mask = mask.repeat_interleave(model.options.n_head, 0)  # (B * n_head, T, T)
    x, each = model.embed(inputs, positions), []
    for index, block in enumerate(model.blocks):
        qkv = block.project_in(x)  # (B, T, 3, n_head, D)
        keys_values = qkv[:, :, 1:].flatten(3)  # (B, T, 2, n_embd)
        # Nothing is ahead of one new input, so it needs no mask.
        if cache.length:
            y = cache.attend(index, qkv[:, 0, 0], keys_values[:, 0])
        else:
            y = block.look(qkv, mask)
        x = block.add(x, y)
        each.append(keys_values)
    seen = torch.cat([seen, ids[:, None]], dim=1)
    # Blocks become a dimension: (B, T, n_layer, 2, n_embd).
    state = seen, cache.with_(torch.stack(each, 2))
    return model.head(model.norm(x))[:, -1], state
