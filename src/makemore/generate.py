"""Sampling: lines drawn symbol by symbol from a model, new ones and each once by default.

Draws go in rounds of a fixed size, and the random numbers of draw d at symbol t depend on (seed, d,
t) alone. So the first 5 of 50 are the 5 of 5, and every caller gets the same bytes. No torch: a
model's `step` takes and returns numpy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.corpus import Corpus, Split, is_clean
from makemore.errors import Unsatisfiable, UsageError
from makemore.models.base import Model, take
from makemore.settings import Sampling
from makemore.vocabulary import BOUNDARY, UNKNOWN, Vocabulary

ROUND = 256  # draws in a round; a run records it, because a seed's lines depend on it
GIVE_UP = 20_000  # draws in a row without one line to give: some seconds of work
ORIGINS = ("new", "train", "val", "test", "avoid")


@dataclass(frozen=True)
class Sample:
    """A drawn line: where it stands already, its nll in nats (end included), whether it was cut."""

    text: str
    origin: str
    nll: float
    capped: bool = False


class Known:
    """Which lines are known and from where, by a 64-bit hash of their text: 8 bytes a line."""

    def __init__(self, split: Split, avoid: Corpus | None = None) -> None:
        parts = [part for _, part in split] + ([avoid] if avoid is not None else [])
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


@dataclass(frozen=True)
class Draws:
    """One round: lines, their nll in nats, and which were cut at the cap."""

    lines: Corpus
    nll: NDArray[np.float64]
    capped: NDArray[np.bool_]


def weigh(logits: NDArray[Any], options: Sampling) -> NDArray[np.float64]:
    """logits (B, V) -> weights (B, V) that a draw goes by: temperature, top-k, top-p, min-p.

    They do not sum to 1; divided by their sum they are the probabilities of a draw.
    """
    logits = logits.astype(np.float64)
    if options.temperature == 0:
        likeliest = logits.argmax(axis=1)
        return np.asarray(np.arange(logits.shape[1]) == likeliest[:, None], dtype=np.float64)
    with np.errstate(over="ignore"):  # at a temperature near 0 all but the likeliest go to -inf
        weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / options.temperature)
    if options.top_k is not None and options.top_k < logits.shape[1]:
        order = np.argsort(-weights, axis=1, kind="stable")
        np.put_along_axis(weights, order[:, options.top_k :], 0.0, axis=1)
    if options.top_p is not None and options.top_p < 1:
        order = np.argsort(-weights, axis=1, kind="stable")
        shares = np.take_along_axis(weights, order, axis=1)
        shares /= shares.sum(axis=1, keepdims=True)
        before = np.cumsum(shares, axis=1) - shares  # the likeliest always stays
        cut = np.take_along_axis(weights, order, axis=1) * (before < options.top_p)
        np.put_along_axis(weights, order, cut, axis=1)
    if options.min_p is not None:
        weights = np.where(
            weights >= options.min_p * weights.max(axis=1, keepdims=True), weights, 0.0
        )
    return np.asarray(weights)


def choose(logits: NDArray[Any], options: Sampling, uniform: NDArray[np.float64]) -> NDArray[Any]:
    """logits (B, V), uniform (B,) in [0, 1) -> ids (B,): each falls into one symbol's share."""
    totals = np.cumsum(weigh(logits, options), axis=1)
    return (totals <= uniform[:, None] * totals[:, -1:]).sum(axis=1)


