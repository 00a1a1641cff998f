"""Sampling: lines drawn symbol by symbol from a model, new ones and each once by default.

Draws go in rounds, and the random numbers of a draw depend on (seed, round, place, row) alone. So
the first 5 of 50 are the 5 of 5, and every caller gets the same bytes. In a round, draws with the
same symbols so far are one prefix, computed once. No torch: `step` takes and returns numpy.

Three ways, and a round's numbers alone say which: plain rejection, exact and fast as long as it
pays; the same by what is left, once most draws are refused (used.py); and, where few lines satisfy
the conditions, led draws with weights (lookahead.py), which are approximate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.constraints import compile_conditions
from makemore.corpus import Corpus, Split
from makemore.draws import Drawer, Ended, Finished, uniforms
from makemore.errors import Unsatisfiable, UsageError, visible
from makemore.lookahead import Lookahead
<<<<<<< HEAD
from makemore.models.base import Model
from makemore.options import unknown_key
from makemore.settings import Sampling
=======
from makemore.models.base import Model, State, take
from makemore.options import knobs, unknown_key
from makemore.settings import Conditions, Sampling
>>>>>>> cli
from makemore.symbols import CHARACTER
from makemore.vocabulary import UNKNOWN, Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUND = 4096  # draws in a round at most; a run records it, because a seed's lines depend on it
MOST_CELLS = 2**22  # draws times vocabulary: some hundred MB of probabilities
FIRST_ROUND = 128  # the next has twice as many, up to ROUND: the first lines come soon
GIVE_UP = 50_000  # draws in a row without one line to give: some seconds of work
PILOT = 1024  # draws after which it is asked whether rejection pays
PAYS = 0.1  # share of draws that satisfy the conditions, below which draws are led
NEW = 0.125  # share of a round's draws that are new, below which the next go by what is left
<<<<<<< HEAD
PLACE_OF_WEIGHTS = 2**32 + 1  # of random numbers that are no symbol's
=======
PLACE_OF_LABEL, PLACE_OF_WEIGHTS = 2**32, 2**32 + 1  # of random numbers that are no symbol's
PLACE_OF_RESAMPLING = 2**33
EVEN = 0.5  # sample size, as a share of the led draws, below which these are resampled
CONDITIONS = [name for name in knobs(Conditions) if name != "all"]
>>>>>>> cli
ORIGINS = ("new", "train", "val", "test", "avoid", "given")


@dataclass(frozen=True)
class Sample:
    """A drawn line: where it stands already, its nll in nats (end included), whether it was cut.

    exact: drawn by the model's own distribution among the lines that the conditions allow
    """

    text: str
    origin: str
    nll: float
    capped: bool = False
    exact: bool = True
    label: str | None = None


class Known:
    """Which lines are known and from where, by a 64-bit hash of their text: 8 bytes a line."""

    def __init__(
        self, split: Split, avoid: Corpus | None = None, given: Corpus | None = None
    ) -> None:
        nothing = split.train.take(slice(0))
        parts = [part for _, part in split] + [avoid or nothing, given or nothing]
        hashes = np.concatenate([part.hashes() for part in parts])
        origin = np.repeat(np.arange(1, len(parts) + 1), [len(part) for part in parts])
        self.hashes, first = np.unique(hashes, return_index=True)
        self.origin = np.append(origin[first], 0)

    def origins(self, hashes: NDArray[np.uint64]) -> NDArray[Any]:
        """(n,) hashes -> (n,) places in ORIGINS; 0 is new."""
        place = np.searchsorted(self.hashes, hashes)
        if not len(self.hashes):
            return np.zeros(len(hashes), dtype=np.int64)
        found = self.hashes[np.minimum(place, len(self.hashes) - 1)] == hashes
        return np.where(found, self.origin[place], 0)


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
        self.drawer = Drawer(model, vocabulary, automaton, options, seed, prefix, labels)
        self.draws, self.found, self.passed, self.too_near, self.idle = 0, 0, 0, 0, 0
        self.led, self.effective = 0, 0.0  # led draws, and their sample size summed over rounds
        self.wanted: int | None = None
<<<<<<< HEAD
        self.given: set[int] = set()
=======
        self.given: set[int] = set()  # hashes of lines that are not asked for again
        self._begun: Prefixes | None = None
        self._levels: list[tuple[Ints, Ints, Ints]] = []  # of this round: parents, symbols, nodes
>>>>>>> cli
        self._fresh_draws = 0  # of this round

    @property
    def exact(self) -> bool:
        """Whether draws are the model's own, and none was led."""
        return self.drawer.lookahead is None

    def __iter__(self) -> Iterator[Sample]:
        for lines in self.rounds():
            yield from lines

    def rounds(self, n: int | None = None) -> Iterator[list[Sample]]:
        """What each round gives, n lines in all (endless without n)."""
        number, self.wanted = 0, n
        while n is None or self.found < n:
            size = min(self.round_size, FIRST_ROUND << min(number, 20))
            finished = self.drawer.round(number, size)
            self.draws += size
            lines = self._given(finished, None if n is None else n - self.found, number)
            self.found += len(lines)
            self.idle = 0 if lines else self.idle + size
            yield lines
            if n is None or self.found < n:
                self._change_way(size)
            number += 1

    def _change_way(self, size: int) -> None:
        """Choose how the next rounds draw, by what the last ones gave; Unsatisfiable at the end."""
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
            return
        if self.drawer.used is None and self._fresh_draws < NEW * size:
            self.drawer.remember()
        rare = self.draws >= PILOT and self.passed < PAYS * self.draws
