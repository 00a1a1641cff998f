"""Surprisal: how likely a run finds lines: symbol by symbol, and beside the lines it learned from.

by_symbol(maker, corpus)            -log p of every symbol of every line
Standing(maker)(scores)             where lines stand among the training lines
most_surprising(maker, corpus)      the lines that a model finds hardest to believe
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from makemore.analysis.context import Symbol, parts_of
from makemore.api import MakeMore
from makemore.models import Model
from makemore.scoring import Scores, surprisals
from makemore.text import Corpus
from makemore.text.vocabulary import BOUNDARY, UNKNOWN

COMPARED = 2_000  # training lines, of the lowest hashes, that a line is compared with
EQUAL = 1e-6  # nats a symbol: the last bits of a line's nll hang on the lines it is scored with
TOGETHER = 2**14  # lines that are scored at once


class Surprisal(NamedTuple):
    """A symbol of a line and its -log p in nats; the symbol None is the line's end."""

    symbol: Symbol
    nats: float


def by_symbol(maker: MakeMore, corpus: Corpus) -> list[list[Surprisal]]:
    """The surprisal of each symbol of each line and of its end; their sum is the line's nll.

    The list ends, with inf, at a symbol that the model does not know: what follows has none.
    """
    model, plan = parts_of(maker)
    ids, offsets = _encoded(maker, corpus)
    unknown = np.flatnonzero(ids == UNKNOWN)
    place = np.searchsorted(unknown, offsets[:-1])
    stops = np.minimum(np.append(unknown, len(ids))[place], offsets[1:])  # (n_lines,)
    lengths = stops - offsets[:-1]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    kept = np.arange(starts[-1]) + np.repeat(offsets[:-1] - starts[:-1], lengths)
    with maker.evaluation():
        nats = _marginal(maker, model, ids[kept], starts)
    names, values, codes = [None, *plan.vocabulary.symbols], nats.tolist(), ids.tolist()
    found = []
    for row, (start, stop) in enumerate(zip(offsets.tolist(), stops.tolist(), strict=False)):
        first = int(starts[row]) + row  # a line has one number more than symbols
        symbols = [*(names[number] for number in codes[start:stop]), names[BOUNDARY]]
        line = list(map(Surprisal, symbols, values[first : first + len(symbols)]))
        if stop < offsets[row + 1]:
            piece = maker.vocabulary.pieces(corpus[row])[stop - start]
            line[-1] = Surprisal(piece, math.inf)
        found.append(line)
    return found


def _encoded(maker: MakeMore, corpus: Corpus) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n_symbols,) ids of all lines, -1 for unknown ones, and (n_lines + 1,) where lines start."""
    encoded = maker.vocabulary.encode(corpus)
    return encoded.ids, encoded.offsets


def _marginal(
    maker: MakeMore, model: Model, ids: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n_symbols + n_lines,) -log p of each symbol, over all labels where the run has some.

    With labels, what was read so far says which one it is: p(symbol | before) is the quotient of
    two sums over the labels, those of what was read with the symbol and without it.
    """
    shares = maker.label_shares
    if not shares:
        return surprisals(model, ids, offsets)
    n_lines = len(offsets) - 1
    first = offsets[:-1] + np.arange(n_lines)  # a line has one number more than symbols
    sums = []
    for name, share in shares.items():
        if share == 0:
            continue
        label = np.full(n_lines, maker.vocabulary.label_id(name))
        nats = surprisals(model, ids, offsets, label)
        total = np.cumsum(nats)
        counts = np.diff(np.append(first, len(nats)))
        sums.append(np.log(share) - total + np.repeat(total[first] - nats[first], counts))
    joint = np.logaddexp.reduce(sums, axis=0)  # log p of each line up to here
    before = np.concatenate([[0.0], joint[:-1]])
    before[first] = 0.0
    return before - joint


class Standing:
    """Where lines stand among the lines that a run has learned from, by nats a symbol.

    By nats a symbol and not a line, or long lines would always be the unlikely ones.
    """

    def __init__(self, maker: MakeMore) -> None:
        scores: Scores = maker.scores(maker.split.train.lowest(COMPARED))
        self.each = np.sort(scores.nll[scores.known] / scores.symbols[scores.known])

    def __call__(self, scores: Scores) -> NDArray[np.float64]:
        """(n_lines,) percent of 2,000 training lines (or all) that are less likely, 0 to 100.

        nan for lines with unknown symbols.
        """
        place = np.searchsorted(self.each, scores.nll / scores.symbols + EQUAL, side="right")
        share = 100.0 * (len(self.each) - place) / max(1, len(self.each))
        return np.where(scores.known & (len(self.each) > 0), share, np.nan)


@dataclass(frozen=True)
class Surprising:
    """A line, its nats a symbol, and its symbol of the largest surprisal with what stood before."""

    text: str
    per_symbol: float
    before: str
    symbol: Symbol
    nats: float


@dataclass(frozen=True)
class Surprises:
    """The lines that a model finds hardest to believe, and those it can say nothing about.

    unknown: how many lines hold symbols that the model lacks
    examples: some of them, each with these symbols
    """

    lines: tuple[Surprising, ...]
    unknown: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]


def most_surprising(maker: MakeMore, corpus: Corpus, most: int = 10) -> Surprises:
    """The `most` lines of the largest nll a symbol, the largest first."""
    each, lacks = np.zeros(len(corpus)), np.zeros(len(corpus), dtype=bool)
    for start in range(0, len(corpus), TOGETHER):
        part = corpus.take(slice(start, start + TOGETHER))
        scores, (ids, offsets) = maker.scores(part), _encoded(maker, part)
        each[start : start + TOGETHER] = scores.nll / scores.symbols
        lacks[start + np.searchsorted(offsets, np.flatnonzero(ids == UNKNOWN), "right") - 1] = True
    known, unknown = np.flatnonzero(~lacks), np.flatnonzero(lacks)
    top = known[np.argsort(-each[known], kind="stable")[:most]]
    lines, chosen = [], corpus.take(top)
    for text, value, symbols in zip(chosen, each[top], by_symbol(maker, chosen), strict=True):
        place = max(range(len(symbols)), key=lambda place: symbols[place].nats)
        before = "".join(str(earlier.symbol) for earlier in symbols[:place])
        lines.append(
            Surprising(text, float(value), before, symbols[place].symbol, symbols[place].nats)
        )
    examples = [(text, tuple(maker.vocabulary.unknown_in(text)))
                for text in corpus.take(unknown[:most])]  # fmt: skip
    return Surprises(tuple(lines), len(unknown), tuple(examples))
