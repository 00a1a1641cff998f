"""Sampler: lines drawn symbol by symbol from a model, new ones and each once by default.

Draws go in rounds, and the random numbers of a draw depend on (seed, round, place, row) alone. So
the first 5 of 50 are the 5 of 5, and every caller gets the same bytes. How many are made together,
parts of rounds or several, is what is still asked for. Draws with the same symbols so far are one
prefix, computed once. No torch: `step` takes and returns numpy.

There are three ways, and policy.py chooses by what the rounds before gave: rejection, exact and
fast as long as it pays; drawing without replacement, once most draws are refused (RemainingMass of
prefix_tree.py); and, where few lines satisfy the constraints, guided draws with weights
(guidance.py), which are approximate. A model that can be a table is looked up in one
(table_decoder.py), with the same lines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.models import Model
from makemore.sampling.categorical import DrawBatch, uniforms
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.decoder import Decoder
from makemore.sampling.guidance import Guidance
from makemore.sampling.policy import TABLE_FROM, SamplingPolicy
from makemore.sampling.results import (
    Completions,
    KnownLines,
    RoundCompletions,
    Sample,
    SampleBatch,
    is_in_sorted,
)
from makemore.sampling.table_decoder import TableDecoder
from makemore.text import Corpus, Vocabulary
from makemore.text.tokenizer import CHARACTER
from makemore.text.vocabulary import UNKNOWN

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


ROUND = 16_384  # draws in a round at most; a run records it, because a seed's lines depend on it
WEIGHTS_STREAM = 2**32 + 1  # of random numbers that are no symbol's


@dataclass(frozen=True)
class RoundPart:
    """What ended in the draws of a round, of all or of some: the last ones if `last`."""

    number: int
    draws: int
    last: bool
    finished: list[Completions]


class Sampler:
    """Lines from a model, as they are drawn: iterate over it.

    longest: symbols of the longest training line; a draw of twice that is cut there and dropped.
    near: texts -> (n,) whether each is too near to a known line (--min-distance).
    Raises Unsatisfiable where no line can satisfy the conditions, none is left, or after 50,000
    draws in a row that gave nothing; UsageError for the prefix, the pattern or a label.
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        known: KnownLines,
        options: SamplingConfig,
        seed: int,
        round_size: int = ROUND,
        longest: int = 0,
        train: Corpus | None = None,
        near: Callable[[list[str]], NDArray[np.bool_]] | None = None,
        labels: dict[int, float] | None = None,
    ) -> None:
        self.vocabulary, self.known, self.options = vocabulary, known, options
        self.seed, self.train, self.near = seed, train, near
        self.policy = SamplingPolicy(options, len(vocabulary), round_size)
        self.tally = self.policy.tally
        prefix = encode_prefix(vocabulary, options.prefix)
        automaton = compile_constraints(vocabulary, options, 2 * longest, not options.all)
        self.decoder = Decoder(model, vocabulary, automaton, options, prefix, labels)
        self.table_decoder: TableDecoder | None = None
        self.wanted: int | None = None
        self.excluded = np.zeros(0, dtype=np.uint64)  # sorted hashes of what is not given again

    @property
    def exact(self) -> bool:
        """Whether draws are the model's own, and none was guided."""
        return self.decoder.strategy.exact

    @property
    def pass_rate(self) -> float:
        """The share of the draws that satisfied the constraints before draws were guided."""
        return self.tally.pass_rate

    @property
    def tabled(self) -> bool:
        """Whether a table of the model stands, by which lines are drawn sooner."""
        return self.table_decoder is not None

    def __iter__(self) -> Iterator[Sample]:
        for lines in self.rounds():
            yield from lines

    def rounds(self, n: int | None = None) -> Iterator[SampleBatch]:
        """What each round gives, or each part of one, n lines in all (endless without n)."""
        number, row, waiting, tally = 0, 0, deque[RoundPart](), self.tally
        self.wanted = n
        self.policy.begin_round()
        while n is None or tally.found < n:
            if not waiting:
                waiting.extend(self._draw(number, row))
            part = waiting.popleft()
            number, row = (number + 1, 0) if part.last else (number, row + part.draws)
            tally.draws += part.draws
            lines = self._accept(part, None if n is None else n - tally.found)
            tally.found += len(lines)
            tally.found_in_round += len(lines)
            yield lines
            if part.last and (n is None or tally.found < n):
                draws = self.policy.draws_of(part.number)
                tally.idle = 0 if tally.found_in_round else tally.idle + draws
                if self._update_policy(draws):
                    waiting.clear()  # from here on it is drawn in another way
                self.policy.begin_round()

    def _draw(self, number: int, row: int) -> list[RoundPart]:
        """The next draws, from this row of a round on, as many together as it pays."""
        needed = self.policy.draws_needed(
            self.wanted, self.decoder.strategy.by_model_alone, self.tabled, self.decoder.cache.most
        )
        left, parts = needed or self.policy.draws_of(number) - row, list[tuple[int, int, int]]()
        while left > 0:
            parts.append((number, row, min(self.policy.draws_of(number) - row, left)))
            left -= parts[-1][2]
            number, row = number + 1, 0
        batch = DrawBatch(self.seed, tuple(parts))
        finished, bounds = self._completions(batch), batch.bounds
        return [
            RoundPart(
                number, rows, row + rows == self.policy.draws_of(number),
                [ended.for_draws(first, first + rows) for ended in finished],
            )
            for (number, row, rows), first in zip(parts, bounds, strict=False)
        ]  # fmt: skip

    def _completions(self, batch: DrawBatch) -> list[Completions]:
        """What ends. By the model alone, a table of it gives the same lines sooner."""
        if not self.decoder.strategy.by_model_alone:
            return self.decoder.draw(batch)
        if max(int(batch.bounds[-1]), self.wanted or 0) >= TABLE_FROM:
            self._make_table()
        return (self.table_decoder or self.decoder).draw(batch)

    def _make_table(self) -> None:
        """Of the model, if it can be one."""
        if self.table_decoder is None:
            decoder, table = self.decoder, self.decoder.model.transition_table()
            if table is not None:
                self.table_decoder = TableDecoder(
                    table, decoder.automaton, self.options, decoder.prefix, decoder.labels
                )

    def _update_policy(self, draws: int) -> bool:
        """Choose how the next rounds draw, by what the last one gave; Unsatisfiable at the end.

        Gives whether they draw in another way than those before.
        """
        decoder, policy = self.decoder, self.policy
        before = decoder.strategy.exact, decoder.strategy.with_replacement
        policy.check_not_exhausted(self.wanted, decoder.mass_left())
        if self.options.all:
            return False
        decision = policy.decide(draws)
        if decision.table:  # whatever n is, which has a table made sooner
            self._make_table()
        if self.table_decoder:
            decision = policy.decide_with_table(draws)
        if decision.without_replacement and decoder.strategy.with_replacement:
            decoder.sample_without_replacement()
        if decision.guided and self.exact and not self.options.exact and self.train is not None:
            if Guidance.fits(decoder.automaton):
                decoder.guide(self.train)
        return before != (decoder.strategy.exact, decoder.strategy.with_replacement)

    # -- what a round gives -----------------------------------------------------------------------

    def _accept(self, part: RoundPart, most: int | None) -> SampleBatch:
        """The lines that are not refused, at most so many, in their order."""
        lines = RoundCompletions(part.finished, self.vocabulary)
        if self.options.all:
            order = np.argsort(lines.rows, kind="stable")
            return self._samples(lines, lines.which[order][:most])
        fresh = self._novel(lines)
        self.tally.novel_in_round += len(fresh)
        if not self.exact:
            self.tally.guided += len(lines.rows)
            chosen = self._by_weight(lines, fresh, part.number)
            refused = np.setdiff1d(np.arange(len(lines)), fresh)
            gone = np.concatenate([refused, chosen])
        else:
            self.tally.passed += len(lines.rows)
            self.tally.passed_in_round += len(lines.rows)
            chosen, gone = fresh[np.argsort(lines.first[fresh])], np.arange(len(lines))
        self.decoder.mark_used(lines.nodes[gone])
        chosen = chosen[:most]
        self._exclude(lines.hashes[chosen])
        return self._samples(lines, chosen)

    def _exclude(self, hashes: NDArray[np.uint64]) -> None:
        both = np.concatenate([self.excluded, np.sort(hashes)])
        self.excluded = np.sort(both, kind="stable")  # two sorted parts are only merged

    def _novel(self, lines: RoundCompletions) -> Ints:
        """The lines that are neither known, given before, nor too near; one of each text."""
        hashes, fresh = lines.first_of_each_text()
        unknown = self.known.origins(hashes) == 0  # sorted ones are found several times as fast
        fresh = np.sort(fresh[unknown][~is_in_sorted(hashes[unknown], self.excluded)])
        fresh = fresh[lines.canonical(self.vocabulary)[fresh]]
        if self.near and len(fresh):
            near = self.near(list(lines.texts.take(fresh)))
            self.tally.too_near += int(near.sum())
            self._exclude(lines.hashes[fresh[near]])  # refused and counted once
            fresh = fresh[~near]
        return fresh

    def _by_weight(self, lines: RoundCompletions, fresh: Ints, number: int) -> Ints:
        """Two thirds of the sample size that the weights leave, drawn without replacement."""
        if not len(fresh):
            return fresh
        logs = np.log(lines.draws[fresh]) + lines.log_weight[fresh]
        weights = np.exp(logs - logs.max())
        each = weights / lines.draws[fresh]
        effective = float(weights.sum() ** 2 / (weights * each).sum())
        self.tally.effective += effective
        uniform = uniforms(self.seed, number, WEIGHTS_STREAM, np.arange(len(fresh)))
        keys = logs - np.log(-np.log1p(-uniform) + 1e-300)  # Gumbel: the largest are the draws
        return np.asarray(fresh[np.argsort(-keys, kind="stable")][: max(1, int(effective * 2 / 3))])

    def _samples(self, lines: RoundCompletions, chosen: Ints) -> SampleBatch:
        origins = np.zeros(len(chosen), dtype=np.int64)
        if self.options.all:  # all others are new
            origins = self.known.origins(lines.hashes[chosen])
        names = (None,) * len(self.vocabulary) + self.vocabulary.labels
        return SampleBatch(
            lines.texts.take(chosen), origins, lines.nll[chosen], lines.capped[chosen], self.exact,
            lines.label[chosen], names,
        )  # fmt: skip


def encode_prefix(vocabulary: Vocabulary, prefix: str) -> list[int]:
    """The ids of a prefix that all draws start with; [] where the automaton has to see to it.

    It has to where a symbol may be longer than a character: lines of `Cl` start with `C`, too.
    Raises UsageError for symbols that no line of the text holds.
    """
    if prefix != prefix.lstrip():
        raise UsageError("no line starts with white space", "--prefix", "leave it out")
    if vocabulary.rule != CHARACTER:
        return []
    ids = vocabulary.encode_line(prefix)
    if (ids == UNKNOWN).any():
        unknown = " ".join(repr(symbol) for symbol in vocabulary.unknown_in(prefix))
        raise UsageError(
            f"the model does not know {unknown}", "--prefix", "use symbols of the text"
        )
    return [int(number) for number in ids]
