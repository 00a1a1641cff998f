"""Duration: how long a training will take here, measured by some steps before it begins.

The cost of a step depends on the batch and the model, not on how many lines there are; that of an
evaluation grows with them. So a few steps and the losses of a few lines are timed, on a sample of
the lines, and multiplied: under a second also where the text has a million lines.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import TYPE_CHECKING

from makemore.api.fit_model import batches_of, initialize_model, losses, soft_targets_of
from makemore.api.plan import Plan
from makemore.models import CountModel, Model
from makemore.text import Split
from makemore.training.pace import end_of, read_ends

if TYPE_CHECKING:
    from makemore.models import NeuralModel

SAMPLE = 512  # lines of train, and of val, that are timed
WARM_UP, TIMED = 2, 12  # steps: the first ones are slower and do not count
MOST_SECONDS = 1.0  # of timing, but for the steps that are timed at least
WORTH = 10**11  # parameters * symbols of all steps, from which on a training takes half a minute


def is_long(plan: Plan, model: Model) -> bool:
    """Tell whether a training takes so long that it is worth a second to say how long."""
    recipe, train = plan.recipe, plan.split.train
    if isinstance(model, CountModel) or plan.kind.is_ensemble:
        return False
    # A window has one target; a line all of its symbols and its end.
    each = 1.0 if model.input_kind == "window" else len(train.codes) / max(1, len(train)) + 1
    symbols = (recipe.max_steps or 1) * recipe.batch_size * each
    return symbols * model.n_parameters > WORTH


def expected_seconds(plan: Plan, done: int = 0) -> float:
    """Predict the seconds of training one network from step `done` on, by timing some steps.

    Nothing of the training itself changes: it is timed on a model of its own.
    """
    from makemore.models import NeuralModel

    small = sample_of(plan, SAMPLE)
    model = initialize_model(small, from_prior=False)
    assert isinstance(model, NeuralModel)  # noqa: S101 (is_long said so)
    step, recipe = seconds_of_step(small, model), plan.recipe
    left = max(0, end_of(read_ends(recipe.ends), recipe.max_steps or 1) - done)
    evaluations = left // (recipe.eval_interval or 1) + 1
    return left * step + evaluations * seconds_of_evaluation(plan, small, model)


def sample_of(plan: Plan, lines: int) -> Plan:
    """Make the same plan for a sample of so many lines of train, and of val, to be timed."""
    train, val = plan.split.train.lowest(lines), plan.split.val.lowest(lines)
    return dataclasses.replace(plan, split=Split(train, val, plan.split.test.lowest(0)))


def seconds_of_evaluation(plan: Plan, small: Plan, model: Model) -> float:
    """Predict the seconds of an evaluation by timing one of the sample `small`."""
    from makemore.training.device import threads

    with threads(plan.config.threads):
        began = time.monotonic()
        losses(small, model)
        taken = time.monotonic() - began
    timed, whole = (sum(map(len, each.evaluation_lines)) for each in (small, plan))
    return taken * whole / max(1, timed)


def seconds_of_step(plan: Plan, model: NeuralModel, most: float = MOST_SECONDS) -> float:
    """Time some steps of a model, in about `most` seconds: the median, in seconds each."""
    from makemore.training import train_steps
    from makemore.training.device import threads
    from makemore.training.optimizers import make_optimizers

    seconds, started = list[float](), time.monotonic()
    steps = train_steps(
        model, make_optimizers(model, plan.recipe), batches_of(plan, model), plan.recipe,
        soft_targets=soft_targets_of(plan, model),
    )  # fmt: skip
    with threads(plan.config.threads):
        before = time.monotonic()
        for event in steps:
            float(event.loss)  # waits until the device has finished the step
            seconds.append(time.monotonic() - before)
            slow = time.monotonic() - started > most
            if len(seconds) == WARM_UP + TIMED or (slow and len(seconds) > WARM_UP):
                break
            before = time.monotonic()
    return statistics.median(seconds[WARM_UP:] or seconds)


def in_words(seconds: float) -> str:
    """Say a duration as a person would: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
