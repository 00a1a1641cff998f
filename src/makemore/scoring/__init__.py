"""Scoring: the training loss, and the negative log-likelihood (nll) of lines under a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.scoring.loss import nll
    from makemore.scoring.neural_scorer import eval_mode
    from makemore.scoring.scorer import Scores, score, surprisals

__all__ = ["Scores", "eval_mode", "nll", "score", "surprisals"]

# Imported when first used: models of counts are scored without torch.
__getattr__ = late_names(
    __name__,
    {
        "nll": "loss",
        "score": "scorer",
        "Scores": "scorer",
        "surprisals": "scorer",
        "eval_mode": "neural_scorer",
    },
)
