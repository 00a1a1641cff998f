"""WaveNet: dilated causal convolutions, each layer looking twice as far back as the one before.

The one idea: with dilations 1, 2, 4, ... a few layers see far. The first merges pairs of symbols,
the next pairs of pairs, and so on: a hierarchy instead of one wide window that is squashed at once.

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
    """One gated, dilated convolution of width 2, with a residual and a skip output.

    last: whether no layer comes after it, so that only its skip output is used.
    """

    def __init__(self, n_embd: int, n_skip: int, last: bool) -> None:
        super().__init__()
        # A convolution of width 2 is a Linear of two vectors side by side: the past and the new.
        # Its output is twice n_embd as well: values, and the gates they are multiplied by.
        self.gated = nn.Linear(2 * n_embd, 2 * n_embd)
        # Nothing reads the stream after the last layer: weights there would never learn.
        self.residual = nn.Identity() if last else nn.Linear(n_embd, n_embd)
        self.skip = nn.Linear(n_embd, n_skip)

    def forward(self, past: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve two inputs that are a dilation apart.

        past and x (..., n_embd) -> the next layer's x (..., n_embd), skip output (..., n_skip)
        """
        value, gate = self.gated(torch.cat([past, x], dim=-1)).chunk(2, dim=-1)
        # A gate of 0 closes, of 1 lets the value through: the layer learns when it has a say.
        z = torch.tanh(value) * torch.sigmoid(gate)  # (..., n_embd)
        # The residual leaves x in the sum, so gradients reach the first layer unchanged.
        return x + self.residual(z), self.skip(z)


@register("wavenet")
class WaveNet(NeuralModel):
    """Predicts the next symbol from all earlier ones through dilated convolutions.

    Inputs (B, T) -> logits (B, T, V). With dilations 1, 2, 4 a position sees 8 symbols: itself and
    the 7 before. The lecture builds the same tree for one window; here every position has one.
    """

    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "channels of the residual stream", minimum=1, maximum=4096)
        n_skip: int = option(128, "channels of the skip outputs", minimum=1, maximum=4096)
        dropout: float = option(0.2, "share of values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    limited = False  # zeros stand before the start, and no positions are learned
    recipe = {"max_steps": 800, "learning_rate": 0.01, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        # A layer looks `dilation` further back than the one below it, so together they see
        # 1 + sum(dilations) symbols: add layers until that is the longest line of the text.
        dilations = [1]
        while 1 + sum(dilations) < block_size:
            dilations.append(2 * dilations[-1])
        self.dilations = dilations
        self.layers = nn.ModuleList(
            Layer(options.n_embd, options.n_skip, last=dilation == dilations[-1])
            for dilation in dilations
        )
        self.dropout = Dropout(options.dropout)
        self.hidden = nn.Linear(options.n_skip, options.n_skip)
        self.head = nn.Linear(options.n_skip, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def read_out(self, skips: list[Tensor]) -> Tensor:
        """Turn the skip outputs of all layers, (..., n_skip) each, into logits (..., V)."""
        # The sum gives the head short and long contexts alike, each from its own layer.
        x = torch.stack(skips).sum(0)  # (..., n_skip)
        return self.head(self.dropout(F.relu(self.hidden(F.relu(x)))))  # (..., V)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)
        skips = []
        for layer, dilation in zip(self.layers, self.dilations, strict=True):
            # Shifted to the right, zeros before the start: position t meets t - dilation, and
            # never one ahead. That makes the convolution causal.
            past = F.pad(x, (0, 0, dilation, 0))[:, : x.shape[1]]  # (B, T, n_embd)
            x, skip = layer(past, x)
            skips.append(skip)
        return self.read_out(skips)  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        width, device = self.options.n_embd, self.device
        # One queue a layer, as long as its dilation: constant work a step, whatever came before.
        return tuple(
            torch.zeros(batch, dilation, width, device=device) for dilation in self.dilations
        )  # (B, dilation, n_embd) each

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        x = self.embedding(ids)  # (B, n_embd)
        skips, queues = [], []
        for layer, queue in zip(self.layers, state, strict=True):
            # The queue's first entry is the input of `dilation` steps ago; the newest goes in last.
            queues.append(torch.cat([queue[:, 1:], x[:, None]], dim=1))
            x, skip = layer(queue[:, 0], x)
            skips.append(skip)
        return self.read_out(skips), tuple(queues)  # (B, V)
