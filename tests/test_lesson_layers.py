"""The layers of lessons 06, 07 and 09 against torch.nn: equal values, gradients, statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import layers


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gradients(out: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of a weighted sum, so that no two outputs count alike."""
    return torch.autograd.grad((out * normal(*out.shape, seed=9)).sum(), of)


def learning(layer: Any) -> list[Tensor]:
    return [p.requires_grad_() for p in layer.parameters()]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 5), (7, 4, 5)])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    ours, theirs = layers.Linear(5, 3, bias=bias), nn.Linear(5, 3, bias=bias)
    parameters = learning(ours)
    assert [tuple(p.shape) for p in parameters] == [(5, 3), (3,)][: 1 + bias]
    with torch.no_grad():
        theirs.weight.copy_(ours.weight.T)
        if bias:
            ours.bias.copy_(normal(3, seed=1))
            theirs.bias.copy_(ours.bias)
    x = normal(*shape).requires_grad_()
    assert_close(ours(x), theirs(x))
    mine, torchs = gradients(ours(x), x, *parameters), gradients(theirs(x), x, *theirs.parameters())
    assert_close(mine[0], torchs[0])
    assert_close(mine[1], torchs[1].T)
    assert_close(mine[2:], torchs[2:])


def test_linear_starts_at_one_over_the_root_of_fan_in() -> None:
    g = torch.Generator().manual_seed(1)
    layer = layers.Linear(400, 300, generator=g)
    g.manual_seed(1)
    assert torch.equal(layer.weight, torch.randn((400, 300), generator=g) / 20)
    assert layer.bias.count_nonzero() == 0


def batchnorms(**options: float) -> tuple[object, nn.BatchNorm1d]:
    """Ours and torch's, with the same gamma and beta, neither at its start."""
    ours, theirs = layers.BatchNorm1d(5, **options), nn.BatchNorm1d(5)
    ours.gamma, ours.beta = 1 + normal(5, seed=1) / 4, normal(5, seed=2)
    with torch.no_grad():
        theirs.weight.copy_(ours.gamma)
        theirs.bias.copy_(ours.beta)
    return ours, theirs


def as_torch(x: Tensor) -> Tensor:
    """torch's channels stand in the middle: (B, T, C) -> (B, C, T)."""
    return x if x.ndim == 2 else x.transpose(1, 2)


@pytest.mark.parametrize("shape", [(32, 5), (32, 4, 5)])
def test_batchnorm(shape: tuple[int, ...]) -> None:
    ours, theirs = batchnorms(correction=0)
    parameters = learning(ours)
    assert len(parameters) == 2  # running_mean and running_var are no parameters
    for seed in range(3):  # three batches, for the running statistics
        x = (3 * normal(*shape, seed=seed) + 1).requires_grad_()
        out, expected = ours(x), as_torch(theirs(as_torch(x)))
        assert_close(out, expected)
        mine, torchs = gradients(out, x, *parameters), gradients(expected, x, *theirs.parameters())
        assert_close(mine, torchs, rtol=1e-4, atol=1e-5)
    assert_close(ours.running_mean, theirs.running_mean)
    assert_close(ours.running_var, theirs.running_var)
    assert not ours.running_mean.requires_grad

    ours.training = False
    theirs.eval()
    before = ours.running_mean.clone()
    assert_close(ours(x), as_torch(theirs(as_torch(x))))
    assert_close(ours(x[:1]), as_torch(theirs(as_torch(x[:1]))))  # a batch of one
    assert torch.equal(ours.running_mean, before)


def test_batchnorm_of_the_lectures_has_bessels_correction() -> None:
    ours, theirs = batchnorms()
    x = normal(32, 5)
    centred = x - x.mean(0)
    root = torch.sqrt(x.var(0) + 1e-5)  # x.var divides by n - 1
    assert_close(ours(x), ours.gamma * centred / root + ours.beta)
    assert not torch.allclose(ours(x), theirs(x), rtol=1e-3)
    theirs(x)
    assert (ours.eps, ours.momentum) == (theirs.eps, theirs.momentum)


def test_batchnorm_per_position_is_the_trap() -> None:
    right, wrong = layers.BatchNorm1d(5), layers.BatchNorm1d(5, per_position=True)
    x = normal(32, 4, 5) + torch.arange(4.0).view(1, 4, 1)  # each position has a mean of its own
    assert right(x).mean((0, 1)).abs().max() < 1e-6
    assert right(x).mean(0).abs().max() > 0.5  # positions keep their differences
    assert wrong(x).mean(0).abs().max() < 1e-6
    assert right.running_mean.shape == (5,)
    assert wrong.running_mean.shape == (4, 5)
    assert torch.equal(right(x[:, 0]), layers.BatchNorm1d(5, per_position=True)(x[:, 0]))


def test_tanh() -> None:
    layer, x = layers.Tanh(), (2 * normal(7, 5)).requires_grad_()
    out = layer(x)
    assert torch.equal(out, torch.tanh(x)) and layer.out is out
    assert_close(gradients(out, x), gradients(nn.Tanh()(x), x))
    layer(torch.tensor([[0.0, 1.0, 5.0, -5.0]]))
    assert layer.saturated() == 0.5
    assert layer.saturated(beyond=0.7) == 0.75


def test_embedding() -> None:
    g = torch.Generator().manual_seed(1)
    layer = layers.Embedding(27, 10, generator=g)
    [weight] = learning(layer)
    x = torch.tensor([[0, 1, 1], [26, 1, 5]])
    theirs = nn.Embedding.from_pretrained(weight.detach().clone(), freeze=False)
    assert torch.equal(layer(x), theirs(x))
    assert_close(gradients(layer(x), weight), gradients(theirs(x), theirs.weight))
    g.manual_seed(1)
    assert torch.equal(weight, torch.randn((27, 10), generator=g))


def test_flatten() -> None:
    x = normal(2, 8, 5)
    assert torch.equal(layers.Flatten()(x), nn.Flatten()(x))
    pairs = layers.FlattenConsecutive(2)(x)
    assert pairs.shape == (2, 4, 10)
    assert torch.equal(pairs, torch.cat([x[:, 0::2], x[:, 1::2]], dim=2))
    assert torch.equal(layers.FlattenConsecutive(8)(x), nn.Flatten()(x))  # one position: (B, C)


def test_sequential() -> None:
    inner = layers.Sequential([layers.Linear(10, 4, bias=False), layers.BatchNorm1d(4)])
    model = layers.Sequential([layers.Embedding(27, 5), layers.Flatten(), inner, layers.Tanh()])
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == [(27, 5), (10, 4), (4,), (4,)]
    x = torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert model(x).shape == (3, 4) and inner.layers[0].out.shape == (3, 4)
    model.train(False)
    assert not inner.layers[1].training
    assert_close(model(x), torch.cat([model(row) for row in x.split(1)]))
    model.train()
    assert inner.layers[1].training
