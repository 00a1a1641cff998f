"""sampler.py against models whose truth is known: tables of probabilities, summed up by hand."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.api.estimator import MakeMore
from makemore.errors import Unsatisfiable, UsageError
from makemore.models.core.base import Model, log_softmax
from makemore.models.core.state import State
from makemore.options import make
from makemore.sampling import policy
from makemore.sampling.categorical import DrawBatch, sample_categorical, uniforms
from makemore.sampling.config import SamplingConfig
from makemore.sampling.filters import apply_filters
from makemore.sampling.results import Completions, KnownLines, Sample
from makemore.sampling.sampler import Sampler, encode_prefix
from makemore.text.corpus import Corpus, is_clean
from makemore.text.dataset import Split
from makemore.text.vocabulary import Vocabulary

GRID = 20_000  # uniform numbers in equal steps: shares come out exact to 1 / GRID
EVEN = (np.arange(GRID) + 0.5) / GRID


class Table(Model):
    """p(next symbol | symbols so far) as a table says it, by place in the line and last symbol.

    table: (places, V, V) probabilities; the last place goes for all later ones
    """

    input_kind = "sequence"

    def __init__(self, table: np.ndarray) -> None:
        self.table, self.steps = np.asarray(table, dtype=np.float64), 0
        self.vocab_size, self.block_size = self.table.shape[1], 0

    n_parameters = 0

    def initial_state(self, batch: int) -> State:
        return (np.zeros(batch, dtype=np.int64),)  # the place of each row

    def step(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        self.steps += 1
        with np.errstate(divide="ignore"):
            logits = np.log(self.table[np.minimum(state[0], len(self.table) - 1), ids])
        return logits + 7.0, (state[0] + 1,)  # logits are free up to a constant

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        raise NotImplementedError

    def probability(self, ids: tuple[int, ...], warp: Callable[..., Any] | None = None) -> float:
        """Of the whole line, its end included; `warp` changes each distribution before."""
        product, last = 1.0, 0
        for place, symbol in enumerate([*ids, 0]):
            row = self.table[min(place, len(self.table) - 1), last]
            product *= float((warp(row) if warp else row)[symbol])
            last = symbol
        return product


def of_words(words: Mapping[str, float]) -> tuple[Table, Vocabulary]:
    """A model that says these words, of one or two different symbols each, and no others."""
    symbols = sorted(set("".join(words)))
    size = len(symbols) + 1
    table = np.zeros((3, size, size))
    for word, share in words.items():
        ids = [0, *(symbols.index(symbol) + 1 for symbol in word), 0]
        for place, (last, symbol) in enumerate(itertools.pairwise(ids)):
            table[place, last, symbol] += share
    totals = table.sum(axis=2, keepdims=True)
    table = np.where(totals > 0, table / np.where(totals > 0, totals, 1), 1 / size)
    return Table(table), Vocabulary(symbols)


@pytest.fixture
def table() -> Table:
    draw = np.random.default_rng(5)
    rows = draw.dirichlet(np.full(4, 2.0), size=(4, 4))
    rows[:, :, 0] += 0.1  # so that lines end
    return Table(rows / rows.sum(axis=2, keepdims=True))


ABC = Vocabulary("abc")


def split_of(train: str = "", val: str = "", test: str = "") -> Split:
    return Split(*(Corpus.exactly(part.split()) for part in (train, val, test)))


NOTHING = KnownLines(split_of())


def sample(
    model: Model, vocabulary: Vocabulary, known: KnownLines, options: SamplingConfig,
    n: int, seed: int, round_size: int = 256, longest: int = 0,
) -> Iterator[Sample]:  # fmt: skip
    sampler = Sampler(model, vocabulary, known, options, seed, round_size, longest)
    for lines in sampler.rounds(n):
        yield from lines


def draw(
    model: Model, n: int = 20, seed: int = 1, *, known: KnownLines = NOTHING,
    vocabulary: Vocabulary = ABC, round_size: int = 256, longest: int = 20, **options: Any,
) -> list[Sample]:  # fmt: skip
    chosen = make(SamplingConfig, options)
    return list(sample(model, vocabulary, known, chosen, n, seed, round_size, longest))


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp((x - max(row)) / temperature) for x in row]
    return [power / sum(powers) for power in powers]


def shares(row: list[float], uniform: np.ndarray = EVEN, **options: Any) -> np.ndarray:
    """How often each id is chosen."""
    logits = np.broadcast_to(np.array(row, dtype=np.float32), (len(uniform), len(row)))
    ids = sample_categorical(apply_filters(logits, make(SamplingConfig, options)), uniform)
    assert ids.shape == (len(uniform),)
    return np.bincount(ids, minlength=len(row)) / len(uniform)


def close(found: np.ndarray, expected: list[float]) -> bool:
    return bool(np.abs(found - np.array(expected)).max() < 1.5 / GRID)


# -- choosing a symbol ----------------------------------------------------------------------------

LOGITS = [0.5, -1.0, 2.0, 1.5, -3.0, 0.25]


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 3.0])
def test_a_symbol_is_drawn_by_the_softmax_of_logits_over_temperature(temperature: float) -> None:
    assert close(shares(LOGITS, temperature=temperature), softmax(LOGITS, temperature))


def test_great_logits_do_not_overflow() -> None:
    assert close(shares([1000, 1001, 1002]), [0.0900306, 0.2447285, 0.6652410])
    assert close(shares([-2000, -1999, -1998]), [0.0900306, 0.2447285, 0.6652410])
    found = np.exp(log_softmax(np.array([[1000.0, 1001, 1002]])))[0]
    assert found == pytest.approx([0.0900306, 0.2447285, 0.6652410], abs=1e-7)


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 1e-6])
def test_temperature_near_nothing_is_greedy(temperature: float) -> None:
    assert shares(LOGITS, temperature=temperature).tolist() == [0, 0, 1, 0, 0, 0]
    few = shares([-np.inf, 3, -np.inf, 2], temperature=temperature)
    assert few.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("temperature", [1e300, 1.7e308])
def test_temperature_near_infinity_is_uniform(temperature: float) -> None:
    assert close(shares(LOGITS, temperature=temperature), [1 / 6] * 6)
    # What has no probability gets none at any temperature.
    assert close(shares([1, -np.inf, 9], temperature=temperature), [0.5, 0, 0.5])


def test_top_k_keeps_the_k_likeliest() -> None:
    two = softmax([2.0, 1.5])
    assert close(shares(LOGITS, top_k=2), [0, 0, two[0], two[1], 0, 0])
    assert shares(LOGITS, top_k=1).tolist() == [0, 0, 1, 0, 0, 0]
    warm = softmax([0.5, 2.0, 1.5], 2.0)
    assert close(shares(LOGITS, top_k=3, temperature=2.0), [warm[0], 0, warm[1], warm[2], 0, 0])


@pytest.mark.parametrize("top_k", [6, 7, 10**18, None])
def test_top_k_of_all_symbols_or_more_is_no_limit(top_k: int | None) -> None:
    assert close(shares(LOGITS, top_k=top_k), softmax(LOGITS))


def test_top_k_among_equals_keeps_k_of_them() -> None:
    assert close(shares([1, 1, 1, 1], top_k=2), [0.5, 0.5, 0, 0])
    assert close(shares([0, 2, 1, 1, 1], top_k=2), [0, *softmax([2, 1]), 0, 0])


def test_top_p_keeps_the_fewest_that_hold_the_share() -> None:
    row = [math.log(p) for p in (0.1, 0.4, 0.2, 0.3)]
    assert close(shares(row, top_p=0.39), [0, 1, 0, 0])
    assert close(shares(row, top_p=0.41), [0, 4 / 7, 0, 3 / 7])
    assert close(shares(row, top_p=0.69), [0, 4 / 7, 0, 3 / 7])
    assert close(shares(row, top_p=0.71), [0, 4 / 9, 2 / 9, 3 / 9])
    assert close(shares(row, top_p=0.91), [0.1, 0.4, 0.2, 0.3])
    assert close(shares(row, top_p=1), [0.1, 0.4, 0.2, 0.3])
    assert shares(row, top_p=5e-324).tolist() == [0, 1, 0, 0]
    # Two of four that are as likely hold the half.
    assert close(shares([1, 1, 1, 1], top_p=0.5), [0.5, 0.5, 0, 0])
    # The share is of what temperature and top-k have left.
    assert close(shares(row, top_k=3, top_p=0.5), [0, 4 / 7, 0, 3 / 7])
    assert close(shares(row, top_k=2, top_p=0.57), [0, 1, 0, 0])
    cold = [0.16, 0.09]
    assert close(shares(row, temperature=0.5, top_p=0.8), [0, 0.64, 0, 0.36])
    assert cold[0] / sum(cold) == pytest.approx(0.64)


def test_min_p_drops_what_is_far_below_the_likeliest() -> None:
    row = [math.log(p) for p in (0.1, 0.4, 0.2, 0.3)]
    assert close(shares(row, min_p=0.0), [0.1, 0.4, 0.2, 0.3])
    assert close(shares(row, min_p=0.24), [0.1, 0.4, 0.2, 0.3])
    assert close(shares(row, min_p=0.26), [0, 4 / 9, 2 / 9, 3 / 9])
    assert close(shares(row, min_p=0.7), [0, 4 / 7, 0, 3 / 7])
    assert close(shares(row, min_p=1.0), [0, 1, 0, 0])


ROWS = st.lists(st.floats(-30, 30) | st.just(-math.inf), min_size=1, max_size=8).filter(
    lambda row: max(row) > -math.inf
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0.0, 1e-300, 0.1, 1.0, 50.0, 1e300]),
        "top_k": st.integers(1, 9),
        "top_p": st.floats(0, 1, exclude_min=True),
        "min_p": st.floats(0, 1),
    },
)


@given(ROWS, OPTIONS, st.floats(0, 1, exclude_max=True))
def test_what_has_no_probability_is_never_drawn(
    row: list[float], options: dict[str, Any], uniform: float
) -> None:
    for number in (0.0, uniform, 1 - 2**-53):
        (id,) = sample_categorical(
            apply_filters(np.array([row]), make(SamplingConfig, options)), np.array([number])
        )
        assert 0 <= id < len(row) and row[id] > -math.inf
        kept = sorted(row, reverse=True)[: options.get("top_k", len(row))]
        assert row[id] >= kept[-1]
        if options.get("temperature") == 0 or options.get("top_k") == 1:
            assert row[id] == max(row)


def test_rows_are_drawn_each_by_its_own_number() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]]))
    numbers = np.array([0.6, 0.6, 0.6])
    weights = apply_filters(logits, SamplingConfig())
    assert sample_categorical(weights, numbers).tolist() == [1, 0, 1]
    assert sample_categorical(weights, np.array([0.4, 0.95, 0.05])).tolist() == [0, 1, 0]
    assert sample_categorical(weights, numbers, np.array([2, 2, 1])).tolist() == [
        1,
        1,
        0,
    ]  # by other rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature cannot be -0.1"),
        ({"temperature": math.nan}, "temperature cannot be nan"),
        ({"temperature": math.inf}, "temperature cannot be inf"),
        ({"temperature": "abc"}, "temperature cannot be 'abc'"),
        ({"top_k": 0}, "top_k cannot be 0"),
        ({"top_k": -1}, "top_k cannot be -1"),
        ({"top_p": 0}, "top_p cannot be 0.0"),
        ({"top_p": 1.5}, "top_p cannot be 1.5"),
        ({"top_p": math.nan}, "top_p cannot be nan"),
        ({"min_p": -0.5}, "min_p cannot be -0.5"),
        ({"min_length": -1}, "min_length cannot be -1"),
        ({"max_length": 0}, "max_length cannot be 0"),
        ({"topk": 3}, "unknown option 'topk': did you mean 'top_k'?"),
    ],
)
def test_parameters_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        make(SamplingConfig, options)


# -- whole lines follow the model -----------------------------------------------------------------


def lines_up_to(length: int) -> Iterator[tuple[int, ...]]:
    for size in range(length + 1):
        yield from itertools.product((1, 2, 3), repeat=size)


def distribution(table: Table, longest: int, kept: Callable[[str], bool], warp: Any = None) -> dict:
    """Text -> probability given that `kept` holds of it; lines beyond `longest` are left out."""
    found = {}
    for ids in lines_up_to(longest):
        text = ABC.decode(ids)
        if kept(text):
            found[text] = table.probability(ids, warp)
    total = sum(found.values())
    return {text: share / total for text, share in found.items()}


def follows(lines: list[str], expected: Mapping[str, float]) -> None:
    """Pearson's chi-square, cells of less than 5 expected lines together, at 4 deviations."""
    counts = Counter(lines)
    assert counts.keys() <= expected.keys()
    cells = {text: share * len(lines) for text, share in expected.items()}
    large = {text for text, count in cells.items() if count >= 5}
    assert len(large) >= 5
    pairs = [(counts[text], cells[text]) for text in sorted(large)]
    rest = sum(count for text, count in cells.items() if text not in large)
    if rest >= 5:
        pairs.append((sum(count for text, count in counts.items() if text not in large), rest))
    statistic = sum((seen - cell) ** 2 / cell for seen, cell in pairs)
    freedom = len(pairs) - 1
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)
    # The bound can be broken: these lines do not follow a distribution that is a little another.
    bent = sum((seen - cell * (1.4 if number % 2 else 0.6)) ** 2 / cell
               for number, (seen, cell) in enumerate(pairs))  # fmt: skip
    assert bent > freedom + 4 * math.sqrt(2 * freedom)


