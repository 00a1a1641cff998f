"""MLP: symbols become points in a learned space, and a hidden layer reads a window of them.

The one idea: what is learned about a context also serves contexts that look alike, because their
symbols lie near each other in the embedding. A table of counts has to see each context itself.

Paper: Bengio et al. 2003, A Neural Probabilistic Language Model (makemore parts 2 and 3)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel
from makemore.models.core.registry import register
from makemore.options import option


@register("mlp")
class MLP(NeuralModel):
    """Predicts the next symbol from a window of the last block_size symbols.

    Inputs (N, block_size) -> logits (N, V). With a block_size of 3, "emma" gives the windows
    "...", "..e", ".em", "emm" and "mma"; "." is the boundary.
    """

    @dataclass(frozen=True)
    class Options:
        block_size: int = option(3, "symbols of context", minimum=1, maximum=256)
        n_embd: int = option(10, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(200, "neurons in the hidden layer", minimum=1, maximum=65536)
        batch_norm: bool = option(False, "BatchNorm before the tanh")
        dropout: float = option(0.0, "share of hidden values dropped", minimum=0.0, maximum=0.95)
        gain: float = option(5 / 3, "deviation of the tanh's inputs at the start", minimum=0.0)
        head_scale: float = option(
            0.01, "deviation of the head's weights at the start", minimum=0.0
        )

    input_kind = "window"  # each example is a window of its own: (N, block_size) -> (N, V)
    recipe = {"max_steps": 10_000, "optimizer": "adamw", "learning_rate": 0.01, "batch_size": 1024}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        fan_in = block_size * options.n_embd
        self.embedding = nn.Embedding(vocab_size, options.n_embd)  # the lecture's C
        # BatchNorm subtracts the mean, and with it any bias of the layer before.
        self.hidden = nn.Linear(fan_in, options.n_hidden, bias=not options.batch_norm)
        self.norm = nn.BatchNorm1d(options.n_hidden) if options.batch_norm else nn.Identity()
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(options.n_hidden, vocab_size)
        # Kaiming: a sum of fan_in products has fan_in times their variance. Dividing by the root
        # lets the tanh's inputs start at a deviation of `gain` for any window: not saturated.
        nn.init.normal_(self.hidden.weight, std=options.gain / fan_in**0.5)
        # A small head starts near uniform, not confidently wrong: the first loss is near log V.
        nn.init.normal_(self.head.weight, std=options.head_scale)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        # The embeddings side by side, not their sum: each position has weights of its own.
        x = self.embedding(inputs).flatten(1)  # (N, block * n_embd)
        x = torch.tanh(self.norm(self.hidden(x)))  # (N, n_hidden)
        return self.head(self.dropout(x))  # (N, V)
