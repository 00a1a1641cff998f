"""batches.py: the lectures' examples, padding, and batches that are a function of (seed, step)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from makemore.scoring.line_tensors import IGNORED, MAX_ROW_SYMBOLS, LineTensors
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from makemore.training.batches import MOST_GROUPS, Batches, row_multiple

LETTERS = Vocabulary([chr(ord("a") + i) for i in range(26)])
FIVE = ["emma", "olivia", "ava", "isabella", "sophia"]


def encoded(words: Sequence[str], input_kind: str, block_size: int) -> LineTensors:
    corpus = Corpus.exactly(words)
    return LineTensors(LETTERS.encode(corpus).ids, corpus.offsets, input_kind, block_size)


def random_words(n: int, seed: int = 0) -> list[str]:
    """Lengths as those of names: 2 to 15, 6.1 in the mean with a deviation of 1.4."""
    chance = np.random.default_rng(seed)
    lengths = np.clip(np.round(chance.normal(6.1, 1.45, n)), 2, 15).astype(int)
    return ["".join(chance.choice(list("abcdefgh"), length)) for length in lengths]


def all_windows(lines: LineTensors) -> tuple[Tensor, Tensor]:
    return lines.windows(torch.from_numpy(lines.ends()))


def shown(inputs: Sequence[int]) -> str:
    return "".join("." if number == 0 else LETTERS.decode([number]) for number in inputs)


# -- windows --------------------------------------------------------------------------------------


def test_first_five_names_are_32_examples() -> None:
    """X and Y as the lectures' notebook prints them."""
    X, Y = all_windows(encoded(FIVE, "window", 3))
    assert X.shape == (32, 3) and Y.shape == (32,) and X.dtype == Y.dtype == torch.int64
    assert X.tolist() == [
        [0, 0, 0], [0, 0, 5], [0, 5, 13], [5, 13, 13], [13, 13, 1],
        [0, 0, 0], [0, 0, 15], [0, 15, 12], [15, 12, 9], [12, 9, 22], [9, 22, 9], [22, 9, 1],
        [0, 0, 0], [0, 0, 1], [0, 1, 22], [1, 22, 1],
        [0, 0, 0], [0, 0, 9], [0, 9, 19], [9, 19, 1], [19, 1, 2], [1, 2, 5], [2, 5, 12],
        [5, 12, 12], [12, 12, 1],
        [0, 0, 0], [0, 0, 19], [0, 19, 15], [19, 15, 16], [15, 16, 8], [16, 8, 9], [8, 9, 1],
    ]  # fmt: skip
    assert Y.tolist() == [
        5, 13, 13, 1, 0, 15, 12, 9, 22, 9, 1, 0, 1, 22, 1, 0,
        9, 19, 1, 2, 5, 12, 12, 1, 0, 19, 15, 16, 8, 9, 1, 0,
    ]  # fmt: skip


def test_all_names_are_228146_examples(names_file: Path) -> None:
    corpus = Corpus.read(names_file, TextConfig(keep_copies=True))
    lines = LineTensors(LETTERS.encode(corpus).ids, corpus.offsets, "window", 3)
    X, Y = all_windows(lines)
    assert X.shape == (228_146, 3) and len(lines) == 32_033
    assert X[-3:].tolist() == [[26, 26, 25], [26, 25, 26], [25, 26, 24]]  # zzyzx
    assert Y[-3:].tolist() == [26, 24, 0]
    assert 0 <= X.min() and X.max() < 27


@pytest.mark.parametrize("block_size", [0, 1, 2, 8])
def test_windows_hold_what_came_before_in_their_own_line(block_size: int) -> None:
    words = [*FIVE, "x", "zz"]
    inputs, targets = all_windows(encoded(words, "window", block_size))
    expected = []
    for word in words:
        padded = "." * block_size + word + "."
        ends = range(block_size, len(padded))
        expected += [(padded[end - block_size : end], padded[end]) for end in ends]
    assert inputs.shape == (len(expected), block_size)
    found = [(shown(x), shown([y])) for x, y in zip(inputs.tolist(), targets.tolist(), strict=True)]
    assert found == expected


# -- sequences ------------------------------------------------------------------------------------


def test_sequences_are_lines_between_boundaries() -> None:
    lines = encoded(["emma", "olivia", "x"], "sequence", 16)
    inputs, targets = lines.sequences(np.array([1, 0, 2]), 16)
    assert [shown(row) for row in inputs.tolist()] == [".olivia", ".emma..", ".x....."]
    inside = targets != IGNORED
    assert inside.sum(1).tolist() == [7, 5, 2]
    assert inside.int().diff(dim=1).max() == 0  # -1 stands only after a line's end
    kept = [row[row != IGNORED].tolist() for row in targets]
    assert [shown(row) for row in kept] == ["olivia.", "emma.", "x."]


