"""Optimizers and learning-rate schedules."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from makemore.models import NeuralModel
from makemore.parallel import parallel_map, pool_size
from makemore.training.config import TrainingConfig


class Muon(torch.optim.Optimizer):
    """Momentum whose every update is made orthogonal: all directions of a matrix learn alike.

    Matrices of one shape are made orthogonal in one batch; where a parameter holds several matrices
    one above the other (parts: how many), each for itself. With row_momentum above 0, rows whose
    updates have been long (neurons) get shorter ones, and the others longer ones.

    Papers: Jordan et al. 2024, Muon; Li et al. 2025, NorMuon (row_momentum)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        row_momentum: float = 0.0,
        parts: Mapping[Tensor, int] | None = None,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay,
            "row_momentum": row_momentum,
        }  # fmt: skip
        super().__init__(params, defaults)
        self.parts = parts or {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [part for part in group["params"] if part.grad is not None]
            if parameters:
                self._step_group(parameters, group)

    def _step_group(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                if group["row_momentum"]:
                    self.state[parameter]["row_square"] = parameter.new_zeros(len(parameter), 1)
        buffers = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, buffers, group["momentum"])  # Nesterov
        shapes: dict[torch.Size, list[tuple[Tensor, Tensor | None]]] = defaultdict(list)
        for parameter, update in zip(parameters, updates, strict=True):
            squares = self.state[parameter].get("row_square")
            matrices = update.chunk(self.parts.get(parameter, 1))
            rows = [None] * len(matrices) if squares is None else squares.chunk(len(matrices))
            for matrix, square in zip(matrices, rows, strict=True):
                shapes[matrix.shape].append((matrix, square))
        stacks = [part for alike in shapes.values() for part in dealt(alike)]
        parallel_map(lambda stack: orthogonalize_(stack, group["row_momentum"]), stacks)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])


def dealt(alike: list[tuple[Tensor, Tensor | None]]) -> list[list[tuple[Tensor, Tensor | None]]]:
    """Matrices of one shape, an equal part for each thread of the pool."""
    number = min(pool_size(), len(alike))
    return [alike[start::number] for start in range(number)]


def orthogonalize_(stack: list[tuple[Tensor, Tensor | None]], row_momentum: float) -> None:
    """Turn updates (rows, columns) into orthogonal ones, in place.

    Beside each the mean squares (rows, 1) of its rows so far, which go on by row_momentum: each row
    is divided by their root, and the norm of the whole kept.
    """
    matrices = [matrix for matrix, _ in stack]
    squares = [square for _, square in stack if square is not None]
    rows, columns = matrices[0].shape
    made = newton_schulz(torch.stack(matrices)) * max(1.0, rows / columns) ** 0.5
    if squares:
        square = torch.stack(squares).lerp_(made.square().mean(2, keepdim=True), 1 - row_momentum)
        torch._foreach_copy_(squares, list(square.unbind()))
        norm = made.norm(dim=(1, 2), keepdim=True)
        made /= square.sqrt() + 1e-8
        made *= norm / (made.norm(dim=(1, 2), keepdim=True) + 1e-8)
    torch._foreach_copy_(matrices, list(made.unbind()))


def newton_schulz(matrices: Tensor, iterations: int = 5) -> Tensor:
    """(n, rows, columns) -> the nearest matrices with singular values near 1.

    Newton-Schulz iteration with the quintic coefficients of Jordan et al. 2024.
    """
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445
        )
    return x.mT if tall else x


def make_optimizers(model: NeuralModel, recipe: TrainingConfig) -> list[torch.optim.Optimizer]:
    """The recipe's optimizers for a model; each group's peak learning rate stands in "peak".

    Only matrices decay: biases, norms, embeddings and start states do not.
    """
    named = dict(model.named_parameters())
    hidden = model.matrices() if recipe.optimizer == "muon" else set()
    decays = {name for name, part in named.items() if part.ndim == 2 and name not in _tables(model)}
    groups = [
        {
            "params": [named[n] for n in named if n in decays - hidden],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [named[n] for n in named if n not in decays | hidden], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = []
    if groups and recipe.optimizer == "sgd":
        optimizers.append(torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum))
    elif groups:
        fused = next(iter(named.values())).device.type in ("cpu", "cuda")
        optimizers.append(torch.optim.AdamW(groups, recipe.learning_rate, (0.9, 0.99), fused=fused))
    if hidden:
        parts: dict[Tensor, int] = {
            named[name]: model.parts.get(name.split(".")[-2], 1) for name in named if name in hidden
        }
        rates = recipe.muon_learning_rate, recipe.muon_momentum, recipe.weight_decay
        optimizers.append(Muon(list(parts), *rates, recipe.muon_row_momentum, parts))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def state_shapes(
    optimizer: torch.optim.Optimizer,
) -> Iterator[tuple[nn.Parameter, dict[str, tuple[int, ...]]]]:
    """Each parameter with what the optimizer remembers of it once a step was taken: name, shape."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            like = tuple(parameter.shape)
            if isinstance(optimizer, Muon):
                rows = {"row_square": (len(parameter), 1)} if group["row_momentum"] else {}
                yield parameter, {"momentum": like, **rows}
            elif isinstance(optimizer, torch.optim.AdamW):
                yield parameter, {"step": (), "exp_avg": like, "exp_avg_sq": like}
            else:
                yield parameter, {"momentum_buffer": like}


def _tables(model: nn.Module) -> set[str]:
    return {
        f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Embedding)
    }


def lr_factor(recipe: TrainingConfig, step: int, max_steps: int) -> float:
    """The learning rate in step 0.. as a share of its peak."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, max_steps - recipe.warmup_steps)
    if recipe.schedule == "linear":
        return 1 - done
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if recipe.schedule == "step":
        return 0.1 if done >= recipe.decay_at else 1.0
    return 1.0
