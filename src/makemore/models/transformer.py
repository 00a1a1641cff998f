"""Transformer: every symbol asks all earlier ones what they hold, and takes what answers.

The one idea: attention. Where an MLP reads fixed places and an RNN a summary, a head compares its
query with the key of each earlier symbol and averages their values by how well they match.

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


def attention(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
    """q (B * n_head, T, D), k and v (B * n_head, S, D), hidden (B * n_head or 1, T, S) -> like q.

    softmax(q k / sqrt(D) + hidden) v. Written out because lines are so short that torch's fused
    kernel takes longer on a CPU.
    """
    weights = torch.baddbmm(hidden, q, k.mT, alpha=q.shape[-1] ** -0.5).softmax(-1)
    return torch.bmm(weights, v)


def lines_of(starts: Tensor) -> tuple[Tensor, Tensor]:
    """Lines may stand in a row one after another: starts (B, T), true where each begins.

    Gives the place of each input in its line (B, T), and what is hidden from it (B, T, T): -inf
    but for itself and the inputs before it in its line, which are 0.
    """
    here = torch.arange(starts.shape[1], device=starts.device)
    first = torch.where(starts, here, 0).cummax(1).values  # (B, T)
    seen = (here >= first[:, :, None]) & (here <= here[:, None])  # (B, T, T)
    return here - first, torch.where(seen, 0.0, -torch.inf)


class Block(nn.Module):
    """Attention mixes between symbols, the MLP works within each; both add to the stream."""

    def __init__(self, n_embd: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_1 = nn.LayerNorm(n_embd)
        self.attend = nn.Linear(n_embd, 3 * n_embd)
        self.project = nn.Linear(n_embd, n_embd)
        self.norm_2 = nn.LayerNorm(n_embd)
        self.widen = nn.Linear(n_embd, 4 * n_embd)
        self.narrow = nn.Linear(4 * n_embd, n_embd)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, hidden: Tensor, number: int = 0, cache: KVCache | None = None
    ) -> tuple[Tensor, Tensor]:
        """x (B, T, n_embd), hidden (B * n_head, T, T) -> x, keys and values (B, T, 2, n_embd).

        cache: what this block, of that number, gave for the inputs before x, which then is one.
        """
        B, T, C = x.shape
        parts = self.attend(self.norm_1(x)).view(B, T, 3, self.n_head, -1)
        new = parts[:, :, 1:].flatten(3)
        if cache is None:
            heads = (3, B * self.n_head, T, C // self.n_head)
            q, k, v = parts.permute(2, 0, 3, 1, 4).reshape(heads).unbind()  # one copy for all
            y = attention(q, k, v, hidden).view(B, self.n_head, T, -1).transpose(1, 2)
        else:
            y = cache.attend(number, parts[:, 0, 0], new[:, 0])
        x = x + self.dropout(self.project(y.reshape(B, T, C)))
        wide = F.gelu(self.widen(self.norm_2(x)))  # (B, T, 4 * n_embd)
        return x + self.dropout(self.narrow(wide)), new


@register("transformer")
class Transformer(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        n_layer: int = option(4, "blocks", minimum=1, maximum=64)
        n_head: int = option(4, "attention heads in a block", minimum=1, maximum=256)
        n_embd: int = option(64, "width of the stream", minimum=1, maximum=4096)
        dropout: float = option(0.1, "share of values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    splits_batches = True
    packs = True
    parts = {"attend": 3}  # of queries, keys and values
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
        """inputs (B, T) -> logits (B, T, V), and of each block keys and values (B, T, 2, n_embd).

        cache: of the inputs before; then there is one more of each line.
        """
        if cache:
            place = torch.full_like(inputs, cache.length)
            hidden = torch.zeros(0)  # not asked for: all inputs before it are seen
        else:
            starts = (inputs == 0) | (inputs >= self.vocab_size)  # a boundary, or a label
            starts[:, 0] = True
            place, hidden = lines_of(starts)
            if inputs.shape[1] > self.block_size and int(place.max()) >= self.block_size:
                raise ValueError(f"a line has more inputs than block_size {self.block_size}")
            hidden = hidden.repeat_interleave(self.options.n_head, 0)  # (B * n_head, T, T)
        x = self.dropout(self.embedding(inputs) + self.position(place))  # (B, T, n_embd)
        after = []
        for number, block in enumerate(self.blocks):
            x, new = block(x, hidden, number, cache)
            after.append(new)
        return self.head(self.norm(x)), after

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read(inputs)[0]  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)
        return seen, KVCache.empty(seen)  # inputs so far (B, T), keys and values of all blocks

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        seen, cache = state
        inputs = ids[:, None]  # (B, 1)
        if seen.shape[1] == self.block_size:  # no position is left: start again from the last half
            seen = self.restarted(seen)
            inputs, cache = torch.cat([seen, inputs], dim=1), KVCache.empty(ids)
        logits, new = self.read(inputs, cache if cache.length else None)
        seen = torch.cat([seen, ids[:, None]], dim=1)
        return logits[:, -1], (seen, cache.with_(torch.stack(new, 2)))  # (B, V)
