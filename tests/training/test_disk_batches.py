"""disk_batches.py: each line once an epoch, batches of like size, a function of (seed, step)."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from makemore.errors import UsageError
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.text import Corpus, Vocabulary
from makemore.text.hash_file import HashFile
from makemore.text.line_file import BlockSize, LineFile, LineFileWriter
from makemore.training.batches import Batches
from makemore.training.disk_batches import DiskBatches, blocks_in

LETTERS = Vocabulary(list("abcdefghij"))
CPU = torch.device("cpu")


def word(number: int) -> str:
    """A word for each number, of 1 to 9 letters: it tells which line it is."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number * number))


def line_file(folder: Path, n: int, size: BlockSize) -> LineFile:
    corpus = Corpus.exactly([word(number) for number in range(n)])
    writer = LineFileWriter(folder, "train", corpus.characters(), 10, size)
    writer.add(corpus, corpus.hashes())
    return writer.finish(HashFile(folder / "hashed", []))


def disk_batches(
    train: LineFile, at_once: int, batch_size: int, input_kind: str = "sequence", seed: int = 1
) -> DiskBatches:
    def make(lines: LineTensors, per_epoch: int, stream: int) -> Batches:
        return Batches(lines, batch_size, seed, per_epoch=per_epoch, stream=stream)

    reads = input_kind, 12, CPU
    return DiskBatches(train, at_once, batch_size, seed, reads, LETTERS.encode, make)


def in_memory(train: LineFile, batch_size: int, input_kind: str, seed: int = 1) -> Batches:
    text = LETTERS.encode(Corpus.exactly(list(train)))
    return Batches(LineTensors(text.ids, text.offsets, input_kind, 12), batch_size, seed)


def examples(groups: list[tuple[Tensor, Tensor]]) -> list[list[int]]:
    """The examples of a batch as numbers, without padding."""
    found = []
    for inputs, targets in groups:
        for row, target in zip(inputs.tolist(), targets, strict=True):
            number = target[target != IGNORED].tolist() if target.ndim else [target.item()]
            found.append([*row[: max(len(number), 12 if not target.ndim else 0)], *number])
    return found


@given(
    st.integers(60, 200), st.integers(5, 30), st.integers(1, 12), st.integers(1, 12),
    st.sampled_from(["sequence", "window"]), st.integers(0, 3),
)  # fmt: skip
def test_each_line_comes_once_an_epoch(
    n: int, lines: int, at_once: int, batch_size: int, input_kind: str, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train = line_file(Path(folder), n, BlockSize(lines, 10**6))
        expected = in_memory(train, n, input_kind)
        of_epoch = sorted(
            example for step in range(expected.per_epoch) for example in examples(expected(step))
        )
        try:
            batches = disk_batches(train, at_once, batch_size, input_kind, seed)
        except UsageError:  # the batch is too large for so few lines in memory
            assert at_once < train.n_blocks
            return
        assert batches.per_epoch == in_memory(train, batch_size, input_kind).per_epoch
        for epoch in range(2):
            sizes, seen = [], []
            for step in range(batches.per_epoch):
                batch = examples(batches(epoch * batches.per_epoch + step))
                sizes.append(len(batch))
                seen += batch
            assert sorted(seen) == of_epoch
            # A buffer of some batches is cut into a whole number of them.
            assert max(sizes) <= 2 * min(sizes) + 2, sizes


@pytest.mark.parametrize("input_kind", ["sequence", "window"])
def test_a_buffer_that_holds_all_gives_the_batches_of_memory(
    input_kind: str, tmp_path: Path
) -> None:
    train = line_file(tmp_path, 300, BlockSize(20, 10**6))
    batches, expected = disk_batches(train, 99, 32, input_kind), in_memory(train, 32, input_kind)
    assert batches.per_epoch == expected.per_epoch
    for step in range(2 * expected.per_epoch + 1):
        for group, other in zip(batches(step), expected(step), strict=True):
            assert torch.equal(group[0], other[0]) and torch.equal(group[1], other[1])


def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    """Steps in any order, and in a process that begins at any of them."""
    train = line_file(tmp_path, 300, BlockSize(20, 10**6))
    whole = disk_batches(train, 4, 16)
    assert whole.buffers == 4
    expected = [examples(whole(step)) for step in range(3 * whole.per_epoch)]
    for step in np.random.default_rng(0).permutation(len(expected)):
        assert examples(whole(step)) == expected[step]
        assert examples(disk_batches(train, 4, 16)(step)) == expected[step]
    assert examples(disk_batches(train, 4, 16, seed=2)(0)) != expected[0]


def test_a_buffer_mixes_lines_from_all_over_the_list_in_another_order_each_epoch(
    tmp_path: Path,
) -> None:
    train = line_file(tmp_path, 400, BlockSize(10, 10**6))
    batches, orders = disk_batches(train, 8, 16), []
    place = {tuple(LETTERS.encode_line(word(n)).tolist()): n for n in range(400)}
    for epoch in range(3):
        seen = [
            place[tuple(example[len(example) // 2 : -1])]
            for step in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            for example in examples(batches(step))
        ]
        orders.append(seen)
        first = np.array(seen[:80])  # of the first buffer
        assert first.max() - first.min() > 200 and (np.diff(first) < 0).any()
    assert all(one != other for one, other in itertools.combinations(orders, 2))


def test_a_batch_too_large_for_the_lines_in_memory_is_refused(tmp_path: Path) -> None:
    train = line_file(tmp_path, 300, BlockSize(20, 10**6))
    with pytest.raises(UsageError, match=r"--batch-size") as told:
        disk_batches(train, 2, 21)
    assert told.value.to_do == "give at most 10, or more --memory"
    assert disk_batches(train, 2, 10).buffers == 8
    assert disk_batches(train, 15, 300).per_epoch == 1  # all are in memory at once


def test_a_buffer_takes_the_room_that_there_is(tmp_path: Path) -> None:
    train = line_file(tmp_path, 300, BlockSize(20, 10**6))
    numbers = [
        blocks_in(room, train, 1, windows, 12)
        for windows in (False, True)
        for room in (0, 10_000, 20_000, 10**6)
    ]
    assert numbers[0] == numbers[4] == 1 and numbers[3] == numbers[7] == train.n_blocks
    assert 1 < numbers[1] < numbers[2] < 15
    assert numbers[5] < numbers[1]  # windows are more than lines
    assert blocks_in(10_000, train, 4, False, 12) < numbers[1]
