"""batch_norm.py: statistics of the whole training set, and nothing else that changes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import battery
from makemore.models.core import registry
from makemore.models.core.neural import NeuralModel
from makemore.options import make
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.loss import nll
from makemore.scoring.neural_scorer import eval_mode
from makemore.training.batch_norm import calibrate_batch_norm
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.optimizers import make_optimizers
from makemore.training.trainer import train_steps
from tape import NoWaits


def some_batches(model: NeuralModel, batch_size: int) -> Batches:
    ids, offsets = battery.some_lines(9, n_lines=400)
    return Batches(LineTensors(ids, offsets, "window", model.block_size), batch_size, seed=0)


def norms(model: nn.Module) -> list[nn.BatchNorm1d]:
    return [part for part in model.modules() if isinstance(part, nn.BatchNorm1d)]


def test_calibration_takes_the_whole_set() -> None:
    model = battery.shaken(registry.get_model("mlp"), batch_norm=True, dropout=0.5)
    [(inputs, _)] = some_batches(model, 10**6)(0)
    with torch.no_grad():
        before = model.hidden(model.embedding(inputs).flatten(1))
    calibrate_batch_norm(model, some_batches(model, 10**6))
    torch.testing.assert_close(model.norm.running_mean, before.mean(0), atol=1e-4, rtol=0)
    corrected = before.var(0)  # as Bessel has it
    torch.testing.assert_close(model.norm.running_var, corrected, atol=0, rtol=1e-4)
    batches = some_batches(model, 100)  # of unlike batches their mean
    parts = [model.hidden(model.embedding(batches(n)[0][0]).flatten(1)) for n in range(5)]
    calibrate_batch_norm(model, batches)
    assert batches.per_epoch > 5
    torch.testing.assert_close(model.norm.running_mean, before.mean(0), atol=1e-2, rtol=0)
    assert not torch.allclose(model.norm.running_mean, torch.cat(parts).mean(0), atol=1e-4)


@pytest.mark.parametrize(
    "name, options", [("mlp", {"batch_norm": True, "dropout": 0.5}), ("deep_mlp", {})]
)
@pytest.mark.parametrize("training", [True, False])
def test_calibration_leaves_all_else_alone(
    name: str, options: dict[str, Any], training: bool
) -> None:
    model = battery.shaken(registry.get_model(name), **options).train(training)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    chance = torch.get_rng_state()
    calibrate_batch_norm(model, some_batches(model, 100))
    found = [norm.running_mean.clone() for norm in norms(model)]
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(map(torch.equal, weights, model.parameters()))
    assert all(part.training is training for part in model.modules())
    assert all(norm.momentum == 0.1 for norm in norms(model))
    calibrate_batch_norm(model, some_batches(model, 100))
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms(model), found))  # noqa: B905


class Gathered:
    """The batches of an epoch, already on the device."""

    def __init__(self, batches: Batches) -> None:
        self.per_epoch = batches.per_epoch
        self.groups = [batches(step) for step in range(batches.per_epoch)]

    def __call__(self, step: int) -> Any:
        return self.groups[step]


def test_calibration_reads_no_number_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the mean that it takes is torch's own plain mean, to the last bit."""
    model = battery.shaken(registry.get_model("deep_mlp"))
    batches: Any = Gathered(some_batches(model, 100))
    plain = copy.deepcopy(model)
    for norm in norms(plain):
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for step in range(batches.per_epoch):
            plain(batches(step)[0][0])
    with NoWaits():
        calibrate_batch_norm(model, batches)
    for mine, theirs in zip(norms(model), norms(plain), strict=True):
        assert torch.equal(mine.running_mean, theirs.running_mean)
        assert torch.equal(mine.running_var, theirs.running_var)


def test_calibration_without_batch_norm_does_nothing() -> None:
    model = battery.shaken(registry.get_model("mlp"))
    tensors = model.tensors()
    calibrate_batch_norm(model, some_batches(model, 100))
    assert all(np.array_equal(value, tensors[name]) for name, value in model.tensors().items())


@pytest.mark.parametrize(
    "name, options, near", [("mlp", {"batch_norm": True}, 1e-3), ("deep_mlp", {}, 1e-2)]
)
def test_running_statistics_agree_with_calibrated_ones(
    name: str, options: dict[str, Any], near: float
) -> None:
    model = battery.build(registry.get_model(name), **options)
    asked = {"max_steps": 100, "optimizer": "adamw", "learning_rate": 0.01}
    recipe, batches = make(TrainingConfig, asked), some_batches(model, 600)
    for _ in train_steps(model, make_optimizers(model, recipe), batches, recipe):
        pass
    [(inputs, targets)] = some_batches(model, 10**6)(0)

    def loss() -> float:
        with eval_mode(model):
            return nll(model(inputs), targets).item()

    running = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms(model)]
    before = loss()
    calibrate_batch_norm(model, batches)
    assert 0 < abs(loss() - before) < near
    for norm, (mean, variance) in zip(norms(model), running, strict=True):
        deviation = norm.running_var.sqrt()
        assert ((norm.running_mean - mean).abs() / deviation).max() < 0.1
        assert (variance.sqrt() / deviation - 1).abs().max() < 0.1
