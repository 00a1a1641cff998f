"""Plan: the value of every option of a training, resolved from requested options and the text.

It is made before the first step, and a run directory records it: options as they were requested,
and all values as they were resolved. So a run that goes on has the same plan.

    a gru, {"n_embd": 32}, 25,000 lines  ->  max_steps 1000, batch_size 512, soft_targets 0.5, ...
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.api.members import members_of, text_of
from makemore.api.prior import FINE_TUNING, load_prior
from makemore.api.resolve import (
    block_size_of,
    identifies_run,
    options_for,
    resolve,
    split_options,
)
from makemore.api.threads import shared_threads, training_threads
from makemore.errors import RunError, UsageError
from makemore.models import CountModel, Model, get_model
from makemore.models.core.base import Arrays
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.member_text import member_block_size
from makemore.options import make
from makemore.runs import Run, RunConfig
from makemore.sampling import KnownLines
from makemore.sampling.sampler import ROUND
from makemore.text import Corpus, Split, Vocabulary
from makemore.text.line_hashes import PriorLines
from makemore.training import TrainingConfig
from makemore.training.config import TimeBudget, names_prior
from makemore.version import __version__

MAX_VAL_LINES = 20_000  # lines of val that are evaluated while training, a sample by hashes
MAX_TRAIN_LINES = 1_000  # lines of train whose loss is shown beside it, a sample by hashes
BESIDE_COUNTS = 0.25  # factor on soft_targets of a member of an ensemble that has counts, too
CHOSEN = "default"  # what is recorded as the requested model where none was named


@dataclass(frozen=True)
class Plan:
    """Holds all that a training depends on: model, options, vocabulary and split.

    kind: the model's class; options: an object of its Options; recipe: options of the training
    config: what config.json records, options as requested and as resolved
    prior_lines: the lines of the prior, if the weights start from one
    """

    kind: type[Model]
    options: Any
    recipe: TrainingConfig
    config: RunConfig
    vocabulary: Vocabulary
    split: Split
    prior_lines: PriorLines | None = None

    @classmethod
    def make(cls, model: str, requested: Mapping[str, Any], parts: Split, name: str) -> Plan:
        """Resolve the requested options of a model for this text; nothing is written.

        name: what the text is called in config.json. Raises UsageError for options.
        """
        kind = get_model(model)
        # The members of an ensemble start from a prior, each for itself.
        prior = None if kind.is_ensemble else load_prior(requested.get("prior"))
        values = requested
        if prior is not None:
            prior.check_options(model, requested)
            values = {**prior.options, **options_for(kind, FINE_TUNING), **requested}
        options, recipe, text = split_options(kind, values)
        # Of all parts, so that a symbol that is rare has an id even if train lacks it.
        vocabulary = Vocabulary.of((part for _, part in parts), text.symbols, text.max_vocab)
        block_size = block_size_of(kind, options, vocabulary, parts)
        # Values as the checks return them: numpy's numbers as Python's, and 1 as 1.0 where an
        # option is a float. So they can be written as JSON and compared with those of a later call.
        checked = {**asdict(options), **asdict(recipe), **asdict(text)}
        # Only options that identify a run are compared when a later call goes on with it.
        named = {key: checked[key] for key in requested if identifies_run(kind, key)}
        n_lines, n_symbols = len(parts.train), vocabulary.n_symbols(parts.train)
        recipe = resolve(kind, recipe, requested, n_lines, n_symbols)
        if recipe.threads is None and not kind.is_ensemble:  # whose members say how many
            sizes = len(vocabulary), block_size, options
            threads = training_threads(kind, sizes, recipe.batch_size, n_symbols / max(1, n_lines))
            recipe = dataclasses.replace(recipe, threads=threads)
        if prior is not None:
            recipe = dataclasses.replace(recipe, prior=prior.name)
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
        lines = prior.lines if prior else None
        plan = cls(kind, options, recipe, config, vocabulary, parts, lines)
        return plan.with_members() if kind.is_ensemble else plan

    def as_requested(self, requested: Mapping[str, Any], **beside: Any) -> Plan:
        """Record the plan as one that was requested with these options alone, and these beside.

        beside: time=60.0, a budget in seconds; model=CHOSEN, where no model was named
        Options that were chosen for them remain among the resolved values only.
        """
        named = {key: self.config.asked[key] for key in self.config.asked if key in requested}
        config = dataclasses.replace(self.config, asked={**named, **beside})
        return dataclasses.replace(self, config=config)

    @classmethod
    def from_run(cls, run: Run) -> Plan:
        """Rebuild the plan that a run directory records.

        Raises RunError for an unknown model, or for values that do not go together.
        """
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
            # The requested options are not used here, but compared later: they must be valid, too.
            requested = {**config.asked}
            make(TimeBudget, {"time": requested.pop("time", None)})
            if requested.pop("model", CHOSEN) != CHOSEN:
                raise UsageError("asked: an unknown value of 'model'")
            split_options(kind, requested)
        except UsageError as error:
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        slot = bool(run.vocabulary.labels)  # a window's first column is the label
        if kind.input_kind == "window" and config.block_size != kind.context_for(options, 0) + slot:
            raise RunError(f"config.json: block_size is {config.block_size}", str(run.path))
        plan = cls(kind, options, recipe, config, run.vocabulary, run.split, run.prior_lines)
        try:
            plan.check_weights(run.weights)
        except RunError as error:
            raise RunError(error.what, str(run.path), error.to_do) from None
        except UsageError as error:  # options that do not go together
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        return plan

    def check_weights(self, tensors: Arrays) -> None:
        """Raise RunError if the weights have other names, shapes or types than this model's.

        A config.json may name any size, so the model is made without memory for its weights.
        """
        if issubclass(self.kind, CountModel):
            return  # its size is that of the counts in the file
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
        """Make the plan of each member of an ensemble, in order.

        A member has the options that were requested for the ensemble unless it names its own. Seeds
        differ; text, threads and device are the ensemble's. If some member counts, the others get
        fewer soft targets, which come from counts: the mixture has the counts already, and gains by
        members that differ from them.
        """
        only_whole = {"members", "seed", "time", "model", "prior"}  # of the ensemble alone
        shared = {k: value for k, value in self.config.asked.items() if k not in only_whole}
        # Options that do not identify the run are not in config.asked.
        free = {key: getattr(self.recipe, key) for key in ("device", "save_interval")}
        members, plans = members_of(self.options.members), []
        counted = any(issubclass(get_model(name), CountModel) for name, _ in members)
        for number, (name, values) in enumerate(members):
            seed = (self.recipe.seed + number) % 2**63  # equal members with other initial weights
            requested = {**shared, "seed": seed, **values, **free, "threads": self.recipe.threads}
            plan = Plan.make(name, requested, self.split, self.config.data["name"])
            recipe, labels = plan.recipe, bool(self.vocabulary.labels)
            if counted and requested.get("soft_targets") is None:
                soft = round(BESIDE_COUNTS * recipe.soft_targets, 3)
                recipe = dataclasses.replace(recipe, soft_targets=soft)
            config = dataclasses.replace(
                plan.config, vocab_size=len(self.vocabulary), block_size=member_block_size(
                    plan.kind, plan.options, self.config.block_size, labels
                ),
                ranks=self.config.ranks,
                resolved={**plan.config.resolved, **asdict(recipe)},
            )  # fmt: skip
            plans.append(
                dataclasses.replace(plan, recipe=recipe, config=config, vocabulary=self.vocabulary)
            )
        return plans

    def with_members(self) -> Plan:
        """Resolve the steps of each member of an ensemble; their sum is the ensemble's max_steps.

        The members' steps are written into the resolved option `members`.
        """
        plans, kinds = self.member_plans(), members_of(self.options.members)
        steps = [plan.recipe.max_steps or 1 for plan in plans]
        each = [
            (name, {**values, **plan.fixed_options()})
            for (name, values), plan in zip(kinds, plans, strict=True)
        ]
        options = dataclasses.replace(self.options, members=text_of(each))
        threads = self.recipe.threads or shared_threads(plan.config.threads for plan in plans)
        recipe = dataclasses.replace(self.recipe, max_steps=sum(steps), threads=threads)
        values = {**self.config.resolved, **asdict(options), **asdict(recipe)}
        config = dataclasses.replace(self.config, resolved=values, threads=threads)
        known = [plan.prior_lines for plan in plans if plan.prior_lines is not None]
        lines = PriorLines.union(known) if known else None
        return dataclasses.replace(
            self, options=options, recipe=recipe, config=config, prior_lines=lines
        )

    def fixed_options(self) -> dict[str, Any]:
        """Return what was resolved for a member and does not follow from its own options alone."""
        if issubclass(self.kind, CountModel):
            return {}
        steps = {"max_steps": self.recipe.max_steps or 1}
        if not names_prior(self.recipe.prior):
            return steps
        # Without its prior, the sizes of its weights would be unknown.
        return {"prior": self.recipe.prior, **asdict(self.options), **steps}

    @property
    def recipe_steps(self) -> int:
        """Compute the steps that the model has by its own recipe for this text."""
        declared = {"max_steps": None, **self.kind.recipe}["max_steps"]
        recipe = dataclasses.replace(self.recipe, max_steps=declared)
        requested = {key: value for key, value in self.config.asked.items() if key != "max_steps"}
        n_lines, n_symbols = len(self.split.train), self.vocabulary.n_symbols(self.split.train)
        return resolve(self.kind, recipe, requested, n_lines, n_symbols).max_steps or 1

    @cached_property
    def evaluation_lines(self) -> list[Corpus]:
        """Sample the lines of train and of val whose losses are measured while training.

        Lines of val that the prior has read are left out: of those it knows more than of new ones.
        """
        val = self.split.val
        if self.prior_lines is not None:
            val = val.take(~self.is_read(val))
        return [self.split.train.lowest(MAX_TRAIN_LINES), val.lowest(MAX_VAL_LINES)]

    def is_read(self, lines: Corpus) -> NDArray[np.bool_]:
        """Tell which lines the prior has read (n_lines,); none without a prior."""
        if self.prior_lines is None:
            return np.zeros(len(lines), dtype=bool)
        return self.prior_lines.is_read(lines.hashes())

    @cached_property
    def known_lines(self) -> KnownLines:
        """Collect the lines of the text, for samples that must not repeat them."""
        return KnownLines(self.split, prior=self.prior_lines)

    @property
    def label_shares(self) -> NDArray[np.float64] | None:
        """Estimate p(label) (n_labels,) by the training lines; None without labels."""
        vocabulary = self.vocabulary
        return vocabulary.label_shares(self.split.train) if vocabulary.labels else None

    def build(self) -> Model:
        """Make the model with initial weights, on the CPU, by torch's current random state."""
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
        """Make the model with the initial weights of the recipe's seed."""
        if issubclass(self.kind, CountModel):
            return self.build()
        from makemore.training.device import seeded

        with seeded(self.recipe.seed):
            return self.build()
