"""Layers from scratch, for lessons 06, 07 and 09: torch.nn, small enough to read in one go.

A layer is called like a function, lists its tensors in parameters(), and keeps its last output in
`out`, so that a lesson can look at it. The names are those of torch.nn, with two differences: a
Linear's weight is (fan_in, fan_out), and every start draws from the generator that it is given.

Shapes: B examples, T positions, C channels.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor


class Layer:
    """What all layers share: a call that keeps its result, and no parameters."""

    training = True  # only BatchNorm1d looks at it
    out: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        self.out = self.forward(x)
        return self.out

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def parameters(self) -> list[Tensor]:
        return []


class Linear(Layer):
    """x @ weight + bias; weights of standard deviation 1 / sqrt(fan_in), biases of zero."""

    def __init__(
        self, fan_in: int, fan_out: int, bias: bool = True, generator: Generator | None = None
    ) -> None:
        # The sum of fan_in terms has a variance fan_in times as large: the root undoes it.
        self.weight = torch.randn((fan_in, fan_out), generator=generator) / fan_in**0.5
        self.bias = torch.zeros(fan_out) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        out = x @ self.weight  # (..., fan_in) -> (..., fan_out)
        return out if self.bias is None else out + self.bias

    def parameters(self) -> list[Tensor]:
        return [self.weight] if self.bias is None else [self.weight, self.bias]


class BatchNorm1d(Layer):
    """Each channel to mean 0 and variance 1 over the batch, then times gamma plus beta.

    x is (B, C) or (B, T, C). correction=1 divides the variance by n - 1 (Bessel's correction), as
    the lectures do; correction=0 divides by n, as torch does while it trains. The running variance
    is Bessel's in both, again as in torch. per_position=True is a mistake kept for lesson 09:
    it averages (B, T, C) over the batch alone, so that every position has its own statistics.
    """

    def __init__(
        self,
        dim: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        correction: int = 1,
        per_position: bool = False,
    ) -> None:
        self.eps, self.momentum, self.correction = eps, momentum, correction
        self.per_position = per_position
        # Parameters: gradients move them.
        self.gamma, self.beta = torch.ones(dim), torch.zeros(dim)
        # Buffers: no gradient moves them, each training batch does.
        self.running_mean, self.running_var = torch.zeros(dim), torch.ones(dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            over = (0,) if x.ndim == 2 or self.per_position else (0, 1)
            mean = x.mean(over)  # (C,); per position (T, C)
            var = x.var(over, correction=self.correction)
            with torch.no_grad():  # else the graph of every batch so far would be kept
                unbiased = var if self.correction == 1 else x.var(over)
                self.running_mean = self.blend(self.running_mean, mean)
                self.running_var = self.blend(self.running_var, unbiased)
        else:
            mean, var = self.running_mean, self.running_var
        return self.gamma * (x - mean) / torch.sqrt(var + self.eps) + self.beta

    def blend(self, running: Tensor, batch: Tensor) -> Tensor:
        """An exponential average: momentum is the weight of the newest batch."""
        return (1 - self.momentum) * running + self.momentum * batch

    def parameters(self) -> list[Tensor]:
        return [self.gamma, self.beta]


class Tanh(Layer):
    """Squashes every number into -1 to 1."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def saturated(self, beyond: float = 0.97) -> float:
        """The share of the last outputs so near -1 or 1 that hardly any gradient passes."""
        return (self.out.abs() > beyond).float().mean().item()


class Embedding(Layer):
    """A row of weights for every symbol: looking one up is x @ weight with x one-hot."""

    def __init__(self, symbols: int, dim: int, generator: Generator | None = None) -> None:
        self.weight = torch.randn((symbols, dim), generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight[x]  # (B, T) -> (B, T, C)

    def parameters(self) -> list[Tensor]:
        return [self.weight]


class Flatten(Layer):
    """All positions side by side: (B, T, C) -> (B, T * C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1)


class FlattenConsecutive(Layer):
    """Every n neighbours side by side: (B, T, C) -> (B, T / n, C * n), or (B, C * n) if T is n."""

    def __init__(self, n: int) -> None:
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        batch, positions, channels = x.shape
        x = x.view(batch, positions // self.n, channels * self.n)
        return x.squeeze(1) if x.shape[1] == 1 else x


class Sequential(Layer):
    """One layer after another."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Tensor]:
        return [p for layer in self.layers for p in layer.parameters()]

    def train(self, mode: bool = True) -> None:
        """Training on or off for every layer inside: off, BatchNorm1d uses what it kept."""
        self.training = mode
        for layer in self.layers:
            layer.train(mode) if isinstance(layer, Sequential) else setattr(layer, "training", mode)
