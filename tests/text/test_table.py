"""table.py: rows of CSV and TSV, and labels of lines, against the csv module and by hand."""

from __future__ import annotations

import csv
import io
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import DataError, UsageError
from makemore.options import make
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.limits import MOST_LABELS
from makemore.text.table import TOGETHER, lines_of


def options(**values: Any) -> TextConfig:
    return make(TextConfig, values)


def read(tmp_path: Path, body: str, **values: Any) -> list[tuple[str, str | None]]:
    path = tmp_path / "table.csv"
    path.write_bytes(body.encode())
    corpus = Corpus.read(path, options(**values))
    names = corpus.label_of_each() or [None] * len(corpus)
    return list(zip(corpus, names, strict=True))


# -- TEXT<tab>LABEL -------------------------------------------------------------------------------


def test_a_line_ends_with_its_label(tmp_path: Path) -> None:
    body = " anna \t f \r\nkarl\tm\n\n \t \nkai\tf\nkai\tm\nkai\tf\na\tb\tof x\n"
    assert read(tmp_path, body, labels=True) == [
        ("anna", "f"), ("karl", "m"), ("kai", "f"), ("kai", "m"), ("a\tb", "of x"),
    ]  # fmt: skip
    corpus = Corpus.read(tmp_path / "table.csv", options(labels=True))
    assert corpus.label_names == ("f", "m", "of x")  # sorted
    assert corpus.labels is not None and corpus.labels.tolist() == [0, 1, 0, 1, 2]
    assert (corpus.counts.read, corpus.counts.blank, corpus.counts.copies) == (8, 2, 1)


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("anna\tf\nkarl\n", 2, "no tab"),
        ("anna\tf\n\n\nkarl\t \n", 4, "an empty label"),
        ("x\n", 1, "no tab"),
        ("a\tb\nc\td\te\t", 2, "an empty label"),
    ],
)
def test_a_line_without_a_label_is_named(tmp_path: Path, body: str, line: int, what: str) -> None:
    with pytest.raises(DataError, match=f"line {line} has {what}"):
        read(tmp_path, body, labels=True)


