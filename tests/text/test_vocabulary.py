"""vocabulary.py: symbol <-> id, by hand; test_tokenizer.py has any lines and all rules."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
import torch

from makemore.scoring.line_tensors import LineTensors
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import BOUNDARY, UNKNOWN, Vocabulary


def vocabulary_of(*lines: str) -> Vocabulary:
    return Vocabulary.of([Corpus.exactly(lines)])


def test_the_names_have_27_ids_and_0_is_the_boundary(names_file: Path) -> None:
    vocabulary = Vocabulary.of([Corpus.read(names_file)])
    assert len(vocabulary) == 27
    assert vocabulary.symbols == tuple(string.ascii_lowercase)
    assert vocabulary.encode_line("emma").tolist() == [5, 13, 13, 1]
    assert vocabulary.encode_line("az").tolist() == [1, 26]
    assert BOUNDARY == 0


def test_symbols_are_sorted_by_code_point_and_the_boundary_takes_none_of_them() -> None:
    vocabulary = vocabulary_of("b.a", "é", "名", "😀", "\x00A")
    assert vocabulary.symbols == ("\x00", ".", "A", "a", "b", "é", "名", "😀")
    assert vocabulary.encode_line(".\x00😀").tolist() == [2, 1, 8]
    assert len(vocabulary) == 9


def test_all_parts_make_one_vocabulary() -> None:
    parts = [Corpus.exactly(["ca"]), Corpus.exactly([]), Corpus.exactly(["b", "😀"])]
    assert Vocabulary.of(parts).symbols == ("a", "b", "c", "😀") and len(Vocabulary.of([])) == 1


def test_ids_do_not_depend_on_how_wide_the_codes_are_stored() -> None:
    vocabulary = vocabulary_of("az", "é名😀")
    narrow = Corpus.exactly(["za"])
    wide = Corpus.exactly(["za", "😀"]).take(np.array([0]))
    assert (narrow.codes.dtype, wide.codes.dtype) == (np.uint8, np.uint32)
    assert vocabulary.encode(narrow).ids.tolist() == vocabulary.encode(wide).ids.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("symbols", "type_of_ids"),
    [(127, np.int8), (128, np.int16), (300, np.int16), (70_000, np.int32)],
)
def test_ids_are_of_the_smallest_type_that_holds_them(symbols: int, type_of_ids: type) -> None:
    texts = [chr(0x10000 + number) for number in range(symbols)]
    vocabulary, corpus = Vocabulary(texts), Corpus.exactly([*texts, "a", "\U0010ffff"])
    encoded = vocabulary.encode(corpus)
    assert encoded.ids.dtype == type_of_ids
    assert encoded.ids.tolist() == [*range(1, symbols + 1), UNKNOWN, UNKNOWN]
    known = encoded.ids[:-2]
    assert vocabulary.decode_lines(known, corpus.offsets[:-2]).text() == "\n".join([*texts, ""])
    lines = LineTensors(known, corpus.offsets[:-2], "window", 2)
    inputs, targets = lines.windows(torch.from_numpy(lines.ends()))
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs[1::2, 1].tolist() == targets[::2].tolist() == list(range(1, symbols + 1))


def test_labels_have_ids_of_that_type_too() -> None:
    corpus = Corpus.exactly(["a"] * 127, [f"{number:03}" for number in range(127)])
    vocabulary = Vocabulary.of([corpus])
    assert vocabulary.encode(corpus).ids.dtype == np.int16
    labels = vocabulary.encode_labels(corpus)
    assert labels is not None and labels.max() == 128
