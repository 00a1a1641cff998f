"""dataset.py: the split that never changes, whatever the file's order, growth and copies."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_corpus import hashed, mixed

from makemore.errors import DataError, UsageError
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.dataset import MIN_LINES_TO_SPLIT, read_split, train_val_test_split

KEEP = TextConfig(keep_copies=True)


def random_lines(number: int) -> list[str]:
    draw = random.Random(0)
    words = {"".join(draw.choices("abcdefghij", k=draw.randint(4, 9))) for _ in range(2 * number)}
    return sorted(words)[:number]


def parts_of(lines: Iterable[str], keep_copies: bool = False) -> dict[str, str]:
    """Line -> the name of its part; a line in two parts fails."""
    found: dict[str, str] = {}
    corpus = Corpus.from_lines(lines, TextConfig(keep_copies=keep_copies))
    for name, part in train_val_test_split(corpus):
        for line in part:
            assert found.setdefault(line, name) == name
    return found


PINNED_PARTS = {
    "emma": "val", "ava": "val", "olivia": "train", "mia": "train", "isabella": "train",
    "zoë": "train", "名字": "train", "😀": "test", ".": "test",
}  # fmt: skip


def test_where_a_line_goes_is_pinned() -> None:
    found = parts_of([*PINNED_PARTS, *random_lines(100)])
    assert {line: found[line] for line in PINNED_PARTS} == PINNED_PARTS
    key = int.from_bytes(b"makemore", "big")
    for line, part in found.items():
        tenth = (mixed(hashed(line) ^ key) >> 32) * 10 >> 32
        assert part == ("test" if tenth == 9 else "val" if tenth == 8 else "train")


def test_the_names_split_as_ever(names_file: Path) -> None:
    parts = train_val_test_split(Corpus.read(names_file))
    assert [len(part) for _, part in parts] == [23_649, 2_938, 2_907]


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(50, 300))
def test_neither_order_nor_growth_nor_copies_move_a_line(draw: random.Random, number: int) -> None:
    lines = random_lines(400)
    alone = parts_of(lines[:number])
    assert set(alone) == set(lines[:number])
    shuffled = lines[:]
    draw.shuffle(shuffled)
    grown = parts_of(shuffled)
    copied = parts_of(draw.choices(lines, k=200) + shuffled, keep_copies=True)
    assert {line: grown[line] for line in alone} == alone
    assert copied == grown


def test_a_split_is_a_partition_in_order_of_about_80_10_10() -> None:
    """Copies that are kept are all on one side."""
    lines = random_lines(20_000)
    random.Random(1).shuffle(lines)
    parts = train_val_test_split(Corpus.from_lines(lines * 2, KEEP))
    where = {line: place for place, line in enumerate(lines)}
    together: list[str] = []
    # Standard deviations are 57, 42 and 42 lines.
    for (_, part), expected in zip(parts, (16_000, 2_000, 2_000), strict=True):
        places = [where[line] for line in part]
        half = len(places) // 2
        assert places[:half] == places[half:] == sorted(places[:half])
        assert abs(half - expected) < 200
        together += list(part)[:half]
    assert sorted(together) == sorted(lines)


def test_too_few_lines_all_train() -> None:
    lines = random_lines(MIN_LINES_TO_SPLIT)
    few = train_val_test_split(Corpus.from_lines(lines[:-1] * 4, KEEP))
    assert list(few.train) == lines[:-1] * 4
    assert (len(few.val), len(few.test)) == (0, 0)
    enough = train_val_test_split(Corpus.from_lines(lines))
    assert len(enough.train) < 50 and len(enough.val) + len(enough.test) > 0


def test_the_digest_of_a_split_is_that_of_its_three_texts() -> None:
    parts = train_val_test_split(Corpus.from_lines(random_lines(200)))
    digests = (hashlib.sha256(part.text().encode()).hexdigest() for _, part in parts)
    assert parts.digest() == hashlib.sha256("".join(digests).encode()).hexdigest()


# -- files of their own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "to_do"),
    [
        ("name;sex\nanna;f\n", "data val.txt --text-column name --fix val-fixed.txt"),
        ("anna\tf\nkarl\tm\neva\tf\nida\tf\n", "data val.txt --text-column 1 --fix val-fixed.txt"),
        ("zoë\n".encode("latin-1"), "data val.txt --encoding latin-1 --fix val-fixed.txt"),
        ("1. anna\n2. karl\n", "data val.txt --fix val-fixed.txt"),
    ],
)  # fmt: skip
def test_a_part_that_is_no_list_gets_a_copy_and_the_text_stays_as_it_is(
    body: str | bytes, to_do: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("anna\nkarl\n")
    Path("val.txt").write_bytes(body.encode() if isinstance(body, str) else body)
    for parts in ({"val": "val.txt"}, {"test": "val.txt"}):
        with pytest.raises(DataError) as refused:
            read_split("list.txt", TextConfig(), **parts)
        assert refused.value.to_do == f"type makemore {to_do}" and not refused.value.add


def test_standard_input_is_one_file() -> None:
    for files in (("-", "-", None), ("-", None, "-"), (None, "-", "-")):
        with pytest.raises(UsageError, match="standard input is one file"):
            read_split(files[0], TextConfig(), files[1], files[2])
