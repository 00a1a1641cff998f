"""MakeMore: from lines to a fitted model, which then gives new lines and scores (fitted.py)."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from makemore.api import fit, fit_model
from makemore.api.fitted import FittedModel
from makemore.api.plan import Plan, split_options
from makemore.errors import MakemoreError, RunError
from makemore.models import get_model
from makemore.runs import Run, RunWriter
from makemore.text import Corpus, Split, train_val_test_split
from makemore.training.config import parse_seconds
from makemore.training.events import Progress

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.api.keywords import TrainingKeywords
    from makemore.training.batches import Batches
    from makemore.training.events import Event
    from makemore.training.soft_targets import SoftTargets


DEFAULT_MODEL = "transformer"


class MakeMore(FittedModel):
    """Learns what lines look like; makes more of them, and says how likely lines are.

    model: a name that `makemore models` lists; None for the default, or for what fills a time.
    random_state: the seed of weights, data order and dropout. time: seconds ("60s", "10m") that fit
    may take; model, size and steps are chosen for them. Every other option is one of the model's,
    of the training or of the text, by the name that the command line has (n_layer, max_steps,
    learning_rate, keep_copies, ...): api/keywords.py lists them.

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
        self.model, self.random_state, self.time = model, random_state, time
        self.options: dict[str, Any] = {**options}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn asks for them."""
        own = {"model": self.model, "random_state": self.random_state, "time": self.time}
        return {**own, **self.options}

    def set_params(self, **params: Any) -> MakeMore:
        """Change arguments of the constructor; the model has to be fitted again."""
        for name in ("model", "random_state", "time"):
            setattr(self, name, params.pop(name, getattr(self, name)))
        self.options.update(params)
        return self

    def __repr__(self) -> str:
        given = {k: v for k, v in self.get_params().items() if v is not None}
        return f"MakeMore({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    # -- learning ---------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, Any]:
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
        """Learn from strings, one thing each; `val` replaces the part that the split would choose.

        y: a label (a string) for each line; with `labels=True` and no y, a line is TEXT<tab>LABEL.
        Raises DataError for lines that cannot be used, UsageError for options, Diverged.
        """
        began, model = monotonic(), self.model or DEFAULT_MODEL
        seconds = None if self.time is None else parse_seconds(self.time)
        asked = self.asked if y is None else {**self.asked, "labels": True}
        _, _, text = split_options(get_model(model), asked)
        corpus = Corpus.from_lines(lines, text, y)
        parts = train_val_test_split(corpus)
        if val is not None:
            keep = dataclasses.replace(text, keep_copies=True)
            parts = Split(corpus, Corpus.from_lines(val, keep, val_y), corpus.take(slice(0)))
        if seconds is None:
            plan = Plan.make(model, asked, parts, "lines")
        else:
            from makemore.api.time_budget import plan_within

            plan, _ = plan_within(parts, asked, self.model, seconds, "lines", began)
        self.begin(plan)
        for _ in self.training():
            pass
        return self

    def begin(self, plan: Plan) -> None:
        """Make the model as planned, on its device. UsageError for options that clash."""
        self.plan_, self.model_, self._classifier = plan, fit_model.initialize_model(plan), None

    def training(
        self,
        writer: RunWriter | None = None,
        run: Run | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Train as begun, or go on with `run`; yields what happens. The generator is the training.

        With a writer, the run directory is made, or the run in it goes on.
        """
        with closing(fit.fit(self._plan, self._model, writer, run, stop)) as events:
            for event in events:
                self._classifier = None  # it was that of other weights
                yield event
        self._classifier = None

    def batches(self, batch_size: int | None = None) -> Batches:
        """The batches of a training as begun, by step; of another size than the recipe's if asked.

        Raises UsageError for a model that does not learn by steps.
        """
        return fit_model.batches_of(self._plan, self._model, batch_size)

    def soft_targets(self) -> SoftTargets | None:
        """What gives the training as begun its soft targets; None where nothing does."""
        return fit_model.soft_targets_of(self._plan, self._model)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a run directory that every command can use. Raises RunError, SystemFault."""
        plan, steps = self._plan, self._plan.recipe.max_steps or 1
        with RunWriter(folder) as writer:
            if writer.manifest is not None:
                raise RunError("there is a run already", str(folder), "give another directory")
            writer.create(plan.config, plan.vocabulary, plan.split)
            writer.save(Progress(steps, steps, finished=True).record(), self._model.tensors())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MakeMore:
        """The maker of a run directory. Raises RunError if it is none or damaged."""
        return cls.of_run(Run.load(folder))

    @classmethod
    def of_run(cls, run: Run) -> MakeMore:
        """The maker of a run that was read, with its best weights."""
        plan = Plan.from_run(run)
        maker = cls(plan.config.model)
        asked = {**plan.config.asked}
        maker.time, maker.random_state = asked.pop("time", None), asked.pop("seed", None)
        maker.options, maker.plan_, maker.folder_ = asked, plan, run.path
        try:
            maker.model_ = plan.build()
            maker.model_.load_tensors(run.weights)
        except RunError as error:
            raise RunError(error.what, str(Path(run.path)), error.to_do) from None
        except MakemoreError as error:
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        return maker
