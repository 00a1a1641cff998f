"""LSTM: a hidden state and beside it a cell, a memory that gates write, keep and read.

The one idea: from step to step the cell is only scaled and added to, never multiplied by a matrix,
so that its gradient neither vanishes nor explodes.

Paper: Graves 2013, Generating Sequences With Recurrent Neural Networks
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makemore.models.core.layers import Dropout, run_cells
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.options import option


@register("lstm")
class LSTM(NeuralModel):
    """Predicts the next symbol from a hidden state and a cell, which gates update.

    Inputs (B, T) -> logits (B, T, V). With x the symbol's embedding, h and c the hidden state and
    the cell before; each linear is a weighted sum and a bias, with weights of its own:

        i = sigmoid(linear(x, h))    input gate: how much of the candidate is written
        f = sigmoid(linear(x, h))    forget gate: how much of the cell stays
        o = sigmoid(linear(x, h))    output gate: how much of the cell is shown
        g = tanh(linear(x, h))       the candidate for the cell
        c' = f * c + i * g
        h' = o * tanh(c')
    """

    @dataclass(frozen=True)
    class Options:
        n_embd: int = option(64, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(128, "size of the hidden state", minimum=1, maximum=4096)
        n_layer: int = option(1, "layers of cells", minimum=1, maximum=32)
        dropout: float = option(
            0.2, "share of values dropped around the cells", minimum=0.0, maximum=0.95
        )

    input_kind = "sequence"
    splits_batches = True  # no BatchNorm: a row's result does not depend on the other rows
    limited = False  # no positions are learned, so a line may have any length
    recipe = {"max_steps": 1000, "optimizer": "adamw", "learning_rate": 0.005, "soft_targets": 0.5}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        # No matrix multiplies the cell: where f is 1, the gradient along it passes unchanged.
        self.cells = nn.LSTM(options.n_embd, options.n_hidden, options.n_layer, batch_first=True)
        # The state before the first symbol is a parameter, not zeros: the start is learned, too.
        self.start = nn.Parameter(torch.zeros(1, options.n_layer, options.n_hidden))
        self.start_cell = nn.Parameter(torch.zeros(1, options.n_layer, options.n_hidden))
        # Dropout stands before and after the cells: in the state it would erase what is remembered
        # (Zaremba et al. 2014, Recurrent Neural Network Regularization).
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(options.n_hidden, vocab_size)
        nn.init.normal_(self.head.weight, std=0.01)  # the first loss is near log V
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        # In training a line is read from its start; its last state is not needed.
        return self.read(inputs, self.initial_state(len(inputs)))[0]  # (B, T, V)

    def read(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Read inputs (B, T) from a hidden state and a cell (B, n_layer, n_hidden) on.

        Gives the logits (B, T, V) after each input, and both states after the last.
        """
        x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)
        # torch has the layers first, a State the batch: so its rows can be selected and copied.
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        # torch computes all steps in one call; `cell` below says what each of them is.
        x, (hidden, cell) = run_cells(self.cells, x, (hidden, cell))  # (B, T, n_hidden)
        return self.head(self.dropout(x)), (hidden.transpose(0, 1), cell.transpose(0, 1))

    def cell(self, x: Tensor, state: tuple[Tensor, Tensor], layer: int) -> tuple[Tensor, Tensor]:
        """Update h and c (B, n_hidden) of one layer by one symbol's x (B, n_in)."""
        h, c = state
        w_x, w_h, b_x, b_h = self.cells.all_weights[layer]  # of three gates and the candidate
        from_x, from_h = x @ w_x.T + b_x, h @ w_h.T + b_h  # (B, 4 * n_hidden) each
        i, f, g, o = (from_x + from_h).chunk(4, 1)  # (B, n_hidden) each
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)  # (B, n_hidden)
        return torch.sigmoid(o) * torch.tanh(c), c  # (B, n_hidden) each

    def unrolled(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute what `read` does symbol by symbol, with `cell`: slower, and open to read."""
        x, tops = self.dropout(self.embedding(inputs)), []
        layers = list(zip(*(part.unbind(1) for part in state), strict=True))  # h and c of each
        for each in x.unbind(1):  # (B, n_embd) of each symbol in turn
            for layer, before in enumerate(layers):
                layers[layer] = self.cell(each, before, layer)
                each = layers[layer][0]  # (B, n_hidden): h is what the next layer reads
            tops.append(each)
        logits = self.head(self.dropout(torch.stack(tops, 1)))  # (B, T, V)
        return logits, tuple(torch.stack(part, 1) for part in zip(*layers, strict=True))

    def initial_state(self, batch: int) -> State:
        start = (self.start, self.start_cell)
        return tuple(part.expand(batch, -1, -1) for part in start)  # (B, n_layer, n_hidden) each

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        # One symbol is a sequence with T = 1; the state stands for all that came before it.
        logits, state = self.read(ids[:, None], state)
        return logits[:, 0], state  # (B, V)