def test_a_line_longer_than_block_size_is_learned_without_its_end() -> None:
    """One that just fits, as ava, with it."""
    lines = encoded(["isabella", "ava", "emma"], "sequence", 4)
    [(inputs, targets)] = Batches(lines, 10, seed=0)(0)
    assert inputs.shape == targets.shape == (3, 4)
    examples = zip(inputs.tolist(), targets, strict=True)
    found = {(shown(x), shown(y[y != IGNORED].tolist())) for x, y in examples}
    assert found == {(".isa", "isab"), (".ava", "ava."), (".emm", "emma")}


# -- batches --------------------------------------------------------------------------------------


def lines_in(rows: Tensor, their_targets: Tensor) -> list[str]:
    """The lines of rows, packed or not; what is left of a row holds boundaries and no targets."""
    found = []
    for inputs, targets in zip(rows, their_targets, strict=True):
        used = int((targets != IGNORED).sum())
        assert not inputs[used:].any() and (targets[used:] == IGNORED).all()
        read, ends = shown(inputs[:used].tolist()), shown(targets[:used].tolist())
        assert read == "." + ends[:-1] and ends[-1] == "."
        found += ends[:-1].split(".")
    return found


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_every_line_stands_in_an_epoch_once(batch_size: int) -> None:
    words = random_words(200)
    batches = Batches(encoded(words, "sequence", 16), batch_size, seed=1)
    for epoch in range(2):
        seen = []
        for number in range(batches.per_epoch):
            for inputs, targets in batches(epoch * batches.per_epoch + number):
                seen += lines_in(inputs, targets)
        assert sorted(seen) == sorted(words) and seen != sorted(words)


@pytest.mark.parametrize("input_kind", ["window", "sequence"])
def test_a_batch_depends_on_seed_and_step_alone(input_kind: str) -> None:
    lines = encoded(random_words(100), input_kind, 16)

    def rows(batches: Batches, step: int) -> list[list[int]]:
        return [row for x, y in batches(step) for row in [*x.tolist(), *y.tolist()]]

    once = Batches(lines, 30, seed=3)
    steps = range(3 * once.per_epoch)
    forward = [rows(once, step) for step in steps]
    again = Batches(lines, 30, seed=3)
    assert [rows(again, step) for step in reversed(steps)] == forward[::-1]
    assert rows(Batches(lines, 30, seed=3), 5) == forward[5]
    assert rows(Batches(lines, 30, seed=4), 5) != forward[5]
    assert forward[0] != forward[once.per_epoch]  # each epoch has an order of its own
    assert len({str(batch) for batch in forward}) == len(forward)


def test_batches_are_of_like_size() -> None:
    lines = encoded(["ab"] * 100, "sequence", 3)
    for asked, per_epoch, sizes in [
        (30, 3, {33, 34}), (40, 2, {50}), (99, 1, {100}), (500, 1, {100})
    ]:  # fmt: skip
        batches = Batches(lines, asked, seed=0)
        assert batches.per_epoch == per_epoch
        found = {sum(len(x) for x, _ in batches(step)) for step in range(per_epoch)}
        assert found == sizes


def padding(groups: Sequence[tuple[Tensor, Tensor]]) -> float:
    places = sum(targets.numel() for _, targets in groups)
    return sum(int((targets == IGNORED).sum()) for _, targets in groups) / places


def test_groups_of_like_length_hold_little_padding() -> None:
    lines = encoded(random_words(2048), "sequence", 16)
    batches = Batches(lines, 512, seed=0)
    for step in range(batches.per_epoch):
        groups = batches(step)
        assert len(groups) == MOST_GROUPS
        assert sum(len(inputs) for inputs, _ in groups) == 512
        together = lines.sequences(np.arange(512), 16)
        assert padding([together]) > 0.35 and padding(groups) < 0.2
        symbols = [int((targets != IGNORED).sum()) for _, targets in groups]
        assert max(symbols) < 1.1 * min(symbols)


def test_a_small_batch_is_one_group() -> None:
    [(inputs, _)] = Batches(encoded(random_words(32), "sequence", 16), 32, seed=0)(0)
    assert len(inputs) == 32


