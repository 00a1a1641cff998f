"""Transformer: every symbol asks all earlier ones what they hold, and takes what answers.

The one idea: attention. An MLP reads fixed positions and an RNN a summary; an attention head
compares its query with the key of each earlier symbol, and averages their values by how well query
and key match. So the positions that it reads depend on what stands there.

Paper: Vaswani et al. 2017, Attention Is All You Need (the block as in GPT-2, Radford et al. 2019)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from makemore.errors import UsageError
from makemore.models.core.kv_cache import KVCache
from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.options import option


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Average the values v, weighted by softmax(q k / sqrt(D) + mask).

    q (B * n_head, T, D), k and v (B * n_head, S, D), mask (B * n_head or 1, T, S): 0 where a query
    may look, -inf where not -> (B * n_head, T, D). Vaswani et al. 2017, section 3.2.1.
    """
    # A dot product of D terms has D times their variance: divided by sqrt(D), the softmax starts
    # soft, not with all its weight on one key.
    # Written out: lines are so short that torch's fused kernel takes longer on a CPU.
    weights = torch.baddbmm(mask, q, k.mT, alpha=q.shape[-1] ** -0.5).softmax(-1)  # (.., T, S)
    return torch.bmm(weights, v)


def lines_of(starts: Tensor) -> tuple[Tensor, Tensor]:
    """Compute positions and the attention mask of rows in which several lines may stand.

    starts (B, T): true where a line begins -> the position of each input in its line (B, T), and
    the mask (B, T, T): 0 for the input itself and those before it in its line, else -inf.
    Starts 1 0 0 1 0 give the positions 0 1 2 0 1.
    """
    index = torch.arange(starts.shape[1], device=starts.device)  # (T,)
    # The last start up to here: a running maximum of the starts' indices.
    line_start = torch.where(starts, index, 0).cummax(1).values  # (B, T)
    # From the start of its line to the input itself: nothing ahead, and nothing of another line.
    visible = (index >= line_start[:, :, None]) & (index <= index[:, None])  # (B, T, T)
    return index - line_start, torch.where(visible, 0.0, -torch.inf)


