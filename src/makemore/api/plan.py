"""Plan: everything that a training depends on, resolved before its first step.

What was asked for and what the text is give every value there is; a run directory records them,
and gives the same plan back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore import parallel
from makemore.errors import RunError, UsageError
from makemore.models import CountModel, Model, get_model
from makemore.models.core.base import Arrays
from makemore.models.core.label_counts import PerLabelCounts
from makemore.options import make, options_of, unknown_key
from makemore.runs import Run, RunConfig
from makemore.sampling import KnownLines
from makemore.sampling.sampler import ROUND
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.training import TrainingConfig
from makemore.training.config import TimeBudget
from makemore.version import __version__

Members = list[tuple[str, dict[str, Any]]]  # of an ensemble: name and options of each

MAX_VAL_LINES = 20_000  # lines of val that are evaluated while training: those of the lowest hashes
MAX_TRAIN_LINES = 1_000  # lines of train whose loss is shown beside it
REFERENCE_LINES = 25_000  # training lines for which a model's recipe declares its steps
FEW_LINES = 4_000  # below which fewer steps are the more
BESIDE_COUNTS = 0.25  # of its soft targets is left to a member of an ensemble that counts, too
SOFTER = 0.06  # what soft targets take more for every halving of the lines
SOFTEST = 0.9


@dataclass(frozen=True)
class Plan:
    """Everything that a training depends on, resolved before its first step."""

    kind: type[Model]
    options: Any
    recipe: TrainingConfig
    config: RunConfig
    vocabulary: Vocabulary
    split: Split

    @classmethod
    def make(cls, model: str, asked: Mapping[str, Any], parts: Split, name: str) -> Plan:
        """Resolve what was asked for, for this text. Raises UsageError; nothing is written."""
        kind = get_model(model)
        options, recipe, text = split_options(kind, asked)
        vocabulary = Vocabulary.of((part for _, part in parts), text.symbols, text.max_vocab)
        block_size = block_size_of(kind, options, vocabulary, parts)
        # As checked, so that numpy's numbers are JSON's and 1 is 1.0 where a option is a float.
        checked = {**asdict(options), **asdict(recipe), **asdict(text)}
        named = {key: checked[key] for key in asked if _identifies_run(kind, key)}
        recipe = resolved(kind, recipe, asked, vocabulary.lengths(parts.train))
        config = RunConfig(
            model=model,
            asked=named,
            resolved={**asdict(options), **asdict(recipe), **asdict(text)},
            vocab_size=len(vocabulary),
            block_size=block_size,
            data={"name": name, "digest": parts.digest()},
            threads=recipe.threads or 1,
            round_size=ROUND,
            version=__version__,
        )
        plan = cls(kind, options, recipe, config, vocabulary, parts)
        return plan.with_members() if kind.is_ensemble else plan

    def with_time_budget(self, asked: Mapping[str, Any], time: float) -> Plan:
        """The same plan as one that was asked for in these words, with this many seconds to learn.

        What was chosen for them stands among the resolved values.
        """
        typed = {key: asked[key] for key in self.config.asked if key in asked}
        config = dataclasses.replace(self.config, asked={**typed, "time": time})
        return dataclasses.replace(self, config=config)

    @classmethod
    def from_run(cls, run: Run) -> Plan:
        """The plan that a run directory records. Raises RunError if it is not known here."""
        config = run.config
        try:
            kind = get_model(config.model)
        except UsageError:
            raise RunError(
                f"the run's model {config.model!r} is not known here", str(run.path),
                "give its file with --plugin",
            ) from None  # fmt: skip
        try:
            options, recipe, _ = split_options(kind, config.resolved)
            asked = {**config.asked}
            make(TimeBudget, {"time": asked.pop("time", None)})
            split_options(kind, asked)
        except UsageError as error:
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        slot = bool(run.vocabulary.labels)
        if kind.input_kind == "window" and config.block_size != kind.context_for(options, 0) + slot:
            raise RunError(f"config.json: block_size is {config.block_size}", str(run.path))
        plan = cls(kind, options, recipe, config, run.vocabulary, run.split)
        try:
            plan.check_weights(run.weights)
        except RunError as error:
            raise RunError(error.what, str(run.path), error.to_do) from None
        except UsageError as error:  # options that do not go together
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        return plan

    def check_weights(self, tensors: Arrays) -> None:
        """Raise RunError if the weights are not this model's; one that is too large is not made."""
        if issubclass(self.kind, CountModel):
            return  # what it holds is what the file holds
        import torch

        from makemore.models import NeuralModel
        from makemore.models.core.layers import skip_init

        try:
            with torch.device("meta"), skip_init():  # shapes without memory
                model = self.build()
        except (RuntimeError, NotImplementedError):  # a plugin that needs values to be made
            return
        if isinstance(model, NeuralModel):
            model.check_tensors(tensors)

    def member_plans(self) -> list[Plan]:
        """The plans of what an ensemble mixes, in order.

        What was asked for the whole holds for each member that does not say otherwise. Their seeds
        differ; text, threads and device are the whole's. Beside counts the others are taught less
        of what counts say: the mixture has that already, and gains by what they see otherwise.
        """
        from makemore.models.ensemble import member_block_size

        own = {"members", "seed", "time"}
        whole = {key: value for key, value in self.config.asked.items() if key not in own}
        free = {key: getattr(self.recipe, key) for key in ("device", "save_interval")}
        members, plans = members_of(self.options.members), []
        counted = any(issubclass(get_model(name), CountModel) for name, _ in members)
        for number, (name, values) in enumerate(members):
            seed = (self.recipe.seed + number) % 2**63
            asked = {**whole, "seed": seed, **values, **free, "threads": self.config.threads}
            plan = Plan.make(name, asked, self.split, self.config.data["name"])
            recipe, labels = plan.recipe, bool(self.vocabulary.labels)
            if counted and asked.get("soft_targets") is None:
                soft = round(BESIDE_COUNTS * recipe.soft_targets, 3)
                recipe = dataclasses.replace(recipe, soft_targets=soft)
            config = dataclasses.replace(
                plan.config, vocab_size=len(self.vocabulary), block_size=member_block_size(
                    plan.kind, plan.options, self.config.block_size, labels
                ),
                resolved={**plan.config.resolved, **asdict(recipe)},
            )  # fmt: skip
            plans.append(
                dataclasses.replace(plan, recipe=recipe, config=config, vocabulary=self.vocabulary)
            )
        return plans

    def with_members(self) -> Plan:
        """An ensemble's plan with the steps of each member resolved, and their sum as its own."""
        plans, kinds = self.member_plans(), members_of(self.options.members)
        steps = [plan.recipe.max_steps or 1 for plan in plans]
        each = [
            (name, values if issubclass(plan.kind, CountModel) else {**values, "max_steps": number})
            for (name, values), plan, number in zip(kinds, plans, steps, strict=True)
        ]
        options = dataclasses.replace(self.options, members=text_of(each))
        recipe = dataclasses.replace(self.recipe, max_steps=sum(steps))
        values = {**self.config.resolved, **asdict(options), **asdict(recipe)}
        config = dataclasses.replace(self.config, resolved=values)
        return dataclasses.replace(self, options=options, recipe=recipe, config=config)

    @cached_property
    def evaluation_lines(self) -> list[Corpus]:
        """The lines of train and of val whose losses are looked at while training."""
        return [self.split.train.lowest(MAX_TRAIN_LINES), self.split.val.lowest(MAX_VAL_LINES)]

    @cached_property
    def known_lines(self) -> KnownLines:
        """The lines of the text, which are none to draw again."""
        return KnownLines(self.split)

    @property
    def label_shares(self) -> NDArray[np.float64] | None:
        """(n_labels,) the share of each label among the training lines; None without labels."""
        vocabulary = self.vocabulary
        return vocabulary.label_shares(self.split.train) if vocabulary.labels else None

    def build(self) -> Model:
        """The model with its initial weights, on the CPU."""
        kind: Any = self.kind
        sizes = len(self.vocabulary), self.config.block_size, self.options
        n_labels = len(self.vocabulary.labels)
        if n_labels and issubclass(kind, CountModel):
            return PerLabelCounts(kind, *sizes, n_labels)
        model: Any = kind(*sizes)
        if n_labels:
            model.add_labels(n_labels)
        return model

    def build_seeded(self) -> Model:
        """The model with the initial weights of the recipe's seed."""
        if issubclass(self.kind, CountModel):
            return self.build()
        from makemore.training.device import seeded

        with seeded(self.recipe.seed):
            return self.build()


