"""FittedModel: samples lines from a trained model, scores lines, and predicts labels.

The commands, Python and the web server all use these methods. torch is imported late, so that a
model of counts is loaded and sampled without it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makemore import parallel
from makemore.api.plan import Plan
from makemore.errors import Unsatisfiable, UsageError
from makemore.models import CountModel, Model
from makemore.models.core.base import no_probabilities
from makemore.options import make, options_of, unknown_key
from makemore.runs.issued import IssuedLines
from makemore.sampling import Constraints, KnownLines, Sample, Sampler, SamplingConfig, top_lines
from makemore.sampling.config import with_style
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
    """Holds a plan and a model with its weights; both are None before fit or load.

    A trailing underscore marks what is learned, as in scikit-learn.
    """

    plan_: Plan | None = None
    model_: Model | None = None
    folder_: Path | None = None  # the run directory that it was loaded from
    _classifier: Classifier | None = None  # made when it is first needed, see _labels

    @property
    def _plan(self) -> Plan:
        """Return the plan. Raises UsageError before fit or load."""
        if self.plan_ is None:
            raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
        return self.plan_

    @property
    def _model(self) -> Model:
        """Return the model. Raises UsageError before fit or load."""
        if self.model_ is None:
            raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
        return self.model_

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Use evaluation mode and the run's number of threads inside `with`.

        The last bits of a sum depend on that number, and so do scores.
        """
        if isinstance(self._model, CountModel):  # no mode, no torch
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import threads

        with threads(self._plan.config.threads), eval_mode(self._model):
            yield

    @contextmanager
    def _steps_in_parts(self) -> Iterator[None]:
        """Compute the parts of a step at the same time inside `with`, on a core each."""
        if isinstance(self._model, CountModel):
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import one_thread_each

        # Each part is computed by one thread, so lines do not depend on the number of cores.
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
        """Make a sampler of lines under constraints, which also counts rejected draws.

        avoid: lines to reject beside those of the text; given: lines that earlier calls issued, to
        reject, too; sampling: see `sample`. Raises UsageError, Unsatisfiable.
        """
        make(SamplingConfig, sampling)  # checked as they were given
        plan, avoid = self._plan, corpus_to_avoid(avoid)
        options, relaxed = make(SamplingConfig, self.styled(sampling)), None
        # Nobody named a style: once no tidy line is left, plain ones follow.
        if options.style == "tidy" and sampling.get("style") is None:
            relaxed = make(SamplingConfig, {**sampling, "style": "plain"})
        seed = fresh_seed() if random_state is None else check_seed(random_state)
        near, distance = None, options.min_distance or 0
        if distance > 1 and not options.all:  # a new line has distance 1 or more by itself
            # Rejected: what is min_distance - 1 edits or fewer away from any known line.
            parts = [part for _, part in plan.split] + [part for part in (avoid, given) if part]
            near = EditDistanceIndex(concatenate(parts), distance - 1).near
        return Sampler(
            self._model, plan.vocabulary, self._known(avoid, given), options, seed,
            plan.config.round_size, plan.vocabulary.longest([plan.split.train]),
            plan.split.train, near, self._label_inputs(options.label), relaxed,
        )  # fmt: skip

    def styled(self, sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Add the filters of the style of sampling, or of the default one: see with_style."""
        return with_style(sampling, self._plan.split.n_lines)

    def _known(self, avoid: Corpus | None, given: Corpus | None = None) -> KnownLines:
        """Collect the lines that are not new: those of the text, and these."""
        plan = self._plan
        if avoid is None and given is None:
            return plan.known_lines  # kept by the plan: collecting them sorts the whole text
        return KnownLines(plan.split, avoid, given, plan.prior_lines)

    def _label_inputs(self, label: str) -> dict[int, float] | None:
        """Choose the first inputs of draws, label id -> probability; None for a run without labels.

        label: one label, a mixture (`a=.7,b=.3`), or "" for the frequencies in the training lines.
        """
        names, vocabulary = self._plan.vocabulary.labels, self._plan.vocabulary
        if not names:
            if label:
                raise UsageError("the run has no labels", "--label", "train with --labels")
            return None
        prior = parse_mixture(label, names) if label else self.label_shares
        # A label of validation lines alone has probability 0.
        return {vocabulary.label_id(name): p for name, p in prior.items() if p > 0}

    def samples(
        self,
        n: int = 20,
        random_state: int | None = None,
        *,
        avoid: Corpus | Iterable[str] | None = None,
        rank: bool = False,
        total: bool = False,
        remember: bool = False,
        **sampling: Unpack[SamplingKeywords],
    ) -> Iterator[Sample]:
        """Draw n lines and yield each with its origin and nll (nats) as it comes. See `sample`."""
        with ExitStack() as stack:  # holds the lock on the issued lines until the last line
            issued = None
            if remember:
                issued = stack.enter_context(self.issued_lines())
            sampler = self.sampler(
                random_state, avoid, issued.lines if issued else None, **sampling
            )
            lines = self.drawn(sampler, n)
            vocabulary = None if total else self._plan.vocabulary
            for line in likeliest_first(lines, vocabulary) if rank else lines:
                if issued:
                    issued.add([line.text])  # on the disk before anybody sees it
                yield line

    def issued_lines(self, wait: Callable[[], None] = lambda: None) -> IssuedLines:
        """Open the file of lines that this run has issued (`remember`); use it by `with`.

        wait: called before waiting, where another process holds the file.
        Raises UsageError for a model that was not loaded from a run directory.
        """
        if self.folder_ is None:
            raise UsageError(
                "no run directory to remember lines in", None, "save it, and MakeMore.load it"
            )
        return IssuedLines(self.folder_, wait)

    def drawn(self, sampler: Sampler, n: int) -> Iterator[Sample]:
        """Draw n lines by a sampler of this model; yields each as it comes."""
        for lines in self.rounds(sampler, n):
            yield from lines

    def rounds(self, sampler: Sampler, n: int) -> Iterator[SampleBatch]:
        """Draw n lines by a sampler of this model; yields them round by round.

        Raises UsageError for n below 0, Unsatisfiable where no further lines are found.
        """
        if n < 0:
            raise UsageError(f"cannot draw {n} lines", "-n", "give 0 or more")
        rounds = sampler.rounds(n)
        while True:
            # Threads and mode are restored between rounds: the caller's code runs there.
            with self._steps_in_parts():
                lines = next(rounds, None)
            if lines is None:
                return
            self._check_numbers(lines.nll)
            yield lines

    def sample(
        self,
        n: int = 20,
        random_state: int | None = None,
        *,
        avoid: Corpus | Iterable[str] | None = None,
        rank: bool = False,
        total: bool = False,
        remember: bool = False,
        **sampling: Unpack[SamplingKeywords],
    ) -> list[str]:
        """Draw n distinct lines that are not in the text (`all=True`: any lines).

        random_state: the seed; the same one gives the same lines, here and on the command line
        avoid: lines to reject, too; rank: sort by nll a symbol, the lowest first (total: by that
        of whole lines, which puts short ones first)
        remember: record the lines in the run directory, and never issue them again from there
        sampling: style (tidy, plain, wild; by default tidy for a short list), temperature, top_k,
        top_p, min_p, prefix, suffix, contains, exclude, pattern, min_length, max_length,
        min_distance, label, exact, all
        Raises UsageError, and Unsatisfiable where no further lines are found.
        """
        if not (rank or remember):  # texts of whole rounds, without a Sample object for each line
            sampler = self.sampler(random_state, avoid, **sampling)
            return [text for lines in self.rounds(sampler, n) for text in lines.texts]
        lines = self.samples(
            n, random_state, avoid=avoid, rank=rank, total=total, remember=remember, **sampling
        )
        return [line.text for line in lines]

    def top(
        self,
        n: int = 20,
        beam: int | None = None,
        avoid: Corpus | Iterable[str] | None = None,
        total: bool = False,
        **conditions: Unpack[ConstraintKeywords],
    ) -> list[RankedLine]:
        """Search the n most probable lines by their nll a symbol; new ones unless all=True.

        total: rank by the nll of whole lines, which puts short lines first
        beam: keep only so many prefixes of each length: faster, but ranks are not proven
        conditions: prefix, suffix, contains, exclude, pattern, min_length, max_length, label, all
        Raises UsageError, and Unsatisfiable if no line can satisfy them.
        """
        plan, options = self._plan, make(Constraints, conditions)
        inputs = self._label_inputs(options.label) or {BOUNDARY: 1.0}
        # In total no line needs a limit but that of sampling, twice the longest training line. A
        # symbol, a line that repeats itself for ever would be the best: it stays as long as those.
        cap = (2 if total else 1) * plan.vocabulary.longest([plan.split.train])
        known = self._known(corpus_to_avoid(avoid))
        # With the run's number of threads: ranks must not depend on the machine's cores.
        with self.evaluation():
            return top_lines(
                self._model, plan.vocabulary, known, options, inputs, n, cap, beam, total
            )

    def _check_numbers(self, nll: ArrayLike) -> None:
        """Raise RunError where a model gives no probabilities at some place of a line."""
        if np.isnan(nll).any():
            raise no_probabilities(None if self.folder_ is None else str(self.folder_))

    # -- scores -----------------------------------------------------------------------------------

    def score_samples(self, lines: Iterable[str]) -> NDArray[np.float64]:
        """Compute each line's log-likelihood, nats (n,), end included; -inf: an unknown symbol."""
        return -self.scores(corpus_as_is(lines)).nll

    def score(self, lines: Iterable[str], y: None = None) -> float:
        """Average the lines' log-likelihoods, nats; lines with unknown symbols are left out.

        -inf where none is left. y is unused: scikit-learn passes it.
        """
        each = self.score_samples(lines)  # per line, not per symbol as in `report`
        known = each[np.isfinite(each)]
        return float(known.mean()) if len(known) else -math.inf

    def scores(self, corpus: Corpus) -> Scores:
        """Compute the nll (nats) and the symbols of every line of a corpus, as scoring.Scores.

        By a model with labels, a line without one has the nll of the mixture over all labels, and
        `posterior` holds the calibrated p(label | line).
        """
        from makemore.scoring import score

        plan = self._plan
        with self.evaluation():
            scores = score(self._model, plan.vocabulary, corpus, plan.label_shares)
            self._check_numbers(scores.nll)
            return scores if scores.posterior is None else self._labels.calibrated(scores)

    # -- labels -----------------------------------------------------------------------------------

    @property
    def _labels(self) -> Classifier:
        """Return the classifier of the labels. Raises UsageError without labels."""
        from makemore.scoring.classifier import Classifier

        plan, shares = self._plan, self._plan.label_shares
        # Validation lines were not learned from, so they show how often a posterior is right.
        if shares is None:
            raise UsageError("this model knows no labels", None, "fit it with y=labels")
        if self._classifier is None:  # kept, as its calibration scores many validation lines
            self._classifier = Classifier(self._model, plan.vocabulary, shares, plan.split.val)
        return self._classifier

    @property
    def classes_(self) -> NDArray[Any]:
        """List the labels (n_labels,), sorted; empty if the lines had none."""
        # dtype=object: Python's strings, of any length, as scikit-learn has them for such y.
        return np.array(self._plan.vocabulary.labels, dtype=object)

    @property
    def label_shares(self) -> dict[str, float]:
        """Estimate p(label) by the training lines: label -> probability; empty without labels."""
        shares = self._plan.label_shares
        names = self._plan.vocabulary.labels
        return {} if shares is None else dict(zip(names, shares.tolist(), strict=True))

    def predict(self, lines: Iterable[str]) -> NDArray[Any]:
        """Predict the most probable label of each line (n,). Raises UsageError without labels."""
        # Not calibrated first: that never changes which label is the most probable.
        with self.evaluation():
            return np.asarray(self.classes_[self._labels.likeliest(corpus_as_is(lines))])

    def predict_proba(self, lines: Iterable[str]) -> NDArray[np.float64]:
        """Compute p(label | line) (n, n_labels), in the order of `classes_`; each row sums to 1.

        Calibrated on the validation lines (see scoring/classifier.py). A line with an unknown
        symbol has `label_shares`. Raises UsageError without labels.
        """
        with self.evaluation():
            scores = self._labels.calibrated(self._labels.posterior(corpus_as_is(lines)))
        return np.asarray(scores.posterior)

    def accuracy(self, name: str) -> dict[str, Any]:
        """Measure the accuracy of `predict` on one part (train, val, test).

        The values are those of Classifier.accuracy. Raises UsageError without labels.
        """
        with self.evaluation():
            return self._labels.accuracy(dict(self._plan.split)[name])

    def report(self, name: str) -> dict[str, Any]:
        """Compute the exact losses of one part (train, val, test) over all of its lines.

        nll (nats) and bits are per symbol. nll_unseen is the nll of the lines that are not in
        train, None where all or none of them are. Lines of val and test that the prior has read
        are left out of all losses, and counted as `read`. Raises UsageError for another part.
        """
        parts = dict(self._plan.split)
        if name not in parts:
            raise unknown_key(name, parts, "part")
        part = parts[name]
        scores = self.scores(part)
        unseen = ~np.isin(part.hashes(), self._plan.split.train.hashes())
        # A split puts all copies of a text into one part; a file for val or test may repeat train.
        copies = name != "train" and not unseen.all()
        read = self._plan.is_read(part) & (name != "train")
        nll = scores.mean(~read)
        return {
            "split": name,
            "nll": nll,
            "nll_unseen": scores.mean(unseen & ~read) if copies else None,
            "bits": None if nll is None else nll / math.log(2),
            "perplexity": None if nll is None else math.exp(min(nll, 700.0)),  # or it overflows
            "lines": len(part),
            "unknown": int((~scores.known).sum()),
            "read": int(read.sum()),
        }

    @property
    def n_parameters(self) -> int:
        """Count the parameters that the model learned, or the numbers that it counted."""
        return self._model.n_parameters

    @property
    def split(self) -> Split:
        """Return the split of the text that the model learned."""
        return self._plan.split

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the text that the model learned."""
        return self._plan.vocabulary


def corpus_as_is(lines: Iterable[str]) -> Corpus:
    """Make a corpus of lines without cleaning, so that there is one score for each, in order."""
    # A string stays one: Corpus.exactly refuses it, where list() would make lines of characters.
    return Corpus.exactly(lines if isinstance(lines, str) else list(lines))


def corpus_to_avoid(lines: Corpus | Iterable[str] | None) -> Corpus | None:
    """Make a corpus of lines to avoid: cleaned, of any length and with any characters."""
    if lines is None or isinstance(lines, Corpus):  # the command line reads a file into a corpus
        return lines
    # Cleaned like the lines of a text, or a space at the end would make a line another one.
    return Corpus.from_lines(lines, NO_LIMITS, fewest=0)


def likeliest_first(
    lines: Iterable[Sample], vocabulary: Vocabulary | None = None
) -> Iterator[Sample]:
    """Sort samples by their nll a symbol of this vocabulary (None: in total), the lowest first.

    If drawing them raises Unsatisfiable, the samples drawn before are yielded first.
    """
    samples, failure = [], None
    try:
        for line in lines:
            samples.append(line)
    except Unsatisfiable as error:
        failure = error

    def key(line: Sample) -> float:
        """Return what a line is ranked by, nats; its end is a symbol, too."""
        return line.nll / (len(vocabulary.pieces(line.text)) + 1) if vocabulary else line.nll

    yield from sorted(samples, key=key)
    if failure is not None:
        raise failure


def fresh_seed() -> int:
    """Draw a random seed, short enough for a person to type it again."""
    return secrets.randbelow(2**31)


def check_seed(seed: int) -> int:
    """Return a seed in the range of the option. Raises UsageError."""
    return int(options_of(TrainingConfig)["seed"].check(seed))
