"""Explain: what a model expected at each place of a line, and how a line is drawn.

    expected(maker, "emma")        what it expected at each place, and what came
    generation(maker, seed=1)      how `makemore sample --all` comes to its first line

A symbol that is None is the boundary. All of it reads: nothing is learned, drawn or scored by rules
of its own.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.analysis.context import Symbol, context_of, parts_of, start_of, symbol_of
from makemore.api import MakeMore
from makemore.models import Model
from makemore.models.core.state import State
from makemore.options import make
from makemore.sampling import Sample, SamplingConfig
from makemore.sampling.categorical import uniforms
from makemore.sampling.filters import apply_filters
from makemore.scoring import surprisals
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY, UNKNOWN
from makemore.training.device import threads


@dataclass(frozen=True)
class Candidate:
    """A symbol that may come next, and how probable it is."""

    symbol: Symbol
    probability: float


@dataclass(frozen=True)
class Expected:
    """One place of a line: what the model read, what came, and what it had expected.

    surprisal: -log p of what came, in nats; inf where the model does not know the symbol
    total: sum of the surprisals up to here; at the end it is the nll of the line
    rank: 1 if nothing else was more probable; None for an unknown symbol
    """

    context: tuple[Symbol, ...]
    symbol: Symbol
    probability: float
    surprisal: float
    total: float
    rank: int | None
    candidates: tuple[Candidate, ...]

    @property
    def bits(self) -> float:
        return self.surprisal / math.log(2)


@dataclass(frozen=True)
class Draw:
    """One draw: `uniform`, a random number in [0, 1), fell into the symbol's share [low, high)."""

    context: tuple[Symbol, ...]
    symbol: Symbol
    probability: float
    low: float
    high: float
    uniform: float
    candidates: tuple[Candidate, ...]


# -- a line ---------------------------------------------------------------------------------------


def expected(
    maker: MakeMore,
    text: str,
    top: int = 5,
    temperature: float = 1.0,
    label: str | None = None,
) -> list[Expected]:
    """Every symbol of a line and its end; the last total is what `MakeMore.scores` gives the line.

    Where the lines had labels it is that of the line with this label (the likeliest, if none is
    given). The list ends at a symbol that the model does not know: what follows has no probability.
    A temperature other than 1 gives the probabilities of draws at it, and no longer the score.
    Raises UsageError for a label that is not known.
    """
    model, plan = parts_of(maker)
    options = make(SamplingConfig, {"temperature": temperature})
    targets = [*plan.vocabulary.encode_line(text), BOUNDARY]
    known = targets[: targets.index(UNKNOWN)] if UNKNOWN in targets else targets
    start = start_of(maker, text, label)
    rows: list[Expected] = []
    with threads(plan.config.threads):
        shares = _shares(model, known, options, start)
        nats = _surprisals(model, known, shares, temperature, start)
    # Summed as `score` does it: another order of additions has another last bit.
    totals = [float(np.add.reduceat(nats[: n + 1], [0])[0]) for n in range(len(known))]
    for place, target in enumerate(targets[: len(known) + 1]):
        context = context_of(model, plan.vocabulary, targets[:place], start)
        if target == UNKNOWN:
            lost = plan.vocabulary.pieces(text)[place]
            rows.append(Expected(context, lost, 0.0, math.inf, math.inf, None, ()))
            break
        row = shares[place]
        rows.append(
            Expected(
                context, symbol_of(plan.vocabulary, target), float(row[target]), float(nats[place]),
                totals[place], 1 + int((row > row[target]).sum()),
                _likeliest(plan.vocabulary, row, top),
            )
        )  # fmt: skip
    return rows


def _shares(
    model: Model, targets: list[Any], options: SamplingConfig, start: int
) -> NDArray[np.float64]:
    """(n, V) the probabilities before each of n targets."""
    state, rows = model.initial_state(1), []
    for symbol in [start, *targets][: len(targets)]:
        logits, state = model.step(np.array([symbol]), state)
        weights = apply_filters(logits, options)[0]
        rows.append(weights / weights.sum())
    return np.array(rows).reshape(len(targets), model.vocab_size)


def _surprisals(
    model: Model, targets: list[Any], shares: NDArray[np.float64], temperature: float, start: int
) -> NDArray[np.float64]:
    """(n,) -log p of n targets; at temperature 1 by the pass that `score` makes."""
    if temperature == 1:
        ids = np.array([number for number in targets if number != BOUNDARY], dtype=np.int64)
        label = np.array([start]) if model.n_labels else None
        return np.asarray(surprisals(model, ids, np.array([0, len(ids)]), label)[: len(targets)])
    with np.errstate(divide="ignore"):  # -log 0 is inf
        return np.asarray(-np.log(shares[np.arange(len(targets)), targets]))


# -- a draw ---------------------------------------------------------------------------------------


class _Watched:
    """A model whose inputs and answers for the first line of a batch are kept."""

    def __init__(self, model: Model) -> None:
        self.model, self.logits, self.ids = model, list[NDArray[Any]](), list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        logits, state = self.model.step(ids, state)
        self.ids.append(int(ids[0]))
        self.logits.append(logits[:1].copy())
        return logits, state

    def drawn(self, vocabulary: Vocabulary, text: str) -> list[int]:
        """The ids that were drawn for the first line, whose text this is."""
        # Put together, symbols may be cut in another way: what was drawn is what was read next.
        number = 0
        while vocabulary.decode(self.ids[1 : number + 1]) != text:
            number += 1
        return self.ids[1 : number + 1]


def generation(
    maker: MakeMore, seed: int, top: int = 5, temperature: float = 1.0
) -> tuple[Sample, list[Draw]]:
    """The first line of `maker.samples(1, seed, all=True)`, and each draw that made it.

    A line that was cut has a draw for each of its symbols and none for its end.
    """
    model, plan = parts_of(maker)
    watched = _Watched(model)
    stand_in: Any = copy.copy(maker)
    stand_in.model_ = watched
    line = next(stand_in.samples(1, seed, all=True, temperature=temperature))
    options = make(SamplingConfig, {"temperature": temperature})
    drawn = watched.drawn(plan.vocabulary, line.text)
    targets = [*drawn, *([] if line.capped else [BOUNDARY])]
    draws = []
    for place, target in enumerate(targets):
        weights = apply_filters(watched.logits[place], options)[0]
        shares = weights / weights.sum()
        high = np.cumsum(shares)
        draws.append(
            Draw(
                context_of(model, plan.vocabulary, targets[:place], watched.ids[0]),
                symbol_of(plan.vocabulary, target), float(shares[target]),
                float(high[target] - shares[target]), float(high[target]),
                float(uniforms(seed, 0, place, np.arange(1))[0]),
                _likeliest(plan.vocabulary, shares, top),
            )
        )  # fmt: skip
    return line, draws


def _likeliest(
    vocabulary: Vocabulary, shares: NDArray[np.float64], top: int
) -> tuple[Candidate, ...]:
    order = np.argsort(-shares, kind="stable")[:top]
    return tuple(
        Candidate(symbol_of(vocabulary, int(i)), float(shares[i])) for i in order if shares[i] > 0
    )
