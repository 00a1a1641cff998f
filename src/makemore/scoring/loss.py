"""The loss: negative log-likelihood and cross-entropy, in nats a symbol.

A nat is the unit of the natural logarithm, 1.44 bits. A model that gives 27 symbols the same
probability has log 27 = 3.30 nats a symbol.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from makemore.scoring.line_tensors import IGNORED


def nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean negative log-likelihood, nats a symbol, of the targets that are not -1.

    logits (..., V), targets (...) -> scalar: the mean of -log softmax(logits)[target]
    """
    # -1 marks padding after a line's end: it adds nothing to the sum, nor to the count.
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def cross_entropy(logits: Tensor, soft: Tensor) -> Tensor:
    """Compute the mean cross-entropy -sum(p log q), nats a symbol, p soft and q softmax(logits).

    logits, soft (..., V) -> scalar. A row of soft adds up to 1, or is all 0 and does not count.
    """
    total = F.cross_entropy(logits.flatten(0, -2), soft.flatten(0, -2), reduction="sum")
    # The sum of soft is the number of rows that count.
    return total / soft.sum()
