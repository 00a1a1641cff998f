"""Forward pass: one pass through a model, from the ids of a context to the loss of what came.

The notes' example, for the word `emma`: x = [5, 13, 13] -> embedding -> concatenation -> hidden ->
logits -> probabilities, and loss = -log(probs[1]). This shows the steps of any model, their values
and a name for each dimension; and of n-gram counts, what each length of context adds.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.analysis.context import (
    Symbol,
    context_of,
    inputs_after,
    parts_of,
    start_of,
    symbol_of,
)
from makemore.analysis.dimensions import Compute, dimensions
from makemore.analysis.steps import all_calls, named_steps
from makemore.api import MakeMore, Plan
from makemore.errors import UsageError
from makemore.models import CountModel
from makemore.models.core.base import log_softmax
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.ngram import NGram
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY, UNKNOWN

AS_IDS = "ids = what is read, as numbers"
FROM_COUNTS = "logits = log of the probabilities that counts give"
SHAPES = {"window": ("N", "block_size"), "sequence": ("B", "T")}  # of the inputs


@dataclass(frozen=True)
class Step:
    """Holds a step of a forward pass. dimensions: a name (or the size) for each dimension.

    what: `name = formula: words`, or of any call `module function`; part: the part of the model
    input: the number of the input that a recurrent cell reads in this step, from 1 on
    """

    part: str
    what: str
    module: str
    function: str
    dimensions: tuple[str, ...]
    values: NDArray[Any]
    input: int | None = None

    @property
    def name(self) -> str:
        """Return what the formulas of later steps call it: `weights`."""
        return self.what.partition(" = ")[0]

    def at_last(self) -> NDArray[Any]:
        """Select the values (n,) of the last position, which predicts; without a T, all."""
        index: list[Any] = [0 if name in ("B", "N") else slice(None) for name in self.dimensions]
        if "T" in self.dimensions:
            index[self.dimensions.index("T")] = -1
        return np.asarray(self.values[tuple(index)]).reshape(-1)


@dataclass(frozen=True)
class Level:
    """Holds what one length of context adds: p = weight + backoff * p of the shorter context.

    whole: `count` and `total` are how often it was seen; else how many symbols it came after
    discount: what was taken off the count, for symbols that never followed the context
    added: what add-k smoothing adds to the total, k for each of V symbols
    weight = (count - discount) / (total + added)
    """

    context: tuple[Symbol, ...]
    whole: bool
    count: int
    total: int
    discount: float
    added: float
    weight: float
    backoff: float
    probability: float


@dataclass(frozen=True)
class Pass:
    """Holds a forward pass for one target. levels: only of a model of n-gram counts."""

    context: tuple[Symbol, ...]
    symbol: Symbol
    id: int
    steps: tuple[Step, ...]
    levels: tuple[Level, ...]
    probability: float

    @property
    def loss(self) -> float:
        """Compute -log of the probability, in nats."""
        return -math.log(self.probability) if self.probability > 0 else math.inf


def forward_pass(
    maker: MakeMore, text: str, at: int | None = None, label: str | None = None,
    calls: bool = False,
) -> Pass:  # fmt: skip
    """Trace the pass that predicts symbol `at` of a line (from 1; one past the last is its end).

    Without `at` it is the last symbol, as the notes trace `emma`: from `emm` to `a`. Without
    `label` it is the most probable one, where the lines had labels.

    calls: list every call of torch by its name in the code, not the steps as the papers have them
    Raises UsageError for a position that the line has not, a symbol or label that the model lacks.
    """
    model, plan = parts_of(maker)
    if plan.kind.is_ensemble:
        raise UsageError(
            "an ensemble has a pass for each member", "--trace", "explain a run of one model"
        )
    *before, target = _ids_up_to(plan.vocabulary, text, at)
    start = start_of(maker, text, label)
    inputs = inputs_after(model, before, start)
    with maker.evaluation():
        if isinstance(model, CountModel):
            steps = [Step("", FROM_COUNTS, "", "forward", ("N", "V"), model.forward(inputs))]
        else:
            steps = _neural_steps(model, plan, inputs, all_calls if calls else named_steps)
    counts = model.table_of(start) if isinstance(model, PerLabelCounts) else model
    levels = _levels(counts, plan.vocabulary, before, target) if isinstance(counts, NGram) else []
    logits = steps[-1].at_last().reshape(-1, len(plan.vocabulary))[-1:]  # (1, V)
    probabilities = np.exp(log_softmax(logits))[0]
    return Pass(
        context_of(model, plan.vocabulary, before, start),
        symbol_of(plan.vocabulary, target),
        target,
        (
            Step("", AS_IDS, "", "ids", SHAPES[model.input_kind], inputs),
            *steps,
            Step(steps[-1].part, "probs = softmax(logits)", "", "softmax", ("V",), probabilities),
        ),
        tuple(levels),
        float(probabilities[target]),
    )


def _ids_up_to(vocabulary: Vocabulary, text: str, at: int | None) -> list[int]:
    """Encode a line up to symbol `at` (from 1), or up to its last. Raises UsageError."""
    ids: list[int] = vocabulary.encode_line(text).tolist()
    at = max(1, len(ids)) if at is None else at
    if not 1 <= at <= len(ids) + 1:
        raise UsageError(
            f"there is no symbol {at} in a line of {len(ids)}", "--at",
            f"give 1 to {len(ids) + 1}; {len(ids) + 1} is the end",
        )  # fmt: skip
    if UNKNOWN in ids[:at]:
        symbol = vocabulary.pieces(text)[ids.index(UNKNOWN)]
        raise UsageError(f"the model does not know {symbol!r}", "TEXT", "use symbols of the text")
    return [*ids, BOUNDARY][:at]


def _neural_steps(
    model: Any, plan: Plan, inputs: NDArray[np.int64], compute: Compute
) -> list[Step]:
    """Run a neural network on inputs (1, block_size) or (1, T), and name what it computes."""
    if model.device.type != "cpu":
        # There attention is written out for any length; on a card a fused kernel may compute it.
        model = copy.deepcopy(model).cpu()
    steps = compute(model, torch.from_numpy(inputs))
    names = dimensions(plan, inputs.shape[1], steps, compute)
    return [
        Step(
            each.part, each.what, each.module, each.function, named,
            each.output.detach().numpy(), each.input,
        )
        for each, named in zip(steps, names, strict=True)
    ]  # fmt: skip


# -- counts ---------------------------------------------------------------------------------------


def _levels(model: NGram, vocabulary: Vocabulary, ids: list[int], target: int) -> list[Level]:
    """Compute what each length of context adds to 1 / V, shortest first, up to one never seen."""
    V, unseen = model.vocab_size, len(model.contexts) + 1
    history = [BOUNDARY, *ids]
    path, _ = model.find(inputs_after(model, ids))
    nodes = [0, *(int(node[0]) for node in path)][: len(history) + 1]
    # add-k counts k more of every symbol after a context.
    added = model.options.k * V if model.options.smoothing == "add-k" else 0
    levels, probability = [], 1 / V
    for length, node in enumerate(nodes):
        after = slice(model.starts[node], model.starts[node + 1])  # the symbols that followed it
        chosen = model.symbols[after] == target
        total = int(model.counts[after].sum())
        count = int(model.counts[after][chosen].sum())
        weight, backoff = float(model.weights[after][chosen].sum()), float(model.backoff[node])
        probability = weight + backoff * probability
        context = tuple(symbol_of(vocabulary, i) for i in history[len(history) - length :])
        starts_line = length > 0 and context[0] is None
        whole = length == model.options.order - 1 or starts_line
        if total or node == unseen:  # add-k counts whole contexts only
            discount = count - weight * (total + added)
            discount = 0.0 if abs(discount) < 1e-9 else discount  # what rounding leaves
            levels.append(
                Level(context, whole, count, total, discount, added, weight, backoff, probability)
            )
        if node == unseen:
            break
    return levels
