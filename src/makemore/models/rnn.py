"""RNN: one hidden state, passed on from symbol to symbol.

The one idea: the state is a summary of everything so far, updated with the same weights at every
step. So the context has any length, and the number of parameters does not grow with it.

Paper: Mikolov et al. 2010, Recurrent Neural Network Based Language Model
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


@register("rnn")
class RNN(NeuralModel):
    """Predicts the next symbol from a hidden state that each symbol updates.

    Inputs (B, T) -> logits (B, T, V). With x the symbol's embedding and h the state before; linear
    is a weighted sum of both and a bias, an nn.Linear:

        h' = tanh(linear(x, h))
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
    recipe = {
        "max_steps": 1500, "optimizer": "adamw", "learning_rate": 0.003, "batch_size": 256,
        "soft_targets": 0.5,
    }  # fmt: skip

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        # Each step multiplies the state by a matrix, and so the gradient on its way back: over many
        # steps it vanishes. gru.py and lstm.py are two answers to that.
        self.cells = nn.RNN(options.n_embd, options.n_hidden, options.n_layer, batch_first=True)
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
        w_x, w_h, b_x, b_h = self.cells.all_weights[layer]  # torch has a bias for each of both
        from_x, from_h = x @ w_x.T + b_x, h @ w_h.T + b_h  # (B, n_hidden) each
        return torch.tanh(from_x + from_h)  # (B, n_hidden)

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