def power(temperature: float) -> Callable[[np.ndarray], np.ndarray]:
    def warp(row: np.ndarray) -> np.ndarray:
        powers = row ** (1 / temperature)
        return np.asarray(powers / powers.sum())

    return warp


@pytest.mark.parametrize(
    ("options", "kept", "warp"),
    [
        ({"max_length": 5}, lambda text: True, None),
        ({"max_length": 1}, lambda text: True, None),
        ({"max_length": 5, "min_length": 3}, lambda text: len(text) >= 3, None),
        ({"max_length": 3, "min_length": 3}, lambda text: len(text) == 3, None),
        ({"max_length": 5, "prefix": "ba"}, lambda text: text.startswith("ba"), None),
        ({"max_length": 4, "prefix": "abc"}, lambda text: text.startswith("abc"), None),
        (
            {"max_length": 5, "prefix": "c", "min_length": 2},
            lambda text: text.startswith("c") and len(text) >= 2,
            None,
        ),
        ({"max_length": 4, "temperature": 0.5}, lambda text: True, power(0.5)),
        ({"max_length": 4, "temperature": 2.0, "prefix": "a"}, lambda t: t[:1] == "a", power(2)),
    ],
)
def test_lines_follow_the_model_under_their_conditions(
    table: Table, options: dict[str, Any], kept: Callable[[str], bool], warp: Any
) -> None:
    expected = distribution(table, options["max_length"], kept, warp)
    if len(expected) < 5:  # too few for a chi-square: by hand, within 4 deviations
        found = Counter(line.text for line in draw(table, 6000, all=True, **options))
        for text, share in expected.items():
            bound = 4 * math.sqrt(share * (1 - share) * 6000)
            assert abs(found[text] - 6000 * share) < bound
        return
    lines = draw(table, 6000, all=True, **options)
    follows([line.text for line in lines], expected)
    assert not any(line.capped for line in lines)


