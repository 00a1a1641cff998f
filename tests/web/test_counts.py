"""Counts of the page: the same n-grams, probabilities and table as models/ngram.py."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.models.core.prefix_trie import NEW, PrefixTrie
from makemore.models.ngram import NGram
from makemore.text.builtin_lists import builtin_names
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from page_scripts import run_script

pytestmark = pytest.mark.slow  # the same numbers twice, in Python and in node

CASES: list[dict[str, Any]] = [
    {"order": 6},
    {"order": 1},
    {"order": 2, "smoothing": "add-k"},
    {"order": 4, "smoothing": "add-k", "k": 0.25},
    {"order": 12},  # more n-grams than a number of 53 bits can tell apart
]


def case_of(lines: list[str], options: dict[str, Any]) -> tuple[dict[str, Any], NGram]:
    corpus = Corpus.exactly(lines)
    vocabulary = Vocabulary.of([corpus])
    text, order = vocabulary.encode(corpus), options["order"]
    model = NGram(len(vocabulary), order - 1, NGram.Options(**options))
    model.fit_counts(text.ids, text.offsets)
    windows = np.random.default_rng(1).integers(0, len(vocabulary), (50, order - 1))
    real = [[0] * (order - 1) + vocabulary.encode_line(line).tolist() for line in lines[:50]]
    ends = [line[-(order - 1) :] if order > 1 else [] for line in real]
    tensors = {name: value.tolist() for name, value in model.tensors().items()}
    case = {
        "V": len(vocabulary), "options": options, "ids": text.ids.tolist(),
        "offsets": text.offsets.tolist(), "windows": [*windows.tolist(), *ends], "tensors": tensors,
    }  # fmt: skip
    return case, model


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference of probabilities, whose logs may be infinite."""
    logs = np.array([-math.inf if x == "-inf" else x for x in np.ravel(ours).tolist()], dtype=float)
    return float(np.abs(np.exp(logs) - np.exp(np.ravel(theirs))).max(initial=0))


@pytest.mark.parametrize("many", [300, 30])
def test_the_page_counts_as_python_does(many: int, tmp_path: Path) -> None:
    lines = [*list(builtin_names())[:many], "\U0001f600a", "éa", "x y"]
    cases = [case_of(lines, options) for options in CASES]
    results = run_script("counts.mjs", {"cases": [case for case, _ in cases]}, tmp_path)
    for (case, model), result in zip(cases, results, strict=True):
        assert result["tensors"] == case["tensors"]
        types = {name: value.itemsize for name, value in model.tensors().items()}
        assert result["types"] == types
        windows = np.array(case["windows"], dtype=np.int64)
        logs = model.forward(windows.reshape(len(windows), -1))
        assert difference(result["fitted"], logs) < 1e-15
        assert result["loaded"] == result["fitted"]
        table = model.transition_table()
        if table is None:
            assert result["table"] is None
            continue
        assert result["table"]["after"] == table.after.ravel().tolist()
        assert result["table"]["start"] == table.start[0]
        assert difference(result["table"]["logs"], table.logs) < 1e-15


class Newness:
    """Steps through a trie: 1 for a prefix that it does not have."""

    def __init__(self, trie: PrefixTrie, vocab_size: int) -> None:
        self.trie, self.vocab_size = trie, vocab_size

    def initial_state(self, batch: int) -> Any:
        return np.zeros(batch, dtype=np.int64)

    def step(self, ids: Any, state: Any) -> Any:
        nodes = self.trie.step(state, ids)
        return (nodes == NEW)[:, None], nodes


def along(model: Any, vocabulary: Vocabulary, corpus: Corpus, starts: Any) -> Any:
    """Step through each line -> logits (N, V) and what followed (N,)."""
    logits, targets = [], []
    for row, line in enumerate(corpus):
        state, symbols = model.initial_state(1), vocabulary.encode_line(line).tolist()
        for symbol in [0 if starts is None else int(starts[row]), *symbols]:
            answer, state = model.step(np.array([symbol]), state)
            logits.append(answer[0])
        targets += [*symbols, 0]
    return np.array(logits), targets


MEMBERS = "ngram order=2, ngram order=5, ngram order=4 smoothing=add-k k=0.1"


@pytest.mark.parametrize("labels", [False, True])
def test_an_ensemble_mixes_as_python_does(labels: bool, tmp_path: Path) -> None:
    from makemore.api.mixture_weights import fit_ensemble_weights
    from makemore.models.core.label_counts import PerLabelCounts
    from makemore.models.ensemble import Ensemble

    lines = list(builtin_names())[:200]
    corpus = Corpus.exactly(lines, ["ab"[len(line) % 2] for line in lines] if labels else None)
    vocabulary = Vocabulary.of([corpus])
    V, text, starts = len(vocabulary), vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    model = Ensemble(V, vocabulary.longest([corpus]) + 1, Ensemble.Options(MEMBERS))
    if labels:
        model.add_labels(2)
    half = vocabulary.encode(corpus.take(slice(0, 100)))
    for number in range(3):
        member: Any = model.made(number)
        if isinstance(member, PerLabelCounts):
            assert starts is not None
            member.fit_counts(text.ids, text.offsets, starts)
        else:
            member.fit_counts(text.ids, text.offsets)
        model.take_over(number, member)
    model.weights = np.array([[0.3, 0.9, 0.1], [-0.2, 0.7, 0.4]])
    model.know(half.ids, half.offsets, None if starts is None else starts[:100])

    members = [
        {"kind": "ngram", "vocabSize": V, "blockSize": each.block_size, "nLabels": 2 * labels,
         "options": {k: getattr(each.options, k) for k in ("order", "smoothing", "k")}}
        for _, each in model.mixed
    ]  # fmt: skip
    spec = {
        "kind": "ensemble", "vocabSize": V, "blockSize": model.block_size, "nLabels": 2 * labels,
        "options": {}, "members": members,
    }  # fmt: skip
    tensors = {name: value.ravel().tolist() for name, value in model.tensors().items()}
    case = {
        "spec": spec, "tensors": tensors, "ids": text.ids.tolist(),
        "offsets": text.offsets.tolist(), "starts": None if starts is None else starts.tolist(),
    }  # fmt: skip
    ours = run_script("ensemble.mjs", case, tmp_path)

    logits, targets = along(model, vocabulary, corpus, starts)
    member = model.members[0]
    new = along(Newness(model.known, V), vocabulary, corpus, starts)[0][:, 0].astype(int).tolist()
    assert difference(ours["logits"], logits) < 1e-7  # logs of many lines are kept as float32
    assert ours["isNew"] == new and 0 < sum(new) < len(new)
    assert ours["targets"] == targets
    assert ours["names"] == list(model.tensors())
    assert difference(ours["member"], along(member, vocabulary, corpus, starts)[0]) < 1e-7
    of_first = {name[2:]: list for name, list in tensors.items() if name.startswith("0.")}
    assert ours["tensors"] == of_first
    table = member.transition_table()
    assert ours["table"]["after"] == table.after.ravel().tolist()
    assert dict(ours["table"]["start"]) == dict(table.start)
    model.know(text.ids, text.offsets, starts)
    assert ours["known"] == model.known.codes.tolist()

    each = [along(member, vocabulary, corpus, starts)[0] for _, member in model.mixed]
    weights = fit_ensemble_weights(
        np.array(each, dtype=np.float32), np.array(targets), np.array(new, dtype=bool)
    )
    assert np.reshape(ours["weights"], (2, 3)) == pytest.approx(weights, abs=1e-6)
