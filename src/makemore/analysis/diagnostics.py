"""Diagnostics: what goes on inside a model while it learns, in numbers and in words.

Activations, gradients and how far each step moves a parameter are those of makemore's lecture 3.
They are read from outside: from the events of `fit`, between which the gradients stay on the
model, and from a pass of one probe batch under a Trace. The loop has no hook, and a training that
is watched ends with the same weights as one that is not.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.analysis.trace import Call, nonlinearities, traced
from makemore.api import MakeMore
from makemore.models import NeuralModel
from makemore.scoring import nll
from makemore.scoring.line_tensors import IGNORED
from makemore.training import Evaluated, Step, train_steps
from makemore.training.events import Event
from makemore.training.optimizers import make_optimizers

SATURATED = 0.97  # |tanh| beyond which next to no gradient comes back (makemore part 3)
BINS = 50
UPDATES = 100  # steps of a training at which updates are measured
MOST_SYMBOLS = 100  # whose embeddings are kept
ONE_BATCH = 32  # lines or windows that are learned by heart


Group = tuple[Tensor, Tensor]  # inputs, targets


@dataclass(frozen=True)
class Activation:
    """Summarizes the outputs of one nonlinearity in one pass, and the gradients at them."""

    name: str
    function: str
    mean: float
    std: float
    saturated: float | None  # fraction of |tanh| > 0.97; None for what does not saturate
    dead: float  # fraction of units that pass no gradient back for any input of the batch
    gradient: float  # standard deviation of d loss / d output
    edges: list[float]  # (BINS + 1,)
    counts: list[int]  # (BINS,)
    gradient_edges: list[float]
    gradient_counts: list[int]


@contextmanager
def probing(model: NeuralModel) -> Iterator[None]:
    """Set a model as in training, but without dropout, inside `with`; restore modes and buffers.

    BatchNorm goes by the batch, as the training steps do; its running statistics stay.
    """
    # Each module's own mode: a plugin may hold one of them in evaluation mode.
    was = {module: module.training for module in model.modules()}
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.eval()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.RNNBase)):
            module.train()  # cuDNN's cells give gradients in this mode alone; they drop nothing
    try:
        yield
    finally:
        for module, training in was.items():
            module.training = training
        for name, value in model.named_buffers():
            value.data.copy_(buffers[name])


def activations(model: NeuralModel, groups: Sequence[Group]) -> list[Activation]:
    """Measure activations and their gradients on a batch (groups of inputs, targets) by layer.

    The gradients are those of the mean loss of the largest group; the model's own stay as they are.
    """
    inputs, targets = max(groups, key=lambda group: group[0].numel())
    with probing(model), torch.enable_grad():
        logits, calls = traced(model, inputs)
        calls = [call for call in nonlinearities(calls) if call.output.requires_grad]
        if not calls:
            return []
        # torch.autograd.grad returns the gradients, and leaves those of the parameters alone.
        gradients = torch.autograd.grad(
            nll(logits, targets), [call.output for call in calls], allow_unused=True
        )
    seen = targets.flatten() >= 0 if model.input_kind == "sequence" else None  # no padding
    return [_activation(*pair, seen) for pair in zip(calls, gradients, strict=True)]


def _activation(call: Call, gradient: Tensor | None, seen: Tensor | None) -> Activation:
    """Summarize a call's output (..., units) and its gradient. seen: (N,) False is padding."""
    function, output = call.function.split()[0], call.output  # `tanh 2` -> `tanh`
    values = output.detach().flatten(0, -2)  # (N, units)
    slopes = torch.zeros_like(values) if gradient is None else gradient.flatten(0, -2)
    if seen is not None and len(seen) == len(values):
        values, slopes = values[seen], slopes[seen]
    flat = _is_flat(function, values)
    return Activation(
        call.name, function, float(values.mean()), _std(values),
        None if function in ("relu", "gelu") else float(flat.float().mean()),
        float(flat.all(0).float().mean()), _std(slopes), *_histogram(values), *_histogram(slopes),
    )  # fmt: skip


