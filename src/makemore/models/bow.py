"""Bag of words: the mean of everything so far, in which order counts only by the position added.

The one idea: attention that looks at all earlier symbols alike. What the transformer gains over
this model is what choosing where to look is worth.

Paper: Iyyer et al. 2015, Deep Unordered Composition Rivals Syntactic Methods (made causal)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.options import option


@register("bow")
class BagOfWords(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(64, "neurons in the hidden layer", minimum=1, maximum=65536)
        dropout: float = option(0.0, "share of hidden values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    splits_batches = True
    recipe = {"max_steps": 2000, "learning_rate": 0.003, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        self.position = nn.Embedding(block_size, options.n_embd)
        self.hidden = nn.Linear(options.n_embd, options.n_hidden)
        self.project = nn.Linear(options.n_hidden, options.n_embd)
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(options.n_embd, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def read_out(self, x: Tensor, total: Tensor, count: Tensor | int) -> Tensor:
        """x: the newest symbols, total: the sum of all so far -> logits."""
        x = x + total / count  # (..., n_embd)
        x = x + self.project(self.dropout(torch.tanh(self.hidden(x))))
        return self.head(x)  # (..., V)

    def forward(self, inputs: Tensor) -> Tensor:
        self.check_length(inputs)
        place = torch.arange(inputs.shape[1], device=inputs.device)
        x = self.embedding(inputs) + self.position(place)  # (B, T, n_embd)
        return self.read_out(x, x.cumsum(1), place[:, None] + 1)  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)  # (B, inputs so far)
        return seen, torch.zeros(batch, self.options.n_embd, device=self.device)  # and their sum

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        seen, total = state
        if seen.shape[1] == self.block_size:  # no position is left: start again from the last half
            seen = self.restarted(seen)
            place = torch.arange(seen.shape[1], device=ids.device)
            total = (self.embedding(seen) + self.position(place)).sum(1)
        x = self.embedding(ids) + self.position.weight[seen.shape[1]]  # (B, n_embd)
        seen, total = torch.cat([seen, ids[:, None]], dim=1), total + x
        return self.read_out(x, total, seen.shape[1]), (seen, total)  # (B, V)
