"""The splits of names.txt that published numbers rest on, so that ours stand beside them.

A random split puts copies of a name on both sides: 153 of the original's 1,000 test names are in
its training part. "distinct-42" drops copies first.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np

from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split

AS_GIVEN = TextConfig(keep_copies=True)


def names_path(given: str | None) -> Path:
    """names.txt: the path given, or that in MAKEMORE_NAMES."""
    path = Path(given or os.environ.get("MAKEMORE_NAMES", "names.txt"))
    if not path.is_file():
        sys.exit(f"no names at {path}: makemore fetch names, then --names names.txt")
    return path


def read_words(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def parts(train: list[str], val: list[str], test: list[str]) -> Split:
    whole = Corpus.from_lines([*train, *val, *test], AS_GIVEN)
    ends = [0, len(train), len(train) + len(val), len(whole)]
    return Split(*(whole.take(slice(a, b)) for a, b in zip(ends, ends[1:], strict=False)))


def lecture(words: list[str]) -> Split:
    """Shuffled with seed 42, 80 / 10 / 10, copies kept (makemore part 2)."""
    words = list(words)
    random.Random(42).shuffle(words)
    first, second = int(0.8 * len(words)), int(0.9 * len(words))
    return parts(words[:first], words[first:second], words[second:])


def distinct_42(words: list[str]) -> Split:
    """Distinct lines, sorted, then as the lectures split."""
    return lecture(sorted(set(words)))


def original(words: list[str]) -> Split:
    """The last 1,000 of torch's permutation with seed 3407 are the test; there is no val."""
    import torch  # late: whoever only reads the names stays small

    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(3407)).tolist()
    return parts([words[i] for i in order[:-1000]], [], [words[i] for i in order[-1000:]])


def by_hash(words: list[str]) -> Split:
    """Ours: each distinct line by a hash of its text."""
    return train_val_test_split(Corpus.from_lines(words))


def held_out(parts: Split) -> Split:
    """A tenth of the train part in place of the test, which is left out."""
    rows = list(range(len(parts.train)))
    random.Random(0).shuffle(rows)
    tenth = len(rows) // 10
    train, test = np.sort(rows[tenth:]), np.sort(rows[:tenth])
    return Split(parts.train.take(train), parts.val, parts.train.take(test))


SPLITS = {
    "lecture": lecture,
    "distinct-42": distinct_42,
    "original": original,
    "hash": by_hash,
}
