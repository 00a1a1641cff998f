"""MakeMore: from lines to a trained model, which then gives new lines and scores (trained.py)."""

from __future__ import annotations

import dataclasses
import math
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.corpus import Corpus, Split, split
from makemore.errors import MakemoreError, RunError, UsageError
from makemore.models import base
from makemore.models.base import CountModel
from makemore.models.labelled import LabelledCounts
from makemore.plan import Plan, options_of
from makemore.run import Run
from makemore.run_writer import RunWriter
from makemore.trained import Trained

if TYPE_CHECKING:
    from makemore.batches import Batches
    from makemore.train import Event

MOST_VAL = 20_000  # lines of val that are evaluated while training: those of the lowest hashes
MOST_TRAIN = 1_000  # lines of train whose loss is shown beside it
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
        self.plan_, self.model_, self._classifier = plan, plan.build_seeded(), None
        if not isinstance(self.model_, CountModel):
            from makemore.evaluate import has_batch_norm
            from makemore.models.neural import NeuralModel
            from makemore.runtime import choose_device

            assert isinstance(self.model_, NeuralModel)  # noqa: S101 (what does not count learns)
            self.model_.to(choose_device(plan.recipe.device))
            if plan.recipe.batch_size == 1 and has_batch_norm(self.model_):
                raise UsageError("BatchNorm needs batches of 2 or more", "--batch-size", "give 2")

    def training(
        self,
        writer: RunWriter | None = None,
        run: Run | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Train as begun, or go on with `run`; yields what happens. The generator is the training.

        With a writer, the run directory is made, or the run in it goes on.
        """
        plan = self._plan
        if writer is not None and run is None:
            writer.create(plan.config, plan.vocabulary, plan.split)
        if isinstance(self._model, CountModel):
            events = self._count(self._model, writer)
        else:
            events = self._learn(plan, writer, run, stop)
        with closing(events):
            for event in events:
                self._classifier = None  # it was that of other weights
                yield event
        self._classifier = None

    def _learn(
        self, plan: Plan, writer: RunWriter | None, run: Run | None, stop: threading.Event | None
    ) -> Generator[Event, None, None]:
        from makemore.models.neural import NeuralModel
        from makemore.train import Training, fit

        model, batches = self.model_, self.batches()
        assert isinstance(model, NeuralModel)  # noqa: S101 (what does not count learns)
        training = Training(model, plan.recipe)
        if run is not None:
            if run.state is None:
                raise RunError("the run holds no state to go on from", str(run.path), "use --fresh")
            try:
                training.restore(run.progress, run.weights, run.state)
            except RunError as error:
                raise RunError(error.what, str(run.path), error.to_do) from None
        with self._threads():
            yield from fit(training, batches, self._losses, writer, stop)

    def batches(self, batch_size: int | None = None) -> Batches:
        """The batches of a training as begun, by step; of another size than the recipe's if asked.

        Raises UsageError for a model that does not learn by steps.
        """
        from makemore.batches import Batches, Lines
        from makemore.models.neural import NeuralModel

        plan, model = self._plan, self._model
        if not isinstance(model, NeuralModel):
            raise UsageError(f"{self.model} does not learn by steps", "--model", "choose another")
        train = plan.split.train
        text, labels = plan.vocabulary.encode(train), plan.vocabulary.encode_labels(train)
        lines = Lines(text.ids, text.offsets, model.reads, model.block_size, model.device, labels)
        size = batch_size or plan.recipe.batch_size
        return Batches(lines, size, plan.recipe.seed, model.packs)

    def _count(self, model: CountModel, writer: RunWriter | None) -> Generator[Event, None, None]:
        from makemore.train import Evaluated, Progress, Saved

        train, vocabulary = self._plan.split.train, self._plan.vocabulary
        text, labels = vocabulary.encode(train), vocabulary.encode_labels(train)
        if isinstance(model, LabelledCounts):
            model.fit_counts(text.ids, text.offsets, labels)
        else:
            model.fit_counts(text.ids, text.offsets)
        loss, val = self._losses()
        yield Evaluated(1, loss, val, True)
        if writer is not None:
            writer.save(asdict(Progress(1, 1, val, 0, finished=True)), model.tensors())
            yield Saved(1)

    def _losses(self) -> tuple[float, float | None]:
        from makemore.evaluate import score

        parts, vocabulary = self._plan.split, self._plan.vocabulary
        shares = self._plan.label_shares
        few = [parts.train.lowest(MOST_TRAIN), parts.val.lowest(MOST_VAL)]
        means = [score(self._model, vocabulary, part, shares).mean() for part in few]
        return math.inf if means[0] is None else means[0], means[1]

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
        asked = dict(plan.config.asked)
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
