"""FittedModel: samples lines from a trained model, scores lines, and predicts labels.

The commands, Python and the web server all use these methods. torch is imported late, so that a
model of counts is loaded and sampled without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from makemore.api.checks import (
    RandomState,
    check_flag,
    check_seed,
    check_shard,
    check_whole,
    fresh_seed,
    remembering_shard,
)
from makemore.api.fitted_state import corpus_as_is as corpus_as_is  # as it was called before
from makemore.api.keywords import ConstraintKeywords, SamplingKeywords
from makemore.api.line_scorer import LineScorer
from makemore.api.memory_errors import of_sampling
from makemore.errors import Unsatisfiable, UsageError
from makemore.options import make
from makemore.runs.issued import IssuedLines
from makemore.sampling import Constraints, KnownLines, Sample, Sampler, SamplingConfig, top_lines
from makemore.sampling.apart import top_apart, worth_a_distance
from makemore.sampling.config import with_style
from makemore.sampling.constraints.spelling import as_in_text
from makemore.sampling.results import SampleBatch
from makemore.sampling.search import RankedLine
from makemore.sampling.together import draw_together
from makemore.text import Corpus, EditDistanceIndex, Vocabulary
from makemore.text.python_lines import Lines
from makemore.text.vocabulary import BOUNDARY

if TYPE_CHECKING:
    from typing import Unpack


class FittedModel(LineScorer):
    """Samples lines from a trained model, beside what it inherits: scores, predicted labels."""

    def sampler(
        self,
        random_state: RandomState | None = None,
        avoid: Corpus | Lines | None = None,
        given: Corpus | None = None,
        *,
        avoid_like: Corpus | Lines | None = None,
        shard: str | None = None,
        **sampling: Unpack[SamplingKeywords],
    ) -> Sampler:
        """Make a sampler of lines under constraints, which also counts rejected draws.

        avoid: lines to reject beside those of the text; avoid_like: whatever their case and accents
        given: lines that earlier calls issued, to reject, too; shard, sampling: see `sample`
        Raises UsageError, Unsatisfiable.
        """
        part = None if shard is None else check_shard(shard, random_state)
        sampling = self._with_label_name(SamplingKeywords(**sampling))
        make(SamplingConfig, sampling)  # checked as they were given
        plan, typed = self._plan, as_in_text(self._plan.vocabulary, sampling)
        avoid, like = self._to_avoid(avoid), self._to_avoid(avoid_like)
        options, relaxed = make(SamplingConfig, self.styled(typed)), None
        # Nobody named a style: once no tidy line is left, plain ones follow. Not in a shard, which
        # does not know whether the others have tidy lines left.
        if options.style == "tidy" and sampling.get("style") is None and part is None:
            relaxed = make(SamplingConfig, {**typed, "style": "plain"})
        seed = fresh_seed() if random_state is None else check_seed(random_state)
        near, distance = None, options.min_distance or 0
        if distance > 1 and not options.all:  # a new line has distance 1 or more by itself
            # Rejected: what is min_distance - 1 edits or fewer away from any known line.
            others = [part for part in (avoid, like, given) if part]
            near = EditDistanceIndex([*self._text_parts, *others], distance - 1).near
        return Sampler(
            self._model, plan.vocabulary, self._known(avoid, given, like), options, seed,
            plan.config.round_size, plan.vocabulary.longest([plan.split.train]),
            plan.split.train, near, self._label_inputs(options.label), relaxed, part,
        )  # fmt: skip

    def styled(self, sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Add the filters of the style of sampling, or of the default one: see with_style."""
        return with_style(sampling, self._plan.split.n_lines)

    def _known(
        self, avoid: Corpus | None, given: Corpus | None = None, like: Corpus | None = None
    ) -> KnownLines:
        """Collect the lines that are not new: those of the text, and these."""
        plan = self._plan
        if avoid is None and given is None and like is None:
            return plan.known_lines  # kept by the plan: collecting them sorts the whole text
        return KnownLines(plan.split, avoid, given, plan.prior_lines, like)

    def samples(
        self,
        n: int = 20,
        random_state: RandomState | None = None,
        *,
        avoid: Corpus | Lines | None = None,
        avoid_like: Corpus | Lines | None = None,
        rank: bool = False,
        total: bool = False,
        remember: bool = False,
        shard: str | None = None,
        **sampling: Unpack[SamplingKeywords],
    ) -> Iterator[Sample]:
        """Draw n lines and yield each with its origin and nll (nats) as it comes. See `sample`."""
        rank, total = check_flag(rank, "rank"), check_flag(total, "total")
        if remember and shard is not None:
            raise remembering_shard()
        with ExitStack() as stack:  # holds the lock on the issued lines until the last line
            issued = None
            if remember:
                issued = stack.enter_context(self.issued_lines())
            given = issued.lines if issued else None
            sampler = self.sampler(
                random_state, avoid, given, avoid_like=avoid_like, shard=shard, **sampling
            )
            lines = self.drawn(sampler, n)
            vocabulary = None if total else self._plan.vocabulary
            for line in likeliest_first(lines, vocabulary) if rank else lines:
                if issued:
                    issued.add([line.text])  # on the disk before anybody sees it
                yield line
            warn_of_degeneracy(sampler)

    def issued_lines(self, wait: Callable[[], None] = lambda: None) -> IssuedLines:
        """Open the file of lines that this run has issued (`remember`); use it by `with`.

        wait: called before waiting, where another process holds the file.
        Raises UsageError for a model that was not loaded from a run directory.
        """
        if self.folder_ is None:
            raise UsageError(
                "no run directory to remember lines in", None, "save it, and MakeMore.load it"
            )
        if self.folder_.is_file():
            raise UsageError("a zip remembers no lines", str(self.folder_), "unpack it")
        return IssuedLines(self.folder_, wait)

    def drawn(self, sampler: Sampler, n: int) -> Iterator[Sample]:
        """Draw n lines by a sampler of this model; yields each as it comes."""
        for lines in self.rounds(sampler, n):
            yield from lines

    def rounds(self, sampler: Sampler, n: int) -> Iterator[SampleBatch]:
        """Draw n lines by a sampler of this model; yields them round by round.

        Raises UsageError for n below 0, Unsatisfiable where no further lines are found, OutOfMemory
        with fewer lines to draw.
        """
        n = check_whole(n, "-n")
        if n < 0:
            raise UsageError(f"cannot draw {n} lines", "-n", "give 0 or more")
        rounds = sampler.rounds(n)
        while True:
            # Threads and mode are restored between rounds: the caller's code runs there.
            with of_sampling(n), self.stepping():
                lines = next(rounds, None)
            if lines is None:
                return
            self._check_numbers(lines.nll)
            yield lines

    def rounds_together(
        self, conditions: Sampler, samplers: Sequence[Sampler], threads: int | None = None
    ) -> Iterator[tuple[int, SampleBatch | Unsatisfiable]]:
        """Draw for several samplers of this model at once; the lines are those of each alone.

        The arguments but threads, and what it yields, are those of sampling/together.py.
        threads: computed with at the same time; None for one a core
        """
        with self.stepping(threads):
            for index, lines in draw_together(conditions, samplers):
                if not isinstance(lines, Unsatisfiable):
                    self._check_numbers(lines.nll)
                yield index, lines

    def sample(
        self,
        n: int = 20,
        random_state: RandomState | None = None,
        *,
        avoid: Corpus | Lines | None = None,
        avoid_like: Corpus | Lines | None = None,
        rank: bool = False,
        total: bool = False,
        remember: bool = False,
        shard: str | None = None,
        **sampling: Unpack[SamplingKeywords],
    ) -> list[str]:
        """Draw n distinct lines that are not in the text (`all=True`: any lines).

        random_state: the seed; the same one gives the same lines, here and on the command line
        avoid: lines to reject, too, in the form that the text has (with labels: TEXT<tab>LABEL)
        avoid_like: lines to reject whatever their case and accents
        rank: sort by nll a symbol, the lowest first (total: by that of whole lines, which puts
        short ones first)
        remember: record the lines in the run directory, and never issue them again from there
        shard: "2/4" draws the second of four parts of the n lines. Four processes that are given
        the same arguments but for it, random_state included, draw n lines together, none twice
        sampling: style (tidy, plain, wild; by default tidy for a short list), temperature, top_k,
        top_p, min_p, prefix, suffix, contains, exclude, pattern, min_length, max_length,
        min_distance, label, exact, all
        Raises UsageError, and Unsatisfiable where no further lines are found; warns where most
        lines of a hard request go back to one draw, and begin alike.
        """
        rank, total = check_flag(rank, "rank"), check_flag(total, "total")
        remember = check_flag(remember, "remember")
        if not (rank or remember):  # texts of whole rounds, without a Sample object for each line
            sampler = self.sampler(
                random_state, avoid, avoid_like=avoid_like, shard=shard, **sampling
            )
            texts = [text for lines in self.rounds(sampler, n) for text in lines.texts]
            warn_of_degeneracy(sampler)
            return texts
        lines = self.samples(
            n, random_state, avoid=avoid, avoid_like=avoid_like, rank=rank, total=total,
            remember=remember, shard=shard, **sampling,
        )  # fmt: skip
        return [line.text for line in lines]

    def top(
        self,
        n: int = 20,
        beam: int | None = None,
        avoid: Corpus | Lines | None = None,
        total: bool = False,
        *,
        avoid_like: Corpus | Lines | None = None,
        min_distance: int | None = None,
        **conditions: Unpack[ConstraintKeywords],
    ) -> list[RankedLine]:
        """Search the n most probable lines by their nll a symbol; new ones unless all=True.

        total: rank by the nll of whole lines, which puts short lines first
        beam: keep only so many prefixes of each length: faster, but ranks are not proven
        avoid, avoid_like: lines to leave out, as in `sample`
        min_distance: leave out lines fewer edits than this away from a line of the text (unless
        all=True) or from a likelier line
        conditions: prefix, suffix, contains, exclude, pattern, min_length, max_length, label, all
        Raises UsageError, and Unsatisfiable if no line can satisfy them.
        """
        conditions = self._with_label_name(ConstraintKeywords(**conditions))
        make(Constraints, conditions)  # checked as they were given
        plan = self._plan
        options = make(Constraints, as_in_text(plan.vocabulary, conditions))
        n, beam = check_whole(n, "-n"), None if beam is None else check_whole(beam, "--beam")
        inputs = self._label_inputs(options.label) or {BOUNDARY: 1.0}
        # In total no line needs a limit but that of sampling, twice the longest training line. A
        # symbol, a line that repeats itself for ever would be the best: it stays as long as those.
        total = check_flag(total, "total")
        cap = (2 if total else 1) * plan.vocabulary.longest([plan.split.train])
        known = self._known(self._to_avoid(avoid), None, self._to_avoid(avoid_like))
        # With the run's number of threads: ranks must not depend on the machine's cores.
        with self.evaluation():
            find = partial(
                top_lines, self._model, plan.vocabulary, known, options, inputs, cap=cap, beam=beam,
                total=total,
            )  # fmt: skip
            distance = make(SamplingConfig, {"min_distance": min_distance}).min_distance
            if distance is None:
                return find(n)
            return top_apart(find, n, distance, [] if options.all else self._text_parts)

    @property
    def _text_parts(self) -> list[Corpus]:
        """List train, val and test, those that hold lines."""
        return [part for _, part in self._plan.split if len(part)]

    def suggested_distance(self, texts: Sequence[str]) -> int | None:
        """Suggest a min_distance for lines of which half are near copies, else None."""
        return worth_a_distance(texts, self._text_parts)


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


def warn_of_degeneracy(sampler: Sampler) -> None:
    """Warn (UserWarning) where most lines that were drawn go back to few draws."""
    if sampler.tally.degenerate:
        warnings.warn(sampler.tally.degeneracy, UserWarning, stacklevel=3)
