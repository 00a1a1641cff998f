"""Muon: an optimizer for weight matrices, which makes their updates orthogonal.

AdamW looks at each entry of a gradient by itself. Muon looks at a matrix as a whole: all directions
in which it acts on its inputs are changed alike.

Papers: Jordan et al. 2024, Muon; Li et al. 2025, NorMuon (row_momentum)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from makemore.parallel import parallel_map, pool_size
from makemore.training.mixed_precision import is_wide
from makemore.training.optimizer import Group, Optimizer, Shapes, subtract_scaled_

# A matrix of updates (rows, columns), and the running mean squares of its rows (rows, 1), if kept.
UpdateAndSquares = tuple[Tensor, Tensor | None]


class Muon(Optimizer):
    """Updates weight matrices by their momentum, made orthogonal: all directions move alike.

    The gradient of a matrix is mostly made of a few strong directions. Orthogonalized, the weak
    ones, in which rare patterns are learned, get as long a step as the strong ones.

    params: matrices (rows, columns); lr: about the singular values of each step
    row_momentum: decay of each row's mean square update, by which rows are scaled; 0 is off
    parts: matrices that stand one above the other in a parameter, orthogonalized one by one; the
        (3 * n_embd, n_embd) of queries, keys and values are 3
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        row_momentum: float = 0.0,
        parts: Mapping[Tensor, int] | None = None,
    ) -> None:
        super().__init__(
            [{"params": list(params), "weight_decay": weight_decay}],
            lr=lr, momentum=momentum, row_momentum=row_momentum,
        )  # fmt: skip
        self.parts = parts or {}

    def update(self, parameters: list[Tensor], grads: list[Tensor], group: Group) -> None:
        buffers = self.remembered(parameters, "momentum")
        if group["row_momentum"]:
            self._init_squares(parameters)
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
        subtract_scaled_(parameters, updates, group["lr"])

    def _init_squares(self, parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if "row_square" not in self.state[parameter]:
                # (rows, 1): one mean square for all incoming weights of a neuron.
                self.state[parameter]["row_square"] = parameter.new_zeros(len(parameter), 1)

    def state_shapes(self, parameter: Tensor, group: Group) -> Shapes:
        rows = {"row_square": (len(parameter), 1)} if group["row_momentum"] else {}
        return {"momentum": tuple(parameter.shape), **rows}


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
    stacked = torch.stack(matrices)  # (n, rows, columns)
    # Its singular values are only brought near 1: the 8 bits of bfloat16 are enough for that.
    fast = stacked.is_cuda and is_wide(stacked.shape)
    x = newton_schulz(stacked.bfloat16() if fast else stacked)
    update = x.to(stacked.dtype) * scale  # (n, rows, columns)
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