def test_without_conditions_lines_follow_the_model(table: Table) -> None:
    lines = draw(table, 8000, all=True, longest=50)
    whole = {ABC.decode(ids): table.probability(ids) for ids in lines_up_to(6)}
    longer = 1 - sum(whole.values())
    texts = [line.text if len(line.text) <= 6 else "longer" for line in lines]
    follows(texts, {**whole, "longer": longer})


def test_a_condition_does_not_bend_the_distribution_as_a_cut_would(table: Table) -> None:
    # Cut at 2, every longer line would count as its first two symbols.
    expected = distribution(table, 2, lambda text: True)
    whole = sum(table.probability(ids) for ids in lines_up_to(2))
    assert whole < 0.8
    found = Counter(line.text for line in draw(table, 6000, all=True, max_length=2))
    assert found[""] / 6000 == pytest.approx(expected[""], abs=0.03)
    assert expected[""] == pytest.approx(table.probability(()) / whole)


def test_the_reported_nll_is_that_of_the_line(table: Table) -> None:
    for options in ({}, {"temperature": 0.3}, {"top_k": 2}, {"prefix": "ab"}):
        for line in draw(table, 200, all=True, **options):
            ids = tuple(ABC.encode_line(line.text).tolist())
            assert line.nll == pytest.approx(-math.log(table.probability(ids)), abs=1e-9)


