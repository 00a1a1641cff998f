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
from makemore.models.base import State, register
from makemore.models.neural import Cache, Dropout, NeuralModel, numpy_step
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
        self, x: Tensor, hidden: Tensor, cache: Cache | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, T, n_embd), hidden (B * n_head or 1, T, S) -> x, keys and values of its inputs."""
        B, T, C = x.shape
        heads = (3, B * self.n_head, T, C // self.n_head)
        parts = self.attend(self.norm_1(x)).view(B, T, 3, self.n_head, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4).reshape(heads).unbind()  # one copy for all three
        y = attention(q, k, v, hidden) if cache is None else cache.attend(q, k, v)
        y = y.view(B, self.n_head, T, -1).transpose(1, 2).reshape(B, T, C)
        x = x + self.dropout(self.project(y))
        wide = F.gelu(self.widen(self.norm_2(x)))  # (B, T, 4 * n_embd)
        return x + self.dropout(self.narrow(wide)), (k, v)


@register("transformer")
class Transformer(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        n_layer: int = option(4, "blocks", minimum=1, maximum=64)
        n_head: int = option(4, "attention heads in a block", minimum=1, maximum=256)
        n_embd: int = option(64, "width of the stream", minimum=1, maximum=4096)
        dropout: float = option(0.1, "share of values dropped", minimum=0.0, maximum=0.95)

    reads = "sequence"
    in_threads = True
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

    def read(self, inputs: Tensor, caches: State) -> tuple[Tensor, State]:
        """inputs (B, T), one cache a block -> logits (B, T, V), keys and values of each block."""
        if caches:  # one input more of each line
            place = torch.full_like(inputs, caches[0].length)
            hidden = torch.zeros(1, 1, 1, device=inputs.device)
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
            x, new = block(x, hidden, caches[number] if caches else None)
            after.append(new)
        return self.head(self.norm(x)), tuple(after)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read(inputs, ())[0]  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)
        return seen, ()  # inputs so far (B, T), keys and values of each block

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        seen, caches = state
        inputs = ids[:, None]  # (B, 1)
        if seen.shape[1] == self.block_size:  # no position is left: start again from the last half
            seen = self.restarted(seen)
            inputs, caches = torch.cat([seen, inputs], dim=1), ()
        logits, new = self.read(inputs, caches)
        old = caches or [Cache.empty(ids)] * len(new)
        caches = tuple(cache.with_(*own) for cache, own in zip(old, new, strict=True))
        return logits[:, -1], (torch.cat([seen, ids[:, None]], dim=1), caches)  # (B, V)
