"""Shard plan: which prefixes each of n shards draws from, and how many of N lines it draws.

n processes draw N lines together and never talk. Each computes this plan, in the same way, and
draws its own part of it. The prefixes are dealt in prefix_shares.py; here are the sizes.

One process that draws until it has N new lines gets, from each shard's prefixes, a number of lines
that is mostly their probability, but not quite: known lines are refused, constraints refuse others,
and a likely line is drawn often and counts once. After t draws, a line of probability p is among
those found with the probability 1 - exp(-t p), nearly. Summed over a shard's lines this is its
yield, and t is chosen so that the yields of all shards sum to N.

    Lines that end in the tree (the likeliest) are summed one by one: they are exact.
    Of the others a sample is drawn, the pilot: a drawn line stands for 1 / p lines of its kind,
    so the mean of (1 - exp(-t p)) / p over new lines estimates the sum (Horvitz and Thompson 1952).
    The estimate of a shard is drawn towards what its probability alone would say (Efron and Morris
    1975): a shard has thousands of prefixes, dealt by turns, so it can hardly differ from others.

The sizes are the yields, rounded up or down by chance so that each is right in the mean, even if
one line is drawn by four shards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import Unsatisfiable
from makemore.sampling.categorical import BatchPart, DrawBatch, uniforms
from makemore.sampling.decoder import Decoder
from makemore.sampling.prefix_shares import LINES_COUNTED, PrefixShares, share_prefixes
from makemore.sampling.prefix_tree import NONE
from makemore.sampling.prefixes import Prefixes
from makemore.sampling.results import Completions, KnownLines, Near, RoundCompletions
from makemore.sampling.strategies import Rejection
from makemore.sampling.stratum import Stratum, TreeProbabilities
from makemore.text import Corpus
from makemore.text.shard import hashed_seed
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PILOT_ROUND = 4096  # draws of the pilot that are made together
MOST_PILOT_DRAWS = 2**18  # or four times as many as the lines that are enough
PILOT_LINES = 2**13  # new lines in the pilot, or half of the lines that are wanted,
PILOT_PART = 4  # or a 4th of what a shard draws itself, if that is more,
MOST_PILOT_LINES = 2**20  # but no more than this: then sizes are right to some tenths of a percent
LINES_FOR_EACH = 64  # lines of each shard at least, in the mean, if MOST_PILOT_DRAWS have them
FEWEST_FOR_EACH = 8  # of each shard in the mean: with fewer the sizes would be a guess
LEAST = 1e-300  # probability of a line: a smaller one could not be divided by
LONGEST_TIME = 1e18  # draws after which every line has been found that ever will
BISECTIONS = 60  # after so many halvings the rest is below a float's last bit


class Piloting(Rejection):
    """Draws as Rejection does, and notes the probability of each line and where it left the tree.

    The decoder sums what `choose` returns beside the symbols: log p of the line, after filters.
    entered: (n,) draws of the pilot by the shard whose prefix they came to
    """

    def __init__(self, decoder: Decoder, tree: PrefixShares, stratum: Stratum) -> None:
        super().__init__(decoder.automaton, decoder.options, stratum)
        self.tree, self.entered = tree, np.zeros(tree.n, dtype=np.int64)

    def choose(
        self, prefixes: Prefixes, position: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """Draw the next symbols: ids (R,), and their log-probabilities (R,)."""
        picked, _ = super().choose(prefixes, position, group, uniform)
        inner, N = prefixes.inner[group], len(self.tree.child)
        inside = inner != NONE
        owners = self.tree.owner[inner[inside] % N, picked[inside]]
        self.entered += np.bincount(owners[owners != NONE], minlength=self.tree.n)
        return picked, np.log(prefixes.probabilities(self.filters)[group, picked])


@dataclass(frozen=True)
class SomeLines:
    """Holds lines, each of which stands for several, by its weight.

    p: (k,) probability of each; owner: (k,) its shard; weight: (k,) what its yield is times
    share: (n,) each shard's part of their probability; trust: (n,) how much of a shard's yield is
        estimated by its own lines, in [0, 1]; the rest is its share of all yields
    """

    p: Floats
    owner: Ints
    weight: Floats
    share: Floats
    trust: Floats

    def yields(self, t: float, again: bool) -> Floats:
        """Sum the lines (n,) of each shard that t draws find, nearly.

        again: a line counts each time that it is drawn (--all)
        """
        once = self.p * t if again else -np.expm1(-self.p * t)
        own = np.bincount(self.owner, weights=self.weight * once, minlength=len(self.share))
        return np.asarray(self.trust * own + (1 - self.trust) * self.share * own.sum())


class ShardPlan:
    """Plans what n shards draw, before any of them has drawn a line.

    decoder: of the model and the constraints; it has drawn nothing yet
    known: the lines that are not new; near: texts -> whether each is too near to one of them
    train: lines whose first symbols are counted
    """

    def __init__(
        self, decoder: Decoder, known: KnownLines, train: Corpus | None,
        near: Near | None, n: int,
    ) -> None:  # fmt: skip
        self.decoder, self.known, self.near, self.n = decoder, known, near, n
        counted = (train or Corpus.exactly([])).lowest(LINES_COUNTED)
        self.tree = share_prefixes(
            decoder.automaton, decoder.prefix, decoder.vocabulary.encode(counted), n,
            len(decoder.labels),
        )  # fmt: skip
        self.chances: TreeProbabilities = decoder.probabilities_in(self.tree)

    def strategy(self, shard: int) -> Rejection:
        """Make the strategy that draws lines of one shard (from 0) alone."""
        stratum = self.chances.stratum(self.tree.owner == shard)
        return Rejection(self.decoder.automaton, self.decoder.options, stratum)

    def sizes(self, lines: int, seed: int) -> list[int]:
        """Compute how many of so many lines each shard draws: they sum to `lines`.

        seed: of all shards. Raises Unsatisfiable where too few draws give a new line to tell.
        """
        if not lines:
            return [0] * self.n
        again = self.decoder.options.all
        ended = self._ended()
        pilot = self._pilot(lines, len(ended.p), hashed_seed(seed, self.n, lines))

        def yields(t: float) -> Floats:
            """Sum the lines (n,) of each shard that t draws find."""
            return ended.yields(t, again) + pilot.yields(t, again)

        low, high = 0.0, np.log(LONGEST_TIME)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if yields(np.exp(middle)).sum() >= lines else (middle, high)
        found = yields(np.exp(high))
        if not found.sum():
            found = np.ones(self.n)  # there is no line: each shard finds that out
        # Systematic rounding: with one random start for all, every size is right in the mean. The
        # last digits are dropped, so that sums that should be whole are.
        bounds = np.round(np.cumsum(found) / found.sum() * lines, 6)
        start = float(uniforms(hashed_seed(seed, self.n), 0, 0, np.zeros(1, dtype=np.int64))[0])
        return np.diff(np.floor(bounds + start), prepend=0).astype(int).tolist()

    def _ended(self) -> SomeLines:
        """Collect the new lines that end in the tree, each with its probability."""
        at = self.tree.owner[:, BOUNDARY] != NONE  # (N,) nodes where a line may end
        new = np.zeros(len(at), dtype=bool)
        for first, ids in self._levels():
            here = np.flatnonzero(at[first : first + len(ids)])
            new[first + here] = self._accepted([_as_completions(ids[here])])[1]
        owner = self.tree.owner[new, BOUNDARY]
        p = self.chances.mass[new, BOUNDARY]
        return SomeLines(p, owner, np.ones(len(p)), np.zeros(self.n), np.ones(self.n))

    def _levels(self) -> Iterator[tuple[int, Ints]]:
        """Yield the first node of each level, and the symbols (G, length) of the level's nodes."""
        tree, before, ids = self.tree, 0, np.array([self.decoder.prefix], dtype=np.int64)
        yield 0, ids
        for first, after in zip(tree.levels[1:-1], tree.levels[2:], strict=True):
            parents = tree.parents[first:after] - before
            ids = np.column_stack([ids[parents], tree.symbols[first:after]])
            before = first
            yield int(first), ids

    def _pilot(self, lines: int, ended: int, seed: int) -> SomeLines:
        """Draw a sample of the lines that do not end in the tree, by all shards' prefixes.

        ended: how many do. Raises Unsatisfiable where it is too small for so many lines.
        """
        ends = self.tree.owner != NONE
        ends[:, BOUNDARY] = False
        owners, each = self.tree.owner[ends], self.chances.mass[ends]
        mass = np.asarray(np.bincount(owners, each, self.n), dtype=np.float64)  # (n,) of each shard
        if not mass.sum():
            nothing = np.zeros(0)
            return SomeLines(nothing, np.zeros(0, dtype=np.int64), nothing, mass, mass)
        # Ends of equal mass that would vary as much as these: (sum of masses)^2 / sum of squares.
        alike = mass**2 / np.maximum(np.bincount(owners, each**2, self.n), LEAST)
        strategy = Piloting(self.decoder, self.tree, self.chances.stratum(ends))
        part = min(lines // (PILOT_PART * self.n), MOST_PILOT_LINES)
        enough = max(min(lines // 2, PILOT_LINES), part)
        p, owner, draws = self._pilot_lines(strategy, enough, seed)
        if len(p) < FEWEST_FOR_EACH * self.n and ended < lines:
            raise Unsatisfiable(
                f"only {len(p)} of {draws:,} draws give a new line, too few to divide {lines:,} "
                f"lines among {self.n} shards", "--shard",
                "loosen the conditions, or leave --shard out",
            )  # fmt: skip
        # The draws that came to a shard's prefixes stand for all of their probability.
        weight = (mass / np.maximum(strategy.entered, 1))[owner] / p
        trust = strategy.entered / np.maximum(strategy.entered + alike, LEAST)
        return SomeLines(p, owner, weight, mass / mass.sum(), trust)

    def _pilot_lines(self, strategy: Rejection, enough: int, seed: int) -> tuple[Floats, Ints, int]:
        """Draw until `enough` new lines are found: each draw's p (k,), its shard (k,), the draws.

        A line counts as often as it is drawn.
        """
        self.decoder.use(strategy)
        few = LINES_FOR_EACH * self.n
        enough = max(few, enough)
        p, owner, draws, found = [np.zeros(0)], [np.zeros(0, dtype=np.int64)], 0, 0
        # Where few draws give a new line, few lines have to do.
        while found < (enough if draws < 4 * enough else few) and (
            draws < max(MOST_PILOT_DRAWS, 4 * enough)
        ):
            part = BatchPart(seed, draws // PILOT_ROUND, 0, PILOT_ROUND)
            drawn, new = self._accepted(self.decoder.draw(DrawBatch((part,))))
            rows = drawn.which[new[drawn.which]]  # the line of each draw that gave a new one
            labels = [self.decoder.labels[label] for label in drawn.label[rows].tolist()]
            p.append(np.maximum(np.exp(drawn.log_weight[rows]) * np.array(labels), LEAST))
            owner.append(self.tree.owner_of(drawn.ids, drawn.offsets)[rows])
            draws, found = draws + PILOT_ROUND, found + len(rows)
        return np.concatenate(p), np.concatenate(owner), draws

    def _accepted(self, finished: list[Completions]) -> tuple[RoundCompletions, NDArray[np.bool_]]:
        """Join drawn lines (k,), and tell which would be returned: new ones, all with --all."""
        vocabulary, known = self.decoder.vocabulary, self.known
        lines = RoundCompletions(finished, vocabulary)
        new = np.ones(len(lines), dtype=bool)
        if self.decoder.options.all:
            return lines, new
        unknown = np.flatnonzero(known.origins(lines.hashes) == 0)
        new[:] = False
        new[known.acceptable(lines, unknown, vocabulary, self.near)[0]] = True
        return lines, new


def _as_completions(ids: Ints) -> Completions:
    """Make Completions of lines of one length: ids (n, length)."""
    zeros, rows = np.zeros(len(ids)), np.arange(len(ids))
    return Completions(ids, zeros, rows * 0, rows * 0, zeros, rows, None)
