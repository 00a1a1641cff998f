"""Diagnostics: what goes on inside a model while it learns, in numbers and in words.

Activations, gradients and how far each step moves a parameter are those of makemore's lecture 3.
They are taken from outside: from the events of `fit`, between which the gradients stay on the
model, and from a pass of one probe batch under a Trace. The loop holds no hook, and a training that
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

from makemore.analysis.trace import nonlinearities, traced
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
    """The outputs of one nonlinearity in one pass, and the gradients that reach them."""

    name: str
    function: str
    mean: float
    std: float
    saturated: float | None  # share of |tanh| > 0.97; None for what does not saturate
    dead: float  # share of units that pass no gradient back for any input of the batch
    gradient: float  # deviation of d loss / d output
    edges: list[float]  # (BINS + 1,)
    counts: list[int]  # (BINS,)
    gradient_edges: list[float]
    gradient_counts: list[int]


@contextmanager
def probing(model: NeuralModel) -> Iterator[None]:
    """As in training, but without dropout, and with every buffer given back as it was.

    BatchNorm goes by the batch, as the training steps do; its running statistics stay.
    """
    was = {module: module.training for module in model.modules()}
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.train()
    try:
        yield
    finally:
        for module, training in was.items():
            module.training = training
        for name, value in model.named_buffers():
            value.data.copy_(buffers[name])


def activations(model: NeuralModel, groups: Sequence[Group]) -> list[Activation]:
    """Activations and their gradients on a batch (groups of inputs and targets), layer by layer.

    The gradients are those of the mean loss of the largest group; the model's own stay as they are.
    """
    inputs, targets = max(groups, key=lambda group: group[0].numel())
    with probing(model), torch.enable_grad():
        logits, calls = traced(model, inputs)
        found = [call for call in nonlinearities(calls) if call.output.requires_grad]
        if not found:
            return []
        gradients = torch.autograd.grad(
            nll(logits, targets), [call.output for call in found], allow_unused=True
        )
    seen = targets.flatten() >= 0 if model.input_kind == "sequence" else None  # no padding
    return [
        _activation(call.name, call.function.split()[0], call.output, gradient, seen)
        for call, gradient in zip(found, gradients, strict=True)
    ]


def _activation(
    name: str, function: str, output: Tensor, gradient: Tensor | None, seen: Tensor | None
) -> Activation:
    values = output.detach().flatten(0, -2)  # (N, units)
    slopes = torch.zeros_like(values) if gradient is None else gradient.flatten(0, -2)
    if seen is not None and len(seen) == len(values):
        values, slopes = values[seen], slopes[seen]
    flat = _closed(function, values)
    edges, counts = _histogram(values)
    gradient_edges, gradient_counts = _histogram(slopes)
    return Activation(
        name, function, float(values.mean()), _std(values),
        None if function in ("relu", "gelu") else float(flat.float().mean()),
        float(flat.all(0).float().mean()), _std(slopes),
        edges, counts, gradient_edges, gradient_counts,
    )  # fmt: skip


def _closed(function: str, values: Tensor) -> Tensor:
    """Where a nonlinearity is so flat that next to no gradient comes back through it."""
    if function in ("relu", "gelu"):
        return values <= 0 if function == "relu" else values.abs() < 1e-4
    if function == "sigmoid":
        return (values > SATURATED) | (values < 1 - SATURATED)
    return values.abs() > SATURATED


def _std(values: Tensor) -> float:
    return float(values.std()) if values.numel() > 1 else 0.0


def _histogram(values: Tensor) -> tuple[list[float], list[int]]:
    counts, edges = np.histogram(values.cpu().numpy().ravel(), BINS)
    return [float(f"{edge:.5g}") for edge in edges], counts.tolist()


def updates(model: NeuralModel, before: Mapping[str, Tensor]) -> dict[str, dict[str, float | None]]:
    """How far the last step moved each matrix, in log10 of the matrix's own deviation.

    update: std(after - before) / std(before), whatever the optimizer (for SGD without momentum it
    is the rate times the gradient); gradient: std(gradient) / std(before). About -3 is healthy:
    far above, a step overwrites what was learned; far below, it learns next to nothing (part 3).
    """
    found = {}
    for name, parameter in model.named_parameters():
        if name not in before:
            continue
        start, after = before[name], parameter.detach()
        gradient = parameter.grad
        found[name] = {
            "update": _ratio(after - start, start),
            "gradient": None if gradient is None else _ratio(gradient, start),
        }
    return found


def _ratio(change: Tensor, data: Tensor) -> float | None:
    scale = _std(data)
    ratio = _std(change) / scale if scale else 0.0
    return round(math.log10(ratio), 4) if ratio > 0 else None


def parameters_of(model: NeuralModel) -> dict[str, Tensor]:
    """A copy of each matrix as it is: what `updates` compares with."""
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2
    }


def embedding_of(model: Any) -> NDArray[np.float64] | None:
    """(V, n_embd) the table of the symbols; None for a model without one.

    A model may have others, of places: that of the symbols is called `embedding`, or is the only
    one with a row for each symbol.
    """
    if not isinstance(model, NeuralModel):
        return None
    tables = {
        name: part.weight
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding)
        and part.num_embeddings == model.vocab_size + model.n_labels
    }
    table = tables.get("embedding")
    if table is None and len(tables) == 1:
        table = next(iter(tables.values()))
    if table is None:
        return None
    symbols = table.detach()[: model.vocab_size]  # without the labels' rows
    return symbols.cpu().double().numpy()


def frequencies(maker: MakeMore) -> NDArray[np.int64]:
    """(V,) how often each id stands in the training lines; the boundary once a line."""
    train, vocabulary = maker.split.train, maker.vocabulary
    counts = np.bincount(vocabulary.encode(train).ids, minlength=len(vocabulary))
    counts[0] = len(train)
    return counts


def most_frequent(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The boundary and the most frequent other ids, in the order of the ids; `most` in all."""
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
        """The watch of a training that has begun; None for a model that takes no steps itself."""
        plan, model = maker.plan_, maker.model_
        if plan is None or not isinstance(model, NeuralModel) or plan.kind.is_ensemble:
            return None
        frequent = most_frequent(frequencies(maker), MOST_SYMBOLS + 1).tolist()
        symbols = {0: "."} | {n: plan.vocabulary.decode([n]) for n in frequent if n}
        return cls(model, symbols, maker.batches()(0), plan.recipe.max_steps or 1)

    def see(self, event: Event) -> Iterator[dict[str, Any]]:
        """The entries that this event gives rise to: at every evaluation and about 100 steps."""
        if isinstance(event, Step):
            step, (after, before) = event.step, self.before
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
                rows = [[float(f"{x:.4g}") for x in table[number]] for number in self.symbols]
                yield {
                    "kind": "embedding", "step": event.step,
                    "symbols": list(self.symbols.values()), "vectors": rows,
                }  # fmt: skip


