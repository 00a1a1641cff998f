"""corpus.py: lines in one array, taken, joined, compared and hashed, against lists of strings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_reading import LINES, NEAR

from makemore.errors import DataError
from makemore.text.corpus import Corpus, concatenate
from makemore.text.dataset import train_val_test_split
from makemore.text.reading import Counts


@given(LINES, st.data())
@example([" a ", "", "a", "a", "\t"], None)
@example([], None)
def test_a_corpus_comes_back_from_its_own_text(
    lines: list[str], data: st.DataObject | None
) -> None:
    """Nothing is cleaned that is given as it is."""
    corpus = Corpus.exactly(lines)
    assert corpus.text() == "".join(line + "\n" for line in lines)
    assert list(corpus) == lines
    assert corpus.longest == max(map(len, lines), default=0)
    some = st.lists(st.integers(0, len(lines) - 1) if lines else st.nothing())
    rows = data.draw(some) if data else [*range(len(lines))][::-1]
    picked = corpus.take(np.array(rows, dtype=np.int64))
    assert list(picked) == [lines[row] for row in rows]
    assert list(corpus.take(slice(1, None, 2))) == lines[1::2]
    mask = np.array([len(line) % 2 == 0 for line in lines], dtype=bool)
    assert list(corpus.take(mask)) == [line for line in lines if len(line) % 2 == 0]
    assert list(concatenate([corpus, picked])) == lines + [lines[row] for row in rows]
    assert corpus.digest() == hashlib.sha256(corpus.text().encode()).hexdigest()


def test_half_of_a_surrogate_pair_is_no_symbol() -> None:
    with pytest.raises(DataError, match="half a surrogate pair"):
        Corpus.exactly(["\udfff"])


def test_a_corpus_of_many_lines_is_walked_in_blocks() -> None:
    lines = [str(number) for number in range(2**16 + 5)]
    corpus = Corpus.from_lines(lines)
    assert list(corpus) == lines
    assert corpus.text() == "\n".join(lines) + "\n"


def test_no_parts_make_an_empty_corpus() -> None:
    assert concatenate([]).counts == Counts() and len(concatenate([])) == 0


# -- equality: hashes and copies ------------------------------------------------------------------


def mixed(x: int) -> int:
    """SplitMix64's finaliser, in Python's own numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def hashed(text: str) -> int:
    each = (mixed(ord(symbol) + (place << 32)) for place, symbol in enumerate(text))
    return mixed((sum(each) + len(text)) % 2**64)


@given(LINES)
@example(["", "a", "", "aa", "\x00", "\x00\x00"])
def test_hashes_are_what_they_are_said_to_be(lines: list[str]) -> None:
    hashes = Corpus.exactly(lines).hashes()
    assert hashes.dtype == np.uint64 and hashes.tolist() == [hashed(line) for line in lines]
    assert len(set(hashes.tolist())) == len(set(lines))


def test_hashes_of_many_like_lines_are_distinct() -> None:
    lines = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefghij" for c in range(1000)]
    lines += ["a" * length for length in range(1, 1000)]
    assert len(np.unique(Corpus.exactly(lines).hashes())) == len(set(lines)) == 80_999


def test_hashes_do_not_depend_on_storage_neighbours_or_order() -> None:
    lines = ["emma", "ava", "zoë"]
    alone = [int(Corpus.exactly([line]).hashes()[0]) for line in lines]
    for other, dtype in (("a", np.uint8), ("名", np.uint16), ("😀", np.uint32)):
        corpus = Corpus.exactly([other, "", *lines])
        assert corpus.codes.dtype == dtype
        assert corpus.hashes()[2:].tolist() == alone
    # Pinned: what is in which part of a run, and what is new, goes by them.
    assert alone[:2] == [854284512378916851, 6676574930750346057]


def test_the_first_of_each_is_found() -> None:
    lines = ["b", "a", "b", "", "a", "c", "", "b"]
    assert Corpus.exactly(lines).first_of_each().tolist() == [0, 1, 3, 5]
    assert Corpus.exactly([]).first_of_each().tolist() == []


def test_a_collision_of_hashes_never_drops_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_length(self: Corpus) -> np.ndarray:
        return self.lengths.astype(np.uint64)

    def constant(self: Corpus) -> np.ndarray:
        return np.zeros(len(self), dtype=np.uint64)

    lines = ["ab", "ab", "cd", "ef", "ab", "a", "xyz", "a"]
    for planted in (by_length, constant):
        monkeypatch.setattr(Corpus, "hashes", planted)
        rows = Corpus.exactly(lines).first_of_each()
        assert list(dict.fromkeys(lines[row] for row in rows)) == ["ab", "cd", "ef", "a", "xyz"]
        assert set(Corpus.from_lines(lines)) == set(lines)
    # Copies of the line that leads its hash are found all the same.
    monkeypatch.setattr(Corpus, "hashes", constant)
    assert list(Corpus.from_lines(["ab", "cd", "ab", "ab"])) == ["ab", "cd"]


@given(st.lists(st.tuples(NEAR, NEAR)))
@example([("", ""), ("a", "a"), ("", "a"), ("ab", "ac"), ("é名", "é名"), ("a", "😀")])
def test_equal_lines_compares_texts(pairs: list[tuple[str, str]]) -> None:
    left = Corpus.exactly([pair[0] for pair in pairs])
    right = Corpus.exactly([pair[1] for pair in pairs])
    assert left.equal_lines(right).tolist() == [a == b for a, b in pairs]


def test_labels_stay_with_their_lines() -> None:
    lines = [f"line {number}" for number in range(200)]
    labels = {line: number * 7 for number, line in enumerate(lines)}
    corpus = Corpus.exactly(lines)
    names = tuple(f"{number:04}" for number in range(1400))
    corpus = dataclasses.replace(
        corpus, labels=np.array([labels[line] for line in lines]), label_names=names
    )

    def check(part: Corpus, expected: Iterable[str]) -> None:
        expected = list(expected)
        assert part.labels is not None and list(part) == expected
        assert part.label_names == names
        assert part.labels.tolist() == [labels[line] for line in expected]

    check(corpus.take(np.array([5, 0, 5])), [lines[5], lines[0], lines[5]])
    check(corpus.take(slice(3, 6)), lines[3:6])
    parts = train_val_test_split(corpus)
    for _, part in parts:
        check(part, part)
    check(concatenate([parts.val, parts.train]), [*parts.val, *parts.train])
    assert concatenate([corpus, Corpus.exactly(["x"])]).labels is None
