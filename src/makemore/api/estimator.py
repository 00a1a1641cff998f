"""MakeMore: an estimator in scikit-learn's style that learns from lines.

Once fitted it samples new lines and scores lines; those methods are in fitted.py.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from makemore.api import fit, fit_model, memory_errors
from makemore.api.budget_clock import BudgetClock
from makemore.api.checked_run import check_probabilities
from makemore.api.checks import (
    RandomState,
    check_flag,
    check_folder,
    check_new_folder,
    check_seed,
    keywords_in_errors,
)
from makemore.api.fitted import FittedModel
from makemore.api.keywords import TrainingKeywords
from makemore.api.plan import CHOSEN, Plan
from makemore.api.planning import make_plan
from makemore.api.progress_line import show_events, wants_progress
from makemore.api.read_parts import read_parts
from makemore.api.sklearn_tags import tags_of
from makemore.errors import MakemoreError, RunError, UsageError
from makemore.models import get_model
from makemore.models.core.registry import model_names
from makemore.options import options_of, unknown_key
from makemore.runs import Run, RunWriter
from makemore.text import Corpus, TextConfig
from makemore.text.python_lines import Lines
from makemore.training.config import (
    BUDGET_MODEL,
    DEFAULT_MODEL,
    TrainingConfig,
    parse_seconds,
)
from makemore.training.events import Evaluated

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.training.batches import BatchSource
    from makemore.training.events import Event
    from makemore.training.ranks import Ranks
    from makemore.training.soft_targets import SoftTargets


# Options of which None is no value; of those of a plugin's model nobody knows here.
NEVER_NONE = set(TrainingKeywords.__annotations__).difference(
    name
    for kind in (TextConfig, TrainingConfig)
    for name, known in options_of(kind).items()
    if known.optional
)
NAMED = ("model", "random_state", "time", "verbose")  # arguments of the constructor beside options


class MakeMore(FittedModel):
    """Trains a language model on lines, samples new lines from it, and scores lines.

    model: a name that `makemore models` lists; None: counts and networks mixed for a list of fewer
        than 5,000 lines, a transformer for a longer one, or what `time` is filled with best
    random_state: the seed of weights, data order and dropout; or a generator of numpy (RandomState,
        Generator) that fit draws it from
    time: seconds ("60s", "10m") that fit may take; model, size and steps are chosen for them
    verbose: 1 shows on stderr how far fit is, 0 shows nothing; None: shown where somebody watches
        (a terminal, a notebook) and it takes more than 2 seconds
    options: of the model, the training or the text, by their names on the command line (n_layer,
    max_steps, learning_rate, keep_copies, ...); api/keywords.py lists them

        maker = MakeMore(model="gru", max_steps=2000, random_state=0).fit(lines)
        maker.sample(20)
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        random_state: RandomState | None = None,
        time: float | str | None = None,
        verbose: bool | int | None = None,
        **options: Unpack[TrainingKeywords],
    ) -> None:
        # As in scikit-learn, arguments are only stored here, and checked by fit.
        self.model, self.random_state, self.time = model, random_state, time
        self.verbose = verbose
        self._options: dict[str, Any] = {**TrainingKeywords(**options)}

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the model, the training and the text that were given, by name."""
        return self._options

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments, as scikit-learn's clone and searches need them."""
        named = {"model": self.model, "random_state": self.random_state, "time": self.time}
        # Like an option, it is one of them where it was given.
        shown = {} if self.verbose is None else {"verbose": self.verbose}
        return {**named, **shown, **self._options}

    def set_params(self, **params: Any) -> MakeMore:
        """Change arguments of the constructor; they apply at the next fit.

        None takes an option back, so that a model which has no such option can be fitted. Raises
        UsageError for a name that no model has as an option; values are checked by fit.
        """
        known = {*NAMED, *TrainingKeywords.__annotations__, *self._options}
        if unknown := [name for name in params if name not in known]:
            known |= all_options()  # with those of plugins, which may have to be loaded
            for name in unknown:
                if name not in known:
                    what = f"Invalid parameter {name!r} for estimator {self!r}"
                    raise UsageError(what, None, unknown_key(name, sorted(known)).to_do)
        for name in NAMED:
            setattr(self, name, params.pop(name, getattr(self, name)))
        # A new dict: a shallow copy of this maker keeps its own.
        self._options = {**self._options, **params}
        return self

    def __repr__(self) -> str:
        params = {k: v for k, v in self.get_params().items() if v is not None}
        shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
        return f"{type(self).__name__}({shown})"

    def _repr_html_(self) -> str:
        """Show the maker in a notebook: parameters, losses and 20 new lines; changes nothing."""
        from makemore.api.notebook import html_of

        return html_of(self)

    def __sklearn_is_fitted__(self) -> bool:
        return self.plan_ is not None and self.model_ is not None

    def __sklearn_tags__(self) -> Any:
        labelled = self._options.get("labels") is True
        return tags_of(labelled or (self.plan_ is not None and bool(self.vocabulary.labels)))

    # -- learning ---------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, Any]:
        """Collect the requested options of a plan: `options`, and random_state as `seed`.

        A generator of numpy is advanced by drawing the seed.
        """
        # None is left out where it is no value: then the option has its default.
        options = {k: v for k, v in self._options.items() if v is not None or k not in NEVER_NONE}
        seed = {} if self.random_state is None else {"seed": check_seed(self.random_state)}
        return {**options, **seed}

    def fit(
        self,
        lines: Corpus | Lines,
        y: Lines | None = None,
        *,
        val: Lines | None = None,
        val_y: Lines | None = None,
        test: Lines | None = None,
        test_y: Lines | None = None,
        verbose: bool | int | None = None,
    ) -> MakeMore:
        """Learn from lines; of 50 or more, a tenth each is held back as val and test.

        lines: strings: a list, another iterable (a set is sorted), a column or a table of one
            column of numpy, pandas, polars or pyarrow, a file that is open, or a Path, which is
            read as the commands read FILE
        y: a label for each line (strings, whole numbers or booleans), in the order of the lines,
            whatever index pandas gave them; with `labels=True` and no y, a line is TEXT<tab>LABEL
        val, val_y, test, test_y: lines and labels of your own; then all of `lines` train
        verbose: as in the constructor, for this call
        Raises DataError for lines that cannot be used, UsageError for options, Diverged.
        """
        began, seconds = monotonic(), None if self.time is None else parse_seconds(self.time)
        shown = wants_progress(self.verbose if verbose is None else verbose)
        named = DEFAULT_MODEL if seconds is None else BUDGET_MODEL
        named = named if self.model is None else self.model
        if isinstance(lines, Corpus) and y is None:
            y = lines.label_of_each()
        requested = self.asked
        with keywords_in_errors():
            parts, labels = read_parts(named, requested, lines, y, (val, val_y), (test, test_y))
        if y is not None:
            requested = {**requested, "labels": True}
        # A time is counted from the start of this call: cleaning and splitting took some of it.
        name = (Path(lines).stem or "text") if isinstance(lines, os.PathLike) else "lines"
        plan, why = make_plan(parts, self.model, requested, name, seconds, began)
        with keywords_in_errors():
            self.begin(plan)
            self.label_values_, self.folder_ = labels, None
            events = self.training(clock=self.clock(began))
            for _ in show_events(events, plan, why, shown):  # each event that is consumed trains on
                pass
        return self

    def begin(self, plan: Plan, resumes: bool = False) -> None:
        """Make the planned model with initial weights, on its device.

        resumes: the weights of a run will be loaded, so those of a prior are not needed
        Raises UsageError for options that clash.
        """
        with memory_errors.of_model(plan):
            model = fit_model.initialize_model(plan, from_prior=not resumes)
        self.plan_, self.model_, self._cache = plan, model, {}
        self._best = None

    def training(
        self,
        writer: RunWriter | None = None,
        run: Run | None = None,
        stop: threading.Event | None = None,
        clock: BudgetClock | None = None,
        ranks: Ranks | None = None,
    ) -> Iterator[Event]:
        """Train the model of `begin`, or go on with `run`; yields Step, Evaluated and Saved.

        Training happens while the generator is consumed, and ends when it is closed.
        writer: writes a run directory, None to write nothing; stop: once set, the current step is
        the last one; clock: of a time budget, which then ends the training
        ranks: processes of which this one is the first, and which compute each batch together
        Raises OutOfMemory, with the batch size to try.
        """
        if run is not None:
            self._best = run.progress["best_step"], run.progress["best_val"]
        plan, has_folder = self._plan, writer is not None
        with (
            memory_errors.of_training(plan, has_folder),
            closing(fit.fit(plan, self._model, writer, run, stop, clock, ranks)) as events,
        ):
            for event in events:
                self._cache.clear()  # computed with other weights
                if isinstance(event, Evaluated) and event.best:
                    self._best = event.step, event.val
                yield event
        self._cache.clear()  # at the last event, too, somebody may have predicted

    def clock(self, began: float, run: Run | None = None) -> BudgetClock | None:
        """Make the clock of the plan's time budget, which counts from `began`; None without one.

        run: the run that goes on, which has used some of the time
        """
        return BudgetClock.of(self._plan, began, run.progress if run else None)

    def batches(self, batch_size: int | None = None) -> BatchSource:
        """Make the batches of a training: batches(step) -> list of (inputs, targets).

        batch_size: None for the recipe's. Raises UsageError for a model that does not learn by
        steps.
        """
        return fit_model.batches_of(self._plan, self._model, batch_size)

    def soft_targets(self) -> SoftTargets | None:
        """Make the soft targets of the training; None where targets are one-hot."""
        return fit_model.soft_targets_of(self._plan, self._model)

    def save(self, folder: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Write a run directory that every command can use.

        It holds no optimizer state, so a training cannot go on from it.
        replace: remove a run that is in the folder; files that makemore did not write stay
        Raises RunError where there is a run already, SystemFault.
        """
        from makemore.training.events import Progress

        folder, plan = check_new_folder(folder), self._plan
        replace = check_flag(replace, "replace")
        steps = plan.recipe.max_steps or 1
        best_step, best_val = self._best or (steps, None)
        # The writer takes the directory's lock and refuses one with other files in it.
        with RunWriter(folder, fresh=replace) as writer:
            if writer.manifest is not None and not replace:
                to_do = "give another directory, or save(folder, replace=True)"
                raise RunError("there is a run already", str(folder), to_do)
            writer.create(plan.config, plan.vocabulary, plan.split, plan.prior_lines)
            progress = Progress(steps, best_step, best_val, finished=True)
            writer.save(progress.record(), self._model.tensors())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MakeMore:
        """Load a run directory, or a zip of one, with its best weights.

        Raises RunError if it is none or damaged.
        """
        return cls.of_run(Run.load(check_folder(folder)))

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
        maker._options, maker.plan_, maker.folder_ = requested, plan, run.path
        maker._best = run.progress["best_step"], run.progress["best_val"]
        maker._cache = {}
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


def all_options() -> set[str]:
    """Collect the names of all options of a training: of the text, and of every known model."""
    kinds = [get_model(name).Options for name in model_names()]
    return set().union(*map(options_of, (TextConfig, TrainingConfig, *kinds)))
