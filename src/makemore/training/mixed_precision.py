"""Mixed precision: wide models on a card multiply their matrices in bfloat16, losses in float32.

A card multiplies numbers of 16 bits some ten times as fast as those of 32 bits. bfloat16 has the
range of float32 with 8 bits of precision: enough for products, where errors average out, and too
few for sums of many losses or for weights that change by a thousandth. So weights, their gradients
and the loss stay float32.

Paper: Micikevicius et al. 2018, Mixed Precision Training
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from makemore.models import NeuralModel

WIDE = 256  # rows and columns from which on a product is worth converting its matrices


def is_wide(shape: torch.Size | tuple[int, ...]) -> bool:
    """Tell whether matrices (..., rows, columns) are so large that bfloat16 pays on a card."""
    return min(shape[-2:]) >= WIDE


def uses_bfloat16(model: NeuralModel) -> bool:
    """Tell whether a model's matrices are multiplied in bfloat16: on a card, if all are wide.

    Not cells, whose rounding errors add up from step to step, nor BatchNorm, whose variances are
    differences of large sums.
    """
    if model.device.type != "cuda":
        return False
    if any(isinstance(layer, (nn.RNNBase, nn.BatchNorm1d)) for layer in model.modules()):
        return False
    matrices = [model.get_parameter(name).shape for name in model.matrices()]
    return bool(matrices) and all(map(is_wide, matrices))


def logits_of(model: NeuralModel, inputs: Tensor) -> Tensor:
    """Compute the logits (..., V) of inputs for training, in bfloat16 where that pays."""
    if not uses_bfloat16(model):
        return model(inputs)
    # No cache: a replay would multiply by the weights as they were converted at the capture.
    with torch.autocast(model.device.type, torch.bfloat16, cache_enabled=False):
        logits = model(inputs)
    return logits.float()
