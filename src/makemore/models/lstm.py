"""LSTM: a hidden state and beside it a cell, a memory that gates write, keep and read.

The one idea: the memory is only scaled and added to, so that its gradient neither dies nor bursts.

Paper: Graves 2013, Generating Sequences With Recurrent Neural Networks
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


@register("lstm")
class LSTM(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(128, "size of the hidden state", minimum=1, maximum=4096)
        n_layer: int = option(1, "layers of cells", minimum=1, maximum=32)
        dropout: float = option(
            0.2, "share of values dropped around the cells", minimum=0.0, maximum=0.95
        )

    input_kind = "sequence"
    splits_batches = True
    limited = False
    recipe = {"max_steps": 1000, "optimizer": "adamw", "learning_rate": 0.005, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        self.cells = nn.LSTM(options.n_embd, options.n_hidden, options.n_layer, batch_first=True)
        # An own start: what the state is before anything was read is learned, too.
        self.start = nn.Parameter(torch.zeros(1, options.n_layer, options.n_hidden))
        self.start_cell = nn.Parameter(torch.zeros(1, options.n_layer, options.n_hidden))
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(options.n_hidden, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read(inputs, self.initial_state(len(inputs)))[0]  # (B, T, V)

    def read(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """inputs (B, T), states (B, n_layer, n_hidden) -> logits (B, T, V), the states after."""
        x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        x, (hidden, cell) = self.cells(x, (hidden, cell))  # (B, T, n_hidden)
        return self.head(self.dropout(x)), (hidden.transpose(0, 1), cell.transpose(0, 1))

    def initial_state(self, batch: int) -> State:
        start = (self.start, self.start_cell)
        return tuple(part.expand(batch, -1, -1) for part in start)  # (B, n_layer, n_hidden) each

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.read(ids[:, None], state)
        return logits[:, 0], state  # (B, V)
