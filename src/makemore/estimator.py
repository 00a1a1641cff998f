"""MakeMore: from lines to a trained model, and from a model to new lines and scores.

The commands, Python and the web server all go through here. torch is imported late, so that a
model of counts is loaded and sampled without it.
"""

from __future__ import annotations

import dataclasses
import math
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from makemore import generate
from makemore.corpus import Corpus, Split, split
from makemore.errors import MakemoreError, RunError, UsageError
from makemore.models import base
from makemore.models.base import CountModel, Model
from makemore.options import knobs, make, unknown_key
from makemore.plan import Plan, options_of
from makemore.run import Run
from makemore.run_writer import RunWriter
from makemore.settings import Recipe, Sampling
from makemore.vocabulary import Vocabulary

if TYPE_CHECKING:
    from makemore.batches import Batches
    from makemore.train import Event

MOST_VAL = 20_000  # lines of val that are evaluated while training: those of the lowest hashes
MOST_TRAIN = 1_000  # lines of train whose loss is shown beside it
DEFAULT_MODEL = "transformer"


class MakeMore:
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
        self.plan_: Plan | None = None
        self.model_: Model | None = None

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
        self, lines: Iterable[str], y: None = None, *, val: Iterable[str] | None = None
    ) -> MakeMore:
        """Learn from strings, one thing each; `val` replaces the part that the split would choose.

        Raises DataError for lines that cannot be used, UsageError for options, Diverged.
        """
        _, _, text = options_of(base.find(self.model), self.asked)
        corpus = Corpus.from_lines(lines, text)
        parts = split(corpus)
        if val is not None:
            keep = dataclasses.replace(text, keep_copies=True)
            parts = Split(corpus, Corpus.from_lines(val, keep), corpus.take(slice(0)))
        self.begin(Plan.make(self.model, self.asked, parts, "lines"))
        for _ in self.training():
            pass
        return self

    def begin(self, plan: Plan) -> None:
        """Make the model as planned, on its device. UsageError for options that clash."""
        self.plan_, self.model_ = plan, plan.build_seeded()
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
            yield from self._count(self._model, writer)
        else:
            yield from self._learn(plan, writer, run, stop)

    def _learn(
        self, plan: Plan, writer: RunWriter | None, run: Run | None, stop: threading.Event | None
    ) -> Iterator[Event]:
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
        ids = plan.vocabulary.encode(train)
        lines = Lines(ids, train.offsets, model.reads, model.block_size, model.device)
        size = batch_size or plan.recipe.batch_size
        return Batches(lines, size, plan.recipe.seed, model.packs)

    def _count(self, model: CountModel, writer: RunWriter | None) -> Iterator[Event]:
        from makemore.train import Evaluated, Progress, Saved

        train, vocabulary = self._plan.split.train, self._plan.vocabulary
        model.fit_counts(vocabulary.encode(train), train.offsets)
        loss, val = self._losses()
        yield Evaluated(1, loss, val, True)
        if writer is not None:
            writer.save(asdict(Progress(1, 1, val, 0, finished=True)), model.tensors())
            yield Saved(1)

    def _losses(self) -> tuple[float, float | None]:
        from makemore.evaluate import score

        parts, vocabulary = self._plan.split, self._plan.vocabulary
        few = [parts.train.lowest(MOST_TRAIN), parts.val.lowest(MOST_VAL)]
        means = [score(self._model, vocabulary, part).mean() for part in few]
        return math.inf if means[0] is None else means[0], means[1]

    # -- using ------------------------------------------------------------------------------------

    @property
    def _plan(self) -> Plan:
        if self.plan_ is None:
            raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
        return self.plan_

    @property
    def _model(self) -> Model:
        if self.model_ is None:
            raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
        return self.model_

    def _threads(self) -> AbstractContextManager[None]:
        """The run's own number of threads: the last bits of a sum depend on it."""
        if isinstance(self._model, CountModel):
            return nullcontext()
        from makemore.runtime import threads

        return threads(self._plan.config.threads)

    def samples(
        self,
        n: int = 20,
        random_state: int | None = None,
        avoid: Corpus | None = None,
        **sampling: Any,
    ) -> Iterator[generate.Sample]:
        """n lines with their origin and nll, as they are drawn. See `sample`."""
        options = make(Sampling, sampling)
        if n < 0:
            raise UsageError(f"cannot draw {n} lines", "-n", "give 0 or more")
        seed = fresh_seed() if random_state is None else check_seed(random_state)
        known = generate.Known(self._plan.split, avoid)
        lines = generate.sample(
            self._model, self._plan.vocabulary, known, options, n, seed,
            self._plan.config.round_size, self._plan.split.train.longest,
        )  # fmt: skip
        while True:
            with self._threads():  # given back between two lines: others run there, too
                line = next(lines, None)
            if line is None:
                return
            yield line

    def sample(self, n: int = 20, random_state: int | None = None, **sampling: Any) -> list[str]:
        """n lines that stand nowhere in the text, each once (`all=True`: any line).

        sampling: temperature, top_k, top_p, min_p, prefix, min_length, max_length, all. The same
        random_state gives the same lines, here and on the command line.
        Raises Unsatisfiable if there are no more such lines to be found.
        """
        return [line.text for line in self.samples(n, random_state, **sampling)]

    def score_samples(self, lines: Iterable[str]) -> NDArray[np.float64]:
        """(n,) log-likelihood of each line in nats, end included; -inf with an unknown symbol."""
        return -self.scores(as_given(lines)).nll

    def score(self, lines: Iterable[str], y: None = None) -> float:
        """Mean log-likelihood of the lines in nats; those with unknown symbols are left out."""
        each = self.score_samples(lines)
        known = each[np.isfinite(each)]
        return float(known.mean()) if len(known) else -math.inf

    def scores(self, corpus: Corpus) -> Any:
        """evaluate.Scores of a corpus: nll and symbols of every line."""
        from makemore.evaluate import score

        with self._threads():
            return score(self._model, self._plan.vocabulary, corpus)

    def report(self, name: str) -> dict[str, Any]:
        """Exact losses of one part (train, val, test) over all of its lines.

        nll and bits are a symbol's; nll_unseen is over the lines that are not in train, where the
        part has copies of such lines, else None.
        """
        parts = dict(self._plan.split)
        if name not in parts:
            raise unknown_key(name, parts, "part")
        part = parts[name]
        scores = self.scores(part)
        unseen = ~np.isin(part.hashes(), self._plan.split.train.hashes())
        copies = name != "train" and not unseen.all()
        nll = scores.mean()
        return {
            "split": name,
            "nll": nll,
            "nll_unseen": scores.mean(unseen) if copies else None,
            "bits": None if nll is None else nll / math.log(2),
            "perplexity": None if nll is None else math.exp(min(nll, 700.0)),
            "lines": len(part),
            "unknown": int((~scores.known).sum()),
        }

    @property
    def n_parameters(self) -> int:
        """Numbers that the model learned or counted."""
        return self._model.n_parameters

    @property
    def split(self) -> Split:
        """The parts of the text that was learned."""
        return self._plan.split

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols of the text that was learned."""
        return self._plan.vocabulary

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


def as_given(lines: Iterable[str]) -> Corpus:
    """Strings as they are, nothing cleaned: one score comes back for each, in order."""
    return Corpus.exactly(lines if isinstance(lines, str) else list(lines))


def fresh_seed() -> int:
    """A seed that nobody chose, short enough to be typed again."""
    return secrets.randbelow(2**31)


def check_seed(seed: int) -> int:
    return int(knobs(Recipe)["seed"].check(seed))
