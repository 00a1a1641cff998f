"""Deep MLP: many thin layers, kept alive by their initialisation and by BatchNorm.

The one idea: a deep stack of tanh learns only if every layer's values keep a deviation near 1 on
the way forward and their gradients on the way back. BatchNorm makes that so at every step.

Paper: Ioffe and Szegedy 2015, Batch Normalization (makemore part 3)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makemore.models.core.neural import NeuralModel
from makemore.models.core.registry import register
from makemore.options import option


@register("deep_mlp")
class DeepMLP(NeuralModel):
    """Predicts the next symbol from a window of symbols through n_layer hidden layers.

    Inputs (N, block_size) -> logits (N, V). Each layer is Linear, BatchNorm, tanh, as in the
    second half of makemore part 3.
    """

    @dataclass(frozen=True)
    class Options:
        block_size: int = option(3, "symbols of context", minimum=1, maximum=256)
        n_embd: int = option(10, "size of a symbol's embedding", minimum=1, maximum=4096)
        n_hidden: int = option(100, "neurons in a hidden layer", minimum=1, maximum=65536)
        n_layer: int = option(5, "hidden layers", minimum=1, maximum=64)
        batch_norm: bool = option(True, "BatchNorm before each tanh and after the head")
        gain: float = option(
            5 / 3, "a layer's deviation at the start, if its inputs' is 1", minimum=0.0
        )
        head_scale: float = option(0.1, "deviation of the logits at the start", minimum=0.0)

    input_kind = "window"
    # BatchNorm's mean and variance are of the batch: in a large one they are less noisy.
    recipe = {"max_steps": 6_000, "learning_rate": 0.01, "batch_size": 1024}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        widths = [block_size * options.n_embd] + [options.n_hidden] * options.n_layer
        self.embedding = nn.Embedding(vocab_size, options.n_embd)
        norm: type[nn.Module] = nn.BatchNorm1d if options.batch_norm else nn.Identity
        # BatchNorm subtracts the mean, and with it any bias of the layer before.
        bias = not options.batch_norm
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out, bias=bias)
            for fan_in, fan_out in zip(widths, widths[1:], strict=False)
        )
        self.norms = nn.ModuleList(norm(width) for width in widths[1:])
        self.head = nn.Linear(options.n_hidden, vocab_size, bias=bias)
        self.head_norm = norm(vocab_size)
        # tanh makes its inputs smaller. The gain makes up for it; without one (or BatchNorm) the
        # values shrink from layer to layer, and the gradients with them.
        for layer, fan_in in zip(self.layers, widths, strict=False):
            nn.init.normal_(layer.get_parameter("weight"), std=options.gain / fan_in**0.5)
        nn.init.normal_(self.head.weight, std=options.n_hidden**-0.5)
        # Near uniform at first, not confidently wrong: the last layer is scaled down. With
        # BatchNorm that is its scale, which is 1 before, since it undoes any scale of the head.
        last = self.head_norm if options.batch_norm else self.head
        last.get_parameter("weight").data.mul_(options.head_scale)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.embedding(inputs).flatten(1)  # (N, block * n_embd)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            # Normalised before the tanh: its inputs neither saturate it nor stay near 0.
            x = torch.tanh(norm(layer(x)))  # (N, n_hidden)
        return self.head_norm(self.head(x))  # (N, V)