def test_a_line_that_was_cut_is_scored_as_it_is_shown(table: Table) -> None:
    lines = draw(table, 500, all=True, longest=1)  # cut at 2
    cut = [line for line in lines if line.capped]
    assert len(cut) > 50 and all(len(line.text) == 2 for line in cut)
    assert any(len(line.text) == 2 and not line.capped for line in lines)
    for line in cut:
        ids = tuple(ABC.encode_line(line.text).tolist())
        assert line.nll == pytest.approx(-math.log(table.probability(ids)), abs=1e-9)


# -- what a seed means ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"all": True}, {"max_length": 6, "top_k": 3}])
def test_few_lines_are_the_first_of_many(table: Table, options: dict[str, Any]) -> None:
    many = draw(table, 50, **options)
    for n in (0, 1, 5, 49):
        assert draw(table, n, **options) == many[:n]


def test_a_seed_gives_the_same_lines_every_time_and_another_seed_others(table: Table) -> None:
    seeds = (0, 1, 2, 2**63 - 1)
    lines = [[line.text for line in draw(table, 300, seed, all=True)] for seed in seeds]
    again = [[line.text for line in draw(table, 300, seed, all=True)] for seed in seeds]
    assert lines == again
    assert len(set(map(tuple, lines))) == len(seeds)


def splitmix(seed: int, of_round: int, place: int, row: int) -> float:
    """Draw `row`'s number, in Python's own numbers."""
    what = b"".join(part.to_bytes(8, "little") for part in (seed, of_round, place))
    state = int.from_bytes(hashlib.blake2b(what, digest_size=8).digest(), "little")
    found = (state + (row + 1) * 0x9E3779B97F4A7C15) % 2**64
    found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    found = (found ^ found >> 27) * 0x94D049BB133111EB % 2**64
    return ((found ^ found >> 31) >> 11) / 2**53


