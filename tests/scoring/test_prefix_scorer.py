"""prefix_scorer.py: distinct prefixes by hand; scores by prefixes are those of whole lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import battery
from makemore.models.core import registry
from makemore.scoring import neural_scorer, scorer
from makemore.scoring.prefix_scorer import SortedPrefixes
from makemore.scoring.scorer import surprisals

WORDS = ["bad", "", "bade", "a", "bad", "abe", "b", "add", "be", "ab"]


def encoded(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([" abcdefgh".index(symbol) for word in words for symbol in word], dtype=np.int64)
    return ids, np.concatenate([[0], np.cumsum([len(word) for word in words])]).astype(np.int64)


def test_lines_are_sorted_and_their_prefixes_counted_once() -> None:
    trie = SortedPrefixes.of(*encoded(WORDS))
    assert [WORDS[row] for row in trie.order] == sorted(WORDS)
    assert trie.prefixes == len({word[:n] for word in WORDS for n in range(len(word) + 1)})
    starts = np.array([9, 9, 10, 9, 10, 9, 10, 9, 10, 9])
    labelled = SortedPrefixes.of(*encoded(WORDS), starts)
    pairs = zip(WORDS, starts, strict=True)
    expected = {(start, word[:n]) for word, start in pairs for n in range(len(word) + 1)}
    assert labelled.prefixes == len(expected)
    assert SortedPrefixes.of(*encoded([])).prefixes == 0


@pytest.mark.parametrize("most", [1, 7, 10**6])
@pytest.mark.parametrize("name", ["transformer", "gru", "ensemble"])
def test_each_place_of_each_line_comes_once_whatever_is_looked_at_together(
    name: str, most: int
) -> None:
    model = battery.shaken(registry.get_model(name), block_size=8)
    ids, offsets = encoded(WORDS)
    found = {
        (int(line), place): nats
        for lines, place, each in SortedPrefixes.of(ids, offsets).surprisals(model, most)
        for line, nats in zip(lines, each, strict=True)
    }
    places = [(row, place) for row, word in enumerate(WORDS) for place in range(len(word) + 1)]
    assert sorted(found) == sorted(places)
    alone = [
        surprisals(model, ids[offsets[row] : offsets[row + 1]], np.array([0, len(word)]))
        for row, word in enumerate(WORDS)
    ]
    np.testing.assert_allclose([found[pair] for pair in places], np.concatenate(alone), atol=1e-4)


@pytest.mark.parametrize("labels", [None, np.array([9, 10] * 5)])
def test_scores_by_prefixes_by_lines_and_in_blocks_agree(
    monkeypatch: pytest.MonkeyPatch, labels: np.ndarray | None
) -> None:
    model = battery.build(registry.get_model("transformer"), block_size=8)
    if labels is not None:
        model.add_labels(2)
    asked, found, step = [], [], model.step

    def seen(ids: Any, state: Any) -> Any:
        asked.append(len(ids))
        return step(ids, state)

    monkeypatch.setattr(model, "step", seen)
    for pays, block, short in ((0.0, 100, 128), (10.0, 100, 128), (10.0, 3, 128), (10.0, 100, 2)):
        asked.clear()
        monkeypatch.setattr(neural_scorer, "MAX_PREFIX_RATE", pays)
        monkeypatch.setattr(scorer, "MAX_BLOCK_LINES", block)
        monkeypatch.setattr(neural_scorer, "MAX_SHORT_LINE", short)
        found.append(surprisals(model, *encoded(WORDS), labels))
        assert bool(asked) == (pays > 0 and short > 4)
        if pays and block == 100 and short > 4:
            assert sum(asked) == SortedPrefixes.of(*encoded(WORDS), labels).prefixes
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4)
