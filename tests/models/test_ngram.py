"""ngram.py against a slow reference in dicts, against damage, and against the lectures' numbers."""

from __future__ import annotations

import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from gram_definitions import Window, counted_in_dicts
from makemore.errors import RunError, UsageError
from makemore.models import ngram
from makemore.models.core import base
from makemore.models.core.state import select
from makemore.models.ngram import NGram
from makemore.options import make
from makemore.scoring.scorer import surprisals
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary

Lines = Sequence[Sequence[int]]


def model(vocab_size: int, **options: Any) -> NGram:
    chosen = make(NGram.Options, options)
    return NGram(vocab_size, NGram.context_for(chosen, 0), chosen)


def fitted(lines: Lines, vocab_size: int, **options: Any) -> NGram:
    counted = model(vocab_size, **options)
    ids = np.array([number for line in lines for number in line], dtype=np.int64)
    counted.fit_counts(ids, np.cumsum([0, *map(len, lines)], dtype=np.int64))
    return counted


def windows(lines: Lines, order: int) -> list[tuple[Window, int]]:
    """Each target with the order - 1 ids before it, boundaries where the line has not begun."""
    pairs = []
    for line in lines:
        padded = (0,) * (order - 1) + tuple(line) + (0,)
        pairs += [(padded[i : i + order - 1], padded[i + order - 1]) for i in range(len(line) + 1)]
    return pairs


def contexts(lines: Lines, order: int) -> np.ndarray:
    """What stands before each target, as inputs (n, order - 1) of a model."""
    found = [window for window, _ in windows(lines, order)]
    return np.array(found, dtype=np.int64).reshape(len(found), order - 1)


def add_k(lines: Lines, V: int, order: int, k: float) -> Callable[[Window], list[float]]:
    table: defaultdict[Window, Counter[int]] = defaultdict(Counter)
    for window, target in windows(lines, order):
        table[window][target] += 1

    def row(window: Window) -> list[float]:
        if window not in table:
            return [1 / V] * V
        total = sum(table[window].values())
        return [(table[window][s] + k) / (total + k * V) for s in range(V)]

    return row


def kneser_ney(lines: Lines, V: int, order: int) -> Callable[[Window], list[float]]:
    """Chen and Goodman 1998, section 3, with one boundary before a line, by the definitions."""
    counted, before = counted_in_dicts(lines, order)
    for context in counted:
        if len(context) < order - 1 and context[:1] != (0,):
            counted[context] = Counter({s: len(before[*context, s]) for s in counted[context]})
    taken = []
    for length in range(order):
        n = Counter(c for h, row in counted.items() if len(h) == length for c in row.values())
        taken.append([0.0, *ngram.FALLBACK])
        if n[1] and n[2] and n[3] and n[4]:
            y = n[1] / (n[1] + 2 * n[2])
            estimate = [i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)]
            if min(estimate) > 0:
                taken[-1] = [0.0, *estimate]

    def row(window: Window) -> list[float]:
        shorter = row(window[1:]) if window else [1 / V] * V
        if window not in counted:
            return shorter
        counts, off = counted[window], taken[len(window)]
        total = sum(counts.values())
        given = sum(off[min(c, 3)] for c in counts.values()) / total
        return [(counts[s] - off[min(counts[s], 3)]) / total + given * shorter[s] for s in range(V)]

    return row


def assert_rows(counted: NGram, row: Callable[[Window], list[float]], seen: np.ndarray) -> None:
    rows = np.exp(counted.forward(seen))
    expected = [row(tuple(window)) for window in seen.tolist()]
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=0, atol=1e-9)


corpora = st.integers(2, 5).flatmap(
    lambda V: st.tuples(
        st.just(V),
        st.lists(st.lists(st.integers(1, V - 1), max_size=6), min_size=1, max_size=12),
        st.lists(st.lists(st.integers(1, V - 1), max_size=6), min_size=1, max_size=4),
    )
)


