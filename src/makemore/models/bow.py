"""Bag of words: the mean of everything so far, in which order counts only by the position added.

The one idea: attention whose weights are all equal. Every earlier symbol counts as much as every
other; what the transformer gains over this model is the value of choosing where to look.

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
    """Predicts the next symbol from the mean of all embeddings so far, and the last one.

    Inputs (B, T) -> logits (B, T, V). The first version of attention in "Let's build GPT" is this
    mean, there called bag of words.
    """

    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(64, "neurons in the hidden layer", minimum=1, maximum=65536)
        dropout: float = option(0.0, "share of hidden values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    splits_batches = True  # no BatchNorm: a row's result does not depend on the other rows
    recipe = {"max_steps": 2000, "learning_rate": 0.003, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        # A mean forgets the order. A vector for each position, added before, brings some back.
        self.position = nn.Embedding(block_size, options.n_embd)
        self.hidden = nn.Linear(options.n_embd, options.n_hidden)
        self.project = nn.Linear(options.n_hidden, options.n_embd)
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(options.n_embd, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def read_out(self, x: Tensor, total: Tensor, count: Tensor | int) -> Tensor:
        """Turn the newest embedding and the mean of all into logits (..., V).

        x (..., n_embd): the newest symbols; total (..., n_embd): the sum of the `count` so far.
        """
        # The last symbol matters most and would be lost among the others: it is added once more.
        x = x + total / count  # (..., n_embd)
        # A residual MLP, as in the transformer's block: its output is added to its input.
        x = x + self.project(self.dropout(torch.tanh(self.hidden(x))))
        return self.head(x)  # (..., V)

    def forward(self, inputs: Tensor) -> Tensor:
        self.check_length(inputs)
        positions = torch.arange(inputs.shape[1], device=inputs.device)  # (T,)
        x = self.embedding(inputs) + self.position(positions)  # (B, T, n_embd)
        # The running sum sees nothing ahead: at position t it holds the symbols 0 to t.
        return self.read_out(x, x.cumsum(1), positions[:, None] + 1)  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)  # (B, inputs so far)
        return seen, torch.zeros(batch, self.options.n_embd, device=self.device)  # and their sum

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        seen, total = state
        # All positions are used: start again from the last half. From more than that, a new sum
        # would soon be needed again; from less, more would be forgotten.
        if seen.shape[1] == self.block_size:
            seen = self.restarted(seen)
            positions = torch.arange(seen.shape[1], device=ids.device)
            total = (self.embedding(seen) + self.position(positions)).sum(1)  # (B, n_embd)
        x = self.embedding(ids) + self.position.weight[seen.shape[1]]  # (B, n_embd)
        seen, total = torch.cat([seen, ids[:, None]], dim=1), total + x
        return self.read_out(x, total, seen.shape[1]), (seen, total)  # (B, V)
