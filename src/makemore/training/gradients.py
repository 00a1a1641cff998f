"""Gradients: the loss of a whole batch, and the gradient of each parameter, group by group.

A batch has groups, which are computed one after the other or at the same time. Each group's mean
loss counts by its symbols, so what they add up to is the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from makemore.models import NeuralModel
from makemore.models.core.layers import dropout_generator
from makemore.parallel import parallel_map
from makemore.scoring import nll
from makemore.scoring.line_tensors import IGNORED, Examples
from makemore.scoring.loss import cross_entropy
from makemore.training.batches import Part
from makemore.training.device import generator, seeded
from makemore.training.mixed_precision import logits_of
from makemore.training.soft_targets import SoftTargets

Groups = Sequence[tuple[Tensor, Tensor]]  # (inputs, targets) each


def gradients(
    model: NeuralModel,
    groups: Groups,
    seed: int,
    step: int,
    soft_targets: SoftTargets | None = None,
) -> tuple[Tensor, int]:
    """Set each parameter's gradient to that of the whole batch; return its nll and its symbols.

    groups: (inputs, targets), computed at the same time if the model allows it; of a Part, nll and
        gradients are what it adds to those of the whole batch, and the symbols are the batch's
    The gradient is that of the nll, or of the cross-entropy with soft targets; nats a symbol.
    """
    counts = list(map(count_symbols, groups))
    symbols, rank = sum(counts), 0
    numbers: Sequence[int] = range(len(groups))
    if isinstance(groups, Part):
        symbols, numbers, rank = groups.symbols, groups.numbers, groups.rank
    weights = [count / symbols for count in counts]
    # Threads that drew from one generator would get other masks in every run: each group has a
    # generator of its own. A card computes groups one after the other, and has its own.
    dropouts: Sequence[torch.Generator | None] = [None] * len(groups)
    if model.splits_batches and model.device.type == "cpu":
        dropouts = [generator(seed, step + 1, number) for number in numbers]
    # 0 is the stream of the initial weights. Other processes draw other masks for their rows.
    with seeded(seed, step + 1, *([rank] if rank else [])):
        loss = set_gradients(model, groups, weights, dropouts, soft_targets)
    return loss, symbols


def count_symbols(group: tuple[Tensor, Tensor]) -> int:
    """Count the targets of a group that are no padding."""
    # A batch of ours knows: to read it from a card, the host would wait for all steps before.
    return group.symbols if isinstance(group, Examples) else int((group[1] != IGNORED).sum())


def set_gradients(
    model: NeuralModel,
    groups: Groups,
    weights: Sequence[float | Tensor],
    dropouts: Sequence[torch.Generator | None],
    soft_targets: SoftTargets | None = None,
) -> Tensor:
    """Set each parameter's gradient to that of the groups' weighted losses; return their nll ().

    weights: of each group, which add up to 1; dropouts: a generator for the masks of each
    """
    parameters = list(model.parameters())  # a tied one comes once

    def of_group(index: int) -> tuple[Tensor, Sequence[Tensor | None]]:
        (inputs, targets), dropout = groups[index], dropouts[index]
        with nullcontext() if dropout is None else dropout_generator(dropout):
            logits = logits_of(model, inputs)  # (B, T, V), or (N, V) of windows
        # With soft targets the nll is only reported, so it needs no gradient.
        loss = reported = nll(logits if soft_targets is None else logits.detach(), targets)  # ()
        if soft_targets is not None:
            loss = cross_entropy(logits, soft_targets(inputs, targets))  # ()
        # Each loss is a mean: weighted by symbols, the groups add up to the mean of the batch.
        weight = weights[index]
        # Not backward(), which adds to parameter.grad, where threads would meet.
        grads = torch.autograd.grad(loss * weight, parameters, allow_unused=True)
        return reported.detach() * weight, grads

    results = parallel_map(of_group, range(len(groups)))
    for parameter, *parts in zip(parameters, *(grads for _, grads in results), strict=True):
        parameter.grad = sum_gradients(parts)  # in the groups' order: the same last bits
    if not results:  # of a small batch there is nothing left for this process
        return torch.zeros((), device=model.device)
    return torch.stack([loss for loss, _ in results]).sum()


def sum_gradients(grads: Sequence[Tensor | None]) -> Tensor | None:
    """Add up a parameter's gradients of all groups, in a new tensor; None if it has none."""
    present = [grad for grad in grads if grad is not None]  # None: the group did not use it
    if not present:
        return None
    first, *others = present
    # A copy, as autograd may return one tensor for two parameters: += would change both.
    total = first.clone(memory_format=torch.contiguous_format)
    for other in others:
        total += other
    return total
