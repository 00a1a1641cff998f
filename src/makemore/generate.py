"""Sampling: lines drawn symbol by symbol from a model, new ones and each once by default.

Draws go in rounds, and the random numbers of a draw depend on (seed, round, place, row) alone. So
the first 5 of 50 are the 5 of 5, and every caller gets the same bytes. How many are made together,
parts of rounds or several, is what is still asked for. Draws with the same symbols so far are one
prefix, computed once. No torch: `step` takes and returns numpy.

Three ways, and a round's numbers alone say which: plain rejection, exact and fast as long as it
pays; the same by what is left, once most draws are refused (used.py); and, where few lines satisfy
the conditions, led draws with weights (lookahead.py), which are approximate. A model that can be a
table is looked up in one (walks.py), with the same lines.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.chances import WEIGHING, Together, uniforms
from makemore.constraints import compile_conditions
from makemore.corpus import Corpus
from makemore.draws import Drawer
from makemore.ended import Ended, Finished
from makemore.errors import Unsatisfiable, UsageError
from makemore.lookahead import Lookahead
from makemore.models.base import Model
from makemore.options import knobs
from makemore.samples import Known, Lines, Sample, within
from makemore.settings import Conditions, Sampling
from makemore.symbols import CHARACTER
from makemore.vocabulary import UNKNOWN, Vocabulary
from makemore.walks import Walks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUND = 16_384  # draws in a round at most; a run records it, because a seed's lines depend on it
MOST_CELLS = 2**22  # draws times vocabulary: some hundred MB of probabilities
TABLED = 1024  # draws or lines from which on it pays to make a table of a model that can be one
FIRST_ROUND = 128  # the next has twice as many, up to ROUND: the first lines come soon
TOGETHER = 65_536  # draws that are made together at most
AHEAD = 16  # times the draws so far, at most: by those it is judged what is needed
SPARE = 1.08  # more than what the last draws say is needed: new lines get rarer
GIVE_UP = 50_000  # draws in a row without one line to give: some seconds of work
PILOT = 1024  # draws after which it is asked whether rejection pays
PAYS = 0.1  # share of draws that satisfy the conditions, below which draws are led
NEW = 0.125  # new lines over a round's draws, below which the next go by what is left
SEEN = 32  # draws of a round that satisfy the conditions, by which it is told how many are new
WALKED = 16  # times rarer lines are waited for where a table says what is drawn
PLACE_OF_WEIGHTS = 2**32 + 1  # of random numbers that are no symbol's
CONDITIONS = [name for name in knobs(Conditions) if name != "all"]


@dataclass(frozen=True)
class Part:
    """What ended in the draws of a round, of all or of some: the last ones if `last`."""

    number: int
    draws: int
    last: bool
    finished: list[Finished]


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
        known: Known,
        options: Sampling,
        seed: int,
        round_size: int = ROUND,
        longest: int = 0,
        train: Corpus | None = None,
        near: Callable[[list[str]], NDArray[np.bool_]] | None = None,
        labels: dict[int, float] | None = None,
    ) -> None:
        self.vocabulary, self.known, self.options = vocabulary, known, options
        self.seed, self.train, self.near = seed, train, near
        self.round_size = max(1, min(round_size, MOST_CELLS // len(vocabulary)))
        prefix = encode_prefix(vocabulary, options.prefix)
        automaton = compile_conditions(vocabulary, options, 2 * longest, not options.all)
        self.drawer = Drawer(model, vocabulary, automaton, options, prefix, labels)
        self.draws, self.found, self.passed, self.too_near, self.idle = 0, 0, 0, 0, 0
        self.led, self.effective = 0, 0.0  # led draws, and their sample size summed over rounds
        self.wanted: int | None = None
        self.given = np.zeros(0, dtype=np.uint64)  # sorted hashes of what is not given again
        self._new, self._passed = 0, 0  # lines and draws of this round
        self._known_of = 0, 0  # draws and lines before those that were last made together
        self._walks: Walks | None = None

    @property
    def exact(self) -> bool:
        """Whether draws are the model's own, and none was led."""
        return self.drawer.lookahead is None

    @property
    def pass_rate(self) -> float:
        """The share of the draws that satisfied the conditions before draws were led."""
        return self.passed / max(1, self.draws - self.led)

    @property
    def tabled(self) -> bool:
        """Whether a table of the model stands, by which lines are drawn sooner."""
        return self._walks is not None

    def __iter__(self) -> Iterator[Sample]:
        for lines in self.rounds():
            yield from lines

    def rounds(self, n: int | None = None) -> Iterator[Lines]:
        """What each round gives, or each part of one, n lines in all (endless without n)."""
        number, row, made = 0, 0, deque[Part]()
        self.wanted, self._new, self._passed, in_round = n, 0, 0, 0
        while n is None or self.found < n:
            if not made:
                made.extend(self._draw(number, row))
            part = made.popleft()
            number, row = (number + 1, 0) if part.last else (number, row + part.draws)
            self.draws += part.draws
            lines = self._given(part, None if n is None else n - self.found)
            self.found += len(lines)
            in_round += len(lines)
            yield lines
            if part.last and (n is None or self.found < n):
                size = self._size(part.number)
                self.idle = 0 if in_round else self.idle + size
                if self._change_way(size):
                    made.clear()  # from here on it is drawn in another way
                in_round, self._new, self._passed = 0, 0, 0

    def _size(self, number: int) -> int:
        return min(self.round_size, FIRST_ROUND << min(number, 20))

    def _draw(self, number: int, row: int) -> list[Part]:
        """The next draws, from this row of a round on, as many together as it pays."""
        left, parts = self._useful() or self._size(number) - row, list[tuple[int, int, int]]()
        while left > 0:
            parts.append((number, row, min(self._size(number) - row, left)))
            left -= parts[-1][2]
            number, row = number + 1, 0
        together = Together(self.seed, tuple(parts))
        finished, bounds = self._drawn(together), together.bounds
        return [
            Part(
                number, rows, row + rows == self._size(number),
                [ended.among(first, first + rows) for ended in finished],
            )
            for (number, row, rows), first in zip(parts, bounds, strict=False)
        ]  # fmt: skip

    def _useful(self) -> int:
        """Draws that what is still asked for may take, by the last ones; 0 where a whole round."""
        drawer, pays = self.drawer, PAYS / WALKED if self._walks else PAYS
        seldom = max(self.passed, self.found) < pays * self.draws
        draws, found = self.draws - self._known_of[0], self.found - self._known_of[1]
        self._known_of = self.draws, self.found
        if drawer.used or drawer.lookahead or seldom or not (self.wanted and found):
            return 0
        needed = math.ceil(SPARE * (self.wanted - self.found) * draws / found) + 32
        most = min(TOGETHER, MOST_CELLS // len(self.vocabulary), AHEAD * self.draws)
        return max(1, min(max(needed, self.draws // 32), most, drawer.memory.most))

    def _drawn(self, together: Together) -> list[Finished]:
        """What ends. By the model alone, a table of it gives the same lines sooner."""
        drawer, draws = self.drawer, int(together.bounds[-1])
        if drawer.used is not None or drawer.lookahead is not None:
            return drawer.draw(together)
        if max(draws, self.wanted or 0) >= TABLED:
            self._make_table()
        return (self._walks or drawer).draw(together)

    def _make_table(self) -> None:
        """Of the model, if it can be one."""
        if self._walks is None:
            drawer, states = self.drawer, self.drawer.model.as_states()
            if states is not None:
                self._walks = Walks(
                    states, drawer.automaton, self.options, drawer.prefix, drawer.labels
                )

    def _change_way(self, size: int) -> bool:
        """Choose how the next rounds draw, by what the last ones gave; Unsatisfiable at the end.

        Gives whether they draw in another way than those before.
        """
        way = self.drawer.used, self.drawer.lookahead
        left = self.drawer.mass_left()
        if left == 0 or self.idle >= GIVE_UP:
            rest = f"{left:.2g} of the probability is left"
            more = "and there is no other" if left == 0 else rest
            refused = f", {self.too_near} were too near to known ones" if self.too_near else ""
            wanted = "" if self.wanted is None else f" of {self.wanted}"
            raise Unsatisfiable(
                f"found {self.found}{wanted} lines after {self.draws} draws{refused}; {more}", None,
                self._ways_out(left),
            )  # fmt: skip
        if self.options.all:
            return False
        few = self._new < NEW * size
        rare = self.draws >= PILOT and self.passed < PAYS * self.draws
        if few or rare:  # whatever -n is, which has a table made sooner
            self._make_table()
        if self._walks:  # so quick that it is refused on, if what passes was not given before
            given = self._passed >= min(SEEN, size / 4) and self._new < NEW * self._passed
            few = given or self.idle >= GIVE_UP // 4
            rare = rare and WALKED * self.passed < PAYS * self.draws
        if self.drawer.used is None and few:
            self.drawer.remember()
        room = self.train is not None and Lookahead.fits(self.drawer.automaton)
        if rare and room and self.exact and not self.options.exact and self.train is not None:
            self.drawer.lead(self.train)
        return way != (self.drawer.used, self.drawer.lookahead)

    def _ways_out(self, left: float) -> str:
        """What a person can do where no more lines are found."""
        asked, plain = self.options, Sampling()
        ways = ["ask for fewer"] if self.found else []
        if left or any(getattr(asked, name) != getattr(plain, name) for name in WEIGHING):
            ways.append("raise --temperature")
        if any(getattr(asked, name) != getattr(plain, name) for name in CONDITIONS):
            ways.append("loosen the conditions")
        if self.too_near:
            ways.append("lower --min-distance")
        if not asked.all:
            ways.append("use --all, which refuses none")
        return ", ".join(ways[:-1]) + ", or " * (len(ways) > 1) + "".join(ways[-1:])

    # -- what a round gives -----------------------------------------------------------------------

    def _given(self, part: Part, most: int | None) -> Lines:
        """The lines that are not refused, at most so many, in their order."""
        lines = Ended(part.finished, self.vocabulary)
        if self.options.all:
            order = np.argsort(lines.rows, kind="stable")
            return self._samples(lines, lines.which[order][:most])
        fresh = self._fresh(lines)
        self._new += len(fresh)
        if not self.exact:
            self.led += len(lines.rows)
            chosen = self._by_weight(lines, fresh, part.number)
            refused = np.setdiff1d(np.arange(len(lines)), fresh)
            gone = np.concatenate([refused, chosen])
        else:
            self.passed += len(lines.rows)
            self._passed += len(lines.rows)
            chosen, gone = fresh[np.argsort(lines.first[fresh])], np.arange(len(lines))
        self.drawer.use(lines.nodes[gone])
        chosen = chosen[:most]
        self._never_again(lines.hashes[chosen])
        return self._samples(lines, chosen)

    def _never_again(self, hashes: NDArray[np.uint64]) -> None:
        both = np.concatenate([self.given, np.sort(hashes)])
        self.given = np.sort(both, kind="stable")  # two sorted parts are only merged

    def _fresh(self, lines: Ended) -> Ints:
        """The lines that are neither known, given before, nor too near; one of each text."""
        hashes, fresh = lines.earliest()
        unknown = self.known.origins(hashes) == 0  # sorted ones are found several times as fast
        fresh = np.sort(fresh[unknown][~within(hashes[unknown], self.given)])
        fresh = fresh[lines.canonical(self.vocabulary)[fresh]]
        if self.near and len(fresh):
            near = self.near(list(lines.texts.take(fresh)))
            self.too_near += int(near.sum())
            self._never_again(lines.hashes[fresh[near]])  # refused and counted once
            fresh = fresh[~near]
        return fresh

    def _by_weight(self, lines: Ended, fresh: Ints, number: int) -> Ints:
        """Two thirds of the sample size that the weights leave, drawn without replacement."""
        if not len(fresh):
            return fresh
        logs = np.log(lines.draws[fresh]) + lines.lead[fresh]
        weights = np.exp(logs - logs.max())
        each = weights / lines.draws[fresh]
        effective = float(weights.sum() ** 2 / (weights * each).sum())
        self.effective += effective
        uniform = uniforms(self.seed, number, PLACE_OF_WEIGHTS, np.arange(len(fresh)))
        keys = logs - np.log(-np.log1p(-uniform) + 1e-300)  # Gumbel: the largest are the draws
        return np.asarray(fresh[np.argsort(-keys, kind="stable")][: max(1, int(effective * 2 / 3))])

    def _samples(self, lines: Ended, chosen: Ints) -> Lines:
        origins = np.zeros(len(chosen), dtype=np.int64)
        if self.options.all:  # all others are new
            origins = self.known.origins(lines.hashes[chosen])
        names = (None,) * len(self.vocabulary) + self.vocabulary.labels
        return Lines(
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
