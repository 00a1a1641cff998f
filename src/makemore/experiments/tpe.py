"""TPE: options of the next trial by the losses of those before, chosen by optuna's sampler.

The tree-structured Parzen estimator (Bergstra et al. 2011, Algorithms for Hyper-Parameter
Optimization) fits one density to the options of the best trials and one to those of the others, and
takes the options where the first is largest beside the second. The new thing here: its study is
made anew for each trial from the records of the sweep, and its seed is a function of the trial's
number, so that nothing but the records has to be kept.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from makemore.errors import SystemFault
from makemore.experiments.trial import (
    KINDS,
    Axis,
    Record,
    Settings,
    digest,
    loss_of,
    random_draws,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

RANDOM_FIRST = 10  # trials that are those of --random: no loss says anything yet
TRIES = 20  # proposals for a trial; one that was tried before would teach nothing
# What says something about the options; all other failures are the machine's.
BAD_OPTIONS = {*KINDS.values(), "memory"}


def check_installed() -> None:
    """Check that optuna is there. Raises SystemFault."""
    if find_spec("optuna") is None:
        raise SystemFault("--tpe needs optuna", None, "pip install optuna")


def different(axes: Sequence[Axis]) -> float:
    """Count the combinations of the axes' values; inf where a range has no steps."""
    sizes = []
    for axis in axes:
        size: float = len(axis.values)
        if axis.is_range:
            low, high = axis.values
            size = high - low + 1 if isinstance(low, int) else math.inf
        sizes.append(size)
    return math.prod(sizes)


def chosen(
    axes: Sequence[Axis], seed: int, number: int, records: Mapping[str, Record],
    running: Mapping[str, Settings],
) -> Settings:  # fmt: skip
    """Choose the options of a trial by its number and what is known; the same for the same.

    records: of finished trials by number, in any order. A diverged one, or one whose options do not
    go together, counts as worse than all others, one that the machine failed does not count.
    running: options of trials whose losses are not known; they count as bad, so that several
    workers do not all try the same
    """
    seen = {digest(record["options"]) for record in records.values()}
    seen |= {digest(options) for options in running.values()}
    draws = random_draws(axes, max(number + 1, len(seen) + 1), seed)
    if number < min(RANDOM_FIRST, len(draws)):
        return draws[number]
    space = {axis.key: _distribution(axis) for axis in axes}
    for attempt in range(TRIES):
        with _study(seed, number, attempt) as study:
            study.add_trials(list(_told(space, records, running)))
            proposed = study.ask(space).params
        options = {axis.key: _value(axis, proposed[axis.key]) for axis in axes}
        if digest(options) not in seen:
            return options
    return next((draw for draw in draws if digest(draw) not in seen), options)


@contextmanager
def _study(seed: int, number: int, attempt: int) -> Iterator[Study]:
    """Yield an empty study in memory; optuna says nothing inside `with`."""
    import optuna

    entropy = np.random.SeedSequence([seed, number, attempt]).generate_state(1)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is called experimental
            sampler = optuna.samplers.TPESampler(
                seed=int(entropy[0]), n_startup_trials=0, constant_liar=True
            )
            yield optuna.create_study(sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _told(
    space: dict[str, BaseDistribution], records: Mapping[str, Record],
    running: Mapping[str, Settings],
) -> Iterator[FrozenTrial]:  # fmt: skip
    """Write the trials as optuna has them, in the order of their numbers."""
    from optuna.trial import TrialState, create_trial

    for name in sorted({*records, *running}, key=int):
        options = records[name]["options"] if name in records else running[name]
        state, loss = TrialState.RUNNING, None
        if name in records and math.isfinite(loss_of(records[name])):
            state, loss = TrialState.COMPLETE, loss_of(records[name])
        elif name in records:
            is_bad = records[name].get("kind", "diverged") in BAD_OPTIONS
            state = TrialState.PRUNED if is_bad else TrialState.FAIL
        yield create_trial(state=state, value=loss, params=options, distributions=space)


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not axis.is_range:
        return CategoricalDistribution(axis.values)
    low, high = axis.values
    by_logarithm = low > 0 and high >= 10 * low  # as random_draws does
    if isinstance(low, int):
        return IntDistribution(low, high, log=by_logarithm)
    return FloatDistribution(low, high, log=by_logarithm)


def _value(axis: Axis, proposed: Any) -> Any:
    """Round a value of a range to what can be read and typed again."""
    if not axis.is_range or isinstance(axis.values[0], int):
        return proposed
    low, high = axis.values
    return min(max(float(f"{proposed:.4g}"), low), high)