def test_packed_rows_hold_every_line_once_and_hardly_any_padding() -> None:
    words = random_words(2048)
    batches = Batches(encoded(words, "sequence", 16), 256, 0, packs=True)
    seen = []
    for step in range(batches.per_epoch):
        [(inputs, targets)] = batches(step)
        assert inputs.shape == targets.shape and inputs.shape[1] == MAX_ROW_SYMBOLS
        assert padding([(inputs, targets)]) < 0.08
        seen += lines_in(inputs, targets)
    assert sorted(seen) == sorted(words)
    again = Batches(batches.lines, 256, 0, packs=True)(5)
    assert torch.equal(again[0][0], batches(5)[0][0])


def test_a_packed_batch_is_dealt_out_to_those_who_share_it() -> None:
    words = random_words(2048)
    lines = encoded(words, "sequence", 16)
    [whole] = Batches(lines, 512, 0, packs=True)(3)
    groups = Batches(lines, 512, 0, packs=True, shares=3)(3)
    assert len(groups) == 3
    used = [int((targets != IGNORED).sum()) for _, targets in groups]
    assert max(used) < 1.1 * min(used)
    assert sorted(line for x, y in groups for line in lines_in(x, y)) == sorted(lines_in(*whole))
    assert len(Batches(lines, 20, 0, packs=True, shares=3)(3)) == 1  # too little to share
    assert len(whole[0]) >= max(len(inputs) for inputs, _ in groups)


def test_long_lines_are_packed_apart_from_short_ones() -> None:
    words = random_words(200) + ["ab" * n for n in range(15, 96)]
    groups = Batches(encoded(words, "sequence", 193), 281, 0, packs=True)(0)
    assert [inputs.shape[1] for inputs, _ in groups] == [MAX_ROW_SYMBOLS, 95, 191]
    for inputs, targets in groups:
        assert all(len(line) < inputs.shape[1] for line in lines_in(inputs, targets))


@given(
    st.lists(st.text("abc", min_size=1, max_size=40), min_size=1, max_size=60), st.integers(1, 50),
    st.integers(1, 80), st.sampled_from(["window", "sequence", "packed"]),
)  # fmt: skip
def test_whatever_the_lines_every_symbol_is_a_target_once(
    words: list[str], block_size: int, batch_size: int, input_kind: str
) -> None:
    packs = input_kind == "packed"
    input_kind = "window" if input_kind == "window" else "sequence"
    batches = Batches(encoded(words, input_kind, block_size), batch_size, 0, packs)
    counts = np.zeros(27, dtype=int)
    for word in words:
        whole = input_kind == "window" or len(word) < block_size
        for symbol in word if whole else word[:block_size]:
            counts[1 + ord(symbol) - ord("a")] += 1
        counts[0] += whole  # of a longer line the end is no target
    found = np.zeros(27, dtype=int)
    for step in range(batches.per_epoch):
        for _, targets in batches(step):
            assert len(targets)
            np.add.at(found, targets[targets != IGNORED].numpy(), 1)
    np.testing.assert_array_equal(found, counts)


@pytest.mark.parametrize("input_kind", ["sequence", "window"])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_an_epoch_is_numpy_s_permutation_in_numpy_s_parts(input_kind: str, batch_size: int) -> None:
    lines = encoded(random_words(101), input_kind, 3)
    batches = Batches(lines, batch_size, 5)
    for epoch in (0, 3):
        generator = np.random.Generator(np.random.Philox(key=np.array([5, epoch], np.uint64)))
        parts = np.array_split(generator.permutation(batches.items), batches.per_epoch)
        for number, part in enumerate(parts):
            found = batches(epoch * batches.per_epoch + number)
            if input_kind == "window":
                expected = [lines.windows(torch.from_numpy(lines.ends()[part]))]
            else:
                expected = [lines.sequences(rows, 3) for rows in batches._groups(part)]
            for (x, y), (inputs, targets) in zip(found, expected, strict=True):
                assert torch.equal(x, inputs) and torch.equal(y, targets)


# -- few shapes, for captured steps ---------------------------------------------------------------


def lines_of(groups: Sequence[tuple[Tensor, Tensor]]) -> list[str]:
    """The lines of a batch, sorted: from a boundary to the target that is one."""
    found = []
    for inputs, targets in groups:
        ids, aims, begin = inputs.flatten().tolist(), targets.flatten().tolist(), 0
        for place, aim in enumerate(aims):
            if aim == 0:
                found.append(shown(ids[begin : place + 1]))
            begin = place + 1 if aim <= 0 else begin
    return sorted(found)