def _is_flat(function: str, values: Tensor) -> Tensor:
    """Tell where a nonlinearity is so flat that next to no gradient comes back through it."""
    if function in ("relu", "gelu"):
        return values <= 0 if function == "relu" else values.abs() < 1e-4
    if function == "sigmoid":
        return (values > SATURATED) | (values < 1 - SATURATED)
    return values.abs() > SATURATED


def _std(values: Tensor) -> float:
    """Compute the standard deviation; 0 of a single value, where torch gives nan."""
    return float(values.std()) if values.numel() > 1 else 0.0


def _histogram(values: Tensor) -> tuple[list[float], list[int]]:
    """Count values in BINS bins: the edges, to 5 digits, and the counts."""
    counts, edges = np.histogram(values.cpu().numpy().ravel(), BINS)
    return [float(f"{edge:.5g}") for edge in edges], counts.tolist()


def updates(model: NeuralModel, before: Mapping[str, Tensor]) -> dict[str, dict[str, float | None]]:
    """Measure how far the last step moved each matrix, log10, in its own standard deviations.

    update: std(after - before) / std(before), whatever the optimizer (for SGD without momentum it
    is the rate times the gradient); gradient: std(gradient) / std(before). About -3 is healthy:
    far above, a step overwrites what was learned; far below, it learns next to nothing (part 3).
    """
    return {
        name: {
            "update": _ratio(parameter.detach() - before[name], before[name]),
            "gradient": _ratio(parameter.grad, before[name]),
        }
        for name, parameter in model.named_parameters()
        if name in before
    }


def _ratio(change: Tensor | None, data: Tensor) -> float | None:
    """Compute log10 of std(change) / std(data); None for 0, or without a change."""
    scale = _std(data)
    ratio = _std(change) / scale if change is not None and scale else 0.0
    return round(math.log10(ratio), 4) if ratio > 0 else None


def parameters_of(model: NeuralModel) -> dict[str, Tensor]:
    """Copy each matrix as it is now: what `updates` compares with."""
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2
    }


def embedding_of(model: Any) -> NDArray[np.float64] | None:
    """Return the symbols' embeddings (V, n_embd); None for a model without any.

    A model may have other tables, of positions: that of the symbols is called `embedding`, or is
    the only one with a row for each symbol.
    """
    if not isinstance(model, NeuralModel):
        return None
    tables = {
        name: part.weight
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding)
        and part.num_embeddings == model.vocab_size + model.n_labels
    }
    only = next(iter(tables.values())) if len(tables) == 1 else None
    table = tables.get("embedding", only)
    # The labels have rows, too, after those of the symbols.
    return None if table is None else table.detach()[: model.vocab_size].cpu().double().numpy()


def frequencies(maker: MakeMore) -> NDArray[np.int64]:
    """Count how often each id occurs in the training lines (V,); the boundary once a line."""
    train, vocabulary = maker.split.train, maker.vocabulary
    counts = np.bincount(vocabulary.encode(train).ids, minlength=len(vocabulary))
    counts[0] = len(train)
    return counts


