"""BatchNorm: running statistics made anew from a whole epoch."""

from __future__ import annotations

import torch
from torch import nn

from makemore.training.batches import Batches


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a model has layers that look at the whole batch."""
    return any(isinstance(part, nn.BatchNorm1d) for part in model.modules())


def calibrate_batch_norm(model: nn.Module, batches: Batches) -> None:
    """Set each BatchNorm's running statistics to those of one whole epoch (makemore part 3).

    The running ones lag behind weights that still move; both agree to about 1e-3 at the end.
    """
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm1d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.eval()  # dropout has no part in it, nor draws that would hang on what was drawn before
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        for number in range(batches.per_epoch):
            for inputs, _ in batches(number):
                model(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