def uniforms(seed: int, number: int, place: int, size: int) -> NDArray[np.float64]:
    """(size,) in [0, 1): what round `number` draws by at this place, one for each of its lines."""
    key = np.array([seed, 0], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=[0, place, number, 0])
    return np.random.Generator(bits).random(size)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """logits (B, V) -> log-probabilities (B, V)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def rounds(
    model: Model, vocabulary: Vocabulary, options: Sampling, seed: int, round_size: int, cap: int
) -> Iterator[Draws]:
    """Endless rounds of draws that start with the prefix and keep to the greatest length."""
    prefix = encode_prefix(vocabulary, options.prefix)
    state, logits, start = model.initial_state(1), np.zeros((1, len(vocabulary))), 0.0
    for number, symbol in enumerate([BOUNDARY, *prefix]):
        if number:
            start -= log_softmax(logits)[0, symbol]
        logits, state = model.step(np.array([symbol]), state)
    first = np.zeros(round_size, dtype=np.int64)
    begun = (take(state, first), logits[first], start)
    for number in itertools.count():
        yield _round(model, vocabulary, options, begun, cap, (seed, number), prefix)


def _round(
    model: Model, vocabulary: Vocabulary, options: Sampling, begun: tuple[Any, Any, float],
    cap: int, stream: tuple[int, int], prefix: list[int],
) -> Draws:  # fmt: skip
    state, logits, start = begun
    size, most = len(logits), min(cap, options.max_length or cap)
    ids = np.zeros((size, most), dtype=np.int64)
    ids[:, : len(prefix)] = prefix
    lengths, nll = np.full(size, len(prefix)), np.full(size, start)
    ended, rows = np.zeros(size, dtype=bool), np.arange(size)
    for place in range(len(prefix), most + 1):
        picked = choose(logits, options, uniforms(*stream, place, size)[rows])
        # A line that is cut here is scored as the line it is shown as: with an end.
        counted = picked[:, None] if place < most else np.full((len(rows), 1), BOUNDARY)
        nll[rows] -= np.take_along_axis(log_softmax(logits), counted, axis=1)[:, 0]
        goes_on = picked != BOUNDARY
        ended[rows[~goes_on]] = True
        rows, picked = rows[goes_on], picked[goes_on]
        if place == most or not len(rows):
            break
        ids[rows, place] = picked
        lengths[rows] += 1
        if not goes_on.all():
            state = take(state, np.flatnonzero(goes_on))
        logits, state = model.step(picked, state)
    # What did not end at max_length breaks a condition and is no draw; at the cap it is a cut one.
    kept = ended if most < cap else np.ones(size, dtype=bool)
    inside = np.arange(most) < lengths[:, None]
    offsets = np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64)
    lines = vocabulary.decode_lines(ids[kept][inside[kept]], offsets)
    return Draws(lines, nll[kept], ~ended[kept])


def encode_prefix(vocabulary: Vocabulary, prefix: str) -> list[int]:
    """The ids of a prefix. Raises UsageError for symbols that no line of the text holds."""
    ids = vocabulary.encode_line(prefix)
    if (ids == UNKNOWN).any():
        unknown = " ".join(repr(symbol) for symbol in vocabulary.unknown_in(prefix))
        raise UsageError(
            f"the model does not know {unknown}", "--prefix", "use symbols of the text"
        )
    if prefix != prefix.lstrip():
        raise UsageError("no line starts with white space", "--prefix", "leave it out")
    return [int(number) for number in ids]


def sample(
    model: Model, vocabulary: Vocabulary, known: Known, options: Sampling, n: int, seed: int,
    round_size: int = ROUND, longest: int = 0,
) -> Iterator[Sample]:  # fmt: skip
    """n lines from the model; new ones and each once, unless options.all.

    longest: symbols of the longest training line; a draw of twice that is cut there and dropped.
    Raises Unsatisfiable after 20,000 draws in a row that gave nothing, UsageError for the prefix.
    """
    least = max(options.min_length or 0, len(options.prefix))
    if options.max_length is not None and least > options.max_length:
        raise Unsatisfiable(
            f"no line has at least {least} and at most {options.max_length} symbols",
            "--max-length", "give a greater one",
        )  # fmt: skip
    cap = 2 * max(longest, least, 1)
    found, idle = 0, 0
    given: set[int] = set()
    patience = 1 if options.temperature == 0 else GIVE_UP  # greedy draws are all the same
    for number, draws in enumerate(rounds(model, vocabulary, options, seed, round_size, cap), 1):
        idle += round_size
        for line in itertools.islice(_accepted(draws, known, options, given), n - found):
            found, idle = found + 1, 0
            yield line
        if found == n:
            return
        if idle >= patience:
            raise Unsatisfiable(
                f"found {found} of {n} lines after {number * round_size} draws", None,
                "ask for fewer, raise --temperature, loosen the conditions, or use --all",
            )  # fmt: skip


def _accepted(draws: Draws, known: Known, options: Sampling, given: set[int]) -> Iterator[Sample]:
    """The lines of a round that are not refused; `given` holds the hashes of those before."""
    hashes = draws.lines.hashes()
    origins = known.origins(hashes)
    for row, text in enumerate(draws.lines):
        origin, capped = ORIGINS[origins[row]], bool(draws.capped[row])
        if len(text) < (options.min_length or 0):
            continue
        if not options.all:
            if origin != "new" or capped or int(hashes[row]) in given or not is_clean(text):
                continue
            given.add(int(hashes[row]))
        yield Sample(text, origin, float(draws.nll[row]), capped)