def overfit_batch(maker: MakeMore, steps: int) -> Iterator[tuple[int, float, float]]:
    """Learn one batch by heart: yields (step, loss, the lowest loss there can be), nats a symbol.

    A model and a loop that are right come near the lowest; one that cannot has a bug, or is too
    small, or its rate is wrong (makemore part 2: 32 examples go from 17 to almost nothing). The
    lowest is above 0 where one context is followed by different symbols. Raises UsageError for a
    model that only counts. The maker's model is changed.
    """
    batch, model, plan = maker.batches(ONE_BATCH)(0), maker.model_, maker.plan_
    assert plan is not None and isinstance(model, NeuralModel)  # noqa: S101 (it has batches)
    recipe = dataclasses.replace(plan.recipe, max_steps=steps)
    lowest = lowest_loss(batch)
    for event in train_steps(model, make_optimizers(model, recipe), lambda _: batch, recipe):
        yield event.step, float(event.loss), lowest


def lowest_loss(groups: Sequence[Group]) -> float:
    """Nats a symbol: what nobody could beat who sees each context whole, and knows all answers.

    The entropy of the symbol after each distinct context of the batch. Of lines that stand in a
    row one after another, the context begins at the boundary or label that a line starts with.
    """
    answers: dict[tuple[int, ...], Counter[int]] = {}
    for inputs, targets in groups:
        for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
            pairs, first = [(row, wanted)] if isinstance(wanted, int) else [], 0
            for place, target in enumerate(wanted if isinstance(wanted, list) else ()):
                # A target that is an end, or none, is the last of its line.
                pairs.append((row[first : place + 1], target))
                first = place + 1 if target in (0, IGNORED) else first
            for context, target in pairs:
                if target != IGNORED:
                    answers.setdefault(tuple(context), Counter())[target] += 1
    total = sum(sum(found.values()) for found in answers.values())
    return sum(
        count * math.log(sum(found.values()) / count)
        for found in answers.values()
        for count in found.values()
    ) / max(1, total)