class Block(nn.Module):
    """Mixes between symbols by attention, then works within each by an MLP.

    Both add their output to the residual stream x (B, T, n_embd); LayerNorm stands before each, as
    in GPT-2, so the stream itself passes from the first block to the last untouched.
    """

    def __init__(self, n_embd: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_1 = nn.LayerNorm(n_embd)
        self.attend = nn.Linear(n_embd, 3 * n_embd)  # queries, keys and values in one product
        self.project = nn.Linear(n_embd, n_embd)
        self.norm_2 = nn.LayerNorm(n_embd)
        self.widen = nn.Linear(n_embd, 4 * n_embd)
        self.narrow = nn.Linear(4 * n_embd, n_embd)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor, index: int = 0, cache: KVCache | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the stream after this block, and the block's keys and values.

        x (B, T, n_embd), mask (B * n_head, T, T) -> x, keys and values (B, T, 2, n_embd)
        cache: keys and values of the inputs before x, in all blocks; then T is 1, and `index` says
            which block this one is.
        """
        B, T, C = x.shape
        qkv = self.attend(self.norm_1(x)).view(B, T, 3, self.n_head, -1)
        keys_values = qkv[:, :, 1:].flatten(3)  # (B, T, 2, n_embd)
        if cache is None:
            # Heads work apart, each on its part of the width: they move into the batch.
            shape = (3, B * self.n_head, T, C // self.n_head)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).reshape(shape).unbind()  # one copy for all three
            y = attention(q, k, v, mask).view(B, self.n_head, T, -1).transpose(1, 2)
        else:
            # Nothing is ahead of the one new input, so no mask is needed.
            y = cache.attend(index, qkv[:, 0, 0], keys_values[:, 0])
        # The heads' results side by side, (B, T, n_embd); `project` mixes them.
        x = x + self.dropout(self.project(y.reshape(B, T, C)))
        wide = F.gelu(self.widen(self.norm_2(x)))  # (B, T, 4 * n_embd)
        return x + self.dropout(self.narrow(wide)), keys_values


@register("transformer")
class Transformer(NeuralModel):
    """Predicts the next symbol from all earlier ones through n_layer blocks of attention.

    Inputs (B, T) -> logits (B, T, V). It is the GPT of the lecture "Let's build GPT".
    """

    @dataclass(frozen=True)
    class Options:
        n_layer: int = option(4, "blocks", minimum=1, maximum=64)
        n_head: int = option(4, "attention heads in a block", minimum=1, maximum=256)
        n_embd: int = option(64, "width of the stream", minimum=1, maximum=4096)
        dropout: float = option(0.1, "share of values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    splits_batches = True  # no BatchNorm: a row's result does not depend on the other rows
    packs = True  # the mask keeps lines in one row apart
    parts = {"attend": 3}  # of queries, keys and values: Muon orthogonalises each by itself
    recipe = {
        "max_steps": 1150, "learning_rate": 0.01, "batch_size": 256, "muon_learning_rate": 0.03,
        "muon_momentum": 0.85, "muon_row_momentum": 0.95, "soft_targets": 0.5,
    }  # fmt: skip

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        width, depth = options.n_embd, options.n_layer
        if width % options.n_head:
            raise UsageError(
                f"n_embd {width} cannot be divided among n_head {options.n_head}",
                "--n-head", f"give a divisor of {width}",
            )  # fmt: skip
        self.embedding = nn.Embedding(vocab_size, width)
        # Attention sees a set, without order: a learned vector says at which position each stands.
        self.position = nn.Embedding(block_size, width)
        self.dropout = Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            Block(width, options.n_head, options.dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab_size, bias=False)  # untied, without bias
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                # What adds to the stream is scaled down by the number of additions (GPT-2).
                adds = name.endswith(("project.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * depth) ** 0.5 if adds else 0.02)

    def read(self, inputs: Tensor, cache: KVCache | None = None) -> tuple[Tensor, list[Tensor]]:
        """Compute logits (B, T, V), and the keys and values (B, T, 2, n_embd) of each block.

        inputs (B, T): ids; with a cache of the inputs before, one more of each line, so T is 1.
        """
        if cache:
            positions = torch.full_like(inputs, cache.length)
            mask = torch.zeros(0)  # not used: the one new input may look at all before it
        else:
            # Id 0 is the boundary, ids from V on are labels: one of them starts each line.
            starts = (inputs == 0) | (inputs >= self.vocab_size)
            # After a restart a row goes on with a line whose earlier inputs were dropped.
            starts[:, 0] = True
            positions, mask = lines_of(starts)
            # A row of several short lines may be longer than block_size; a line may not.
            if inputs.shape[1] > self.block_size and int(positions.max()) >= self.block_size:
                raise ValueError(f"a line has more inputs than block_size {self.block_size}")
            mask = mask.repeat_interleave(self.options.n_head, 0)  # (B * n_head, T, T)
        x = self.dropout(self.embedding(inputs) + self.position(positions))  # (B, T, n_embd)
        each = []
        for index, block in enumerate(self.blocks):
            x, keys_values = block(x, mask, index, cache)
            each.append(keys_values)
        return self.head(self.norm(x)), each

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read(inputs)[0]  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)
        return seen, KVCache.empty(seen)  # inputs so far (B, T), keys and values of all blocks

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        seen, cache = state
        inputs = ids[:, None]  # (B, 1)
        # All positions are used: start again from the last half. Its keys and values are computed
        # anew, since each input stands at another position now.
        if seen.shape[1] == self.block_size:
            seen = self.restarted(seen)
            inputs, cache = torch.cat([seen, inputs], dim=1), KVCache.empty(ids)
        logits, each = self.read(inputs, cache if cache.length else None)
        seen = torch.cat([seen, ids[:, None]], dim=1)
        # Blocks become a dimension: (B, T, n_layer, 2, n_embd).
        return logits[:, -1], (seen, cache.with_(torch.stack(each, 2)))  # (B, V)
