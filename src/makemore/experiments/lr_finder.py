"""Learning-rate finder: how the loss depends on the learning rate, before a long training.

Two ways. `increasing` is one short training whose rate grows at every step (Smith 2017, Cyclical
Learning Rates; makemore part 2): cheap, and it looks at training batches alone. `at_each_rate` is
the lecture's exercise: the same short training again and again, each at a rate of its own.

The rate that is varied is `learning_rate`. Where a recipe has Muon for its matrices, Muon's rate
is scaled with it, so that the ratio of the two stays what the recipe says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.api import MakeMore, Plan
from makemore.errors import Diverged, UsageError
from makemore.models import CountModel, NeuralModel
from makemore.training import Evaluated, train_steps
from makemore.training.device import threads
from makemore.training.optimizers import make_optimizers

EXPLODED = 4.0  # times the best mean loss so far: nothing is learned from here on
SMOOTHING = 0.02  # standard deviation of the smoothing, as a fraction of the whole range
STEEP = 0.5  # fraction of the steepest fall at which the loss counts as falling fast
FELL = 0.01  # fraction of the first loss that a fall has to have: less is noise
LIKE_THE_BEST = 1.02  # times the lowest loss: as good, within the noise of one seed


@dataclass(frozen=True)
class Point:
    """Holds a step of the increasing pass: `loss` is the batch's nll in nats before the step."""

    step: int
    rate: float
    loss: float


@dataclass(frozen=True)
class Suggestion:
    """Suggests the range in which the loss fell, and the `learning_rate` to try first.

    low: where the loss begins to fall fast; high: where it is lowest, just before it turns up
    """

    low: float
    best: float
    high: float
    turned: bool  # False: the loss still fell at the highest rate that was tried


@dataclass(frozen=True)
class Trained:
    """Holds a training at one rate: nll at its end in nats a symbol, None where it diverged."""

    rate: float
    train: float | None
    val: float | None


def exponential(low: float, high: float, number: int) -> NDArray[np.float64]:
    """Space rates (number,) evenly by their exponents, both ends included.

    Raises UsageError unless 0 < low < high and there are 2 or more.
    """
    if not 0 < low < high < math.inf:
        raise UsageError(f"no rates from {low:g} to {high:g}", "--from, --to", "give 0 < FROM < TO")
    if number < 2:
        raise UsageError(f"{number} rates span no range", None, "give 2 or more")
    return np.geomspace(low, high, number)  # its ends are exactly those that were typed


def increasing(plan: Plan, rates: NDArray[np.float64]) -> Iterator[Point]:
    """Train once from the plan's first weights, step s at learning rate rates[s].

    It ends early where the loss explodes: nan, or more than 4 times the lowest so far, as means
    over some steps. Only training batches are read. UsageError for a model of counts.
    """
    maker = begun(plan)
    model, batches = maker.model_, maker.batches()
    assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
    # The loop's own schedule is off: the rate is set here, before each step.
    recipe = dataclasses.replace(
        plan.recipe, max_steps=len(rates), schedule="constant", warmup_steps=0
    )
    optimizers = make_optimizers(model, recipe)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    # Muon's group has another peak than AdamW's: each keeps its ratio to the learning rate.
    ratios = [group["peak"] / recipe.learning_rate for group in groups]
    steps, losses = train_steps(model, optimizers, batches, recipe), list[float]()
    few = max(1, len(rates) // 20)  # one batch is noisy: means over this many steps decide
    lowest = math.inf
    for rate in rates.tolist():
        for group, ratio in zip(groups, ratios, strict=True):
            group["peak"] = rate * ratio
        with threads(plan.config.threads):  # given back between two points: others run there, too
            event = next(steps)
            losses.append(float(event.loss))
        if not math.isfinite(losses[-1]):
            return
        yield Point(event.step, rate, losses[-1])
        mean = float(np.mean(losses[-few:]))
        if len(losses) >= few:
            lowest = min(lowest, mean)
        if mean > EXPLODED * lowest:
            return


def begun(plan: Plan) -> MakeMore:
    """Make the maker of a plan, with its first weights. UsageError for a model of counts."""
    if issubclass(plan.kind, CountModel):
        raise UsageError(
            f"{plan.config.model} counts: it has no learning rate", "--model",
            "choose a model that learns by gradients",
        )  # fmt: skip
    maker = MakeMore(plan.config.model)
    maker.begin(plan)
    return maker


def smoothed(losses: Sequence[float]) -> NDArray[np.float64]:
    """Average each loss (n,) with its neighbours by a Gaussian, which lags to neither side."""
    values = np.asarray(losses, dtype=np.float64)
    width = max(0.5, SMOOTHING * len(values))
    steps = np.arange(len(values))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / width) ** 2)  # (n, n)
    return np.asarray(weights @ values / weights.sum(axis=1))


def suggest(points: Sequence[Point]) -> Suggestion | None:
    """Find the range of good rates in an increasing pass; None where no rate lowered the loss."""
    if len(points) < 3:
        return None
    loss = smoothed([point.loss for point in points])
    exponents = np.log10([point.rate for point in points])
    lowest = int(loss.argmin())
    slope = np.gradient(loss, exponents)[: lowest + 1]
    if lowest == 0 or loss[lowest] > (1 - FELL) * loss[0]:
        return None
    # The first rate at which the loss falls at half of its steepest, and halfway to the lowest.
    fast = int(np.flatnonzero(slope <= STEEP * slope.min())[0])
    turned = lowest < len(points) - 1
    best = 10 ** ((exponents[fast] + exponents[lowest]) / 2)
    return Suggestion(points[fast].rate, float(best), points[lowest].rate, turned)


def at_each_rate(plan: Plan, rates: NDArray[np.float64], steps: int) -> Iterator[Trained]:
    """Train `steps` steps at each rate, always from the same first weights, on the same batches.

    The recipe's schedule holds within each. Raises UsageError for a model of counts.
    """
    ratio = plan.recipe.muon_learning_rate / plan.recipe.learning_rate
    for rate in rates.tolist():
        recipe = dataclasses.replace(
            plan.recipe, max_steps=steps, learning_rate=rate, muon_learning_rate=rate * ratio,
            eval_interval=steps, patience=None,
        )  # fmt: skip
        end = Trained(rate, None, None)
        # A rate that is too high may end at a loss that is still a number: that is its result. What
        # it had before it became none, is not.
        with contextlib.suppress(Diverged):
            for event in begun(dataclasses.replace(plan, recipe=recipe)).training():
                if isinstance(event, Evaluated) and event.step == steps:
                    end = Trained(rate, event.train, event.val)
        yield end


def best_of(trained: Sequence[Trained]) -> Trained | None:
    """Find the training of the lowest validation loss (train loss without a validation part)."""
    finished = [each for each in trained if each.train is not None]
    return min(finished, key=loss_of, default=None)


def good_range(trained: Sequence[Trained]) -> tuple[float, float] | None:
    """Find the lowest and highest rate around the best whose losses are within 2 % of its own."""
    best = best_of(trained)
    if best is None:
        return None
    # Outwards from the best: a good rate beyond a bad one was luck, and is left out.
    first = last = trained.index(best)
    most = LIKE_THE_BEST * loss_of(best)
    while first and loss_of(trained[first - 1]) <= most:
        first -= 1
    while last + 1 < len(trained) and loss_of(trained[last + 1]) <= most:
        last += 1
    return trained[first].rate, trained[last].rate


def loss_of(trained: Trained) -> float:
    """Return the loss that trainings are compared by; inf for one that diverged."""
    loss = trained.train if trained.val is None else trained.val
    return math.inf if loss is None else loss
