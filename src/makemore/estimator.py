"""MakeMore: from lines to a trained model, which then gives new lines and scores (trained.py)."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore import learning
from makemore.corpus import Corpus
from makemore.errors import MakemoreError, RunError
from makemore.models import base
from makemore.plan import Plan, options_of
from makemore.run import Run
from makemore.run_writer import RunWriter
from makemore.split import Split, split
from makemore.trained import Trained

if TYPE_CHECKING:
    from makemore.batches import Batches
    from makemore.teacher import Teacher
    from makemore.train import Event

DEFAULT_MODEL = "transformer"


class MakeMore(Trained):
    """Learns what lines look like; makes more of them, and says how likely lines are.

    model: a name that `makemore models` lists. random_state: the seed of weights, data order and
    dropout. Every other option is one of that model's, of the training or of the text, by the name
    that the command line has (n_layer, max_steps, learning_rate, keep_copies, ...).

        maker = MakeMore(model="gru", max_steps=2000, random_state=0).fit(lines)
        maker.sample(20)
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, random_state: int | None = None, **options: Any
    ) -> None:
        self.model, self.random_state, self.options = model, random_state, options

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn asks for them."""
        return {"model": self.model, "random_state": self.random_state, **self.options}

    def set_params(self, **params: Any) -> MakeMore:
        """Change arguments of the constructor; the model has to be fitted again."""
        self.model = params.pop("model", self.model)
        self.random_state = params.pop("random_state", self.random_state)
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
        asked = self.asked if y is None else {**self.asked, "labels": True}
        _, _, text = options_of(base.find(self.model), asked)
        corpus = Corpus.from_lines(lines, text, y)
        parts = split(corpus)
        if val is not None:
            keep = dataclasses.replace(text, keep_copies=True)
            parts = Split(corpus, Corpus.from_lines(val, keep, val_y), corpus.take(slice(0)))
        self.begin(Plan.make(self.model, asked, parts, "lines"))
        for _ in self.training():
            pass
        return self

    def begin(self, plan: Plan) -> None:
        """Make the model as planned, on its device. UsageError for options that clash."""
        self.plan_, self.model_, self._classifier = plan, learning.begun(plan), None

    def training(
        self,
        writer: RunWriter | None = None,
        run: Run | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Train as begun, or go on with `run`; yields what happens. The generator is the training.

        With a writer, the run directory is made, or the run in it goes on.
        """
        with closing(learning.learn(self._plan, self._model, writer, run, stop)) as events:
            for event in events:
                self._classifier = None  # it was that of other weights
                yield event
        self._classifier = None

    def batches(self, batch_size: int | None = None) -> Batches:
        """The batches of a training as begun, by step; of another size than the recipe's if asked.

        Raises UsageError for a model that does not learn by steps.
        """
        return learning.batches_of(self._plan, self._model, batch_size)

    def teacher(self) -> Teacher | None:
        """What gives the training as begun its soft targets; None where nothing does."""
        return learning.teacher_of(self._plan, self._model)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a run directory that every command can use. Raises RunError, SystemFault."""
        from makemore.train import Progress

        plan, steps = self._plan, self._plan.recipe.max_steps or 1
        with RunWriter(folder) as writer:
            if writer.manifest is not None:
                raise RunError("there is a run already", str(folder), "give another directory")
            writer.create(plan.config, plan.vocabulary, plan.split)
            writer.save(asdict(Progress(steps, steps, finished=True)), self._model.tensors())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MakeMore:
        """The maker of a run directory. Raises RunError if it is none or damaged."""
        return cls.of_run(Run.load(folder))

    @classmethod
    def of_run(cls, run: Run) -> MakeMore:
        """The maker of a run that was read, with its best weights."""
        plan = Plan.of(run)
        maker = cls(plan.config.model)
        asked = {key: value for key, value in plan.config.asked.items() if key != "time"}
        maker.random_state, maker.options = asked.pop("seed", None), asked
        maker.plan_ = plan
        try:
            maker.model_ = plan.build()
            maker.model_.load_tensors(run.weights)
        except RunError as error:
            raise RunError(error.what, str(Path(run.path)), error.to_do) from None
        except MakemoreError as error:
            raise RunError(f"config.json: {error.what}", str(run.path)) from None
        return maker
