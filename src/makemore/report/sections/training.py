"""The training of a run as charts: losses, rate, size of the updates, saturation, histograms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from makemore.analysis.diagnostics import Watch, activations
from makemore.api import MakeMore
from makemore.models import NeuralModel
from makemore.report.page import Chart, LeftOut, Part
from makemore.report.plots import training as of_training
from makemore.runs import Run

WATCH = "the training was not watched: train with --watch"


def training(
    maker: MakeMore, run: Run, logs: Sequence[Any], looks: Sequence[Any]
) -> Iterator[Part]:
    """Yield curves of losses, rate, saturation and ratios; histograms."""
    kinds = {entry["kind"] for entry in logs if entry.get("nll") is not None}
    if kinds & {"batch", "train"}:
        data = (logs, math.log(len(maker.vocabulary)), run.progress["best_step"])
        yield Chart("losses", "Losses", "Batch, training and validation loss by step; where the "
                    "dotted line is, guessing would be.", of_training.losses, data)  # fmt: skip
    if "batch" in kinds:
        yield Chart("batch-loss", "Batch loss, smoothed", "On a scale of log10 even the late gains "
                    "can be seen.", of_training.batch_loss, (logs,))  # fmt: skip
        yield Chart("learning-rate", "Learning rate", "The schedule, as it was.",
                    of_training.learning_rate, (logs,))  # fmt: skip
    else:
        yield LeftOut("batch loss, learning rate", "no step was logged (--log-interval)")
    what = "update : data and gradient : data ratios by step"
    if not any(entry["kind"] == "update" for entry in looks):
        yield LeftOut(what, WATCH)
    elif not of_training.by_parameter(looks, "update"):
        yield LeftOut(what, "the model has no matrix that moved")
    else:
        yield Chart("ratios", "Size of the updates", "How far a step moves each matrix, in its own "
                    "deviations (log10). -3 is the guide for SGD and AdamW; far above, a step "
                    "overwrites what was learned, far below, it learns next to nothing.",
                    of_training.ratios, (looks,))  # fmt: skip
    yield from _activations(maker, run, looks)


def _activations(maker: MakeMore, run: Run, looks: Sequence[Any]) -> Iterator[Part]:
    """Yield the saturation by step and the last histograms; of an unwatched run, today's."""
    seen = [entry for entry in looks if entry["kind"] == "activations"]
    last, when = (seen[-1]["layers"], seen[-1]["step"]) if seen else (None, 0)
    if last is None:  # not watched: the model as it is can still be looked at
        last, when = _activations_now(maker), run.progress["best_step"]
    if not last:
        yield LeftOut("activations, saturation", "the model has no tanh or other nonlinearity")
        return
    if seen:
        yield Chart("saturation", "Saturation and dead units", "A saturated value passes next to "
                    "no gradient back; a dead unit passes none for any input of the batch.",
                    of_training.saturation, (seen,))  # fmt: skip
    else:
        yield LeftOut("saturation and dead units by step", WATCH)
    yield Chart("histograms", "Activations and gradients", "What comes out of each nonlinearity on "
                "one batch, and the gradients that reach it: alike in all layers is healthy.",
                of_training.histograms, (last, when))  # fmt: skip


def _activations_now(maker: MakeMore) -> list[dict[str, Any]]:
    """Measure the activations of the best weights, as a watched training would have."""
    watch, model = Watch.of(maker), maker.model_
    if watch is None or not isinstance(model, NeuralModel):
        return []
    with maker.evaluation():
        return [asdict(layer) for layer in activations(model, watch.probe)]
