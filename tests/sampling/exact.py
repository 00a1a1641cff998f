"""Models of which each line's probability is known, and tests of lines against brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.models.core.base import Model
from makemore.models.core.state import State, select
from makemore.options import make
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import Automaton
from makemore.sampling.filters import apply_filters
from makemore.sampling.results import KnownLines, Sample
from makemore.sampling.sampler import Sampler
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split
from makemore.text.vocabulary import Vocabulary

Ids = tuple[int, ...]
ABC = Vocabulary("abc")


class Table(Model):
    """p(next symbol | position in the line, last symbol), as a table has it.

    table: (positions, V, V) probabilities; the last position goes for all later ones
    """

    input_kind = "sequence"
    n_parameters = 0

    def __init__(self, table: Any) -> None:
        self.table, self.steps = np.asarray(table, dtype=np.float64), 0
        self.vocab_size, self.block_size = self.table.shape[1], 0

    def initial_state(self, batch: int) -> State:
        return (np.zeros(batch, dtype=np.int64),)  # the position of each row

    def step(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        self.steps += 1
        with np.errstate(divide="ignore"):
            logits = np.log(self.table[np.minimum(state[0], len(self.table) - 1), ids])
        return logits + 7.0, (state[0] + 1,)  # logits are free up to a constant

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        raise NotImplementedError

    def nll(self, text: str) -> float:
        """Nats of a whole line of a, b and c, its end included."""
        ids = [0, *ABC.encode_line(text).tolist(), 0]
        rows = np.minimum(np.arange(len(ids) - 1), len(self.table) - 1)
        return -float(np.log(self.table[rows, ids[:-1], ids[1:]]).sum())


def of_words(words: Mapping[str, float]) -> tuple[Table, Vocabulary]:
    """A model that says these words, of one or two different symbols each, and no others."""
    symbols = sorted(set("".join(words)))
    size = len(symbols) + 1
    table = np.zeros((3, size, size))
    for word, probability in words.items():
        ids = [0, *(symbols.index(symbol) + 1 for symbol in word), 0]
        for position, (last, symbol) in enumerate(itertools.pairwise(ids)):
            table[position, last, symbol] += probability
    totals = table.sum(axis=2, keepdims=True)
    table = np.where(totals > 0, table / np.where(totals > 0, totals, 1), 1 / size)
    return Table(table), Vocabulary(symbols)


def of_four_letters() -> MakeMore:
    """A model of counts over 4 letters, of lines of up to 6: all its lines can be listed."""
    chance = np.random.default_rng(4)
    lines = ["".join(chance.choice(list("abcd"), size, p=[0.4, 0.3, 0.2, 0.1]))
             for size in chance.integers(1, 7, 60)]  # fmt: skip
    return MakeMore("ngram", order=3).fit(lines)


def known(train: str = "", val: str = "", test: str = "", avoid: str = "") -> KnownLines:
    parts = [Corpus.exactly(part.split()) for part in (train, val, test, avoid)]
    return KnownLines(Split(*parts[:3]), parts[3])


def stream(
    model: Model, n: int = 20, seed: int = 1, *, avoid: KnownLines | None = None,
    vocabulary: Vocabulary = ABC, round_size: int = 256, longest: int = 20, **options: Any,
) -> Iterator[Sample]:  # fmt: skip
    """Lines as they are drawn; `avoid` has those that are not new."""
    chosen = make(SamplingConfig, options)
    sampler = Sampler(model, vocabulary, avoid or known(), chosen, seed, round_size, longest)
    for lines in sampler.rounds(n):
        yield from lines


def draw(model: Model, n: int = 20, seed: int = 1, **options: Any) -> list[Sample]:
    return list(stream(model, n, seed, **options))


def until_unsatisfiable(lines: Iterator[Sample]) -> tuple[list[str], str]:
    """The lines before it is said that there are no more, and how it is said."""
    found = []
    with pytest.raises(Unsatisfiable) as caught:
        for line in lines:
            found.append(line.text)
    assert caught.value.exit_code == 7
    return found, str(caught.value)


# -- probabilities --------------------------------------------------------------------------------


def line_probabilities(
    model: Model, vocabulary: Vocabulary, longest: int, kept: Callable[[str], Any] = lambda _: True,
    temperature: float = 1.0,
) -> dict[str, float]:  # fmt: skip
    """Each line's probability among those of up to `longest` symbols that are kept."""
    found = dict[str, float]()
    texts, logs, state = [""], np.zeros(1), model.initial_state(1)
    logits, state = model.step(np.zeros(1, dtype=np.int64), state)
    for length in range(longest + 1):
        weights = apply_filters(logits, SamplingConfig(temperature=temperature))
        with np.errstate(divide="ignore"):
            each = logs[:, None] + np.log(weights / weights.sum(axis=1, keepdims=True))
        found |= {text: math.exp(log) for text, log in zip(texts, each[:, 0], strict=True)}
        if length < longest:
            symbols = np.tile(np.arange(1, len(vocabulary)), len(texts))
            rows = np.arange(len(texts)).repeat(len(vocabulary) - 1)
            texts = [text + symbol for text in texts for symbol in vocabulary.symbols]
            logs = each[rows, symbols]
            logits, state = model.step(symbols, select(state, rows))
    found = {text: probability for text, probability in found.items() if kept(text)}
    total = math.fsum(found.values())
    return {text: probability / total for text, probability in found.items()}


def tail(statistic: float, freedom: int) -> float:
    """P(chi-square >= statistic), by Wilson and Hilferty's cube root: within a tenth of p."""
    spread = math.sqrt(2 / (9 * freedom))
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / spread
    return 0.5 * math.erfc(z / math.sqrt(2))


def chi_square(counts: Mapping[Any, int], probabilities: Mapping[Any, float]) -> float:
    """The p value of counts under these; what is expected under 5 times is one cell."""
    total = sum(counts.values())
    assert set(counts) <= set(probabilities)
    large = [key for key, probability in probabilities.items() if probability * total >= 5]
    pairs = [(counts.get(key, 0), probabilities[key] * total) for key in large]
    rest = total - sum(cell for _, cell in pairs)
    if rest >= 5:
        pairs.append((total - sum(seen for seen, _ in pairs), rest))
    assert len(pairs) > 2
    return tail(sum((seen - cell) ** 2 / cell for seen, cell in pairs), len(pairs) - 1)


# -- automata -------------------------------------------------------------------------------------


def walked(automaton: Automaton, longest: int) -> tuple[set[Ids], set[Ids]]:
    """The prefixes of up to `longest` ids that are allowed, and the lines that may end."""
    prefixes, lines, level = set[Ids](), set[Ids](), {(): 0}
    for length in range(longest + 1):
        if not level:
            break
        states = np.array(list(level.values()), dtype=np.int64)
        may, after = automaton.allowed(length, states), automaton.next[states]
        prefixes |= level.keys()
        lines |= {ids for ids, row in zip(level, may, strict=True) if row[0]}
        level = {
            (*ids, symbol): int(after[row, symbol])
            for row, ids in enumerate(level) for symbol in range(1, may.shape[1])
            if may[row, symbol]
        }  # fmt: skip
    return prefixes, lines


def accepted(automaton: Automaton, vocabulary: Vocabulary, longest: int) -> set[str]:
    return {vocabulary.decode(ids) for ids in walked(automaton, longest)[1]}