def test_the_lines_of_a_seed_are_pinned() -> None:
    # A seed that somebody wrote down gives the same names after an update: the number of draw d at
    # symbol t is SplitMix64's d-th, from a start that is a hash of seed, round and t. With 4
    # symbols that are all as likely, a number is a symbol.
    lines = [line.text for line in draw(Table(np.full((1, 4, 4), 0.25)), 300, 12345, all=True)]
    assert lines[:8] == ["b", "cbcbc", "abb", "a", "aaa", "bcc", "b", "bababcb"]
    for number, line in enumerate(lines):  # a round of 128 draws, one of 256
        of_round, row = divmod(number, 128) if number < 128 else (1, number - 128)
        for place, symbol in enumerate([*line, ""]):
            uniform = splitmix(12345, of_round, place, row)
            assert int(uniform * 4) == ("abc".index(symbol) + 1 if symbol else 0)


def test_numbers_are_even_and_know_nothing_of_each_other() -> None:
    """By place, by round, by seed and along the rows: shares of cells, and of pairs of cells."""
    rows = np.arange(4096)
    drawn = np.array([
        uniforms(seed, of_round, place, rows)
        for seed in (0, 1, 2**63 - 1) for of_round in (0, 1, 7) for place in (0, 1, 2, 2**32, 2**33)
    ])  # fmt: skip
    assert drawn.min() >= 0 and drawn.max() < 1
    cells = (drawn * 16).astype(np.int64)
    pairs = [cells[:-1] * 16 + cells[1:], cells[:, :-1] * 16 + cells[:, 1:], cells]
    for pair, number in zip(pairs, (256, 256, 16), strict=True):
        counts, expected = np.bincount(pair.ravel(), minlength=number), pair.size / number
        statistic = float(((counts - expected) ** 2 / expected).sum())
        assert abs(statistic - number) < 5 * (2 * number) ** 0.5
    alone = uniforms(3, 1, 4, np.array([5, 77]))
    np.testing.assert_array_equal(uniforms(3, 1, 4, rows)[[5, 77]], alone)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 90), st.integers(1, 60)), min_size=1))
def test_draws_of_several_rounds_have_the_numbers_of_their_rounds(
    parts: list[tuple[int, int, int]],
) -> None:
    together = DrawBatch(5, tuple(parts))
    every = [uniforms(5, of_round, 3, np.arange(row, row + rows)) for of_round, row, rows in parts]
    drawn = np.flatnonzero(np.arange(together.bounds[-1]) % 3 != 1)
    np.testing.assert_array_equal(together.uniforms(3, drawn), np.concatenate(every)[drawn])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.data())
def test_what_ended_of_some_draws_is_what_they_alone_would_give(
    lines: list[int], data: st.DataObject
) -> None:
    """Each of the draws 0, 2, 4, ... came to a line; of `own`, each to a line of its own."""
    rows = 2 * np.arange(len(lines))
    some, which = np.unique(lines, return_inverse=True)
    first = data.draw(st.integers(0, 80))
    after = data.draw(st.integers(first, 90))
    inside = (rows >= first) & (rows < after)

    def of(kinds: Any, which: Any) -> Completions:
        table = np.arange(len(kinds))
        values = kinds * 0.5, kinds % 2, table, -kinds * 1.0
        return Completions(np.column_stack([kinds, kinds]), *values, rows, which)

    for whole in (of(some, which), of(np.array(lines), None)):
        part = whole.for_draws(first, after)
        every = np.arange(len(part.rows)) if part.which is None else part.which
        assert part.rows.tolist() == rows[inside].tolist()
        assert part.ids[every].tolist() == [[line] * 2 for line in np.array(lines)[inside]]
        assert part.nll[every].tolist() == (np.array(lines)[inside] * 0.5).tolist()
        assert part.log_weight[every].tolist() == (np.array(lines)[inside] * -1.0).tolist()
        assert len(part.nll) == len(set(every.tolist()))  # none that no draw came to


def test_rounds_differ_and_their_size_is_part_of_what_a_seed_means(table: Table) -> None:
    lines = [line.text for line in draw(table, 384, all=True)]
    assert lines[:128] != lines[128:256]
    by_size = {
        size: [line.text for line in draw(table, 64, all=True, round_size=size)]
        for size in (16, 64, 256)
    }
    assert len(set(map(tuple, by_size.values()))) > 1
    assert by_size[256] == lines[:64]


