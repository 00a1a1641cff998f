"""Counting by sorted runs against counts in dicts, and against counting level by level.

Whatever the vocabulary, the order, the chunks, the blocks, the threads, in memory or in files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gram_definitions import counted_in_dicts
from makemore.models.core import gram_codes, gram_counts, sorted_runs
from makemore.models.core.gram_codes import GramCodes
from makemore.models.core.gram_counts import GramCounts
from makemore.models.core.prefix_trie import distinct_edges, edge_codes
from makemore.models.core.sorted_runs import SortedRuns, combined
from makemore.models.ngram import NGram
from makemore.options import make
from makemore.parallel import thread_pool

Lines = list[list[int]]
Tensors = dict[str, Any]


def model(V: int, order: int, smoothing: str) -> NGram:
    return NGram(V, order - 1, make(NGram.Options, {"order": order, "smoothing": smoothing}))


def flat(lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([number for line in lines for number in line], dtype=np.int64)
    return ids, np.cumsum([0, *map(len, lines)], dtype=np.int64)


def level_by_level(lines: Lines, V: int, order: int, smoothing: str) -> Tensors:
    """How n-grams were counted before: contexts of no symbol, of one, of two, each by a sort."""
    ids, offsets = flat(lines)
    targets = np.zeros(order + len(ids) + len(offsets) - 1, dtype=np.int64)
    places = order + np.arange(len(ids)) + np.repeat(np.arange(len(lines)), np.diff(offsets))
    targets[places] = ids
    history = np.arange(order, len(targets))  # a gram is its place in targets
    context, n_contexts = np.zeros_like(history), 1
    contexts, ngrams, counts = [np.zeros(0, dtype=np.int64)], [], []
    for length in range(order):
        if length > 1:
            longer = targets[history - length + 1] != 0
            history, context = history[longer], context[longer]
        if length > 0:
            edges = distinct_edges(context, targets[history - length], V)
            context = n_contexts + edges.edge_of_row
            n_contexts += len(edges.codes)
            contexts.append(edges.codes)
        codes, count = np.unique(edge_codes(context, targets[history], V), return_counts=True)
        ngrams.append(codes)
        counts.append(count)
    known, grams, times = map(np.concatenate, (contexts, ngrams, counts))
    counted = model(V, order, smoothing)
    whole = counted.lengths(known) == order - 1
    whole[1:] |= known % V == 0
    kept = whole[grams // V]
    if smoothing == "add-k":
        grams, times = grams[kept], times[kept]
    else:
        longer = grams[grams >= V]
        suffix = known[longer // V - 1] // V * V + longer % V
        continued = np.bincount(np.searchsorted(grams, suffix), minlength=len(grams))
        times = np.where(kept, times, continued)
    counted.hold(known, grams, times)
    return counted.tensors()


def brute_force(lines: Lines, V: int, order: int, smoothing: str) -> Tensors:
    """Contexts and n-grams in dicts, by the definitions, and then given their nodes."""
    counted, before = counted_in_dicts(lines, order)
    ordered = sorted(counted, key=lambda context: (len(context), context[::-1]))
    node = {context: index for index, context in enumerate([c for c in ordered if c], 1)}
    node[()] = 0
    ngrams = {}
    for context, row in counted.items():
        whole = len(context) == order - 1 or context[:1] == (0,)
        for target, count in row.items():
            if whole or smoothing == "kneser-ney":
                shown = count if whole else len(before[*context, target])
                ngrams[node[context] * V + target] = shown
    codes = [node[context[1:]] * V + context[0] for context in ordered if context]
    return {
        "contexts": codes,
        "ngrams": sorted(ngrams),
        "counts": [ngrams[k] for k in sorted(ngrams)],
    }


def tensors_of(lines: Lines, V: int, order: int, smoothing: str) -> Tensors:
    counted = model(V, order, smoothing)
    counted.fit_counts(*flat(lines))
    return counted.tensors()


def assert_equal(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        other = expected[name]
        strict = isinstance(other, np.ndarray)
        np.testing.assert_array_equal(
            value, np.asarray(other, dtype=None if strict else value.dtype)
        )
        assert not strict or value.dtype == other.dtype, name


@contextmanager
def small(chunk: int, bits: int, rows: int) -> Iterator[None]:
    """Chunks of few targets, words of few digits, blocks of few rows: all limits are met."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram_counts, "CHUNK", chunk)
        patch.setattr(gram_codes, "BITS", bits)
        patch.setattr(gram_codes, "ENCODED_AT_ONCE", 3)
        patch.setattr(sorted_runs, "MERGE_ROWS", rows)
        patch.setattr(sorted_runs, "LEAST_ROWS", 1)
        patch.setattr(sorted_runs, "MOST_FILES", 3)
        yield