def test_the_line_is_named_beyond_the_first_block(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("makemore.text.reading.CHUNK", 64)
    with pytest.raises(DataError, match="line 301 has no tab"):
        read(tmp_path, "ab\tc\n" * 300 + "d\n", labels=True)
    labels = string.ascii_lowercase  # those of each block are others
    rows = [f"{first}{second}\t{first}" for first in labels for second in labels]
    found = read(tmp_path, "\n".join(reversed(rows)), labels=True)
    assert found == [(row[:2], row[0]) for row in reversed(rows)]


def test_a_text_whose_line_is_blank_or_too_long_takes_its_label_along(tmp_path: Path) -> None:
    found = read(tmp_path, "\tf\naaa\tm\nbb\tf\n", labels=True, max_line=2)
    assert found == [("bb", "f")]


def test_labels_are_few(tmp_path: Path) -> None:
    most = "".join(f"a\t{number}\n" for number in range(MOST_LABELS))
    assert len(read(tmp_path, most, labels=True)) == MOST_LABELS
    with pytest.raises(DataError, match=f"{MOST_LABELS + 1} different labels"):
        read(tmp_path, most + "a\tx\n", labels=True)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\t"))
ROWS = st.lists(st.tuples(TEXTS.filter(str.strip), NAMES.filter(str.strip)), min_size=1)


@given(ROWS)
def test_what_is_written_is_read_again(rows: list[tuple[str, str]]) -> None:
    kept = options(keep_copies=True)
    corpus = Corpus.from_lines([text for text, _ in rows], kept, [name for _, name in rows])
    assert list(corpus) == [text.strip() for text, _ in rows]
    assert corpus.label_of_each() == [name.strip() for _, name in rows]
    lines = corpus.written().split("\n")[:-1]
    again = Corpus.from_lines(lines, options(labels=True, keep_copies=True))
    assert list(again) == list(corpus)
    assert again.label_of_each() == corpus.label_of_each()
    assert again.digest() == corpus.digest()


def test_a_copy_has_the_same_text_and_label_and_the_split_knows_the_text_alone() -> None:
    texts = [f"line {number}" for number in range(200)]
    corpus = Corpus.from_lines(texts * 3, None, ["a"] * 200 + ["b"] * 200 + ["a"] * 200)
    assert len(corpus) == 400 and corpus.counts.copies == 200
    from makemore.text.dataset import train_val_test_split

    bare = train_val_test_split(Corpus.from_lines(texts))
    for (_, part), (_, plain) in zip(train_val_test_split(corpus), bare, strict=True):
        assert list(part) == [*plain, *plain]
        assert set(part.label_of_each() or ()) == {"a", "b"}
        assert part.label_names == ("a", "b")
    other = Corpus.from_lines(texts * 2, None, ["b"] * 200 + ["a"] * 200)
    assert train_val_test_split(other).digest() != train_val_test_split(corpus).digest()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], "2 lines and 1 labels"),
        (["a", 1], "label 2 is no string but int"),
        (["a", " "], "label 2 is blank"),
        (["a\tb", "c"], "label 1 is blank or holds a tab"),
        (["a", "b\n"], "label 2 holds a line feed"),
        ("ab", "one string"),
    ],
)
def test_what_is_no_label_is_named(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Corpus.from_lines(["x", "y"], None, labels)


# -- CSV and TSV ----------------------------------------------------------------------------------

TABLE = 'name,year,sex\nanna,1990,f\n"karl, the great",768,m\n " kai ",2000,f\n'


def test_columns_by_name_and_by_number(tmp_path: Path) -> None:
    expected = [("anna", "f"), ("karl, the great", "m"), ('" kai "', "f")]
    assert read(tmp_path, TABLE, label_column="sex") == expected
    # Without --text-column: the first other column that holds no numbers, if there is one.
    sexes = [("f", "anna"), ("m", "karl, the great"), ("f", '" kai "')]
    assert read(tmp_path, TABLE, label_column="name") == sexes
    ids = "id,name,origin\n1,anna,scots\n2,karl,welsh\n"
    assert read(tmp_path, ids, label_column="origin") == [("anna", "scots"), ("karl", "welsh")]
    assert read(tmp_path, ids.partition("\n")[2], label_column="3")[0] == ("anna", "scots")
    assert read(tmp_path, "n,sex\n1,f\n2,m\n", label_column="sex") == [("1", "f"), ("2", "m")]
    assert read(tmp_path, TABLE, label_column="sex", text_column="year") == [
        ("1990", "f"), ("768", "m"), ("2000", "f"),
    ]  # fmt: skip
    body = TABLE.partition("\n")[2]  # numbers say that there is no header
    assert read(tmp_path, body, label_column="3") == expected
    assert read(tmp_path, body, label_column="3", text_column="2")[0] == ("1990", "f")
    assert read(tmp_path, TABLE, label_column="3")[0] == ("name", "sex")
    assert read(tmp_path, TABLE, text_column="year") == [
        ("1990", None), ("768", None), ("2000", None),
    ]  # fmt: skip


def test_a_tab_in_the_first_line_makes_it_tsv(tmp_path: Path) -> None:
    body = "name\tsex\na, b\tf\n\n\t\nc\tm\n\tf\n"
    assert read(tmp_path, body, label_column="sex") == [("a, b", "f"), ("c", "m")]
    corpus = Corpus.read(tmp_path / "table.csv", options(label_column="sex"))
    assert corpus.counts.blank == 3


@pytest.mark.parametrize(
    ("body", "values", "error", "message"),
    [
        (TABLE, {"label_column": "sez"}, UsageError, "unknown column 'sez': did you mean 'sex'"),
        (TABLE, {"label_column": "4"}, UsageError, "no column 4"),
        (TABLE, {"label_column": "0"}, UsageError, "no column 0"),
        (TABLE, {"label_column": "sex", "text_column": "sex"}, UsageError, "one column"),
        ("a\n", {"label_column": "1"}, UsageError, "one column"),
        (TABLE, {"label_column": "sex", "labels": True}, UsageError, "not both"),
        (TABLE, {"text_column": "name", "labels": True}, UsageError, "label-column"),
        ("a,b\nc\n", {"label_column": "2"}, DataError, "no column 2 in 1.*row 2"),
        ("a,b\nc,\n", {"label_column": "2"}, DataError, "empty label.*row 2"),
        ('a,b\n"c\nd",e\n', {"label_column": "2"}, DataError, "line feed.*row 2"),
        ('a,b\nc,"d\te"\n', {"label_column": "2"}, DataError, "tab.*row 2"),
        ('a,b\n"c,d\n', {"label_column": "2"}, DataError, "row 2 cannot be read as CSV"),
        ('a,b\n"c"d,e\n', {"label_column": "2"}, DataError, "row 2 cannot be read as CSV"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(
    tmp_path: Path, body: str, values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, body, **values)


def test_a_line_feed_in_a_column_that_is_not_used_is_no_matter(tmp_path: Path) -> None:
    body = 'name,notes,sex\nanna,"two\nlines",f\n'
    assert read(tmp_path, body, label_column="sex") == [("anna", "f")]


def test_strings_have_no_columns() -> None:
    with pytest.raises(UsageError, match="no columns"):
        Corpus.from_lines(["a,b"], options(label_column="2"))
    assert len(Corpus.from_lines(["a"], options(label_column="2"), ["b"])) == 1


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\x00"))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=9), st.sampled_from(",\t"))
def test_cells_are_those_of_the_csv_module(rows: list[tuple[str, ...]], delimiter: str) -> None:
    stream = io.StringIO()
    written = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    written.writerows([("l", "x", "t"), *rows])
    body = stream.getvalue()
    stripped = [(text.strip(), label.strip()) for label, _, text in rows]
    expected = [f"{text}\t{label}" if text else "" for text, label in stripped]
    wanted = options(label_column="1", text_column="3")
    if any(text and (not label or "\t" in label) for text, label in stripped):
        with pytest.raises(DataError, match="label"):
            list(lines_of([body], "x", wanted))
        return
    found = "".join(lines_of([body], "x", wanted)).split("\n")[:-1]
    assert found == ["t\tl", *expected]


def test_many_rows_come_in_blocks() -> None:
    body = "a,b\n" * (2 * TOGETHER + 3)
    blocks = list(lines_of([body], "x", options(label_column="2")))
    assert [block.count("\n") for block in blocks] == [TOGETHER, TOGETHER, 3]
    assert set("".join(blocks).split("\n")) == {"a\tb", ""}


def test_a_line_is_no_copy_of_one_with_another_label(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, labels = list("xxxxyxy"), list("abbaaab")
    corpus = Corpus.exactly(lines, labels)
    assert corpus.first_of_each().tolist() == [0, 1, 4, 6]
    # Where hashes collide, text and label themselves decide, and no line is dropped.
    monkeypatch.setattr("makemore.text.corpus.mix", lambda values: np.zeros_like(values))
    kept = corpus.first_of_each().tolist()
    pairs = list(zip(lines, labels, strict=True))
    assert {pairs[row] for row in kept} == set(pairs)