@settings(max_examples=100)
@given(corpora, st.integers(1, 9), st.sampled_from([None, None, 0.0, 0.01, 1.0, 3.5]))
def test_each_smoothing_is_its_reference(
    corpus: tuple[int, Any, Any], order: int, k: float | None
) -> None:
    """Kneser and Ney's where k is None, add-k with this k else."""
    V, lines, others = corpus
    seen = contexts([*lines, *others], order)
    if k is None:
        assert_rows(fitted(lines, V, order=order), kneser_ney(lines, V, order), seen)
    else:
        counted = fitted(lines, V, order=order, smoothing="add-k", k=k)
        assert_rows(counted, add_k(lines, V, order, k), seen)


def random_lines(V: int, n_lines: int, longest: int, seed: int = 0) -> list[list[int]]:
    """Lines in which low ids are common, so that counts of one to many all occur."""
    chance = random.Random(seed)
    return [
        [1 + int((V - 1) * chance.random() ** 3) for _ in range(chance.randint(1, longest))]
        for _ in range(n_lines)
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_kneser_ney_with_estimated_discounts_is_the_reference(order: int) -> None:
    lines = random_lines(40, 400, 9)
    counted = fitted(lines, 40, order=order)
    length = counted.lengths(counted.contexts)[counted.ngrams // 40]
    taken = ngram.discounts(length, counted.counts, order)
    assert (taken[1:4, 1:] != ngram.FALLBACK).all()  # what is too long here was seldom seen twice
    assert (taken[:, 1:] > 0).all() and (taken[:, 1:] <= [1, 2, 3]).all()
    seen = contexts([*lines, *random_lines(40, 20, 9, seed=1)], order)
    assert_rows(counted, kneser_ney(lines, 40, order), seen[-300:])


@pytest.mark.parametrize(
    "n, expected",
    [
        ((8, 4, 2, 1), (0.5, 1.25, 2.0)),  # n1 / (n1 + 2 n2) = 1/2
        ((8, 4, 2, 0), ngram.FALLBACK),
        ((0, 4, 2, 1), ngram.FALLBACK),
        ((1, 1, 9, 1), ngram.FALLBACK),  # 2 - 3 * 1/3 * 9 is below 0
    ],
)
def test_discounts(n: tuple[int, ...], expected: tuple[float, ...]) -> None:
    counts = np.repeat([1, 2, 3, 4, 70], [*n, 5])
    taken = ngram.discounts(np.ones_like(counts), counts, 2)
    np.testing.assert_allclose(taken, [[0, *ngram.FALLBACK], [0, *expected]])


@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
def test_many_symbols_at_a_high_order_do_not_overflow(smoothing: str) -> None:
    V = 20_000  # 20,000 ** 6 is 6.4e25, and int64 ends at 9.2e18
    lines = [[V - 1 - (i * 7 + j) % 300 for j in range(1, 12)] for i in range(200)]
    counted = fitted(lines, V, order=6, smoothing=smoothing, k=0.001)
    targets = [target for _, target in windows(lines, 6)[::40]]
    unseen = contexts([[1, 2, 3, V - 1, V - 2, V - 3]], 6)
    rows = np.exp(counted.forward(np.concatenate([contexts(lines, 6)[::40], unseen])))
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=0, atol=1e-9)
    assert (rows[np.arange(len(targets)), targets] > 1e-3).all()


@pytest.mark.parametrize("lines", [[[1]], [[1, 2, 1]], [[2], [1, 1]], [[1] * 500]])
@pytest.mark.parametrize("order", [1, 2, 6])
def test_one_or_two_lines_are_enough(lines: Lines, order: int) -> None:
    counted = fitted(lines, 4, order=order)
    assert_rows(counted, kneser_ney(lines, 4, order), contexts(lines, order))
    logits = counted.forward(contexts([[3, 1]], order))
    assert np.isfinite(logits).all()  # never seen, yet not impossible
    start = np.exp(counted.step(np.zeros(1, dtype=np.int64), counted.initial_state(1))[0])[0]
    assert order == 1 or start.argmax() in {line[0] for line in lines}


@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
def test_before_counting_all_symbols_are_alike(smoothing: str) -> None:
    fresh = model(27, smoothing=smoothing)
    np.testing.assert_allclose(fresh.forward(np.zeros((3, 5), dtype=np.int64)), -math.log(27))
    assert fresh.n_parameters == 0
    fresh.fit_counts(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
    fresh.load_tensors(safetensors.numpy.load(safetensors.numpy.save(fresh.tensors())))
    assert fresh.n_parameters == 0


def test_counting_again_forgets_the_first_lines() -> None:
    again, once = fitted([[1, 1, 2]], 3), fitted([[2, 2]], 3)
    again.fit_counts(np.array([2, 2]), np.array([0, 2]))
    for name, value in again.tensors().items():
        np.testing.assert_array_equal(value, once.tensors()[name])


@pytest.mark.parametrize("order", [1, 2, 6])
@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
def test_step_is_forward(order: int, smoothing: str) -> None:
    counted = fitted(random_lines(9, 60, 8), 9, order=order, smoothing=smoothing)
    chance = np.random.default_rng(0)
    state, ids = counted.initial_state(50), np.zeros(50, dtype=np.int64)
    history = np.zeros((50, order + 20), dtype=np.int64)
    for place in range(order, order + 12):
        logits, state = counted.step(ids, state)
        expected = counted.forward(history[:, place - order + 1 : place])
        np.testing.assert_array_equal(logits, expected)
        rows = chance.permutation(50)  # a state can be taken by rows
        state, history = select(state, rows), history[rows]
        history[:, place] = ids = chance.integers(1, 9, 50)


def test_an_n_gram_that_fits_in_no_number_is_counted() -> None:
    """An order beyond the lines backs off to all there is."""
    lines = random_lines(9, 60, 8)
    long, short = (fitted(lines, 9, order=order).tensors() for order in (64, 15))
    for key, tensor in short.items():  # no line is longer than either
        np.testing.assert_array_equal(long[key], tensor, strict=True)


def test_rows_do_not_depend_on_the_batch_or_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = random_lines(9, 60, 8)
    counted = fitted(lines, 9)
    inputs = contexts(lines, 6)
    whole = counted.forward(inputs)
    alone = np.concatenate([counted.forward(inputs[i : i + 1]) for i in range(len(inputs))])
    monkeypatch.setattr(ngram, "CHUNK", 100)
    np.testing.assert_array_equal(counted.forward(inputs), whole)
    np.testing.assert_array_equal(alone, whole)
    assert counted.forward(inputs[:0]).shape == (0, 9)


@pytest.mark.parametrize("wrong", [-1, 9])
def test_ids_that_are_none_are_refused(wrong: int) -> None:
    counted = fitted(random_lines(9, 20, 8), 9)
    with pytest.raises(IndexError, match="0 to 8"):
        counted.forward(np.array([[0, 0, 1, wrong, 2]]))


@pytest.mark.parametrize("vocab_size", [4, 300, 20_000])
@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
def test_saved_and_loaded_gives_equal_bits(vocab_size: int, smoothing: str) -> None:
    lines = random_lines(vocab_size, 100, 8)
    counted = fitted(lines, vocab_size, smoothing=smoothing)
    loaded = model(vocab_size, smoothing=smoothing)
    loaded.load_tensors(safetensors.numpy.load(safetensors.numpy.save(counted.tensors())))
    inputs = contexts(lines[:20], 6)
    np.testing.assert_array_equal(loaded.forward(inputs), counted.forward(inputs))
    assert loaded.n_parameters == counted.n_parameters > 0
    saved = safetensors.numpy.save(loaded.tensors())
    assert saved == safetensors.numpy.save(counted.tensors())


def put(name: str, place: int, number: int) -> Callable[[base.Arrays], Any]:
    def damage(tensors: base.Arrays) -> None:
        tensors[name] = tensors[name].astype(np.uint64)
        tensors[name][place] = number

    return damage


def cut(name: str, part: slice) -> Callable[[base.Arrays], Any]:
    return lambda tensors: tensors.update({name: tensors[name][part]})


def turn(name: str, way: Callable[[np.ndarray], np.ndarray]) -> Callable[[base.Arrays], Any]:
    return lambda tensors: tensors.update({name: way(tensors[name])})


DAMAGES = {
    "counts missing": lambda tensors: tensors.pop("counts"),
    "contexts missing": lambda tensors: tensors.pop("contexts"),
    "a name too many": lambda tensors: tensors.update(counts2=tensors["counts"]),
    "contexts signed": turn("contexts", lambda found: found.astype(np.int64)),
    "ngrams as floats": turn("ngrams", lambda found: found.astype(np.float32)),
    "counts as truth": turn("counts", lambda found: found.astype(bool)),
    "contexts of two axes": turn("contexts", lambda found: found[None]),
    "ngrams without an axis": turn("ngrams", lambda found: found[0].reshape(())),
    "counts of two axes": turn("counts", lambda found: found[:, None]),
    "contexts turned round": cut("contexts", slice(None, None, -1)),
    "ngrams turned round": cut("ngrams", slice(None, None, -1)),
    "a context twice": turn("contexts", lambda found: np.repeat(found, 2)),
    "an ngram twice": put("ngrams", 1, 0),
    "contexts cut": cut("contexts", slice(0, 5)),
    "contexts without a root": cut("contexts", slice(20, None)),
    "a context after itself": put("contexts", -1, 2**40),
    "an enormous context": put("contexts", -1, 2**64 - 1),
    "an ngram of no context": put("ngrams", -1, 2**40),
    "an enormous ngram": put("ngrams", -1, 2**63),
    "ngrams cut": cut("ngrams", slice(1, None)),
    "counts cut": cut("counts", slice(1, None)),
    "a count of 0": put("counts", 3, 0),
    "an enormous count": put("counts", 3, 2**64 - 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_tensors_are_refused(damage: Callable[[base.Arrays], Any]) -> None:
    counted = fitted(random_lines(9, 60, 8), 9)
    tensors = counted.tensors()
    damage(tensors)
    with pytest.raises(RunError, match="tensor '(counts2?|contexts|ngrams)'"):
        counted.load_tensors(tensors)


def test_tensors_of_another_order_or_vocabulary_are_refused() -> None:
    tensors = fitted(random_lines(9, 60, 8), 9).tensors()
    with pytest.raises(RunError, match="no tree of order 5"):
        model(9, order=5).load_tensors(tensors)
    with pytest.raises(RunError, match="contexts"):
        model(4).load_tensors(tensors)


@given(st.data())
def test_whatever_is_loaded_gives_distributions(data: st.DataObject) -> None:
    smoothing = data.draw(st.sampled_from(["kneser-ney", "add-k"]))
    counted = model(3, order=4, smoothing=smoothing, k=data.draw(st.sampled_from([0.0, 1.0])))
    # Codes that grow by at most V make every context come after its suffix: a tree, maybe too deep.
    steps = data.draw(st.lists(st.integers(1, 3), max_size=8))
    codes = np.cumsum([data.draw(st.integers(0, 2)), *steps]).astype(np.uint64)
    highest = 3 * len(codes) + 2
    ngrams = np.array(sorted(data.draw(st.sets(st.integers(0, highest)))), dtype=np.uint64)
    counts = [data.draw(st.integers(1, 2**53)) for _ in ngrams]
    tensors = {"contexts": codes, "ngrams": ngrams, "counts": np.array(counts, dtype=np.uint64)}
    try:
        counted.load_tensors(tensors)
    except RunError:
        return
    every = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T
    rows = np.exp(counted.forward(every))
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=0, atol=1e-9)


def test_options_have_limits() -> None:
    for wrong in ({"order": 0}, {"order": 65}, {"smoothing": "none"}, {"k": -0.1}):
        with pytest.raises(UsageError):
            make(NGram.Options, wrong)


# The names of the lectures.


class Names:
    """names.txt with its copies, as every published number has it."""

    def __init__(self, path: Path) -> None:
        whole = Corpus.read(path, TextConfig(keep_copies=True))
        self.words = list(whole)
        self.vocabulary = Vocabulary.of([whole])

    def encode(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        corpus = Corpus.from_lines(words, TextConfig(keep_copies=True))
        return self.vocabulary.encode(corpus).ids, corpus.offsets

    def fit(self, words: Sequence[str], **options: Any) -> NGram:
        counted = model(len(self.vocabulary), **options)
        counted.fit_counts(*self.encode(words))
        return counted

    def nll(self, counted: NGram, words: Sequence[str]) -> float:
        """Nats a symbol, ends included."""
        ids, offsets = self.encode(words)
        return float(surprisals(counted, ids, offsets).mean())


@pytest.fixture(scope="module")
def names(names_file: Path) -> Names:
    return Names(names_file)


def lecture_split(words: list[str]) -> tuple[list[str], list[str], list[str]]:
    words = words.copy()
    chance = random.Random(42)
    chance.shuffle(words)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    return words[:n1], words[n1:n2], words[n2:]


def original_split(words: list[str]) -> tuple[list[str], list[str]]:
    """The last 1,000 of torch.manual_seed(3407); torch.randperm(n) are the test."""
    n = len(words)
    draws = np.random.RandomState(3407).randint(0, 2**32, n - 1, dtype=np.uint32).tolist()
    order = list(range(n))  # randperm is Fisher and Yates over the same Mersenne twister
    for i, draw in enumerate(draws):
        j = i + draw % (n - i)
        order[i], order[j] = order[j], order[i]
    return [words[i] for i in order[:-1000]], [words[i] for i in order[-1000:]]


def test_bigram_of_counts_is_the_lecture(names: Names) -> None:
    raw = names.fit(names.words, order=2, smoothing="add-k", k=0.0)
    assert raw.counts.sum() == 228_146
    assert names.nll(raw, names.words) == pytest.approx(2.45401, abs=5e-6)
    one = names.fit(names.words, order=2, smoothing="add-k", k=1.0)
    assert names.nll(one, names.words) == pytest.approx(2.45458, abs=5e-6)


@pytest.mark.parametrize("k", [1e9, 1e308])
def test_much_added_is_uniform(names: Names, k: float) -> None:
    counted = names.fit(names.words, order=2, smoothing="add-k", k=k)
    assert names.nll(counted, names.words[:100]) == pytest.approx(math.log(27), abs=1e-4)


def test_u_often_stands_after_q_and_q_never_after_j(names: Names) -> None:
    raw = names.fit(names.words, order=2, smoothing="add-k", k=0.0)
    assert names.nll(raw, ["jq"]) == math.inf
    assert math.isfinite(names.nll(names.fit(names.words, order=2), ["jq"]))
    q, u = names.vocabulary.encode_line("qu").tolist()
    assert np.exp(raw.forward(np.array([[q]])))[0, u] == pytest.approx(206 / 272)


def test_contexts_explode_and_few_are_ever_seen(names: Names) -> None:
    assert [27**k for k in range(1, 5)] == [27, 729, 19_683, 531_441]
    assert 27**9 == pytest.approx(7.6e12, rel=0.01)  # contexts; 27 times as many parameters
    counted = names.fit(names.words, order=5)
    seen = np.bincount(counted.lengths(counted.contexts))
    share = seen / 27.0 ** np.arange(5)
    assert (np.diff(share[1:]) < 0).all() and share[4] < 0.05


def test_lecture_split(names: Names) -> None:
    train, val, test = lecture_split(names.words)
    six = names.fit(train)
    assert names.nll(six, val) < 1.975
    assert names.nll(six, test) < 1.978
    assert names.nll(names.fit(train, order=5), val) < 1.985
    assert names.nll(names.fit(train, order=64), val) < 1.98  # a high order does no harm


def test_original_split(names: Names) -> None:
    train, test = original_split(names.words)
    assert names.nll(names.fit(train), test) < 1.938


def test_distinct_split(names: Names) -> None:
    train, dev, test = lecture_split(sorted(set(names.words)))
    assert (len(train), len(dev), len(test)) == (23_595, 2_949, 2_950)
    six = names.fit(train)
    assert names.nll(six, dev) < 2.014
    assert names.nll(six, test) < 2.015


def test_counted_within_a_second(names: Names) -> None:
    ids, offsets = names.encode(names.words)
    counted = model(len(names.vocabulary))
    start = time.process_time()
    counted.fit_counts(ids, offsets)
    assert time.process_time() - start < 1
