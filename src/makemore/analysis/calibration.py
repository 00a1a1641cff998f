"""Calibration: whether what a model predicts with probability 0.3 comes true in 30 % of cases.

Paper: Guo et al. 2017, On Calibration of Modern Neural Networks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.analysis.context import parts_of
from makemore.api import MakeMore
from makemore.models import CountModel, Model, NeuralModel
from makemore.models.core.base import log_softmax
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.text import Corpus

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


BINS = 10  # of a probability, each a tenth wide
CHUNK = 2**21  # probabilities that are in memory at once


@dataclass
class Calibration:
    """Counts how often predictions came true, by bins of the predicted probability.

    likeliest: only the most probable symbol at each position; its bins give the expected
    calibration error (Guo et al. 2017). every: all symbols at all positions.
    """

    likeliest: Floats  # (BINS, 3): count of predictions, sum of probabilities, times it came
    every: Floats  # (BINS, 3)

    @classmethod
    def empty(cls) -> Calibration:
        return cls(np.zeros((BINS, 3)), np.zeros((BINS, 3)))

    def add(self, probabilities: Floats, targets: Ints) -> None:
        """Add predictions (N, V) and the symbols that came, targets (N,), to the bins."""
        came = targets[:, None] == np.arange(probabilities.shape[1])  # (N, V), one True a row
        best = np.arange(len(targets)), probabilities.argmax(1)
        self.likeliest += _binned(probabilities[best], came[best])
        self.every += _binned(probabilities.ravel(), came.ravel())

    @property
    def error(self) -> float:
        """Compute the expected calibration error: the mean of |rate that came - probability|."""
        count, expected, came = self.likeliest.T
        return float(np.abs(came - expected).sum() / max(1.0, count.sum()))


def _binned(probabilities: Floats, came: NDArray[np.bool_]) -> Floats:
    """Sum predictions (n,) by bins: their count, their probabilities, and which came (BINS, 3)."""
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)  # 1.0 is in the last
    sums = [np.bincount(bins, weights, BINS) for weights in (None, probabilities, came)]
    return np.stack(sums, axis=1).astype(np.float64)


def calibrate(maker: MakeMore, corpus: Corpus) -> Calibration:
    """Compare the predictions of every symbol of these lines with what came, by probability.

    Of lines that are longer than the model's block_size, its first block_size symbols. Raises
    UsageError if nothing was learned yet.
    """
    (model, _), counted = parts_of(maker), Calibration.empty()
    text, labels = maker.vocabulary.encode(corpus), maker.vocabulary.encode_labels(corpus)
    device = model.device if isinstance(model, NeuralModel) else "cpu"
    lines = LineTensors(text.ids, text.offsets, model.input_kind, model.block_size, device, labels)
    with maker.evaluation():
        for inputs, targets in _batches(lines, model):
            if isinstance(model, CountModel):
                logits = model.forward(inputs.numpy())
            else:
                logits = model(inputs).float().cpu().numpy()  # type: ignore[operator]
            came = targets.cpu().numpy()
            seen = came != IGNORED  # without padding
            counted.add(np.exp(log_softmax(logits[seen])), came[seen])
    return counted


def _batches(lines: LineTensors, model: Model) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and all targets of these lines, as many as have CHUNK probabilities."""
    most = max(1, CHUNK // model.vocab_size)
    if model.input_kind == "window":
        ends = lines.ends()
        for start in range(0, len(ends), most):
            yield lines.windows(torch.from_numpy(ends[start : start + most]).to(lines.device))
        return
    longest = int(lines.lengths.max()) + 1
    limit = min(longest, model.block_size) if model.limited else longest
    size = max(1, most // limit)
    for start in range(0, len(lines), size):
        yield lines.sequences(np.arange(start, min(start + size, len(lines))), limit)
