"""GRU: a hidden state with gates that say what to forget and what to take up.

The one idea: where a gate keeps the old state, it passes unchanged, and so does its gradient. So
the state can remember for many steps, where the plain RNN forgets.

Paper: Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder
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


@register("gru")
class GRU(NeuralModel):
    """Predicts the next symbol from a hidden state that gates update.

    Inputs (B, T) -> logits (B, T, V). With x the symbol's embedding and h the state before; each
    linear is a weighted sum and a bias, with weights of its own:

        r = sigmoid(linear(x, h))              reset gate: how much of h the candidate sees
        z = sigmoid(linear(x, h))              update gate: how much of h stays
        n = tanh(linear(x) + r * linear(h))    the candidate for the new state
        h' = (1 - z) * n + z * h
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
        # Where z is 1, h' is h: over such steps the state and its gradient pass unchanged.
        self.cells = nn.GRU(options.n_embd, options.n_hidden, options.n_layer, batch_first=True)
        # The state before the first symbol is a parameter, not zeros: the start is learned, too.
        self.start = nn.Parameter(torch.zeros(1, options.n_layer, options.n_hidden))
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
        """Read inputs (B, T) from a state (B, n_layer, n_hidden) on.

        Gives the logits (B, T, V) after each input, and the state after the last.
        """
        x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)
        # torch has the layers first, a State the batch: so its rows can be selected and copied.
        # torch computes all steps in one call; `cell` below says what each of them is.
        x, last = run_cells(self.cells, x, state.transpose(0, 1).contiguous())  # (B, T, n_hidden)
        return self.head(self.dropout(x)), last.transpose(0, 1)

    def cell(self, x: Tensor, h: Tensor, layer: int) -> Tensor:
        """Update the state h (B, n_hidden) of one layer by one symbol's x (B, n_in)."""
        w_x, w_h, b_x, b_h = self.cells.all_weights[layer]  # of both gates and the candidate
        from_x, from_h = x @ w_x.T + b_x, h @ w_h.T + b_h  # (B, 3 * n_hidden) each
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, 1), from_h.chunk(3, 1)
        r = torch.sigmoid(x_r + h_r)  # (B, n_hidden), reset gate
        z = torch.sigmoid(x_z + h_z)  # (B, n_hidden), update gate
        n = torch.tanh(x_n + r * h_n)  # (B, n_hidden), the candidate
        return (1 - z) * n + z * h  # (B, n_hidden)

    def unrolled(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute what `read` does symbol by symbol, with `cell`: slower, and open to read."""
        x, layers, tops = self.dropout(self.embedding(inputs)), list(state.unbind(1)), []
        for each in x.unbind(1):  # (B, n_embd) of each symbol in turn
            for layer, h in enumerate(layers):
                layers[layer] = each = self.cell(each, h, layer)  # (B, n_hidden), for the next
            tops.append(each)
        logits = self.head(self.dropout(torch.stack(tops, 1)))  # (B, T, V)
        return logits, torch.stack(layers, 1)

    def initial_state(self, batch: int) -> State:
        return self.start.expand(batch, -1, -1)  # (B, n_layer, n_hidden)

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        # One symbol is a sequence with T = 1; the state stands for all that came before it.
        logits, state = self.read(ids[:, None], state)
        return logits[:, 0], state  # (B, V)
