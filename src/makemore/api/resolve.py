"""Resolve: the value of every option of a training, from requested ones, a recipe and the text.

A model declares a recipe for REFERENCE_LINES training lines; fewer lines have fewer steps and more
soft targets. Requested values stay as they are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from makemore.api.keywords import ModelKeywords
from makemore.errors import UsageError
from makemore.models import CountModel, Model
from makemore.options import make, options_of, unknown_key
from makemore.text import Split, TextConfig, Vocabulary
from makemore.training import TrainingConfig
from makemore.training.config import names_prior

REFERENCE_LINES = 25_000  # training lines for which a model's recipe declares its steps
FEW_LINES = 4_000  # training lines below which even the least number of steps falls
SOFT_TARGETS_PER_HALVING = 0.06  # added to soft_targets for every halving of the training lines
MAX_SOFT_TARGETS = 0.9
TUNING_STEPS, TUNING_LINES = 30, 48  # from a prior: so many steps for so many training lines


def split_options(
    kind: type[Model], values: Mapping[str, Any]
) -> tuple[Any, TrainingConfig, TextConfig]:
    """Sort flat values into the model's options, the training's and the text's, all checked.

    Defaults of the training are the model's recipe. Raises UsageError for an unknown key or a bad
    value.
    """
    groups: tuple[type[Any], ...] = (kind.Options, TrainingConfig, TextConfig)
    names = [set(options_of(group)) for group in groups]
    for key in values:
        if not any(key in known for known in names):
            if key in ModelKeywords.__annotations__:
                to_do = f"leave it out; set_params({key}=None) does"
                raise UsageError(f"unknown option {key!r}", f"{kind.name} has none", to_do)
            raise unknown_key(key, sorted(set().union(*names)))
    chosen = [
        make(
            group,
            {k: v for k, v in values.items() if k in known},
            kind.recipe if group is TrainingConfig else None,
        )
        for group, known in zip(groups, names, strict=True)
    ]
    return chosen[0], chosen[1], chosen[2]


def options_for(kind: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Select those of flat values that are options of a model, of its training or of the text."""
    groups: tuple[type[Any], ...] = (kind.Options, TrainingConfig, TextConfig)
    return {k: v for k, v in values.items() if any(k in options_of(group) for group in groups)}


def block_size_of(kind: type[Model], options: Any, vocabulary: Vocabulary, parts: Split) -> int:
    """Compute a model's block_size for this text; with labels, a window has one column more."""
    longest = vocabulary.longest(part for _, part in parts)
    slot = kind.input_kind == "window" and bool(vocabulary.labels)
    return kind.context_for(options, longest) + slot


def resolve(
    kind: type[Model],
    recipe: TrainingConfig,
    requested: Mapping[str, Any],
    n_lines: int,
    n_symbols: int,
) -> TrainingConfig:
    """Replace every value of a recipe that depends on the text; keep requested ones.

    n_lines: training lines; n_symbols: of all of them. Raises UsageError for too large a batch.
    """
    # What a batch is drawn from: windows, one for each symbol and each end of a line; or lines.
    items = n_symbols + n_lines if kind.input_kind == "window" else n_lines
    batch, steps = recipe.batch_size, recipe.max_steps or 1000
    if requested.get("batch_size") is not None and batch > items:
        raise UsageError(
            f"a batch of {batch} is more than the {items} there are to learn from", "--batch-size",
            f"give at most {items}",
        )  # fmt: skip
    if requested.get("max_steps") is None:
        # The recipe's steps are those for REFERENCE_LINES: in proportion to the lines, at most
        # twice and at least 0.3 times as many. Below FEW_LINES that floor falls, too, to 0.06, as
        # few lines are soon learned by heart: 400 names are at their best after some 70 steps. The
        # power 0.65 was measured (docs/decisions/0041).
        least = 0.3 * min(1.0, max(0.2, (n_lines / FEW_LINES) ** 0.65))
        steps = max(1, round(steps * min(2.0, max(least, n_lines / REFERENCE_LINES))))
        if names_prior(recipe.prior):
            # From good weights on, few steps: more lines have more to tell.
            steps = max(10, round(TUNING_STEPS * (n_lines / TUNING_LINES) ** 0.55))
    if issubclass(kind, CountModel):
        steps = 1
    soft = recipe.soft_targets
    if requested.get("soft_targets") is None and soft:
        # soft_targets is the part of the target that comes from counts. The fewer lines there are,
        # the less one symbol that followed tells of what may follow, so the larger that part.
        halvings = math.log2(REFERENCE_LINES / max(1, n_lines))
        soft += SOFT_TARGETS_PER_HALVING * halvings
        soft = round(min(MAX_SOFT_TARGETS, max(0.0, soft)), 2)
    every = recipe.eval_interval or max(10, steps // 20)  # about 20 evaluations in a training
    return dataclasses.replace(
        recipe, max_steps=steps, batch_size=min(batch, items), eval_interval=every,
        soft_targets=soft,
    )  # fmt: skip


def identifies_run(kind: type[Model], key: str) -> bool:
    """Look up whether two runs that differ in this option are different runs."""
    every = {**options_of(kind.Options), **options_of(TrainingConfig), **options_of(TextConfig)}
    return every[key].identifies_run
