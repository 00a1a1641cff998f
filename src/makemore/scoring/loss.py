"""The loss: negative log-likelihood and cross-entropy, in nats a symbol."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from makemore.scoring.line_tensors import IGNORED


def nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood, nats a symbol, over targets that are not -1.

    logits (..., V), targets (...). The sum of -log p(target) by the softmax of the logits.
    """
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def cross_entropy(logits: Tensor, soft: Tensor) -> Tensor:
    """Mean of -sum(p log q), nats a symbol: p the soft targets, q by the softmax of the logits.

    logits, soft (..., V). Rows of soft that are 0 ask for nothing, and do not count.
    """
    total = F.cross_entropy(logits.flatten(0, -2), soft.flatten(0, -2), reduction="sum")
    return total / soft.sum()
