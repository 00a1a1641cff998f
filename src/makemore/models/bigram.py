"""Bigram: a table of logits, one row for each symbol, learned by gradients.

The one idea: the whole model is one table, and the last symbol picks its row. Trained to the end,
the softmax of a row is how often each symbol followed, divided by their sum (ngram.py with order 2
counts it). No model that sees one symbol of context can reach a lower training loss.

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
    """Predicts the next symbol from the last one: logits = table[last symbol].

    Inputs (B, T) -> logits (B, T, V). After "m" in "emma" it has forgotten the "e".
    """

    @dataclass(frozen=True)
    class Options:
        """A table has no options."""

    input_kind = "sequence"  # (B, T) at once, although each position looks only at itself
    limited = False  # no positions are learned, so a line may have any length
    # Weight decay would pull all rows towards the uniform distribution: the lecture's smoothing.
    recipe = {"max_steps": 500, "optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 0.0}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        # Looking up row i is what the lecture writes as one_hot(i) @ table, without the product.
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)  # uniform: the first loss is log V

    def forward(self, inputs: Tensor) -> Tensor:
        return self.table(inputs)  # (B, T) -> (B, T, V)

    def initial_state(self, batch: int) -> State:
        return ()  # nothing to remember: the last symbol is the next step's input

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self.table(ids), state  # (B, V)