<<<<<<< HEAD
        room = self.train is not None and Lookahead.fits(self.drawer.automaton)
        if rare and room and self.exact and not self.options.exact and self.train is not None:
            self.drawer.lead(self.train)
=======
        if rare and not self.lookahead and not self.options.exact:
            self._lead()

    def _ways_out(self, left: float) -> str:
        """What a person can do where no more lines are found."""
        asked, plain = self.options, Sampling()
        drawing = ("temperature", "top_k", "top_p", "min_p")
        ways = ["ask for fewer"] if self.found else []
        if left or any(getattr(asked, name) != getattr(plain, name) for name in drawing):
            ways.append("raise --temperature")
        if any(getattr(asked, name) != getattr(plain, name) for name in CONDITIONS):
            ways.append("loosen the conditions")
        if self.too_near:
            ways.append("lower --min-distance")
        if not asked.all:
            ways.append("use --all, which refuses none")
        return ", ".join(ways[:-1]) + ", or " * (len(ways) > 1) + "".join(ways[-1:])

    def _lead(self) -> None:
        """Lead the next draws, if there is a text to learn the way from and room for its table."""
        if self.train is None or not Lookahead.fits(self.automaton):
            return
        self.lookahead = Lookahead(
            self.automaton, self.vocabulary, self.train, lambda logits: weigh(logits, self.options)
        )
        self._begun, self.used = None, None

    def _mass_left(self) -> float:
        """The share of the model's lines that are neither used up nor impossible."""
        if self.used is None or self._begun is None:
            return 1.0
        shares = np.array([self.labels[int(number)] for number in self._begun.label])
        return float((shares * self.used.mass(self._begun.nodes)).sum())

    def _begin(self) -> Prefixes:
        """The prefix that all lines start with, once for each label."""
        numbers = np.array(list(self.labels), dtype=np.int64)
        state, nll = self.model.initial_state(len(numbers)), np.zeros(len(numbers))
        logits, state = self.model.step(numbers, state)
        states, context = np.zeros(len(numbers), dtype=np.int64), np.zeros_like(numbers)
        for symbol in self.prefix:
            nll -= log_softmax(logits)[:, symbol]
            logits, state = self.model.step(np.full(len(numbers), symbol), state)
            states = self.automaton.next[states, symbol].astype(np.int64)
            if self.lookahead:
                context = self.lookahead.after(context, np.array(symbol))
        ids = np.tile(np.array(self.prefix, dtype=np.int64), (len(numbers), 1))
        nodes = np.full(len(numbers), NONE)
        if self.used:
            alive = self.automaton.allowed(len(self.prefix), states)
            nodes = self.used.add(self._shares(logits), alive)
        nothing = np.zeros(len(numbers))
        return Prefixes(ids, state, logits, nll, numbers, states, nodes, context, nothing)

    def _shares(self, logits: NDArray[Any]) -> Floats:
        """(G, V) the probabilities of a draw."""
        weights = weigh(logits, self.options)
        return weights / weights.sum(axis=1, keepdims=True)

    def _round(self, number: int, size: int) -> list[Finished]:
        if self._begun is None:
            self._begun = self._begin()
        self._settled = self.used.size if self.used else 0
        self._levels = []
        open_, finished = self._begun, list[Finished]()
        shares = np.array([self.labels[int(label)] for label in open_.label])
        if self.used:
            shares = shares * self.used.mass(open_.nodes)
        rows = np.arange(size)
        group = choose(
            shares[None], uniforms(self.seed, number, PLACE_OF_LABEL, size), np.zeros_like(rows)
        )
        for place in range(len(self.prefix), self.automaton.most + 1):
            uniform = uniforms(self.seed, number, place, size)[rows]
            picked, lead = self._pick(open_, place, group, uniform)
            if place == self.automaton.most and self.automaton.cuts and self.options.all:
                cut = (picked != BOUNDARY) & self.automaton.ends(place, open_.states)[group]
                if cut.any():  # shown as what they are
                    finished.append(self._end(open_, group[cut], rows[cut], lead[cut], True))
            alive = self.automaton.allowed(place, open_.states)[group, picked]
            ends = alive & (picked == BOUNDARY)
            if ends.any():
                finished.append(self._end(open_, group[ends], rows[ends], lead[ends]))
            on = alive & (picked != BOUNDARY)
            rows = rows[on]
            if not len(rows):
                break
            before = open_
            open_, group, parents = self._extend(before, place, group[on], picked[on], lead[on])
            if self.used:  # a copy: a view would keep all symbols of each length
                last = open_.ids[:, -1].copy()
                self._levels.append((before.nodes[parents], last, open_.nodes))
            if self.lookahead:
                group = self._resample(open_, self.lookahead, place + 1, group, number)
        return finished

    def _pick(
        self, open_: Prefixes, place: int, group: Ints, uniform: Floats
    ) -> tuple[Ints, Floats]:
        """(R,) the symbol of each draw, and log of p over q where draws are led."""
        shares = self._shares(open_.logits)  # (G, V)
        led = shares
        if self.used:
            # What is dead below a prefix that is new in this round was no part of the way to it:
            # whoever draws it is refused. Led draws have weights that see to it.
            kept = (open_.nodes != NONE) & (bool(self.lookahead) | (open_.nodes < self._settled))
            led = shares.copy()
            led[kept] *= self.used.left[open_.nodes[kept]]
        if self.lookahead:
            led = led * self.lookahead.of(place, open_.states, open_.contexts)
            lost = led.sum(axis=1) <= 0  # nothing is left below; the draw ends here
            led[lost] = shares[lost]
            led = led / led.sum(axis=1, keepdims=True)
        picked = choose(led, uniform, group)
        if not self.lookahead:
            return picked, np.zeros(len(picked))
        with np.errstate(divide="ignore"):
            return picked, np.log(shares[group, picked]) - np.log(led[group, picked])

    def _resample(
        self, open_: Prefixes, lookahead: Lookahead, place: int, group: Ints, number: int
    ) -> Ints:
        """Led draws go on from prefixes in proportion to their weights, once these are uneven.

        The weight of a prefix is p over q times the chance to complete it. Systematic resampling
        (Kitagawa 1996); afterwards all draws weigh the same. Gives the prefix of each draw.
        """
        logs = open_.lead + np.log(lookahead.at(place, open_.states, open_.contexts))
        highest = logs[group].max()
        weights = np.exp(logs - highest)[group]  # (R,)
        if weights.sum() ** 2 / (weights**2).sum() > EVEN * len(group):
            return group
        start = uniforms(self.seed, number, PLACE_OF_RESAMPLING + place, 1)
        points = (np.arange(len(group)) + start) / len(group)
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)
        mean = highest + np.log(weights.mean())
        open_.lead = mean - logs + open_.lead  # p over q as if each had the mean weight
        return group[np.minimum(chosen, len(group) - 1)]

    def _end(
        self, open_: Prefixes, group: Ints, rows: Ints, lead: Floats, capped: bool = False
    ) -> Finished:
        ended, first, which = np.unique(group, return_index=True, return_inverse=True)
        nll = open_.nll[ended] - log_softmax(open_.logits[ended])[:, BOUNDARY]
        return Finished(
            open_.ids[ended], nll, open_.label[ended], open_.nodes[ended],
            open_.lead[ended] + lead[first], rows, which, capped,
        )  # fmt: skip

    def _extend(
        self, open_: Prefixes, place: int, group: Ints, picked: Ints, lead: Floats
    ) -> tuple[Prefixes, Ints, Ints]:
        """The prefixes that are one symbol longer, in the order of their first draws."""
        V = len(self.vocabulary)
        codes, first, inverse = np.unique(
            group * V + picked, return_index=True, return_inverse=True
        )
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        parents, symbols = np.divmod(codes[order], V)
        nll = (
            open_.nll[parents] - log_softmax(open_.logits[parents])[np.arange(len(order)), symbols]
        )
        logits, state = self.model.step(symbols, take(open_.state, parents))
        states = self.automaton.next[open_.states[parents], symbols].astype(np.int64)
        nodes = np.full(len(order), NONE)
        if self.used:
            nodes = self.used.find(open_.nodes[parents], symbols)
            fresh = (nodes == NONE) & (open_.nodes[parents] != NONE)
            alive = self.automaton.allowed(place + 1, states[fresh])
            nodes[fresh] = self.used.add(self._shares(logits[fresh]), alive)
            self.used.link(open_.nodes[parents], symbols, nodes)
        contexts = open_.contexts[parents]
        if self.lookahead:
            contexts = self.lookahead.after(contexts, symbols)
        longer = Prefixes(
            np.column_stack([open_.ids[parents], symbols]), state, logits, nll,
            open_.label[parents], states, nodes, contexts,
            open_.lead[parents] + lead[first[order]],
        )  # fmt: skip
        return longer, rank[inverse], parents
