"""prefix_trie.py: against the set of all prefixes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.models.core import prefix_trie
from makemore.models.core.prefix_trie import NEW, START, PrefixTrie

LINES = st.lists(st.lists(st.integers(1, 3), max_size=5), max_size=8)


def made(lines: list[list[int]], starts: list[int] | None = None, base: int = 6) -> PrefixTrie:
    offsets = np.cumsum([0, *map(len, lines)]).astype(np.int64)
    ids = np.array([one for line in lines for one in line], dtype=np.int64)
    own = None if starts is None else np.array(starts, dtype=np.int64)
    return PrefixTrie.of(ids, offsets, own, base)


def numbered(tree: PrefixTrie, inputs: list[list[int]]) -> Any:
    return tree.walk(np.array(inputs, dtype=np.int64))


@given(LINES, st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1), st.data())
def test_a_prefix_is_known_if_a_line_begins_with_it(
    lines: list[list[int]], asked: list[list[int]], data: Any
) -> None:
    labelled = data.draw(st.booleans())
    starts = [4 + number % 2 for number in range(len(lines))] if labelled else None
    tree = made(lines, starts)
    whole = [[first, *line] for first, line in zip(starts or [0] * len(lines), lines, strict=True)]
    prefixes = {tuple(line[:end]) for line in whole for end in range(1, len(line) + 1)}
    assert tree.sound and len(tree.codes) == len(prefixes)
    asked = [[data.draw(st.sampled_from([0, 4, 5])), *line] for line in asked]
    asked += [(line + [0] * 5)[:5] for line in whole]
    found = numbered(tree, asked)
    seen: dict[int, tuple[int, ...]] = {}
    for row, line in zip(found, asked, strict=True):
        for place, number in enumerate(row):
            prefix = tuple(line[: place + 1])
            assert (number != NEW) == (prefix in prefixes)
            if number != NEW:
                assert number != START and seen.setdefault(int(number), prefix) == prefix


def test_after_a_new_prefix_all_are_new() -> None:
    tree = made([[1, 2], [1, 3, 3]])
    assert (numbered(tree, [[0, 2, 1, 2], [0, 1, 2, 0], [5, 1, 2, 3]]) == NEW).tolist() == [
        [False, True, True, True], [False, False, False, True], [True] * 4,
    ]  # fmt: skip


def test_of_no_lines_nothing_is_known() -> None:
    tree = made([])
    assert tree.sound and (numbered(tree, [[0, 1]]) == NEW).all()
    assert numbered(made([[]]), [[0, 1]]).tolist() == [[1, NEW]]


def test_of_too_many_prefixes_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_trie, "MOST_PREFIXES", 3)
    assert len(made([[1, 2]]).codes) == 3
    assert len(made([[1, 2, 3]]).codes) == 0


@pytest.mark.parametrize("codes", [[0, 0], [5, 3], [-1, 0], [6], [0, 1, 18]])
def test_what_is_no_tree_is_not_sound(codes: list[int]) -> None:
    assert not PrefixTrie(np.array(codes, dtype=np.int64), 6).sound
