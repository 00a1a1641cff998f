"""Optimizer: what SGD, AdamW and Muon share, and the first two of them.

An optimizer turns the gradient of each parameter into an update of it. SGD takes the gradient as it
is; AdamW divides each entry by its usual size. muon.py has the third.

torch has both in torch.optim, and a test holds ours to them bit by bit. But torch.optim imports
torch's compiler, which we never use: a training would start two seconds later.

Papers: Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization (AdamW)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]


class Optimizer(ABC):
    """Updates parameters by their gradients, group by group.

    param_groups: dicts with "params", a list of tensors, and the rates of these (the learning rate
        is "lr", a number or, where a step is captured, a tensor ()); a rate that a group lacks is
        taken from `rates`
    state: what is remembered of each parameter from step to step, tensors by name
    """

    def __init__(self, groups: Sequence[Group], **rates: float) -> None:
        self.param_groups: list[Group] = [{**rates, **group} for group in groups]
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    @torch.no_grad()
    def step(self) -> None:
        """Update all parameters that have a gradient, in place."""
        for group in self.param_groups:
            pairs = [(part, part.grad) for part in group["params"] if part.grad is not None]
            if pairs:
                self.update([part for part, _ in pairs], [grad for _, grad in pairs], group)

    @abstractmethod
    def update(self, parameters: list[Tensor], grads: list[Tensor], group: Group) -> None:
        """Update these parameters of a group, in place, each by its gradient."""

    @abstractmethod
    def state_shapes(self, parameter: Tensor, group: Group) -> Shapes:
        """Return the shapes of what is remembered of a parameter after a step, by name."""

    def all_state_shapes(self) -> Iterator[tuple[Tensor, Shapes]]:
        """Yield each parameter with its `state_shapes`: a checkpoint is checked against them."""
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, self.state_shapes(parameter, group)

    def remembered(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """Return the tensors of this name of each parameter; zeros of its shape before a step."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def subtract_scaled_(
    parameters: list[Tensor], updates: list[Tensor] | tuple[Tensor, ...], lr: float | Tensor
) -> None:
    """Subtract lr * update from each parameter, in place; lr may be a tensor ()."""
    if isinstance(lr, Tensor):  # which no `alpha` takes
        torch._foreach_sub_(parameters, torch._foreach_mul(updates, lr))
    else:
        torch._foreach_add_(parameters, updates, alpha=-lr)


# The _foreach_ functions of torch do one operation on a whole list of tensors: a model has many
# small ones, and a call for each costs more than its arithmetic.


class SGD(Optimizer):
    """Steps against the gradient, or against a running sum of it (momentum).

    The decay is added to the gradient (L2), so with momentum it is summed up, too.
    """

    def update(self, parameters: list[Tensor], grads: list[Tensor], group: Group) -> None:
        if group["weight_decay"]:
            grads = list(torch._foreach_add(grads, parameters, alpha=group["weight_decay"]))
        if group["momentum"]:
            sums = self.remembered(parameters, "momentum_buffer")
            torch._foreach_mul_(sums, group["momentum"])
            torch._foreach_add_(sums, grads)
            grads = sums
        subtract_scaled_(parameters, grads, group["lr"])

    def state_shapes(self, parameter: Tensor, group: Group) -> Shapes:
        return {"momentum_buffer": tuple(parameter.shape)} if group["momentum"] else {}


class AdamW(Optimizer):
    """Divides each entry's running mean gradient by the root of its running mean square.

    So every entry moves by about lr, whether its gradients are large or small. The decay shrinks
    the weights by lr * weight_decay, and is no part of the gradient (decoupled).
    """

    BETAS, EPSILON = (0.9, 0.99), 1e-8

    def update(self, parameters: list[Tensor], grads: list[Tensor], group: Group) -> None:
        for parameter in parameters:
            # How many steps the means have seen: both start at 0, which is corrected below.
            if "step" not in self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros((), device=parameter.device)
        steps = [self.state[parameter]["step"] for parameter in parameters]
        means = self.remembered(parameters, "exp_avg")
        squares = self.remembered(parameters, "exp_avg_sq")
        torch._foreach_add_(steps, 1)
        if parameters[0].device.type != "mps":
            # One call does the whole of what stands below, for all parameters.
            torch._fused_adamw_(
                parameters, grads, means, squares, [], steps, amsgrad=False, maximize=False,
                lr=group["lr"], beta1=self.BETAS[0], beta2=self.BETAS[1],
                weight_decay=group["weight_decay"], eps=self.EPSILON,
            )  # fmt: skip
        else:
            adamw_(parameters, grads, means, squares, int(steps[0]), group)

    def state_shapes(self, parameter: Tensor, group: Group) -> Shapes:
        return {"step": (), "exp_avg": (shape := tuple(parameter.shape)), "exp_avg_sq": shape}


def adamw_(
    parameters: list[Tensor], grads: list[Tensor], means: list[Tensor], squares: list[Tensor],
    step: int, group: Group,
) -> None:  # fmt: skip
    """Take a step of AdamW, written out: updates parameters, means and squares in place.

    step: counted from 1; group: with "lr" and "weight_decay"
    """
    (beta1, beta2), lr = AdamW.BETAS, group["lr"]
    torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
    torch._foreach_lerp_(means, grads, 1 - beta1)  # mean = beta1 * mean + (1 - beta1) * grad
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
    # After `step` steps a mean that started at 0 holds 1 - beta^step of the gradients' weight.
    roots = torch._foreach_sqrt(squares)
    torch._foreach_div_(roots, (1 - beta2**step) ** 0.5)
    torch._foreach_add_(roots, AdamW.EPSILON)
    torch._foreach_addcdiv_(parameters, means, roots, -lr / (1 - beta1**step))