@pytest.mark.parametrize("packs", [False, True])
def test_padded_batches_are_the_same_lines_in_few_shapes(packs: bool) -> None:
    lines = encoded(random_words(2049), "sequence", 16)
    plain, padded = Batches(lines, 256, 0, packs), Batches(lines, 256, 0, packs, padded=True)
    shapes = set()
    for step in range(3 * plain.per_epoch):
        groups = padded(step)
        shapes.add(tuple(inputs.shape for inputs, _ in groups))
        assert len(groups) == 1 and groups[0][0].dtype == groups[0][1].dtype == torch.int64
        assert lines_of(groups) == lines_of(plain(step)) and len(lines_of(groups)) in (256, 257)
        assert sum(group.symbols for group in groups) == sum(g.symbols for g in plain(step))
        inputs, targets = groups[0]
        assert inputs.shape == targets.shape and len(inputs) % 16 == 0
        assert inputs.shape[1] == MAX_ROW_SYMBOLS if packs else inputs.shape[1] in (8, 12, 16)
        assert not inputs[(targets == IGNORED).all(1)].any()  # rows of padding are boundaries
    assert len(shapes) <= 3


def test_a_packed_group_is_as_wide_as_its_bucket_whatever_its_longest_line() -> None:
    words = [*random_words(4000), *("ab" * n for n in range(13, 90))] * 2
    batches = Batches(encoded(words, "sequence", 179), 700, 0, packs=True, padded=True)
    widths = [{inputs.shape[1] for inputs, _ in batches(step)} for step in range(11)]
    assert set().union(*widths) <= {24, 48, 96, 179}
    assert all(width <= {24, 48, 96, 179} and 24 in width for width in widths)


@pytest.mark.parametrize("median, longest", [(25, 120), (60, 400)])
def test_batches_of_long_lines_have_few_shapes_too(median: int, longest: int) -> None:
    """Titles and sentences, in up to 5 groups of packed rows, whose numbers vary side by side."""
    chance = np.random.default_rng(0)
    lengths = chance.lognormal(np.log(median), 0.65, 8000).clip(1, longest).astype(int)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.ones(offsets[-1], dtype=np.uint8)
    block = min(256, int(lengths.max()) + 1)
    lines = LineTensors(ids, offsets, "sequence", block)
    batches = Batches(lines, 256, 0, packs=True, padded=True)
    shapes = Counter(tuple(len(inputs) for inputs, _ in batches(step)) for step in range(100))
    assert 3 <= len(next(iter(shapes))) <= 5
    # The first two steps of a shape are no replays: with these, 80 of 100 and more are.
    assert len(shapes) <= 24


def test_padding_adds_an_eighth_of_the_rows_at_most() -> None:
    for rows in (1, 8, 72, 76, 127, 128, 600, 2427, 40_000):
        multiple = row_multiple(rows)
        assert multiple % 16 == 0 and (multiple == 16 or multiple <= rows / 8)
    assert [row_multiple(rows) for rows in (72, 2427)] == [16, 256]


@pytest.mark.parametrize(
    "input_kind, packs", [("window", False), ("sequence", False), ("sequence", True)]
)
def test_a_batch_is_gathered_without_asking_the_device(input_kind: str, packs: bool) -> None:
    """On a device without numbers, to ask for one would be an error; shapes follow from lengths."""
    words, block_size = random_words(300), 4 if input_kind == "window" else 16
    corpus = Corpus.exactly(words)
    text = LETTERS.encode(corpus).ids, corpus.offsets, input_kind, block_size
    there, here = (
        Batches(LineTensors(*text, device), 100, 0, packs, padded=True)
        for device in ("meta", "cpu")
    )
    for step in range(there.per_epoch):
        [group], [again] = there(step), here(step)
        assert group[0].device.type == group[1].device.type == "meta"
        assert [part.shape for part in group] == [part.shape for part in again]
        assert group.symbols == again.symbols == int((again[1] != IGNORED).sum())


@pytest.mark.parametrize("packs", [False, True])
def test_labels_stand_where_lines_begin_and_not_in_padding(packs: bool) -> None:
    words = random_words(99)
    corpus = Corpus.exactly(words)
    labels = 27 + np.arange(99) % 3
    lines = LineTensors(LETTERS.encode(corpus).ids, corpus.offsets, "sequence", 16, labels=labels)
    [(inputs, targets)] = Batches(lines, 99, 0, packs, padded=True)(0)
    assert int((inputs >= 27).sum()) == 99
    assert not (inputs[targets == IGNORED] >= 27).any()
    plain = Batches(lines, 99, 0, packs)(0)
    count = sum((inputs == 27).sum().item() for inputs, _ in plain)
    assert (inputs == 27).sum().item() == count == 33
