"""MakeMore: an estimator in scikit-learn's style that learns from lines.

Once fitted it samples new lines and scores lines; those methods are in fitted.py.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from makemore.api import fit, fit_model
from makemore.api.budget_clock import BudgetClock
from makemore.api.checked_run import check_probabilities
from makemore.api.fitted import FittedModel
from makemore.api.lineup import choose_model
from makemore.api.plan import CHOSEN, Plan, split_options
from makemore.errors import MakemoreError, RunError, UsageError
from makemore.models import get_model
from makemore.runs import Run, RunWriter
from makemore.text import Corpus, Split, train_val_test_split
from makemore.training.config import BUDGET_MODEL, DEFAULT_MODEL, names_prior, parse_seconds

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.api.keywords import TrainingKeywords
    from makemore.training.batches import Batches
    from makemore.training.events import Event
    from makemore.training.soft_targets import SoftTargets


class MakeMore(FittedModel):
    """Trains a language model on lines, samples new lines from it, and scores lines.

    model: a name that `makemore models` lists; None: counts and networks mixed for a list of fewer
        than 5,000 lines, a transformer for a longer one, or what `time` is filled with best
    random_state: the seed of weights, data order and dropout
    time: seconds ("60s", "10m") that fit may take; model, size and steps are chosen for them
    options: of the model, the training or the text, by their names on the command line (n_layer,
    max_steps, learning_rate, keep_copies, ...); api/keywords.py lists them

        maker = MakeMore(model="gru", max_steps=2000, random_state=0).fit(lines)
        maker.sample(20)
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        random_state: int | None = None,
        time: float | str | None = None,
        **options: Unpack[TrainingKeywords],
    ) -> None:
        # As in scikit-learn, arguments are only stored here, and checked by fit.
        self.model, self.random_state, self.time = model, random_state, time
        self.options: dict[str, Any] = {**options}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments, as scikit-learn's clone and searches need them."""
        named = {"model": self.model, "random_state": self.random_state, "time": self.time}
        return {**named, **self.options}

    def set_params(self, **params: Any) -> MakeMore:
        """Change arguments of the constructor; they apply at the next fit."""
        for name in ("model", "random_state", "time"):
            setattr(self, name, params.pop(name, getattr(self, name)))
        self.options.update(params)
        return self

    def __repr__(self) -> str:
        params = {k: v for k, v in self.get_params().items() if v is not None}
        return f"MakeMore({', '.join(f'{key}={value!r}' for key, value in params.items())})"

    # -- learning ---------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, Any]:
        """Collect the requested options of a plan: `options`, and random_state as `seed`."""
        # None is left out: then the seed is the option's default.
        seed = {} if self.random_state is None else {"seed": self.random_state}
        return {**self.options, **seed}

    def fit(
        self,
        lines: Iterable[str],
        y: Iterable[str] | None = None,
        *,
        val: Iterable[str] | None = None,
        val_y: Iterable[str] | None = None,
    ) -> MakeMore:
        """Learn from lines (strings); of 50 or more, a tenth each is held back as val and test.

        y: a label (a string) for each line; with `labels=True` and no y, a line is TEXT<tab>LABEL.
        val, val_y: validation lines and labels of your own; then all of `lines` train.
        Raises DataError for lines that cannot be used, UsageError for options, Diverged.
        """
        began, seconds = monotonic(), None if self.time is None else parse_seconds(self.time)
        model = self.model or (DEFAULT_MODEL if seconds is None else BUDGET_MODEL)
        requested = self.asked if y is None else {**self.asked, "labels": True}
        # The text's options alone are needed so far; unknown ones are refused here, too.
        _, _, text = split_options(get_model(model), requested)
        corpus = Corpus.from_lines(lines, text, y)
        parts = train_val_test_split(corpus)
        if val is not None:
            # Copies in validation lines stay: a mean over them counts each one.
            keep = dataclasses.replace(text, keep_copies=True)
            parts = Split(corpus, Corpus.from_lines(val, keep, val_y), corpus.take(slice(0)))
        # A time is counted from the start of this call: cleaning and splitting took some of it.
        plan, _ = make_plan(parts, self.model, requested, "lines", seconds, began)
        self.begin(plan)
        for _ in self.training(clock=self.clock(began)):  # each event that is consumed trains on
            pass
        return self

    def begin(self, plan: Plan, resumes: bool = False) -> None:
        """Make the planned model with initial weights, on its device.

        resumes: the weights of a run will be loaded, so those of a prior are not needed
        Raises UsageError for options that clash.
        """
        model = fit_model.initialize_model(plan, from_prior=not resumes)
        self.plan_, self.model_, self._classifier = plan, model, None

    def training(
        self,
        writer: RunWriter | None = None,
        run: Run | None = None,
        stop: threading.Event | None = None,
        clock: BudgetClock | None = None,
    ) -> Iterator[Event]:
        """Train the model of `begin`, or go on with `run`; yields Step, Evaluated and Saved.

        Training happens while the generator is consumed, and ends when it is closed.
        writer: writes a run directory, None to write nothing; stop: once set, the current step is
        the last one; clock: of a time budget, which then ends the training
        """
        with closing(fit.fit(self._plan, self._model, writer, run, stop, clock)) as events:
            for event in events:
                self._classifier = None  # its calibration was fitted to other weights
                yield event
        self._classifier = None  # the last event may have been used to predict

    def clock(self, began: float, run: Run | None = None) -> BudgetClock | None:
        """Make the clock of the plan's time budget, which counts from `began`; None without one.

        run: the run that goes on, which has used some of the time
        """
        return BudgetClock.of(self._plan, began, run.progress if run else None)

    def batches(self, batch_size: int | None = None) -> Batches:
        """Make the batches of a training: batches(step) -> list of (inputs, targets).

        batch_size: None for the recipe's. Raises UsageError for a model that does not learn by
        steps.
        """
        return fit_model.batches_of(self._plan, self._model, batch_size)

    def soft_targets(self) -> SoftTargets | None:
        """Make the soft targets of the training; None where targets are one-hot."""
        return fit_model.soft_targets_of(self._plan, self._model)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a run directory that every command can use.

        It holds no optimizer state, so a training cannot go on from it. Raises RunError where there
        is a run already, SystemFault.
        """
        from makemore.training.events import Progress

        plan, steps = self._plan, self._plan.recipe.max_steps or 1
        # The writer takes the directory's lock and refuses one with other files in it.
        with RunWriter(folder) as writer:
            if writer.manifest is not None:
                raise RunError("there is a run already", str(folder), "give another directory")
            writer.create(plan.config, plan.vocabulary, plan.split, plan.prior_lines)
            writer.save(Progress(steps, steps, finished=True).record(), self._model.tensors())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MakeMore:
        """Load a run directory, with its best weights. Raises RunError if it is none or damaged."""
        return cls.of_run(Run.load(folder))

    @classmethod
    def of_run(cls, run: Run) -> MakeMore:
        """Make a MakeMore of a run that was read, with its best weights. Raises RunError."""
        plan = Plan.from_run(run)
        maker = cls(plan.config.model)
        # The constructor's arguments again, so that get_params and another fit mean the same.
        requested = {**plan.config.asked}
        if requested.pop("model", None) == CHOSEN:
            maker.model = None
        maker.time, maker.random_state = requested.pop("time", None), requested.pop("seed", None)
        maker.options, maker.plan_, maker.folder_ = requested, plan, run.path
        try:
            maker.model_ = plan.build()
            maker.model_.load_tensors(run.weights)
            with maker.evaluation():
                check_probabilities(maker.model_)
        except RunError as error:  # it names no directory yet
            raise RunError(error.what, str(Path(run.path)), error.to_do) from None
        except MakemoreError as error:
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        return maker


def check_prior(model: str, requested: Mapping[str, Any]) -> None:
    """Raise UsageError if a prior is requested for a named ensemble, none of whose members has it.

    Where no model is named, the ensemble that is chosen has a member for it.
    """
    prior = requested.get("prior")
    if get_model(model).is_ensemble and names_prior(prior):
        raise UsageError(
            "it is a member that starts from a prior", "--prior",
            f"name it: --members 'ngram, transformer prior={prior}'",
        )  # fmt: skip


def make_plan(
    split: Split,
    model: str | None,
    requested: Mapping[str, Any],
    name: str,
    seconds: float | None,
    began: float,
) -> tuple[Plan, str]:
    """Plan a training that begins now; with a time budget, say in one line why so ("" without).

    model: the one that was named; None for the list's default, or to let the budget choose
    name: what the text is called; began: time.monotonic() from which `seconds` count
    """
    if seconds is None:  # no budget: steps by the recipe and the text
        if model is not None:
            check_prior(model, requested)
            return Plan.make(model, requested, split, name), ""
        chosen, options, why = choose_model(split, requested)
        plan = Plan.make(chosen, {**requested, **options}, split, name)
        return (plan.as_requested(requested, model=CHOSEN) if options else plan), why
    from makemore.api.time_budget import plan_within  # which needs torch

    return plan_within(split, requested, model, seconds, name, began)
