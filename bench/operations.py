"""Operations that a model needs: what its matrices and its attention multiply and add, no more.

Counted are the symbols themselves, without padding, and of attention each query with the keys up to
its own place. Not counted: embeddings (they are looked up), norms, gates, tanh, softmax, the
optimizer. What is counted over what a large product of matrices reaches is the share of the peak
that arrives in the model (MFU: Chowdhery et al. 2022, PaLM, appendix B).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.models.core.neural import NeuralModel
from makemore.models.transformer import Transformer
from makemore.scoring.line_tensors import IGNORED

FORWARD, TRAINING = 1, 3  # the way back costs two products for each one of the way forward


def matrix_parameters(model: NeuralModel) -> int:
    """Weights that multiply every symbol: all matrices, the head's too, but no table of ids."""
    tables = [part.weight for part in model.modules() if isinstance(part, nn.Embedding)]
    matrices = (weight for weight in model.parameters() if weight.ndim == 2)
    return sum(m.numel() for m in matrices if not any(m is table for table in tables))


def operations(model: NeuralModel, targets: NDArray[np.int64], passes: int) -> float:
    """targets (n,) a line, end included -> multiplications and additions; passes: 1, or 3 to train.

    2 * passes for each matrix parameter and target. Attention: q k and weights v, each two
    operations a channel and pair, for the targets * (targets + 1) / 2 pairs of each line.
    """
    total = 2.0 * passes * matrix_parameters(model) * float(targets.sum())
    if isinstance(model, Transformer):
        pairs = float((targets * (targets + 1) // 2).sum())
        total += 4.0 * passes * model.options.n_layer * model.options.n_embd * pairs
    return total


def targets_of(groups: list[tuple[Tensor, Tensor]]) -> NDArray[np.int64]:
    """(n,) targets of each line of a batch, padding left out; of windows, one each."""
    counts = [(targets != IGNORED).reshape(len(targets), -1).sum(1) for _, targets in groups]
    return np.concatenate([count.cpu().numpy() for count in counts]).astype(np.int64)