def most_frequent(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Choose the boundary and the most frequent other ids, `most` in all, ascending."""
    # A stable sort: of equally frequent symbols always the same ones.
    others = 1 + np.argsort(-counts[1:], kind="stable")[: most - 1]
    return np.concatenate([[0], np.sort(others)])


class Watch:
    """Consumes the events of a training and gives the entries of diagnostics.jsonl.

        watch = Watch(model, symbols, probe, max_steps)
        for event in fit(...):
            for entry in watch.see(event): ...

    symbols: by id, whose embeddings are kept; probe: a batch whose activations are looked at
    """

    def __init__(
        self, model: NeuralModel, symbols: Mapping[int, str], probe: Sequence[Group], steps: int
    ) -> None:
        self.model, self.symbols, self.probe = model, symbols, probe
        self.every = max(1, steps // UPDATES)
        self.before: tuple[int, dict[str, Tensor]] = -1, {}  # after which step, the matrices then

    @classmethod
    def of(cls, maker: MakeMore) -> Watch | None:
        """Make the watch of a training that has begun; None for a model that takes no steps."""
        plan, model = maker.plan_, maker.model_
        if plan is None or not isinstance(model, NeuralModel) or plan.kind.is_ensemble:
            return None
        frequent = most_frequent(frequencies(maker), MOST_SYMBOLS + 1).tolist()
        symbols = {0: "."} | {n: plan.vocabulary.decode([n]) for n in frequent if n}
        return cls(model, symbols, maker.batches()(0), plan.recipe.max_steps or 1)

    def see(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the entries of this event: at every evaluation, and at about 100 steps."""
        if isinstance(event, Step):
            step, (after, before) = event.step, self.before
            # An update needs the matrices of exactly one step before; a resumed run has none.
            if (step % self.every == 0 or step == 1) and after == step - 1:
                yield {
                    "kind": "update", "step": step, "lr": event.learning_rate,
                    "loss": float(event.loss), "parameters": updates(self.model, before),
                }  # fmt: skip
            if (step + 1) % self.every == 0:
                self.before = step, parameters_of(self.model)
        elif isinstance(event, Evaluated):
            if event.step == 0:
                self.before = 0, parameters_of(self.model)
            layers = [asdict(layer) for layer in activations(self.model, self.probe)]
            yield {"kind": "activations", "step": event.step, "layers": layers}
            table = embedding_of(self.model)
            if table is not None:
                rows = [[float(f"{x:.4g}") for x in table[id]] for id in self.symbols]
                yield {
                    "kind": "embedding", "step": event.step,
                    "symbols": list(self.symbols.values()), "vectors": rows,
                }  # fmt: skip


def overfit_batch(maker: MakeMore, steps: int) -> Iterator[tuple[int, float, float]]:
    """Learn one batch by heart: yields (step, loss, the lowest possible loss), nats a symbol.

    A correct model in a correct loop comes near the lowest; one that does not has a bug, is too
    small, or has a wrong learning rate (makemore part 2: 32 examples go from 17 to almost nothing).
    The lowest is above 0 where one context is followed by different symbols. Raises UsageError for
    a model that only counts. The maker's model is changed.
    """
    # The first batch, again and again: the loop cannot tell it from the usual ones.
    batch, model, plan = maker.batches(ONE_BATCH)(0), maker.model_, maker.plan_
    assert plan is not None and isinstance(model, NeuralModel)  # noqa: S101 (it has batches)
    recipe = dataclasses.replace(plan.recipe, max_steps=steps)
    lowest = lowest_loss(batch)
    for event in train_steps(model, make_optimizers(model, recipe), lambda _: batch, recipe):
        yield event.step, float(event.loss), lowest


def lowest_loss(groups: Sequence[Group]) -> float:
    """Compute the lowest loss, nats a symbol, of any model that sees each context whole.

    It is the entropy of the symbol after each distinct context of the batch. Of lines packed into
    one row, the context begins at the boundary or label that a line starts with.
    """
    answers: dict[tuple[int, ...], Counter[int]] = {}
    for inputs, targets in groups:
        for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
            pairs, first = [(row, wanted)] if isinstance(wanted, int) else [], 0
            for position, target in enumerate(wanted if isinstance(wanted, list) else ()):
                # A target that is an end, or none, is the last of its line.
                pairs.append((row[first : position + 1], target))
                first = position + 1 if target in (0, IGNORED) else first
            for context, target in pairs:
                if target != IGNORED:
                    answers.setdefault(tuple(context), Counter())[target] += 1
    total = sum(counts.total() for counts in answers.values())
    return sum(
        count * math.log(counts.total() / count)
        for counts in answers.values()
        for count in counts.values()
    ) / max(1, total)
