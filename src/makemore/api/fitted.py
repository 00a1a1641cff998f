"""FittedModel: what a model that has learned can be asked for: lines, scores, labels.

The commands, Python and the web server all go through here. torch is imported late, so that a
model of counts is loaded and sampled without it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from makemore import parallel
from makemore.api.plan import Plan
from makemore.errors import Unsatisfiable, UsageError
from makemore.models import CountModel, Model
from makemore.options import make, options_of, unknown_key
from makemore.runs.issued import IssuedLines
from makemore.sampling import Constraints, KnownLines, Sample, Sampler, SamplingConfig, top_lines
from makemore.sampling.results import SampleBatch
from makemore.sampling.search import RankedLine
from makemore.text import Corpus, EditDistanceIndex, Split, Vocabulary
from makemore.text.config import NO_LIMITS
from makemore.text.corpus import concatenate
from makemore.text.vocabulary import BOUNDARY, parse_mixture
from makemore.training import TrainingConfig

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.api.keywords import ConstraintKeywords, SamplingKeywords
    from makemore.scoring import Scores
    from makemore.scoring.classifier import Classifier


class FittedModel:
    """A plan and a model with its weights; both are None before anything was learned."""

    plan_: Plan | None = None
    model_: Model | None = None
    folder_: Path | None = None  # the run directory that it was loaded from
    _classifier: Classifier | None = None

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

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Inside, the model is in evaluation mode and computes with the run's number of threads.

        The last bits of a sum depend on that number.
        """
        if isinstance(self._model, CountModel):
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import threads

        with threads(self._plan.config.threads), eval_mode(self._model):
            yield

    @contextmanager
    def _steps_in_parts(self) -> Iterator[None]:
        """As many parts of a step at the same time as there are cores, a thread for each."""
        if isinstance(self._model, CountModel):
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import one_thread_each

        with one_thread_each(parallel.default_threads()), eval_mode(self._model):
            yield

    # -- lines ------------------------------------------------------------------------------------

    def sampler(
        self,
        random_state: int | None = None,
        avoid: Corpus | Iterable[str] | None = None,
        given: Corpus | None = None,
        **sampling: Unpack[SamplingKeywords],
    ) -> Sampler:
        """Draws of this model under conditions: see `sample`; it also counts what it refuses.

        avoid: lines to refuse beside those of the text; given: the same, of calls before.
        """
        plan, options, avoid = self._plan, make(SamplingConfig, sampling), corpus_to_avoid(avoid)
        seed = fresh_seed() if random_state is None else check_seed(random_state)
        near, distance = None, options.min_distance or 0
        if distance > 1 and not options.all:  # a copy is refused anyway
            parts = [part for _, part in plan.split] + [part for part in (avoid, given) if part]
            near = EditDistanceIndex(concatenate(parts), distance - 1).near
        return Sampler(
            self._model, plan.vocabulary, self._known(avoid, given), options, seed,
            plan.config.round_size, plan.vocabulary.longest([plan.split.train]),
            plan.split.train, near, self._label_inputs(options.label),
        )  # fmt: skip

    def _known(self, avoid: Corpus | None, given: Corpus | None = None) -> KnownLines:
        plan = self._plan
        if avoid is None and given is None:
            return plan.known_lines
        return KnownLines(plan.split, avoid, given)

    def _label_inputs(self, label: str) -> dict[int, float] | None:
        """First inputs of draws and their shares: of one label, a mixture, or as in training."""
        names, vocabulary = self._plan.vocabulary.labels, self._plan.vocabulary
        if not names:
            if label:
                raise UsageError("the run has no labels", "--label", "train with --labels")
            return None
        shares = parse_mixture(label, names) if label else self.label_shares
        return {vocabulary.label_id(name): share for name, share in shares.items() if share > 0}

    def samples(
        self,
        n: int = 20,
        random_state: int | None = None,
        *,
        avoid: Corpus | Iterable[str] | None = None,
        rank: bool = False,
        remember: bool = False,
        **sampling: Unpack[SamplingKeywords],
    ) -> Iterator[Sample]:
        """Draw n lines with their origin and nll (nats), as they are drawn. See `sample`."""
        with ExitStack() as stack:
            issued = None
            if remember:
                issued = stack.enter_context(self.issued_lines())
            sampler = self.sampler(
                random_state, avoid, issued.lines if issued else None, **sampling
            )
            lines = self.drawn(sampler, n)
            for line in likeliest_first(lines) if rank else lines:
                if issued:
                    issued.add([line.text])
                yield line

    def issued_lines(self, wait: Callable[[], None] = lambda: None) -> IssuedLines:
        """The lines that this run has given out for good, to be entered by `with`.

        wait: called where another call holds them, before it is waited for.
        Raises UsageError for a model that was not loaded from a run directory.
        """
        if self.folder_ is None:
            raise UsageError(
                "no run directory to remember lines in", None, "save it, and MakeMore.load it"
            )
        return IssuedLines(self.folder_, wait)

    def drawn(self, sampler: Sampler, n: int) -> Iterator[Sample]:
        """n lines of a sampler of this maker, as they are drawn."""
        for lines in self.rounds(sampler, n):
            yield from lines

    def rounds(self, sampler: Sampler, n: int) -> Iterator[SampleBatch]:
        """n lines of a sampler of this maker, round by round. Raises UsageError for n below 0."""
        if n < 0:
            raise UsageError(f"cannot draw {n} lines", "-n", "give 0 or more")
        rounds = sampler.rounds(n)
        while True:
            with self._steps_in_parts():  # given back between two rounds: others run there, too
                lines = next(rounds, None)
            if lines is None:
                return
            yield lines

    def sample(
        self,
        n: int = 20,
        random_state: int | None = None,
        *,
        avoid: Corpus | Iterable[str] | None = None,
        rank: bool = False,
        remember: bool = False,
        **sampling: Unpack[SamplingKeywords],
    ) -> list[str]:
        """Draw n lines that stand nowhere in the text, each once (`all=True`: any line).

        avoid: lines to refuse, too; rank: the likeliest first
        remember: keep them in the run directory, and never give them again from there
        sampling: temperature, top_k, top_p, min_p, prefix, suffix, contains, exclude, pattern,
        min_length, max_length, min_distance, label, exact, all. The same random_state gives the
        same lines, here and on the command line.
        Raises Unsatisfiable if there are no more such lines to be found.
        """
        if not (rank or remember):  # round by round, which is sooner than line by line
            sampler = self.sampler(random_state, avoid, **sampling)
            return [text for lines in self.rounds(sampler, n) for text in lines.texts]
        lines = self.samples(n, random_state, avoid=avoid, rank=rank, remember=remember, **sampling)
        return [line.text for line in lines]

    def top(
        self,
        n: int = 20,
        beam: int | None = None,
        avoid: Corpus | Iterable[str] | None = None,
        **conditions: Unpack[ConstraintKeywords],
    ) -> list[RankedLine]:
        """The n most likely lines, best first; new ones unless all=True.

        beam: keep only so many prefixes of each length; quicker, and no rank is proven.
        conditions: prefix, suffix, contains, exclude, pattern, min_length, max_length, label, all.
        Raises Unsatisfiable if no line can satisfy them.
        """
        plan, options = self._plan, make(Constraints, conditions)
        inputs = self._label_inputs(options.label) or {BOUNDARY: 1.0}
        cap = 2 * plan.vocabulary.longest([plan.split.train])
        known = self._known(corpus_to_avoid(avoid))
        with self.evaluation():
            return top_lines(self._model, plan.vocabulary, known, options, inputs, n, cap, beam)

    # -- scores -----------------------------------------------------------------------------------

    def score_samples(self, lines: Iterable[str]) -> NDArray[np.float64]:
        """(n,) log-likelihood of each line in nats, end included; -inf with an unknown symbol."""
        return -self.scores(corpus_as_is(lines)).nll

    def score(self, lines: Iterable[str], y: None = None) -> float:
        """Mean log-likelihood of the lines in nats; those with unknown symbols are left out."""
        each = self.score_samples(lines)
        known = each[np.isfinite(each)]
        return float(known.mean()) if len(known) else -math.inf

    def scores(self, corpus: Corpus) -> Scores:
        """scoring.Scores of a corpus: nll and symbols of every line.

        With labels, the nll of a line that has none is over all labels by their training shares,
        and `posterior` holds p(label | line), as sure as the validation lines bear out.
        """
        from makemore.scoring import score

        plan = self._plan
        with self.evaluation():
            found = score(self._model, plan.vocabulary, corpus, plan.label_shares)
            return found if found.posterior is None else self._labels.calibrated(found)

    # -- labels -----------------------------------------------------------------------------------

    @property
    def _labels(self) -> Classifier:
        """Raises UsageError without labels."""
        from makemore.scoring.classifier import Classifier

        plan, shares = self._plan, self._plan.label_shares
        if shares is None:
            raise UsageError("this model knows no labels", None, "fit it with y=labels")
        if self._classifier is None:
            self._classifier = Classifier(self._model, plan.vocabulary, shares, plan.split.val)
        return self._classifier

    @property
    def classes_(self) -> NDArray[Any]:
        """(n_labels,) the labels, sorted; none if the lines had none."""
        return np.array(self._plan.vocabulary.labels, dtype=object)

    @property
    def label_shares(self) -> dict[str, float]:
        """The share of each label among the training lines."""
        shares = self._plan.label_shares
        names = self._plan.vocabulary.labels
        return {} if shares is None else dict(zip(names, shares.tolist(), strict=True))

    def predict(self, lines: Iterable[str]) -> NDArray[Any]:
        """(n,) the likeliest label of each line. UsageError without labels."""
        with self.evaluation():
            return np.asarray(self.classes_[self._labels.likeliest(corpus_as_is(lines))])

    def predict_proba(self, lines: Iterable[str]) -> NDArray[np.float64]:
        """(n, n_labels) p(label | line), in the order of `classes_`; each row sums to 1.

        Calibrated on the validation lines (see scoring/classifier.py). A line with an unknown
        symbol has the labels' shares. Raises UsageError without labels.
        """
        with self.evaluation():
            found = self._labels.calibrated(self._labels.posterior(corpus_as_is(lines)))
        return np.asarray(found.posterior)

    def accuracy(self, name: str) -> dict[str, Any]:
        """accuracy of the likeliest label in one part (train, val, test), and `majority` beside it.

        See Classifier.accuracy. UsageError without labels.
        """
        with self.evaluation():
            return self._labels.accuracy(dict(self._plan.split)[name])

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


def corpus_as_is(lines: Iterable[str]) -> Corpus:
    """Strings as they are, nothing cleaned: one score comes back for each, in order."""
    return Corpus.exactly(lines if isinstance(lines, str) else list(lines))


def corpus_to_avoid(lines: Corpus | Iterable[str] | None) -> Corpus | None:
    """Lines as a corpus to compare with: cleaned, however long they are and whatever they hold."""
    if lines is None or isinstance(lines, Corpus):
        return lines
    return Corpus.from_lines(lines, NO_LIMITS, fewest=0)


def likeliest_first(lines: Iterable[Sample]) -> Iterator[Sample]:
    """Samples by their nll, the lowest first.

    Raises Unsatisfiable, as the samples do, after what was found before there were no more.
    """
    found, end = [], None
    try:
        for line in lines:
            found.append(line)
    except Unsatisfiable as error:
        end = error
    yield from sorted(found, key=lambda line: line.nll)
    if end is not None:
        raise end


def fresh_seed() -> int:
    """A seed that nobody chose, short enough to be typed again."""
    return secrets.randbelow(2**31)


def check_seed(seed: int) -> int:
    return int(options_of(TrainingConfig)["seed"].check(seed))
