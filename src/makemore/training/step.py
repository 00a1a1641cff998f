"""Step: what the training loop does with each batch, as a function that it is handed.

A step computes the gradients of a batch and lets the optimizers use them. The loop does not know
how: on a CPU operation by operation, in threads; on a card captured once and replayed whole
(cuda_graphs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Protocol

from torch import Tensor

from makemore.models import NeuralModel
from makemore.training.config import TrainingConfig
from makemore.training.cuda_graphs import CapturedStep, CudaRecorder
from makemore.training.device import one_thread_each
from makemore.training.gradients import Groups, gradients
from makemore.training.optimizer import Optimizer
from makemore.training.optimizers import apply_gradients
from makemore.training.soft_targets import SoftTargets


class StepFunction(Protocol):
    """Takes one optimizer step with a batch."""

    def __call__(self, groups: Groups, step: int, factor: float) -> tuple[Tensor, int]:
        """Update the parameters by a batch's gradient; return its nll before () and its symbols.

        groups: (inputs, targets) of each; step: counted from 0, from which random numbers follow
        factor: of the peak learning rates, by the schedule
        The gradients stay in `parameter.grad` until the next step is taken.
        """


def make_step(
    model: NeuralModel,
    optimizers: Sequence[Optimizer],
    recipe: TrainingConfig,
    soft_targets: SoftTargets | None = None,
) -> StepFunction:
    """Choose the step of a model by its device: captured on a card, else operation by operation."""
    if model.device.type == "cuda" and not CudaRecorder.failed:
        recorder = CudaRecorder(model.device)
        return CapturedStep(model, optimizers, recipe, soft_targets, recorder)
    return EagerStep(model, optimizers, recipe, soft_targets)


class EagerStep:
    """Takes a step operation by operation, parts of a batch at the same time where that helps."""

    def __init__(
        self,
        model: NeuralModel,
        optimizers: Sequence[Optimizer],
        recipe: TrainingConfig,
        soft_targets: SoftTargets | None = None,
    ) -> None:
        self.model, self.optimizers, self.recipe = model, optimizers, recipe
        self.soft_targets = soft_targets

    def __call__(self, groups: Groups, step: int, factor: float) -> tuple[Tensor, int]:
        model, recipe = self.model, self.recipe
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * factor
        with one_thread_each(recipe.threads or 1) if model.computes_in_parts else nullcontext():
            loss, symbols = self.gradients(groups, step)
            apply_gradients(model, self.optimizers, recipe.grad_clip)
        return loss, symbols

    def gradients(self, groups: Groups, step: int) -> tuple[Tensor, int]:
        """Set each parameter's gradient to that of a batch; return its nll () and its symbols."""
        # No zero_grad(): each parameter.grad is set anew, and nothing is added to the last one.
        return gradients(self.model, groups, self.recipe.seed, step, self.soft_targets)
