"""core/layers.py: dropout keeps the mean, drops its probability, and only while training."""

from __future__ import annotations

import math

import pytest
import torch

import battery
from makemore.models.core import registry
from makemore.models.core.layers import Dropout
from makemore.training.device import seeded


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_dropout_keeps_the_mean_and_drops_its_share(share: float) -> None:
    x = torch.ones(1000, 401)  # a number of values that four does not divide
    with seeded(0):
        y = Dropout(share).train()(x)
    assert set(y.unique().tolist()) == {0.0, (x / (1 - share))[0, 0].item()}
    n = x.numel()
    deviation = math.sqrt(share * (1 - share) / n)
    dropped = (y == 0).flatten()
    assert dropped.float().mean().item() == pytest.approx(share, abs=4 * deviation)
    assert y.mean().item() == pytest.approx(1, abs=4 * deviation / (1 - share))
    # Four numbers come from one draw: each of them drops its share, and none knows of the others.
    four = dropped[: n // 4 * 4].view(-1, 4).double()
    assert (four.mean(0) - share).abs().max() < 8 * deviation
    assert (torch.corrcoef(four.T) - torch.eye(4)).abs().max() < 4 / math.sqrt(n / 4)


def test_dropout_is_nothing_while_evaluating() -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_gradient_is_its_mask() -> None:
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0)).mT.requires_grad_()
    dropout = Dropout(0.25).train()
    with seeded(0):
        y = dropout(x)
    y.sum().backward()
    mask = (y != 0).float()
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(x.grad, mask / 0.75)
    torch.testing.assert_close(y, x * mask / 0.75)


@pytest.mark.parametrize("name", ["mlp", "bow", "rnn", "gru", "lstm", "transformer", "wavenet"])
def test_models_drop_while_training_only(name: str) -> None:
    model = battery.shaken(registry.get_model(name), dropout=0.5)
    inputs = torch.from_numpy(battery.some_inputs(model))
    assert torch.equal(model(inputs), model(inputs))
    model.train()
    with seeded(0):
        assert not torch.equal(model(inputs), model(inputs))