def test_a_draw_depends_on_its_number_and_not_on_what_the_others_do() -> None:
    # Two models that agree on lines from "a" and differ elsewhere draw those lines alike.
    rows = np.full((2, 4, 4), 0.25)
    other = rows.copy()
    rows[1, 2], other[1, 2] = [1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]
    rows[1, 3], other[1, 3] = [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 0]
    rows[:, 1], other[:, 1] = [0.6, 0.4, 0, 0], [0.6, 0.4, 0, 0]
    left = [line.text for line in draw(Table(rows), 500, all=True)]
    right = [line.text for line in draw(Table(other), 500, all=True)]
    assert left != right
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if set(a) == {"a"}]
    assert len(pairs) > 50 and all(a == b for a, b in pairs)


def test_no_more_rounds_are_drawn_than_are_needed(table: Table) -> None:
    draw(table, 1, all=True)
    one = table.steps
    table.steps = 0
    draw(table, 128, all=True)
    assert table.steps == one
    table.steps = 0
    draw(table, 129, all=True)
    assert one < table.steps < 3 * one


def test_memory_grows_with_the_length_of_lines_and_not_with_its_square() -> None:
    endless = Table(np.full((1, 4, 4), [0.01, 0.33, 0.33, 0.33]))
    tracemalloc.start()
    lines = draw(endless, 3, min_length=500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 128 draws of up to 1,000 symbols are 1 MB; with all of their prefixes it is some hundred.
    assert len(lines) == 3 and peak < 30 * 2**20


def test_lines_come_as_they_are_drawn(table: Table) -> None:
    endless = sample(table, ABC, NOTHING, SamplingConfig(all=True), 10**9, 1)
    assert table.steps == 0
    first = list(itertools.islice(endless, 1000))
    assert first == draw(table, 1000, all=True, longest=0)


# -- new, and each once ---------------------------------------------------------------------------


def test_by_default_lines_are_new_and_each_comes_once() -> None:
    draws = np.random.default_rng(3).dirichlet(np.ones(5), size=(3, 5))
    model = Table(draws)
    vocabulary = Vocabulary([" ", "a", "b", "c"])
    known = KnownLines(split_of("a b ab ba", "c ca", "cc aa"), Corpus.exactly(["bb", "cab"]))
    given = {"a", "b", "ab", "ba", "c", "ca", "cc", "aa", "bb", "cab"}

    shown = draw(model, 3000, 8, known=known, vocabulary=vocabulary, all=True, longest=3)
    texts = [line.text for line in shown]
    # All of this does come up, so that refusing it can be seen.
    assert {line.origin for line in shown} == {"new", "train", "val", "test", "avoid"}
    assert "" in texts and " a" in texts and len(set(texts)) < len(texts)
    assert any(line.capped for line in shown)

    lines = draw(model, 150, 8, known=known, vocabulary=vocabulary, longest=3)
    new = [line.text for line in lines]
    assert len(new) == len(set(new)) == 150
    assert not given & set(new)
    assert all(line.origin == "new" and not line.capped for line in lines)
    assert all(text and text == text.strip() and is_clean(text) for text in new)
    # They are what is shown with `all`, without what is refused, in the same order.
    kept = [
        line.text
        for line in shown
        if line.origin == "new" and not line.capped and is_clean(line.text)
    ]
    # Until most draws are refused: from then on the draws are by what is left.
    assert new[:40] == list(dict.fromkeys(kept))[:40]


def test_all_shows_where_each_line_stands_already() -> None:
    model, vocabulary = of_words({"a": 0.2, "b": 0.2, "c": 0.2, "ab": 0.2, "ba": 0.1, "cb": 0.1})
    known = KnownLines(split_of("a ab", "b a", "c b"), Corpus.exactly(["ba", "c"]))
    lines = draw(model, 500, known=known, vocabulary=vocabulary, all=True)
    # A line in several parts is where it was learned first.
    assert {(line.text, line.origin) for line in lines} == {
        ("a", "train"), ("ab", "train"), ("b", "val"), ("c", "test"), ("ba", "avoid"),
        ("cb", "new"),
    }  # fmt: skip


def test_known_looks_up_every_line_and_no_other() -> None:
    lines = [str(number) for number in range(3000)]
    parts = [Corpus.exactly(lines[i::4]) for i in range(4)]
    known = KnownLines(Split(*parts[:3]), parts[3])
    asked = Corpus.exactly([*lines, *(str(number) for number in range(3000, 6000))])
    origins = known.origins(asked.hashes()).tolist()
    assert origins == [1 + i % 4 for i in range(3000)] + [0] * 3000
    assert NOTHING.origins(asked.hashes()).tolist() == [0] * 6000
    assert known.origins(Corpus.exactly([]).hashes()).tolist() == []


def test_a_draw_ends_at_twice_the_longest_line_and_is_then_no_line() -> None:
    endless = Table(np.full((1, 4, 4), [0.05, 0.95, 0, 0]))
    shown = draw(endless, 300, all=True, longest=4)
    assert max(len(line.text) for line in shown) == 8
    assert all(len(line.text) == 8 for line in shown if line.capped)
    assert {len(line.text) for line in shown if not line.capped} == set(range(9))
    lines = draw(endless, 8, longest=4)
    assert sorted(line.text for line in lines) == ["a" * size for size in range(1, 9)]
    # A least length or a prefix that goes beyond it moves the end.
    assert [line.capped for line in draw(endless, 3, longest=4, min_length=12)] == [False] * 3
    assert draw(endless, 1, longest=1, prefix="a" * 50)[0].text.startswith("a" * 50)


def test_lengths_count_symbols() -> None:
    draws = np.random.default_rng(0).dirichlet(np.ones(3), size=(1, 3))
    vocabulary = Vocabulary(["\u0301", "😀"])
    lines = draw(Table(draws), 20, vocabulary=vocabulary, min_length=3, max_length=6)
    assert {len(line.text) for line in lines} <= {3, 4, 5, 6} and len(lines) == 20


# -- what cannot be satisfied ---------------------------------------------------------------------


class Untouched(Table):
    def __init__(self) -> None:
        super().__init__(np.full((1, 4, 4), 0.25))

    def step(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        raise AssertionError("a symbol was drawn")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"min_length": 5, "max_length": 4}, "--min-length 5, --max-length 4"),
        ({"prefix": "abcab", "max_length": 4}, "--prefix abcab, --max-length 4"),
        ({"prefix": "ab", "suffix": "c", "max_length": 2}, "--prefix ab, --suffix c, "),
        ({"contains": "b", "exclude": "xb"}, "--contains b, --exclude xb"),
        ({"contains": "x"}, "--contains x, no line of the text holds 'x'"),
        ({"pattern": "a{3}", "max_length": 2}, "--pattern a\\{3\\}, --max-length 2"),
        ({"pattern": "a+", "suffix": "b"}, "--suffix b, --pattern a\\+"),
    ],
)
def test_conditions_that_no_line_satisfies_are_refused_at_once(
    options: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unsatisfiable, match=rf"^no line satisfies all conditions \({named}"):
        draw(Untouched(), 1, **options)


