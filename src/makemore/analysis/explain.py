"""Explain: what a model expected at each position of a line, and how a line is drawn.

    expected(maker, "emma")        what it expected at each position, and what came
    generation(maker, seed=1)      how `makemore sample --all` draws its first line

A symbol that is None is the boundary. Nothing here is scored or drawn by rules of its own: the
values are those of `makemore score` and `makemore sample`.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
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

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """Holds a symbol that may come next, and its probability."""

    symbol: Symbol
    probability: float


@dataclass(frozen=True)
class Expected:
    """Describes one position of a line: what the model read, what came, what it had expected.

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
        """Convert the surprisal from nats to bits."""
        return self.surprisal / math.log(2)

    def record(self, place: int) -> dict[str, Any]:
        """Collect what JSON says of the position; place: its number in the line, from 1 on."""
        return {
            "place": place, "context": self.context, "symbol": self.symbol,
            "probability": self.probability, "surprisal": self.surprisal, "bits": self.bits,
            "total": self.total, "rank": self.rank, "expected": [*map(asdict, self.candidates)],
        }  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """Describes one draw: `uniform`, a random number in [0, 1), fell into [low, high).

    That is the symbol's interval of the cumulative probability: its length is the probability.
    """

    context: tuple[Symbol, ...]
    symbol: Symbol
    probability: float
    low: float
    high: float
    uniform: float
    candidates: tuple[Candidate, ...]


# -- a line ---------------------------------------------------------------------------------------


def expected(
    maker: MakeMore, text: str, top: int = 5, temperature: float = 1.0, label: str | None = None
) -> list[Expected]:
    """Explain every symbol of a line and its end; the last total is the nll of the line.

    With labels it is the nll given this label (the most probable one, if it is None). The list
    ends at a symbol that the model does not know: what follows has no probability.
    A temperature other than 1 gives the probabilities of draws at it, and no longer the score.
    Raises UsageError for a label that is not known.
    """
    model, plan = parts_of(maker)
    options = make(SamplingConfig, {"temperature": temperature})
    targets = [*plan.vocabulary.encode_line(text), BOUNDARY]
    known = targets[: targets.index(UNKNOWN)] if UNKNOWN in targets else targets
    start = start_of(maker, text, label)
    with maker.evaluation():
        logits = _logits_after(model, [start, *known][: len(known)])
        probabilities = _probabilities(logits, options, model.vocab_size)
        nats = _surprisals(model, known, probabilities, temperature, start)
    rows: list[Expected] = []
    # Summed as `score` does it: another order of additions has another last bit.
    totals = [float(np.add.reduceat(nats[: n + 1], [0])[0]) for n in range(len(known))]
    for position, target in enumerate(targets[: len(known) + 1]):
        context = context_of(model, plan.vocabulary, targets[:position], start)
        if target == UNKNOWN:
            lost = plan.vocabulary.pieces(text)[position]
            rows.append(Expected(context, lost, 0.0, math.inf, math.inf, None, ()))
            break
        row = probabilities[position]
        rows.append(
            Expected(
                context, symbol_of(plan.vocabulary, target), float(row[target]),
                float(nats[position]), totals[position], 1 + int((row > row[target]).sum()),
                _likeliest(plan.vocabulary, row, top),
            )
        )  # fmt: skip
    return rows


def _logits_after(model: Model, ids: list[Any]) -> list[NDArray[Any]]:
    """Compute the logits (1, V) after each of these ids, one step after another."""
    state, rows = model.initial_state(1), []
    for id in ids:
        logits, state = model.step(np.array([id]), state)
        rows.append(logits)
    return rows


def _probabilities(logits: list[NDArray[Any]], options: SamplingConfig, vocab_size: int) -> Floats:
    """Compute the probabilities (n, V) that symbols are drawn with, of n logits (1, V)."""
    # An empty array first: a line may begin with an unknown symbol.
    rows = np.concatenate([np.empty((0, vocab_size), dtype=np.float32), *logits])
    weights = apply_filters(rows, options)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _surprisals(
    model: Model, targets: list[Any], probabilities: Floats, temperature: float,
    start: int,
) -> Floats:  # fmt: skip
    """Compute -log p of n targets (n,), nats; at temperature 1 by the pass that `score` makes."""
    if temperature == 1:
        ids = np.array([id for id in targets if id != BOUNDARY], dtype=np.int64)
        label = np.array([start]) if model.n_labels else None
        return np.asarray(surprisals(model, ids, np.array([0, len(ids)]), label)[: len(targets)])
    with np.errstate(divide="ignore"):  # -log 0 is inf
        return np.asarray(-np.log(probabilities[np.arange(len(targets)), targets]))


# -- a draw ---------------------------------------------------------------------------------------


class _Recorder:
    """Wraps a model and keeps its inputs and logits for the first line of a batch."""

    def __init__(self, model: Model) -> None:
        self.model, self.logits, self.ids = model, list[NDArray[Any]](), list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        """Step as the model does."""
        logits, state = self.model.step(ids, state)
        self.ids.append(int(ids[0]))
        self.logits.append(logits[:1].copy())
        return logits, state

    def drawn(self, vocabulary: Vocabulary, text: str) -> list[int]:
        """Find the ids that were drawn for the first line, whose text this is."""
        # Encoding the text could cut it into other symbols: what was drawn is what was read next.
        ends = range(1, len(self.ids) + 1)
        return next(self.ids[1:n] for n in ends if vocabulary.decode(self.ids[1:n]) == text)


def generation(
    maker: MakeMore, seed: int, top: int = 5, temperature: float = 1.0
) -> tuple[Sample, list[Draw]]:
    """Draw the first line of `maker.samples(1, seed, all=True)`, and explain each draw.

    A line that was cut has a draw for each of its symbols and none for its end.
    """
    model, plan = parts_of(maker)
    recorder = _Recorder(model)
    stand_in: Any = copy.copy(maker)  # the maker itself keeps its model
    stand_in.model_ = recorder
    line = next(stand_in.samples(1, seed, all=True, temperature=temperature))
    options = make(SamplingConfig, {"temperature": temperature})
    drawn = recorder.drawn(plan.vocabulary, line.text)
    targets = [*drawn, *([] if line.capped else [BOUNDARY])]
    rows = _probabilities(recorder.logits[: len(targets)], options, model.vocab_size)
    draws = []
    for position, (target, row) in enumerate(zip(targets, rows, strict=True)):
        high = float(np.cumsum(row)[target])
        draws.append(
            Draw(
                context_of(model, plan.vocabulary, targets[:position], recorder.ids[0]),
                symbol_of(plan.vocabulary, target), float(row[target]),
                high - float(row[target]), high,
                # Randomness is a function of (seed, round, position, row): nothing has to be kept.
                float(uniforms(seed, 0, position, np.arange(1))[0]),
                _likeliest(plan.vocabulary, row, top),
            )
        )  # fmt: skip
    return line, draws


def _likeliest(vocabulary: Vocabulary, row: Floats, top: int) -> tuple[Candidate, ...]:
    """Select the `top` most probable symbols (V,), without those of probability 0."""
    order = np.argsort(-row, kind="stable")[:top]
    return tuple(
        Candidate(symbol_of(vocabulary, int(i)), float(row[i])) for i in order if row[i] > 0
    )
