"""Dimensions: names the dimensions of what a forward pass computes, such as (B, T, n_embd).

A model's file names none in a way that a program can read. So the model is built again with one
size doubled, and a dimension is called by what it grows with.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from makemore.analysis.steps import Named
from makemore.api import Plan
from makemore.options import options_of
from makemore.training.device import seeded

Compute = Callable[[Any, Tensor], Sequence[Named]]  # the steps of a model for inputs

# A dimension that grows by this factor when a size is doubled, holds the size to this power.
POWERS = {1: 0, 2: 1, 4: 2, 0.5: -1}


def dimensions(
    plan: Plan, length: int, steps: Sequence[Named], compute: Compute
) -> list[tuple[str, ...]]:
    """Name each dimension of the steps of a pass over `length` inputs by what it grows with.

    The model is built again without memory, each time with one size doubled: what is twice as wide
    with n_embd doubled is called n_embd, or `4 * n_embd` if it is that. What follows no size, or in
    another way, is named by its size.
    """
    batch = "N" if plan.kind.input_kind == "window" else "B"
    sizes = {batch: 1, **({"T": length} if batch == "B" else {}), "V": len(plan.vocabulary)}
    for name, option in options_of(plan.kind.Options).items():
        if option.type is int and getattr(plan.options, name):
            sizes[name] = getattr(plan.options, name)
    # A twin that has other steps, or gives other dimensions, says nothing about these.
    now = [(step.function, step.output.ndim) for step in steps]
    twins = {}
    for name in sizes:
        twin = _twin(plan, sizes, name, compute)
        if [(function, len(shape)) for function, shape in twin] == now:
            twins[name] = [shape for _, shape in twin]
    return [
        tuple(
            _name(size, {name: twin[index][axis] for name, twin in twins.items()}, sizes)
            for axis, size in enumerate(step.output.shape)
        )
        for index, step in enumerate(steps)
    ]


def _twin(
    plan: Plan, sizes: dict[str, int], doubled: str, compute: Compute
) -> list[tuple[str, tuple[int, ...]]]:
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
            steps = compute(model, torch.zeros(rows, now.get("T", block), dtype=torch.long))
    except Exception:  # a plugin may do what cannot be done without values: no names, then
        return []
    return [(step.function, tuple(step.output.shape)) for step in steps]


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
