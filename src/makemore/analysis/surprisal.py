"""Surprisal: how improbable lines are, by symbol and compared with the training lines.

by_symbol(maker, corpus)            -log p of every symbol of every line
Standing(maker)(scores)             percentile of lines among the training lines
most_surprising(maker, corpus)      the least probable lines
"""

from __future__ import annotations

import itertools
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
from makemore.text.ragged import gathered, offsets_of
from makemore.text.vocabulary import BOUNDARY, UNKNOWN

COMPARED = 2_000  # training lines, of the lowest hashes, that a line is compared with
EQUAL = 1e-6  # nats a symbol: the last bits of a line's nll depend on the lines scored with it
TOGETHER = 2**14  # lines that are scored at once


class Surprisal(NamedTuple):
    """Holds a symbol of a line and its -log p in nats; the symbol None is the line's end."""

    symbol: Symbol
    nats: float


def by_symbol(maker: MakeMore, corpus: Corpus) -> list[list[Surprisal]]:
    """Compute the surprisal, nats, of each symbol of each line and of its end.

    Their sum is the line's nll. The list ends, with inf, at a symbol that the model does not know:
    what follows has no probability.
    """
    model, plan = parts_of(maker)
    encoded = maker.vocabulary.encode(corpus)
    ids, offsets = encoded.ids, encoded.offsets
    # Each line is scored up to its first unknown symbol, which is the next at or after its start.
    unknown = np.append(np.flatnonzero(ids == UNKNOWN), len(ids))
    stops = np.minimum(unknown[np.searchsorted(unknown, offsets[:-1])], offsets[1:])  # (n_lines,)
    starts = offsets_of(stops - offsets[:-1])
    known = gathered(ids, offsets[:-1], starts)
    with maker.evaluation():
        nats = _marginal(maker, model, known, starts)
    names, values, codes = [None, *plan.vocabulary.symbols], nats.tolist(), known.tolist()
    lines = []
    for row, (start, stop) in enumerate(itertools.pairwise(starts.tolist())):
        symbols = [*(names[id] for id in codes[start:stop]), names[BOUNDARY]]
        # A line has one value more than symbols, its end's: so `row` more lie before this one.
        line = list(map(Surprisal, symbols, values[start + row : stop + row + 1]))
        if stops[row] < offsets[row + 1]:  # what was scored as the end is an unknown symbol
            piece = maker.vocabulary.pieces(corpus[row])[stop - start]
            line[-1] = Surprisal(piece, math.inf)
        lines.append(line)
    return lines


def _marginal(
    maker: MakeMore, model: Model, ids: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute -log p of each symbol and end (n_symbols + n_lines,), over all labels of the run.

    The symbols so far make one label more probable than another: p(symbol | before) is the sum
    over the labels of p(label) p(before and symbol | label), over that sum without the symbol.
    """
    prior = {name: p for name, p in maker.label_shares.items() if p > 0}
    if not prior:
        return surprisals(model, ids, offsets)
    n_lines, counts = len(offsets) - 1, np.diff(offsets) + 1
    first = offsets[:-1] + np.arange(n_lines)  # of each line in the result
    sums = []
    for name, p in prior.items():
        nats = surprisals(model, ids, offsets, np.full(n_lines, maker.vocabulary.label_id(name)))
        total = np.cumsum(nats)  # of all lines; what lies before a line is taken off again
        sums.append(np.log(p) - total + np.repeat(total[first] - nats[first], counts))
    joint = np.logaddexp.reduce(sums, axis=0)  # log p of each line up to here
    before = np.concatenate([[0.0], joint[:-1]])
    before[first] = 0.0  # nothing was read yet: the sum of p(label) is 1
    return before - joint


class Standing:
    """Ranks lines among the lines that a run has learned from, by nats a symbol.

    By nats a symbol and not a line, or long lines would always be the improbable ones.
    """

    def __init__(self, maker: MakeMore) -> None:
        scores: Scores = maker.scores(maker.split.train.lowest(COMPARED))
        self.each = np.sort(scores.nll[scores.known] / scores.symbols[scores.known])

    def __call__(self, scores: Scores) -> NDArray[np.float64]:
        """Compute how many percent of 2,000 training lines (or all) are less probable (n_lines,).

        nan for lines with unknown symbols.
        """
        likelier = np.searchsorted(self.each, scores.nll / scores.symbols + EQUAL, side="right")
        percent = 100.0 * (len(self.each) - likelier) / max(1, len(self.each))
        return np.where(scores.known & (len(self.each) > 0), percent, np.nan)


@dataclass(frozen=True)
class Surprising:
    """Holds a line, its nats a symbol, and its most surprising symbol with the text before it."""

    text: str
    per_symbol: float
    before: str
    symbol: Symbol
    nats: float


@dataclass(frozen=True)
class Surprises:
    """Holds the least probable lines, and those that a model has no probability for.

    unknown: how many lines hold symbols that the model lacks
    examples: some of them, each with these symbols
    """

    lines: tuple[Surprising, ...]
    unknown: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]


def most_surprising(maker: MakeMore, corpus: Corpus, most: int = 10) -> Surprises:
    """Find the `most` lines of the largest nll a symbol, the largest first."""
    each, lacks = np.zeros(len(corpus)), np.zeros(len(corpus), dtype=bool)
    for start in range(0, len(corpus), TOGETHER):
        rows = slice(start, start + TOGETHER)
        part = corpus.take(rows)
        scores, encoded = maker.scores(part), maker.vocabulary.encode(part)
        each[rows] = scores.nll / scores.symbols
        # By ids, not by an nll of inf: a known symbol may have the probability 0.
        unknown = np.flatnonzero(encoded.ids == UNKNOWN)
        lacks[start + np.searchsorted(encoded.offsets, unknown, "right") - 1] = True
    known, unknown = np.flatnonzero(~lacks), np.flatnonzero(lacks)
    top = known[np.argsort(-each[known], kind="stable")[:most]]
    lines, chosen = [], corpus.take(top)
    for text, value, symbols in zip(chosen, each[top], by_symbol(maker, chosen), strict=True):
        worst = int(np.argmax([symbol.nats for symbol in symbols]))
        before = "".join(str(earlier.symbol) for earlier in symbols[:worst])
        lines.append(Surprising(text, float(value), before, *symbols[worst]))
    examples = [(text, tuple(maker.vocabulary.unknown_in(text)))
                for text in corpus.take(unknown[:most])]  # fmt: skip
    return Surprises(tuple(lines), len(unknown), tuple(examples))