def split_options(
    kind: type[Model], values: Mapping[str, Any]
) -> tuple[Any, TrainingConfig, TextConfig]:
    """Model options, recipe and text options of flat values. UsageError for an unknown key."""
    groups: tuple[type[Any], ...] = (kind.Options, TrainingConfig, TextConfig)
    names = [set(options_of(group)) for group in groups]
    for key in values:
        if not any(key in known for known in names):
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


def block_size_of(kind: type[Model], options: Any, vocabulary: Vocabulary, parts: Split) -> int:
    """A model's block_size for this text; a window has a place more where there are labels."""
    longest = vocabulary.longest(part for _, part in parts)
    slot = kind.input_kind == "window" and bool(vocabulary.labels)
    return kind.context_for(options, longest) + slot


def resolved(
    kind: type[Model], recipe: TrainingConfig, asked: Mapping[str, Any], lengths: NDArray[np.int64]
) -> TrainingConfig:
    """The recipe with every None that depends on the text or the machine replaced by its value.

    lengths: (n_lines,) symbols of the training lines
    """
    items = int(lengths.sum()) + len(lengths) if kind.input_kind == "window" else len(lengths)
    batch, steps = recipe.batch_size, recipe.max_steps or 1000
    if asked.get("batch_size") is not None and batch > items:
        raise UsageError(
            f"a batch of {batch} is more than the {items} there are to learn from", "--batch-size",
            f"give at most {items}",
        )  # fmt: skip
    if asked.get("max_steps") is None:  # the recipe's steps are those for a text like names.txt
        # Few lines are soon learned by heart: 400 names are at their best after some 70 steps.
        least = 0.3 * min(1.0, max(0.2, (len(lengths) / FEW_LINES) ** 0.65))
        steps = max(1, round(steps * min(2.0, max(least, len(lengths) / REFERENCE_LINES))))
    if issubclass(kind, CountModel):
        steps = 1
    soft = recipe.soft_targets
    if asked.get("soft_targets") is None and soft:
        # The fewer lines there are, the less one of them says of what may follow.
        doublings = math.log2(REFERENCE_LINES / max(1, len(lengths)))
        soft = round(min(SOFTEST, max(0.0, soft + SOFTER * doublings)), 2)
    every = recipe.eval_interval or max(10, steps // 20)
    return dataclasses.replace(
        recipe, max_steps=steps, batch_size=min(batch, items), eval_interval=every,
        soft_targets=soft,
        threads=recipe.threads or _threads(kind),
    )  # fmt: skip


def _threads(kind: type[Model]) -> int:
    return 1 if issubclass(kind, CountModel) else parallel.default_threads()


def _identifies_run(kind: type[Model], key: str) -> bool:
    every = {**options_of(kind.Options), **options_of(TrainingConfig), **options_of(TextConfig)}
    return every[key].identifies_run


# -- the members of an ensemble, as --members writes them -----------------------------------------


def members_of(text: str) -> Members:
    """`ngram, gru n_hidden=192` -> names and options, each of the type that the option has.

    An option is one of the member's model or of its training. Raises UsageError for an unknown
    model or option, or a value that cannot be.
    """
    from makemore.models.ensemble import read_value, split_members

    found = []
    for name, written in split_members(text):
        each = {**options_of(TrainingConfig), **options_of(get_model(name).Options)}
        known = {key: option for key, option in each.items() if option.identifies_run}
        for key in written:
            if key not in known:
                raise unknown_key(key, known, f"option of {name}")
        found.append((name, {key: read_value(known[key], text) for key, text in written.items()}))
    return found


def text_of(members: Members) -> str:
    """What `members_of` reads."""
    return ", ".join(
        " ".join([name, *(f"{key}={_written(value)}" for key, value in values.items())])
        for name, values in members
    )


def _written(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
