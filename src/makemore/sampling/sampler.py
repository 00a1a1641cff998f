"""Sampler: draws lines symbol by symbol from a model; by default new lines, each once.

Draws are made in rounds. The random numbers of a draw depend on (seed, round, position, row) alone,
so the first 5 lines of 50 are the 5 lines of 5, and every caller gets the same bytes. How many
draws are made together (a part of a round, or several rounds) depends on how many lines are still
needed, and changes no line. No torch: `step` takes and returns numpy.

There are three strategies, and policy.py chooses by the results of earlier rounds: rejection, exact
and fast while most draws pass; without replacement, once most draws are refused (RemainingMass of
prefix_tree.py); guided draws with weights, where few lines satisfy the constraints (guidance.py),
which are approximate. Large batches are drawn by a table of the model, or on its device, where
there is one; the lines are the same (quick_decoders.py).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from makemore.models import Model
from makemore.sampling.ahead import rounds_ahead
from makemore.sampling.ancestry import effective_size_of
from makemore.sampling.categorical import BatchPart, DrawBatch
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.constraints.spelling import encode_prefix
from makemore.sampling.decoder import Decoder
from makemore.sampling.excluded import ExcludedLines
from makemore.sampling.guidance import Guidance
from makemore.sampling.policy import SamplingPolicy
from makemore.sampling.quick_decoders import QuickDecoders
from makemore.sampling.results import (
    Completions,
    KnownLines,
    Near,
    RoundCompletions,
    Sample,
    SampleBatch,
)
from makemore.sampling.shard_plan import ShardPlan
from makemore.sampling.weighted import chosen_by_weight
from makemore.text import Corpus, Vocabulary
from makemore.text.shard import Shard

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


ROUND = 16_384  # draws in a round at most; a run records it, because a seed's lines depend on it


class Sampler:
    """Draws lines from a model: iterate over it for Samples.

    longest: symbols of the longest training line; a draw of twice that is cut there and dropped.
    train: lines for the n-gram of guided draws; without them no draw is guided.
    near: texts (n,) -> (n,) whether each is too near to a known line (--min-distance).
    labels: first input (id) -> probability that a draw begins with it.
    relaxed: options to go on with, other filters, once no line is left under these.
    shard: draw one of n parts of the lines; all shards have the same seed (shard_plan.py).
    Raises Unsatisfiable where no line can satisfy the constraints, none is left, or no line came
    in many draws in a row (policy.GIVE_UP); UsageError for the prefix, the pattern or a label.
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
        near: Near | None = None,
        labels: dict[int, float] | None = None,
        relaxed: SamplingConfig | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.vocabulary, self.known, self.options = vocabulary, known, options
        self.relaxed, self.round_size = relaxed, round_size
        self.train, self.near = train, near
        self.shard = shard if shard and shard.of > 1 else None
        prefix = encode_prefix(vocabulary, options.prefix)
        # Without --all the automaton allows only lines as they stand in a text: not empty, and no
        # white space at their ends.
        automaton = compile_constraints(vocabulary, options, 2 * longest, not options.all)
        self.decoder = Decoder(model, vocabulary, automaton, options, prefix, labels)
        self._start(seed)

    def _start(self, seed: int) -> None:
        """Set what changes while lines are drawn to what it is before the first one."""
        self.common_seed, self.seed = seed, self.shard.own_seed(seed) if self.shard else seed
        self.policy = SamplingPolicy(
            self.options, len(self.vocabulary), self.round_size, self.known.issues
        )
        self.tally = self.policy.tally
        self.found_strict: int | None = None  # lines found before `relaxed` took effect
        self.quick = QuickDecoders(self.decoder, self.options)
        self.wanted: int | None = None  # lines that the caller of rounds() needs
        self.requested: int | None = None  # lines of all shards together
        self.at = 0, 0  # the round and the row of the next draw
        self.excluded = ExcludedLines()  # those returned or too near

    def with_seed(self, seed: int) -> Sampler:
        """Make a sampler under the same conditions with another seed; this one has not drawn yet.

        What was compiled of the conditions is shared, so it costs nothing.
        """
        other = copy.copy(self)
        other.decoder = self.decoder.anew(self.options)
        other._start(seed)
        return other

    @property
    def exact(self) -> bool:
        """Whether lines follow the model's distribution exactly: no draw was guided."""
        return self.decoder.strategy.exact

    @property
    def pass_rate(self) -> float:
        """Return the fraction of the unguided draws that satisfied the constraints."""
        return self.tally.pass_rate

    @property
    def tabled(self) -> bool:
        """Whether a table of the model is made, so that draws are looked up and not computed."""
        return self.quick.table is not None

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples one by one, without an end."""
        for lines in self.rounds():
            yield from lines

    def rounds(self, n: int | None = None) -> Iterator[SampleBatch]:
        """Yield the samples of each round, or of each part of one: n in all (endless without n)."""
        self.begin(n)
        yield from rounds_ahead(self)

    # rounds() in three steps, for whoever draws for several samplers together (together.py).

    def begin(self, n: int | None) -> None:
        """Begin to draw n lines (endless without n); a shard its own part of n lines."""
        self.requested = n
        if self.shard:
            plan = ShardPlan(self.decoder, self.known, self.train, self.near, self.shard.of)
            if n is not None:
                n = plan.sizes(n, self.common_seed)[self.shard.index]
            self.decoder.use(plan.strategy(self.shard.index))
        self.wanted, self.at = n, (0, 0)
        self.policy.begin_round()

    @property
    def complete(self) -> bool:
        """Whether all lines that are wanted were found."""
        return self.wanted is not None and self.tally.found >= self.wanted

    @property
    def draws_as_at_first(self) -> bool:
        """Whether draws do not depend on those before: any sampler of these conditions makes them.

        It is so until the policy chooses another strategy, or other filters.
        """
        return self.decoder.strategy.by_model_alone and self.found_strict is None

    def next_batch(self) -> DrawBatch | None:
        """Name the draws to make next, from the first on that was not made; None: complete."""
        if self.complete:
            return None
        policy, decoder, device = self.policy, self.decoder, self.quick.device
        most = device.most if device else policy.most_together(decoder.cache.most)
        needed = policy.draws_needed(
            self.wanted, decoder.strategy.by_model_alone, self.tabled, most
        )
        # No estimate (0): the rest of this round.
        return self.draws_from(self.at, needed or policy.draws_of(self.at[0]) - self.at[1])

    def draws_from(self, at: tuple[int, int], draws: int) -> DrawBatch:
        """Name so many draws from one on, a round and a row of it."""
        (round_no, row), left, parts = at, draws, list[BatchPart]()
        while left > 0:  # until all draws have a round
            rows = min(self.policy.draws_of(round_no) - row, left)
            parts.append(BatchPart(self.seed, round_no, row, rows))
            left -= rows
            round_no, row = round_no + 1, 0
        return DrawBatch(tuple(parts))

    def accept(
        self, batch: DrawBatch, finished: list[Completions], start: int = 0
    ) -> Iterator[SampleBatch]:
        """Yield the samples of a batch that was drawn, part by part.

        start: its first draw in `finished`, which may hold others, too
        Raises Unsatisfiable where no line is left, or none came for long.
        """
        tally = self.tally
        for part, first in zip(batch.parts, (start + batch.bounds).tolist(), strict=False):
            last = part.first + part.rows == self.policy.draws_of(part.round_no)
            self.at = (part.round_no + 1, 0) if last else (part.round_no, part.first + part.rows)
            tally.draws += part.rows
            drawn = [each.for_draws(first, first + part.rows) for each in finished]
            lines = self._accept(drawn, part.round_no)
            tally.found += len(lines)
            tally.found_in_round += len(lines)
            yield lines
            if self.complete:
                return
            # Decisions fall between whole rounds, so they do not depend on how these were split.
            if last:
                draws = self.policy.draws_of(part.round_no)
                tally.idle = 0 if tally.found_in_round else tally.idle + draws
                changed = self._update_policy(draws)
                self.policy.begin_round()
                if changed:  # rounds drawn ahead by the old strategy are drawn again
                    return

    def completions(self, batch: DrawBatch) -> list[Completions]:
        """Draw a batch by a table, on the model's device, or by the decoder: the same lines."""
        return self.quick.draw(batch, self.wanted)

    def _update_policy(self, draws: int) -> bool:
        """Choose the strategy of the next rounds after a round of `draws`; True if it changed.

        Raises Unsatisfiable where no line is left, or none came for long.
        """
        decoder, policy = self.decoder, self.policy
        before = decoder.strategy.exact, decoder.strategy.with_replacement
        if self.relaxed and policy.is_exhausted(decoder.mass_left()):
            self._relax(self.relaxed)
            return True
        policy.check_not_exhausted(self.wanted, decoder.mass_left())
        if self.options.all:  # nothing is refused, so rejection always pays
            return False
        decision = policy.decide(draws)
        if decision.table:  # even if n alone would not pay for one
            self.quick.make_table()
        if self.tabled:
            decision = policy.decide_with_table(draws)
        if decision.without_replacement and decoder.strategy.with_replacement:
            decoder.sample_without_replacement()
        if decision.guided and self.exact and not self.options.exact and self.train is not None:
            if Guidance.fits(decoder.automaton):  # if not, the draws stay exact and slow
                decoder.guide(self.train)
                policy.begin_guided(decoder.automaton.min_length, self.relaxed is not None)
        return before != (decoder.strategy.exact, decoder.strategy.with_replacement)

    def _relax(self, options: SamplingConfig) -> None:
        """Go on with the same constraints and other filters, as if nothing had been drawn yet.

        Lines that were returned stay excluded.
        """
        self.options, self.relaxed = options, None
        self.decoder = self.decoder.anew(options)
        self.quick, self.found_strict = QuickDecoders(self.decoder, options), self.tally.found
        self.policy.restart(options)

    # -- choosing among the finished draws of a round ---------------------------------------------

    def _accept(self, finished: list[Completions], round_no: int) -> SampleBatch:
        """Choose the samples of a part of a round: new lines in the order of their draws."""
        limit = None if self.wanted is None else self.wanted - self.tally.found
        lines = RoundCompletions(finished, self.vocabulary)
        if self.options.all:
            order = np.argsort(lines.rows, kind="stable")  # (draws,) repeated lines too
            return self._samples(lines, lines.which[order][:limit])
        fresh = self._novel(lines)  # (F,) indices of new lines
        self.tally.novel_in_round += len(fresh)
        if not self.exact:
            self.tally.guided += len(lines.rows)
            self.tally.effective += effective_size_of(lines, fresh)
            chosen = chosen_by_weight(lines, fresh, self.seed, round_no)
            # A new line that was not chosen now may be drawn and chosen in a later round.
            refused = np.setdiff1d(np.arange(len(lines)), fresh)
            gone = np.concatenate([refused, chosen])
        else:
            self.tally.passed += len(lines.rows)
            self.tally.passed_in_round += len(lines.rows)
            chosen, gone = fresh[np.argsort(lines.first[fresh])], np.arange(len(lines))
        self.decoder.mark_used(lines.nodes[gone])
        chosen = chosen[:limit]
        if not self.exact:
            self.tally.count_ancestors(lines, chosen)
        self.excluded.add(lines.hashes[chosen])
        return self._samples(lines, chosen)

    def _novel(self, lines: RoundCompletions) -> Ints:
        """Find the lines (F,) that are neither known, returned before, nor too near; each once."""
        hashes, fresh = lines.first_of_each_text()
        unknown = self.known.origins(hashes) == 0  # sorted hashes are found several times as fast
        fresh = np.sort(fresh[unknown][~self.excluded.holds(hashes[unknown])])
        fresh, near = self.known.acceptable(lines, fresh, self.vocabulary, self.near)
        if len(near):
            self.tally.too_near += len(near)
            self.excluded.add(lines.hashes[near])  # refused and counted once
        return fresh

    def _samples(self, lines: RoundCompletions, chosen: Ints) -> SampleBatch:
        """Collect the columns of the chosen lines (n,)."""
        origins = np.zeros(len(chosen), dtype=np.int64)  # 0: new
        if self.options.all:  # without it only new lines are chosen
            origins = self.known.origins_of(lines.texts.take(chosen))
        names = (None,) * len(self.vocabulary) + self.vocabulary.labels  # by id: labels come last
        return SampleBatch(
            lines.texts.take(chosen), origins, lines.nll[chosen], lines.capped[chosen], self.exact,
            lines.label[chosen], names,
        )  # fmt: skip
