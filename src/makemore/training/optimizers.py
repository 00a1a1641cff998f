"""Optimizers and schedules: which optimizer updates which parameter, at which learning rate.

The optimizers are in optimizer.py (SGD, AdamW) and muon.py. The schedule scales the learning rate
of all of them, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from makemore.models import NeuralModel
from makemore.training.config import TrainingConfig
from makemore.training.muon import Muon
from makemore.training.optimizer import SGD, AdamW, Optimizer


def make_optimizers(model: NeuralModel, recipe: TrainingConfig) -> list[Optimizer]:
    """Make the recipe's optimizers for a model: one of SGD and AdamW, and Muon if asked for.

    Only weight matrices decay: biases, norms, embeddings and start states do not. By AdamW and
    Muon a step shrinks them by lr * weight_decay of their size (decoupled decay); by SGD the decay
    is added to the gradient and goes through the momentum (L2), as torch has it. Each parameter
    group holds its peak learning rate as "peak", from which the schedule sets "lr".
    """
    named = dict(model.named_parameters())
    # As in Jordan et al., embeddings and the head are left to AdamW: their rows stand for single
    # symbols, and are no linear map from one hidden layer to the next.
    hidden = model.matrices() if recipe.optimizer == "muon" else set()
    # Decay keeps weights small that add up over many inputs. A bias or a gain does not, and an
    # embedding's row would decay in all the steps in which its symbol does not occur.
    decays = {name for name, part in named.items() if part.ndim == 2 and name not in _tables(model)}
    groups = [
        {
            "params": [named[n] for n in named if n in decays - hidden],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [named[n] for n in named if n not in decays | hidden], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[Optimizer] = []
    if groups and recipe.optimizer == "sgd":
        optimizers.append(SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum))
    elif groups:
        optimizers.append(AdamW(groups, lr=recipe.learning_rate))
    if hidden:
        matrices = {name: parameter for name, parameter in named.items() if name in hidden}
        optimizers.append(_make_muon(model, recipe, matrices))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _make_muon(model: NeuralModel, recipe: TrainingConfig, named: Mapping[str, Tensor]) -> Muon:
    # A parameter is called LAYER.weight, and the model's `parts` go by LAYER; one that is an
    # attribute of the model itself has no layer.
    layers = {name: name.rpartition(".")[0].rpartition(".")[2] for name in named}
    parts = {parameter: model.parts.get(layers[name], 1) for name, parameter in named.items()}
    rates = recipe.muon_learning_rate, recipe.muon_momentum, recipe.weight_decay
    return Muon(list(parts), *rates, recipe.muon_row_momentum, parts)


def _tables(model: nn.Module) -> set[str]:
    """Names of the embeddings' weights, which are tables of rows and multiply nothing.

    A table that is the whole model (bigram) is none of them: its rows are logits, and pulling these
    towards 0 is the lecture's smoothing.
    """
    tables = {
        f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Embedding)
    }
    return set() if tables == {name for name, _ in model.named_parameters()} else tables


def apply_gradients(
    model: nn.Module, optimizers: Sequence[Optimizer], grad_clip: float | None = None
) -> None:
    """Update all parameters by their gradients, which are first scaled to a norm of grad_clip."""
    if grad_clip is not None:
        # One norm for all parameters: a long gradient is scaled, its direction is kept.
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    for optimizer in optimizers:
        optimizer.step()


def lr_factor(recipe: TrainingConfig, step: float, max_steps: int) -> float:
    """Compute the learning rate of a step, counted from 0, as a factor of its peak (0 to 1).

    Example: the linear schedule over 4 steps has the factors 1, 0.75, 0.5 and 0.25.
    The step schedule is that of makemore parts 2 and 3: a tenth of the rate for the last steps.
    """
    # Warmup: the optimizers' averages say little in the first steps, so these are short.
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    # The part of the steps after the warmup that is done: 0 in the first, just under 1 in the last.
    done = (step - recipe.warmup_steps) / max(1, max_steps - recipe.warmup_steps)
    if recipe.schedule == "linear":
        return 1 - done
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))  # slow at both ends, fast in the middle
    if recipe.schedule == "step":
        return 0.1 if done >= recipe.decay_at else 1.0
    return 1.0