>>>>>>> cli

    # -- what a round gives -----------------------------------------------------------------------

    def _given(self, finished: list[Finished], most: int | None, number: int) -> list[Sample]:
        """The lines of a round that are not refused, at most so many, in their order."""
        lines = Ended(finished, self.vocabulary)
        if self.options.all:
            order = np.argsort(lines.rows, kind="stable")
            return self._samples(lines, lines.which[order][:most])
        fresh = self._fresh(lines)
        self._fresh_draws = int(lines.draws[fresh].sum())
        if not self.exact:
            self.led += len(lines.rows)
            chosen = self._by_weight(lines, fresh, number)
            refused = np.setdiff1d(np.arange(len(lines)), fresh)
            gone = np.concatenate([refused, chosen])
        else:
            self.passed += len(lines.rows)
            chosen, gone = fresh[np.argsort(lines.first[fresh])], np.arange(len(lines))
        self.drawer.use(lines.nodes[gone])
        chosen = chosen[:most]
        self.given.update(lines.hashes[chosen].tolist())
        return self._samples(lines, chosen)

    def _fresh(self, lines: Ended) -> Ints:
        """The lines that are neither known, given before, nor too near; one of each text."""
        order = np.argsort(lines.first, kind="stable")
        _, earliest = np.unique(lines.hashes[order], return_index=True)
        once = np.zeros(len(lines), dtype=bool)
        once[order[earliest]] = True
        once &= self.known.origins(lines.hashes) == 0
        once &= np.array([number not in self.given for number in lines.hashes.tolist()], dtype=bool)
        fresh = np.flatnonzero(once & lines.canonical(self.vocabulary))
        if self.near and len(fresh):
            near = self.near(list(lines.texts.take(fresh)))
            self.too_near += int(near.sum())
            self.given.update(lines.hashes[fresh[near]].tolist())  # refused and counted once
            fresh = fresh[~near]
        return fresh

    def _by_weight(self, lines: Ended, fresh: Ints, number: int) -> Ints:
        """Half as many as the sample size that the weights leave, drawn without replacement."""
        if not len(fresh):
            return fresh
        logs = np.log(lines.draws[fresh]) + lines.lead[fresh]
        weights = np.exp(logs - logs.max())
        each = weights / lines.draws[fresh]
        effective = float(weights.sum() ** 2 / (weights * each).sum())
        self.effective += effective
        uniform = uniforms(self.seed, number, PLACE_OF_WEIGHTS, len(fresh))
        keys = logs - np.log(-np.log1p(-uniform) + 1e-300)  # Gumbel: the largest are the draws
        return np.asarray(fresh[np.argsort(-keys, kind="stable")][: max(1, int(effective / 2))])

    def _samples(self, lines: Ended, chosen: Ints) -> list[Sample]:
        origins = self.known.origins(lines.hashes[chosen])
        names = self.vocabulary.labels
        first = len(self.vocabulary)
        return [
            Sample(
                text, ORIGINS[origin], float(lines.nll[row]), bool(lines.capped[row]), self.exact,
                names[lines.label[row] - first] if lines.label[row] >= first else None,
            )
            for text, row, origin in zip(lines.texts.take(chosen), chosen, origins, strict=True)
        ]  # fmt: skip


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


def parse_mixture(text: str, names: tuple[str, ...]) -> dict[str, float]:
    """`scots`, or `female=.7,scots=.3` -> the share of each label; they are scaled to sum to 1.

    Raises UsageError for an unknown label, or a share that is no number above 0.
    """
    if text in names:
        return {text: 1.0}
    shares = {}
    for part in text.split(","):
        name, given, number = part.strip().rpartition("=")
        name, number = (name, number) if given else (number, "1")
        if name not in names:
            raise unknown_key(name, names, "label")
        try:
            shares[name] = float(number)
        except ValueError:
            shares[name] = -1.0
        if not 0 < shares[name] < math.inf:
            raise UsageError(
                f"{visible(number, 40)!r} is no share of {name!r}", "--label",
                "give NAME=.7,OTHER=.3",
            )  # fmt: skip
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}
