"""Bigram: a table of logits, one row for each symbol, learned by gradients.

The one idea: the row that a symbol picks is the model. Learned, the table comes to the logarithm
of the counts (ngram.py with order 2): the best that a model of one symbol of context can do.

Paper: Shannon 1948, A Mathematical Theory of Communication (makemore part 1)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.registry import register
from makemore.models.core.state import State


@register("bigram")
class Bigram(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        """A table has no options."""

    input_kind = "sequence"
    limited = False
    recipe = {"max_steps": 500, "optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 0.0}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)  # uniform: the first loss is log V

    def forward(self, inputs: Tensor) -> Tensor:
        return self.table(inputs)  # (B, T) -> (B, T, V)

    def initial_state(self, batch: int) -> State:
        return ()  # the last symbol is all that counts, and it is the input

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self.table(ids), state  # (B, V)
