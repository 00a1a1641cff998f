"""results.py: what some draws gave, apart from the others; and where a line stands already."""

from __future__ import annotations

from typing import Any

import numpy as np
from exact import Table, draw, known, of_words
from hypothesis import given
from hypothesis import strategies as st

from conftest import is_clean
from makemore.sampling.results import Completions
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary


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


def test_by_default_lines_are_new_and_each_comes_once() -> None:
    draws = np.random.default_rng(3).dirichlet(np.ones(5), size=(3, 5))
    options: dict[str, Any] = {
        "avoid": known("a b ab ba", "c ca", "cc aa", "bb cab"), "longest": 3,
        "vocabulary": Vocabulary([" ", "a", "b", "c"]),
    }  # fmt: skip
    shown = draw(Table(draws), 3000, 8, all=True, **options)
    texts = [line.text for line in shown]
    # All of this does come up, so that refusing it can be seen.
    assert {line.origin for line in shown} == {"new", "train", "val", "test", "avoid"}
    assert "" in texts and " a" in texts and len(set(texts)) < len(texts)
    assert any(line.capped for line in shown)

    lines = draw(Table(draws), 150, 8, **options)
    new = [line.text for line in lines]
    assert len(new) == len(set(new)) == 150
    assert not {"a", "b", "ab", "ba", "c", "ca", "cc", "aa", "bb", "cab"} & set(new)
    assert all(line.origin == "new" and not line.capped for line in lines)
    assert all(text and text == text.strip() and is_clean(text) for text in new)
    # They are what is shown with `all`, without what is refused, in the same order.
    kept = [
        each.text for each in shown
        if each.origin == "new" and not each.capped and is_clean(each.text)
    ]  # fmt: skip
    # Until most draws are refused: from then on the draws are by what is left.
    assert new[:40] == list(dict.fromkeys(kept))[:40]


def test_all_shows_where_each_line_stands_already() -> None:
    model, vocabulary = of_words({"a": 0.2, "b": 0.2, "c": 0.2, "ab": 0.2, "ba": 0.1, "cb": 0.1})
    avoid = known("a ab", "b a", "c b", "ba c")
    lines = draw(model, 500, avoid=avoid, vocabulary=vocabulary, all=True)
    # A line in several parts is where it was learned first.
    assert {(line.text, line.origin) for line in lines} == {
        ("a", "train"), ("ab", "train"), ("b", "val"), ("c", "test"), ("ba", "avoid"),
        ("cb", "new"),
    }  # fmt: skip


def test_known_looks_up_every_line_and_no_other() -> None:
    lines = [str(number) for number in range(6000)]
    some = known(*(" ".join(lines[part:3000:4]) for part in range(4)))
    hashes = Corpus.exactly(lines).hashes()
    assert some.origins(hashes).tolist() == [1 + i % 4 for i in range(3000)] + [0] * 3000
    assert known().origins(hashes).tolist() == [0] * 6000
    assert some.origins(hashes[:0]).tolist() == []