corpora = st.integers(1, 6).flatmap(
    lambda V: st.tuples(
        st.just(V),
        st.lists(st.lists(st.integers(1, max(1, V - 1)), max_size=9 if V > 1 else 0), max_size=14),
    )
)
orders = st.one_of(st.integers(1, 8), st.integers(9, 64))
smoothings = st.sampled_from(["kneser-ney", "add-k"])


@given(corpora, orders, smoothings)
def test_counts_are_those_of_dicts_and_those_level_by_level(
    corpus: tuple[int, Lines], order: int, smoothing: str
) -> None:
    V, lines = corpus
    found = tensors_of(lines, V, order, smoothing)
    assert_equal(found, level_by_level(lines, V, order, smoothing))
    assert_equal(found, brute_force(lines, V, order, smoothing))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corpora, orders, smoothings, st.integers(1, 20), st.integers(3, 63), st.integers(1, 20),
    st.integers(1, 3), st.sampled_from([None, 0, 100]),
)  # fmt: skip
def test_chunks_blocks_words_threads_and_files_change_no_bit(
    tmp_path: Path, corpus: tuple[int, Lines], order: int, smoothing: str, chunk: int, bits: int,
    rows: int, threads: int, room: int | None,
) -> None:  # fmt: skip
    V, lines = corpus
    expected = level_by_level(lines, V, order, smoothing)
    for old in tmp_path.iterdir():
        old.unlink()
    folder = None if room is None else tmp_path
    with small(chunk, bits, rows), thread_pool(threads):
        grams = GramCounts(V, order, folder, room or 0)
        for line in range(0, len(lines), 3):  # lines come some at a time
            grams.add(*flat(lines[line : line + 3]))
        columns = model(V, order, smoothing).levels_of(grams.merged(), folder).columns()
        found = {name: column.array().astype(column.dtype) for name, column in columns.items()}
    assert_equal(found, expected)


def test_a_high_order_of_many_symbols_is_several_words() -> None:
    codes = GramCodes(20_000, 64)
    assert codes.sizes == [4] * 16 and codes.dtype == np.dtype("S128")
    assert GramCodes(27, 6).dtype == np.uint32 and GramCodes(27, 13).dtype == np.int64
    assert GramCodes(27, 14).dtype == np.dtype("S16")


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(0, 2**32))
def test_codes_sort_as_their_digits_do_and_give_them_back(V: int, order: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    targets = np.append(
        np.zeros(order, dtype=np.uint16), random.integers(0, V, 50).astype(np.uint16)
    )
    codes = GramCodes(V, order)
    found = codes.encode(targets)
    digits = []
    for at in range(order, len(targets)):
        before = targets[at - 1 : at - order : -1].tolist() if order > 1 else []
        cut = before.index(0) if 0 in before else len(before)
        digits.append((*before[:cut], *[0] * (order - 1 - cut), int(targets[at])))
    assert [tuple(row) for row in np.array(codes.decode(found)).T.tolist()] == digits
    by_code = np.argsort(found, kind="stable").tolist()
    assert by_code == sorted(range(len(digits)), key=lambda row: digits[row])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=12), max_size=40),
    st.sampled_from([np.add, np.minimum]), st.integers(0, 200),
)  # fmt: skip
def test_runs_in_files_are_merged_to_what_a_dict_holds(
    tmp_path: Path, parts: list[list[tuple[int, int]]], combine: np.ufunc, room: int
) -> None:
    expected: dict[int, int] = {}
    for old in tmp_path.iterdir():
        old.unlink()
    with small(9, 63, 4):
        runs = SortedRuns(tmp_path, room, combine)
        for part in parts:
            pairs = np.array(part, dtype=np.int64).reshape(-1, 2)
            runs.add(combined(pairs[:, 0], pairs[:, 1], combine))
            for code, value in part:
                expected[code] = int(combine(expected[code], value)) if code in expected else value
        blocks = list(runs.merged())
        assert len(list(tmp_path.iterdir())) <= 2 * 3 * 4  # files of few sizes, and few of each
    assert all(len(block.codes) for block in blocks)
    found = [pair for block in blocks for pair in zip(*map(np.ndarray.tolist, block), strict=True)]
    assert found == sorted(expected.items())