def found_before(lines: Iterator[Sample]) -> tuple[list[str], str]:
    found = []
    with pytest.raises(Unsatisfiable) as caught:
        for line in lines:
            found.append(line.text)
    assert caught.value.exit_code == 7
    return found, str(caught.value)


def test_what_was_found_is_given_before_it_is_said_that_there_is_no_more() -> None:
    model, vocabulary = of_words({"a": 0.3, "b": 0.3, "ab": 0.2, "ba": 0.2})
    known = KnownLines(split_of("a", "ba"))
    lines = sample(model, vocabulary, known, SamplingConfig(), 5, 1, 100, 2)
    found, message = found_before(lines)
    assert sorted(found) == ["ab", "b"]
    # Found in the first round, of which little is new; the second takes out all that there is.
    assert message.startswith("found 2 of 5 lines after 200 draws; and there is no other: ask for")


def test_giving_up_takes_many_draws_that_gave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVE_UP", 5000)
    monkeypatch.setattr(policy, "MIN_NOVEL_RATE", 0.0)  # draws do not go over to what is left
    model, vocabulary = of_words({"a": 1.0})
    lines = sample(model, vocabulary, KnownLines(split_of("a")), SamplingConfig(), 3, 1, 256, 1)
    assert found_before(lines) == (
        [],
        "found 0 of 3 lines after 5248 draws; 1 of the probability is left: "
        "raise --temperature, or use --all, which refuses none",
    )


def test_a_greedy_model_whose_line_is_empty_has_no_line() -> None:
    table = np.full((1, 4, 4), [0.7, 0.1, 0.1, 0.1])
    lines = sample(Table(table), ABC, NOTHING, SamplingConfig(temperature=0), 3, 1, 256, 2)
    found, message = found_before(lines)
    assert found == [] and "there is no other" in message


def test_a_rare_line_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVE_UP", 3000)
    model, vocabulary = of_words({"a": 0.997, "b": 0.001, "c": 0.001, "d": 0.001})
    lines = sample(model, vocabulary, KnownLines(split_of("a")), SamplingConfig(), 3, 1, 256, 1)
    assert sorted(line.text for line in lines) == ["b", "c", "d"]


