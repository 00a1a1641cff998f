"""WaveNet: dilated causal convolutions, each layer looking twice as far back as the one before.

The one idea: with dilations 1, 2, 4, ... a few layers see far, and what a layer has computed for a
pair is used again by every layer above: a hierarchy instead of one wide window.

Paper: van den Oord et al. 2016, WaveNet: A Generative Model for Raw Audio (makemore part 5)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.options import option


class Layer(nn.Module):
    """One gated, dilated convolution of width 2, with a residual and a skip output."""

    def __init__(self, n_embd: int, n_skip: int, last: bool) -> None:
        super().__init__()
        self.gated = nn.Linear(2 * n_embd, 2 * n_embd)  # width 2: the past value and this one
        # Nothing reads the stream after the last layer: weights there would never learn.
        self.residual = nn.Identity() if last else nn.Linear(n_embd, n_embd)
        self.skip = nn.Linear(n_embd, n_skip)

    def forward(self, past: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """past and x (..., n_embd), a dilation apart -> next x, skip (..., n_skip)."""
        value, gate = self.gated(torch.cat([past, x], dim=-1)).chunk(2, dim=-1)
        z = torch.tanh(value) * torch.sigmoid(gate)  # (..., n_embd)
        return x + self.residual(z), self.skip(z)


@register("wavenet")
class WaveNet(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "channels of the residual stream", minimum=1, maximum=4096)
        n_skip: int = option(128, "channels of the skip outputs", minimum=1, maximum=4096)
        dropout: float = option(0.2, "share of values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    limited = False
    recipe = {"max_steps": 800, "learning_rate": 0.01, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        dilations = [1]
        while 1 + sum(dilations) < block_size:  # see back to the start of the longest line
            dilations.append(2 * dilations[-1])
        self.dilations = dilations
        self.layers = nn.ModuleList(
            Layer(options.n_embd, options.n_skip, last=d == dilations[-1]) for d in dilations
        )
        self.dropout = Dropout(options.dropout)
        self.hidden = nn.Linear(options.n_skip, options.n_skip)
        self.head = nn.Linear(options.n_skip, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def read_out(self, skips: list[Tensor]) -> Tensor:
        x = torch.stack(skips).sum(0)  # (..., n_skip)
        return self.head(self.dropout(F.relu(self.hidden(F.relu(x)))))  # (..., V)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)
        skips = []
        for layer, dilation in zip(self.layers, self.dilations, strict=True):
            past = F.pad(x, (0, 0, dilation, 0))[:, : x.shape[1]]  # zeros before the start
            x, skip = layer(past, x)
            skips.append(skip)
        return self.read_out(skips)  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        width, device = self.options.n_embd, self.device
        # One queue a layer, as long as its dilation: constant work a step, whatever came before.
        return tuple(torch.zeros(batch, d, width, device=device) for d in self.dilations)

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        x = self.embedding(ids)  # (B, n_embd)
        skips, queues = [], []
        for layer, queue in zip(self.layers, state, strict=True):
            queues.append(torch.cat([queue[:, 1:], x[:, None]], dim=1))
            x, skip = layer(queue[:, 0], x)
            skips.append(skip)
        return self.read_out(skips), tuple(queues)  # (B, V)
