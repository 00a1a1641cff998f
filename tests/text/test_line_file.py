"""line_file.py, hash_file.py: lines in files are the lines in memory, whatever their blocks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import SystemFault
from makemore.text import Corpus
from makemore.text.file_array import FileArray
from makemore.text.hash_file import PAGE, HashFile
from makemore.text.line_file import BlockSize, LineFile, LineFileWriter

WORDS = [f"{first}{n}" for first in ("", "é", "wörd ") for n in range(300)]


def written(
    folder: Path, words: Sequence[str], size: BlockSize, at_once: int = 97, sampled: int = 40
) -> LineFile:
    corpus = Corpus.exactly(words)
    writer = LineFileWriter(folder, "train", corpus.characters(), sampled, size)
    for first in range(0, len(corpus), at_once):
        part = corpus.take(slice(first, first + at_once))
        writer.add(part, part.hashes())
    return writer.finish(HashFile(folder / "train.hashed", [np.unique(corpus.hashes())]))


@given(
    st.lists(st.text(st.sampled_from("abé𝄞"), min_size=1, max_size=9), max_size=80),
    st.integers(1, 30), st.integers(1, 90), st.integers(1, 50),
)  # fmt: skip
def test_lines_in_files_are_those_in_memory(
    words: list[str], lines: int, symbols: int, at_once: int
) -> None:
    corpus = Corpus.exactly(words)
    with tempfile.TemporaryDirectory() as folder:
        found = written(Path(folder), words, BlockSize(lines, symbols), at_once)
        assert list(found) == words and len(found) == len(corpus)
        assert found.digest() == corpus.digest() and found.longest == corpus.longest
        assert found.text() == corpus.text()
        np.testing.assert_array_equal(found.offsets, corpus.offsets)
        np.testing.assert_array_equal(found.hashes(), corpus.hashes())
        np.testing.assert_array_equal(found.characters(), corpus.characters())
        for most in (0, 5, 40, 70):  # more than were kept is found in the files
            assert list(found.lowest(most)) == list(corpus.lowest(most))
        n_lines, n_symbols = np.diff(found.block_lines), np.diff(found.block_symbols)
        assert n_lines.sum() == len(words) and n_symbols.sum() == len(corpus.codes)
        assert (n_lines <= 2 * lines).all() and (n_lines > 0).all()
        assert ((n_symbols < 2 * symbols + 9) | (n_lines == 1)).all()
        chosen = np.arange(found.n_blocks)[::-2]
        expected = [w for n in chosen for w in words[slice(*found.block_lines[n : n + 2])]]
        assert list(found.read_blocks(chosen)) == expected


@pytest.mark.parametrize(("symbol", "size"), [("z", 1), ("č", 2), ("𝄞", 4)])
def test_a_symbol_takes_the_bytes_of_the_highest(symbol: str, size: int, tmp_path: Path) -> None:
    found = written(tmp_path, ["a", symbol], BlockSize())
    assert os.path.getsize(tmp_path / "train.symbols") == 2 * size
    assert list(found) == ["a", symbol]


def test_the_last_block_is_no_tail(tmp_path: Path) -> None:
    """All are half of a full block or more: so a buffer of any of them has batches."""
    for n in (100, 101, 150, 199, 200, 201, 299):
        found = written(tmp_path, WORDS[:n], BlockSize(100, 10**6), at_once=30)
        assert np.diff(found.block_lines).min() >= 50, n


def test_a_file_that_was_removed_is_read_until_nobody_holds_it(tmp_path: Path) -> None:
    found = written(tmp_path, WORDS, BlockSize(64, 10**6))
    for path in tmp_path.iterdir():
        path.unlink()
    assert list(found) == WORDS and found[7] == WORDS[7]
    assert found.hash_set().holds(Corpus.exactly(WORDS[:5]).hashes()).all()
    handles = [found.symbols.handle, found.starts.handle]
    del found
    for handle in handles:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(handle)


@pytest.mark.parametrize("name", ["train.symbols", "train.starts"])
def test_damaged_files_are_told_and_not_learned(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, WORDS, BlockSize(64, 10**6))
    body = bytearray((tmp_path / name).read_bytes())
    body[700] ^= 1
    (tmp_path / name).write_bytes(body)
    with pytest.raises(SystemFault, match=rf"{name} is no longer .* block \d+ has another"):
        list(found)
    assert len(found.read_blocks([found.n_blocks - 1]))  # another block is sound
    os.truncate(tmp_path / name, len(body) - 9)
    with pytest.raises(SystemFault, match="it is shorter") as told:
        found.read_blocks([found.n_blocks - 1])
    assert told.value.exit_code == 5 and told.value.to_do


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a file that is always full: Linux")
def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    array = FileArray(tmp_path / "full", np.int64)
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, array.handle)
    os.close(full)
    with pytest.raises(OSError, match="No space left"):
        array.append(np.arange(10))


@pytest.mark.parametrize("n", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5])
def test_hashes_are_looked_up_in_a_file(n: int, tmp_path: Path) -> None:
    hashes = np.sort(np.random.default_rng(n).integers(1, 2**63, n, dtype=np.uint64))
    found = HashFile(tmp_path / "hashed", (hashes[at : at + 200] for at in range(0, n, 200)))
    assert found.holds(hashes[::-1]).all()
    for other in (hashes + np.uint64(1), np.array([0, 2**64 - 1], dtype=np.uint64)):
        np.testing.assert_array_equal(found.holds(other), np.isin(other, hashes))
    assert len(found.firsts) == -(-n // PAGE)  # all that is in memory
