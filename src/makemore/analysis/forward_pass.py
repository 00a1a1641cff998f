"""Forward pass: one pass through a model, from the ids of a context to the loss of what came.

The notes' example, for the word `emma`: x = [5, 13, 13] -> embedding -> concatenation -> hidden ->
logits -> probabilities, and loss = -log(probs[1]). This shows every call of any model, its values
and a name for each dimension; and of n-gram counts, what each length of context adds.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
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
from makemore.analysis.trace import Call, traced
from makemore.api import MakeMore, Plan
from makemore.errors import UsageError
from makemore.models import CountModel
from makemore.models.core.base import log_softmax
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.ngram import NGram
from makemore.options import options_of
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY, UNKNOWN
from makemore.training.device import seeded


@dataclass(frozen=True)
class Step:
    """Holds a call of a forward pass. dimensions: a name (or the size) for each dimension."""

    module: str
    function: str
    dimensions: tuple[str, ...]
    values: NDArray[Any]

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
    """

    context: tuple[Symbol, ...]
    whole: bool
    count: int
    total: int
    discount: float
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
    maker: MakeMore, text: str, at: int | None = None, label: str | None = None
) -> Pass:
    """Trace the pass that predicts symbol `at` of a line (from 1; one past the last is its end).

    Without `at` it is the last symbol, as the notes trace `emma`: from `emm` to `a`. Without
    `label` it is the most probable one, where the lines had labels. Raises UsageError for a
    position that the line has not, for a symbol or label that the model lacks.
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
            steps = [Step("", "forward", ("N", "V"), model.forward(inputs))]
        else:
            steps = _neural_steps(model, plan, inputs)
    counts = model.table_of(start) if isinstance(model, PerLabelCounts) else model
    levels = _levels(counts, plan.vocabulary, before, target) if isinstance(counts, NGram) else []
    logits = steps[-1].at_last().reshape(-1, len(plan.vocabulary))[-1:]  # (1, V)
    probabilities = np.exp(log_softmax(logits))[0]
    batch = ("N", "block_size") if model.input_kind == "window" else ("B", "T")
    return Pass(
        context_of(model, plan.vocabulary, before, start),
        symbol_of(plan.vocabulary, target),
        target,
        (Step("", "ids", batch, inputs), *steps, Step("", "softmax", ("V",), probabilities)),
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


def _neural_steps(model: Any, plan: Plan, inputs: NDArray[np.int64]) -> list[Step]:
    """Run a neural network on inputs (1, block_size) or (1, T), and name what it computes."""
    calls = _calls(model, torch.from_numpy(inputs).to(model.device))
    shapes = [tuple(call.output.shape) for call in calls]
    names = dimensions(plan, inputs.shape[1], [call.function for call in calls], shapes)
    return [
        Step(call.module, call.function, named, call.output.detach().cpu().numpy())
        for call, named in zip(calls, names, strict=True)
    ]


def _calls(model: Any, inputs: torch.Tensor) -> list[Call]:
    """Trace the calls up to the one that gives the logits; what follows is the next state."""
    logits, calls = traced(model, inputs)
    ends = [index for index, call in enumerate(calls) if call.output is logits]
    return calls[: ends[-1] + 1] if ends else [*calls, Call("", "logits", logits)]


# -- names of dimensions --------------------------------------------------------------------------

# A dimension that grows by this factor when a size is doubled, holds the size to this power.
POWERS = {1: 0, 2: 1, 4: 2, 0.5: -1}


def dimensions(
    plan: Plan, length: int, functions: list[str], shapes: list[tuple[int, ...]]
) -> list[tuple[str, ...]]:
    """Name each dimension by what it grows with: a model's file names none.

    The model is built again without memory, each time with one size doubled: what is twice as wide
    with n_embd doubled is called n_embd, or `4 * n_embd` if it is that. What follows no size, or in
    another way, is named by its size.
    """
    batch = "N" if plan.kind.input_kind == "window" else "B"
    sizes = {batch: 1, **({"T": length} if batch == "B" else {}), "V": len(plan.vocabulary)}
    for name, option in options_of(plan.kind.Options).items():
        if option.type is int and getattr(plan.options, name):
            sizes[name] = getattr(plan.options, name)
    twins = {name: _twin(plan, sizes, name) for name in sizes}
    # A twin that calls other functions, or gives other dimensions, says nothing about these.
    same = (functions, [len(shape) for shape in shapes])
    twins = {name: twin for name, twin in twins.items()
             if ([f for f, _ in twin], [len(shape) for _, shape in twin]) == same}  # fmt: skip
    return [
        tuple(
            _name(size, {name: twin[call][1][axis] for name, twin in twins.items()}, sizes)
            for axis, size in enumerate(shape)
        )
        for call, shape in enumerate(shapes)
    ]


def _twin(plan: Plan, sizes: dict[str, int], doubled: str) -> list[tuple[str, tuple[int, ...]]]:
    """Compute functions and shapes of a pass with one size doubled; [] where that fails."""
    kind: Any = plan.kind
    now = {name: 2 * size if name == doubled else size for name, size in sizes.items()}
    of_model = {name: size for name, size in now.items() if hasattr(plan.options, name)}
    options = dataclasses.replace(plan.options, **of_model)
    block = plan.config.block_size
    if kind.input_kind == "window":
        block = kind.context_for(options, 0) + bool(plan.vocabulary.labels)
    elif kind.limited:
        block = max(block, now["T"])
    try:
        # On the device "meta" tensors have shapes and no values.
        with seeded(0), torch.device("meta"), torch.no_grad():
            model = kind(now["V"], block, options).eval()
            rows = now["N" if kind.input_kind == "window" else "B"]
            calls = _calls(model, torch.zeros(rows, now.get("T", block), dtype=torch.long))
    except Exception:  # a plugin may do what cannot be done without values: no names, then
        return []
    return [(call.function, tuple(call.output.shape)) for call in calls]


def _name(size: int, doubled: dict[str, int], sizes: dict[str, int]) -> str:
    """Name a dimension: `4 * n_embd` for 256 where n_embd is 64; its size if it follows nothing.

    doubled: the size of this dimension where each of `sizes` is doubled
    """
    powers = {name: POWERS.get(twice / max(size, 1)) for name, twice in doubled.items()}
    known = {name: power for name, power in powers.items() if power is not None}
    names = [name for name, power in known.items() for _ in range(power)]
    if not names or len(known) < len(powers):
        return str(size)
    factor = Fraction(size) / math.prod(
        Fraction(sizes[name]) ** power for name, power in known.items()
    )
    above = names if factor.numerator == 1 else [str(factor.numerator), *names]
    below = [name for name, power in known.items() if power < 0]
    below = below if factor.denominator == 1 else [str(factor.denominator), *below]
    return " / ".join([" * ".join(above), *below])


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
                Level(context, whole, count, total, discount, weight, backoff, probability)
            )
        if node == unseen:
            break
    return levels
