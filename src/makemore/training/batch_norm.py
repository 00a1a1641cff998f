"""BatchNorm: its running statistics, computed again from a whole epoch."""

from __future__ import annotations

import torch
from torch import nn

from makemore.training.batches import BatchSource


def has_batch_norm(model: nn.Module) -> bool:
    """Tell whether a model has BatchNorm layers, which mix the examples of a batch."""
    return any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules())


def calibrate_batch_norm(model: nn.Module, batches: BatchSource) -> None:
    """Set each BatchNorm's running mean and variance to those of one epoch (makemore part 3).

    In training these are running averages, which lag behind weights that still move. At the end of
    a training both agree to about 1e-3. Weights, and the mode of the model, stay as they are.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    # Without dropout: evaluation has none, and its masks would depend on the draws before them.
    model.eval()
    for norm in norms:
        norm.train()  # only in this mode does a forward pass update the statistics
        norm.reset_running_stats()
    groups = (group for step in range(batches.per_epoch) for group in batches(step))
    with torch.no_grad():
        for number, (inputs, _) in enumerate(groups, 1):
            for norm in norms:
                # The plain mean of all batches, not a running average. It is what None stands for,
                # but then torch reads the number from the device in every layer.
                norm.momentum = 1 / number
            model(inputs)  # the logits are not needed: the layers take note of what passes
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
