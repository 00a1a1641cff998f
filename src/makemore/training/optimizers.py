"""Optimizers and learning-rate schedules: SGD, AdamW and Muon.

An optimizer turns the gradient of each parameter into an update. SGD takes the gradient as it is;
AdamW divides each entry by its usual size; Muon looks at a matrix as a whole, and makes the update
orthogonal. The schedule scales the learning rate of all of them, step by step.
"""

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

# A matrix of updates (rows, columns), and the running mean squares of its rows (rows, 1), if kept.
UpdateAndSquares = tuple[Tensor, Tensor | None]


class Muon(torch.optim.Optimizer):
    """Updates weight matrices by their momentum, made orthogonal: all directions move alike.

    The gradient of a matrix is mostly made of a few strong directions. Orthogonalized, the weak
    ones, in which rare patterns are learned, get as long a step as the strong ones.

    params: matrices (rows, columns); lr: about the singular values of each step
    row_momentum: decay of each row's mean square update, by which rows are scaled; 0 is off
    parts: matrices that stand one above the other in a parameter, orthogonalized one by one; the
        (3 * n_embd, n_embd) of queries, keys and values are 3

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
        """Update all parameters that have a gradient, in place. `closure` is not called."""
        for group in self.param_groups:
            parameters = [part for part in group["params"] if part.grad is not None]
            if parameters:
                self._step_group(parameters, group)

    def _step_group(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        # The _foreach_ functions of torch do one operation on a whole list of tensors: a model has
        # many small matrices, and a call for each costs more than its arithmetic.
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self._init_state(parameters, group)
        buffers = [self.state[parameter]["momentum"] for parameter in parameters]
        # Momentum is a running average of gradients: buffer = m * buffer + (1 - m) * grad.
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        # Nesterov: average once more, so that the newest gradient counts for more than in buffer.
        updates = torch._foreach_lerp(grads, buffers, group["momentum"])
        # chunk() gives views, and orthogonalize_ works in place: it writes into `updates`.
        shapes: dict[torch.Size, list[UpdateAndSquares]] = defaultdict(list)
        for parameter, update in zip(parameters, updates, strict=True):
            squares = self.state[parameter].get("row_square")
            matrices = update.chunk(self.parts.get(parameter, 1))
            rows = [None] * len(matrices) if squares is None else squares.chunk(len(matrices))
            for matrix, square in zip(matrices, rows, strict=True):
                shapes[matrix.shape].append((matrix, square))
        # Matrices of one shape are multiplied as one batch, or as one batch a thread of the pool.
        stacks = [stack for alike in shapes.values() for stack in _split_for_pool(alike)]
        parallel_map(lambda stack: orthogonalize_(stack, group["row_momentum"]), stacks)
        # Decoupled weight decay (AdamW's): it shrinks the weights, and is not part of the gradient.
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _init_state(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                if group["row_momentum"]:
                    # (rows, 1): one mean square for all incoming weights of a neuron.
                    self.state[parameter]["row_square"] = parameter.new_zeros(len(parameter), 1)


def _split_for_pool(alike: list[UpdateAndSquares]) -> list[list[UpdateAndSquares]]:
    """Split matrices of one shape into equal lists, one for each thread of the pool."""
    count = min(pool_size(), len(alike))
    return [alike[start::count] for start in range(count)]


def orthogonalize_(stack: list[UpdateAndSquares], row_momentum: float) -> None:
    """Make n updates of one shape (rows, columns) orthogonal, in place.

    With mean squares (rows, 1) beside the updates, these are brought up to date with the decay
    row_momentum; each row is divided by the root of its own, and the norm of the matrix kept
    (NorMuon). So neurons whose updates were long get shorter ones, and the others longer ones.
    """
    matrices = [matrix for matrix, _ in stack]
    squares = [square for _, square in stack if square is not None]
    rows, columns = matrices[0].shape
    # An orthogonal matrix has entries of about 1 / sqrt(the longer side). By this factor they are
    # of 1 / sqrt(columns) in every shape: a neuron's output moves alike, however many neurons.
    scale = max(1.0, rows / columns) ** 0.5
    update = newton_schulz(torch.stack(matrices)) * scale  # (n, rows, columns)
    if squares:
        # The running average starts at 0 and is not corrected for that, as Adam's is: a factor that
        # all rows have in common is lost when the norm is put back.
        mean = update.square().mean(2, keepdim=True)  # (n, rows, 1)
        square = torch.stack(squares).lerp_(mean, 1 - row_momentum)
        torch._foreach_copy_(squares, list(square.unbind()))  # back into the optimizer's state
        norm = update.norm(dim=(1, 2), keepdim=True)  # (n, 1, 1)
        update /= square.sqrt() + 1e-8
        update *= norm / (update.norm(dim=(1, 2), keepdim=True) + 1e-8)
    torch._foreach_copy_(matrices, list(update.unbind()))


def newton_schulz(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Approximate the nearest orthogonal matrices: (n, rows, columns) -> the same shape.

    Of a singular value decomposition U S V^T this is U V^T: the singular vectors stay, and every
    singular value becomes about 1, without computing the decomposition. Each iteration applies an
    odd polynomial to all singular values s at once, by products of matrices alone:

        s  ->  3.4445 s - 4.7750 s^3 + 2.0315 s^5

    Paper: Jordan et al. 2024, Muon
    """
    # The iteration diverges from values far above 1, and none is above the Frobenius norm.
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    # x x^T has as many rows as x: of a tall matrix the transpose is cheaper.
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(iterations):
        gram = x @ x.mT  # U S^2 U^T, as V^T V is the identity
        # The steep slope at 0 lifts small values fast. The price: they do not settle at 1, but
        # near it, which is enough for an update.
        x = torch.baddbmm(
            x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445
        )
    return x.mT if tall else x


def make_optimizers(model: NeuralModel, recipe: TrainingConfig) -> list[torch.optim.Optimizer]:
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
    optimizers: list[torch.optim.Optimizer] = []
    if groups and recipe.optimizer == "sgd":
        # SGD of torch adds the decay to the gradient (L2); AdamW and Muon keep them apart.
        optimizers.append(torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum))
    elif groups:
        # Fused: all parameters in one call, on the devices for which torch has it.
        fused = next(iter(named.values())).device.type in ("cpu", "cuda")
        optimizers.append(torch.optim.AdamW(groups, recipe.learning_rate, (0.9, 0.99), fused=fused))
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


def state_shapes(
    optimizer: torch.optim.Optimizer,
) -> Iterator[tuple[nn.Parameter, dict[str, tuple[int, ...]]]]:
    """Yield each parameter with the tensors that the optimizer keeps of it: name -> shape.

    They are there once a step was taken. Tensors of a checkpoint are checked against these shapes.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            like = tuple(parameter.shape)
            if isinstance(optimizer, Muon):
                rows = {"row_square": (len(parameter), 1)} if group["row_momentum"] else {}
                yield parameter, {"momentum": like, **rows}
            elif isinstance(optimizer, torch.optim.AdamW):
                # The running averages of the gradient and of its square, and how many steps they
                # have seen: Adam divides by 1 - beta^step, as both start at 0.
                yield parameter, {"step": (), "exp_avg": like, "exp_avg_sq": like}
            else:
                # Plain SGD remembers nothing: with a momentum of 0, torch keeps no buffer.
                yield parameter, {"momentum_buffer": like}


def _tables(model: nn.Module) -> set[str]:
    """Names of the embeddings' weights, which are tables of rows and multiply nothing."""
    return {
        f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Embedding)
    }


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
