"""ragged.py: where a block ends changes nothing of what comes of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.runs.safe_files import write_parts
from makemore.scoring.line_tensors import LineTensors
from makemore.text import line_hashes, ragged
from makemore.text.corpus import Corpus
from makemore.text.dataset import train_val_test_split
from makemore.text.vocabulary import Vocabulary
from makemore.training.batches import Batches

LENGTHS = st.lists(st.integers(0, 9), max_size=30)
LINES = st.lists(st.text("abć名😀", max_size=6), max_size=80)
BLOCKS = st.integers(1, 12)


@given(LENGTHS, BLOCKS)
def test_blocks_are_all_pieces_in_order_and_small(lengths: list[int], block: int) -> None:
    offsets = ragged.offsets_of(np.array(lengths, dtype=np.int64))
    assert offsets.tolist() == [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "BLOCK", block)
        blocks = list(ragged.in_blocks(offsets))
    rows = [row for some, _ in blocks for row in range(len(lengths))[some]]
    assert rows == list(range(len(lengths)))
    for some, symbols in blocks:
        own = lengths[some]
        assert (symbols.start, symbols.stop) == (offsets[some.start], offsets[some.stop])
        assert 0 < len(own) <= block and (sum(own) <= block or len(own) == 1)


@given(LENGTHS, BLOCKS)
def test_what_is_scattered_is_gathered_again(lengths: list[int], block: int) -> None:
    offsets = ragged.offsets_of(np.array(lengths, dtype=np.int64))
    values = np.arange(1, offsets[-1] + 1)
    begin = offsets[:-1] + 2 * np.arange(len(lengths)) + 1  # two places between them
    out = np.zeros(len(values) + 2 * len(lengths) + 1, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "BLOCK", block)
        ragged.scatter(values, offsets, begin, out)
        assert out[out > 0].tolist() == values.tolist()
        assert ragged.gathered(out, begin, offsets).tolist() == values.tolist()


def all_of(lines: list[str]) -> list[Any]:
    """What is made of a text by blocks, from its copies to its batches."""
    text = Corpus.exactly(lines)
    vocabulary = Vocabulary.of([text])
    cut = Vocabulary.of([text], "ab|.")
    parts = train_val_test_split(text)
    found: list[Any] = [
        text.hashes().tolist(), text.first_of_each().tolist(), text.text(), list(text),
        text.digest(), "".join(part.written() for part in text.blocks()),
        text.characters().tolist(), list(text.lowest(3)), list(text.take(slice(None, None, -2))),
        [list(part) for _, part in parts], vocabulary.symbols, cut.symbols,
        *(each.tolist() for known in (vocabulary, cut)
          for each in (known.encode(text).ids, known.encode(text).offsets)),
    ]  # fmt: skip
    for reads in ("sequence", "window") if lines else ():
        kept = LineTensors(vocabulary.encode(text).ids, text.offsets, reads, 7)
        batches = Batches(kept, 4, 1)
        found += [kept.flat.tolist(), kept.ends().tolist()]
        found += [tensor.tolist() for step in range(5) for pair in batches(step) for tensor in pair]
    return found


@given(LINES, BLOCKS)
def test_blocks_of_a_few_lines_give_what_one_block_gives(lines: list[str], block: int) -> None:
    whole = all_of(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "BLOCK", block)
        patch.setattr(line_hashes, "MANY", block)
        assert all_of(lines) == whole


def test_a_file_in_parts_is_the_file(tmp_path: Path) -> None:
    whole = write_parts(tmp_path, "whole", [b"anna\nbob\n"])
    assert write_parts(tmp_path, "parts", (b"anna\n", b"", b"bob\n")) == whole
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