def test_greedy_draws_are_all_the_same_and_soon_there_is_no_other() -> None:
    model, vocabulary = of_words({"a": 0.4, "b": 0.3, "c": 0.3})
    new = sample(model, vocabulary, NOTHING, SamplingConfig(temperature=0), 3, 1, 256, 1)
    found, message = found_before(new)
    assert found == ["a"] and message.startswith("found 1 of 3 lines after 384 draws; and there")
    known = KnownLines(split_of("a"))
    old = sample(model, vocabulary, known, SamplingConfig(temperature=0), 1, 1, 256, 1)
    found, message = found_before(old)
    assert found == [] and message.startswith("found 0 of 1 lines after 384 draws; and there")
    greedy = SamplingConfig(temperature=0, all=True)
    shown = list(sample(model, vocabulary, known, greedy, 3, 1, 256, 1))
    assert [line.text for line in shown] == ["a", "a", "a"]


def test_nothing_asked_is_nothing_drawn_but_the_prefix_is_still_checked(table: Table) -> None:
    assert draw(table, 0) == [] and draw(table, 0, max_length=1) == []
    with pytest.raises(UsageError):
        draw(table, 0, prefix="x")


# -- prefix ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "named"),
    [("xay", "'x' 'y'"), ("a\n", r"'\\n'"), ("A", "'A'"), ("\x1b[", r"'\\x1b' '\['")],
)
def test_unknown_symbols_of_a_prefix_are_named(table: Table, prefix: str, named: str) -> None:
    message = rf"^the model does not know {named} \(--prefix\): use symbols of the text$"
    with pytest.raises(UsageError, match=message):
        draw(table, 1, prefix=prefix)


def test_a_prefix_of_white_space_is_refused() -> None:
    with pytest.raises(UsageError, match="no line starts with white space"):
        encode_prefix(Vocabulary([" ", "a"]), " a")
    assert encode_prefix(Vocabulary([" ", "a"]), "a ") == [2, 1]
    assert encode_prefix(ABC, "") == []


def test_a_prefix_that_the_model_holds_for_impossible_still_starts_the_line() -> None:
    model, vocabulary = of_words({"a": 0.5, "b": 0.5})
    lines = draw(model, 5, vocabulary=vocabulary, prefix="ab", all=True, longest=3)
    assert all(line.text.startswith("ab") and line.nll == math.inf for line in lines)


# -- real models ----------------------------------------------------------------------------------


def like_names(number: int, seed: int = 7) -> list[str]:
    """Distinct lines of consonants and vowels by turns."""
    draws = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        pairs = draws.randint(2, 4)
        found["".join(draws.choice("bdklmnrst") + draws.choice("aeio") for _ in range(pairs))] = (
            None
        )
    return list(found)


@pytest.fixture(scope="module")
def counts() -> MakeMore:
    return MakeMore("ngram", order=4).fit(like_names(1500))


@pytest.fixture(scope="module", params=["ngram", "gru", "mlp", "transformer"])
def maker(request: pytest.FixtureRequest) -> MakeMore:
    if request.param == "ngram":
        return MakeMore("ngram", order=4).fit(like_names(300))
    options: dict[str, Any] = {"n_embd": 8, "max_steps": 5, "batch_size": 64, "threads": 1}
    if request.param == "transformer":
        options |= {"n_head": 2, "n_layer": 1}
    else:
        options |= {"n_hidden": 8}
    return MakeMore(request.param, **options).fit(like_names(300))


def test_ten_thousand_lines_of_a_count_model_are_new_and_distinct(counts: MakeMore) -> None:
    lines = counts.sample(10_000, random_state=0)
    assert len(lines) == len(set(lines)) == 10_000
    assert not set(lines) & set(like_names(1500))
    assert all(is_clean(line) for line in lines)


def test_the_reported_nll_is_what_score_samples_says(maker: MakeMore) -> None:
    for options in ({}, {"prefix": "ka"}, {"all": True, "temperature": 2.0}):
        lines = list(maker.samples(50, random_state=3, **options))
        scores = maker.score_samples([line.text for line in lines])
        assert [line.nll for line in lines] == pytest.approx((-scores).tolist(), rel=1e-4)


def test_a_prefix_longer_than_all_the_model_can_read(maker: MakeMore) -> None:
    prefix = "kalimo" * 8
    lines = list(maker.samples(5, random_state=3, prefix=prefix, all=True))
    assert len(lines) == 5 and all(line.text.startswith(prefix) for line in lines)
    scores = maker.score_samples([line.text for line in lines])
    assert [line.nll for line in lines] == pytest.approx((-scores).tolist(), rel=1e-4)


def test_one_distinct_line_ends_in_unsatisfiable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVE_UP", 2000)
    maker = MakeMore("ngram", smoothing="add-k", k=0.0).fit(["anna"] * 20)
    with pytest.raises(Unsatisfiable, match="found 0 of 1 lines"):
        maker.sample(1, random_state=0)
    assert maker.sample(3, random_state=0, all=True) == ["anna"] * 3
