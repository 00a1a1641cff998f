"""python_lines.py: what people have becomes the same lines, or an error with what to type."""

from __future__ import annotations

import csv
import gzip
import io
import re
import subprocess
import sys
import tempfile
import warnings
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from makemore.errors import DataError, UsageError
from makemore.text import Corpus, TextConfig
from makemore.text.python_lines import strings_of

LINES = ["Zoë", "anna", "bo", "李雷"]
FRAME = pd.DataFrame({"name": LINES})
BODY = "\ufeff" + "\r\n".join(LINES)


class Colour(str, Enum):  # noqa: UP042 (one that str() shows by its name)
    RED = "anna"


def as_matrix(lines: list[str]) -> Any:
    with warnings.catch_warnings():  # numpy advises against it
        warnings.simplefilter("ignore")
        return np.matrix([lines]).T


COLUMNS: dict[str, Any] = {
    "tuple": tuple(LINES), "iterator": iter(LINES), "generator": (line for line in LINES),
    "map": map(str, LINES), "keys": dict.fromkeys(LINES).keys(),
    "numpy": np.array(LINES), "objects": np.array(LINES, dtype=object),
    "StringDType": np.array(LINES, dtype=np.dtypes.StringDType()),
    "column vector": np.array(LINES)[:, None], "numpy scalars": [np.str_(line) for line in LINES],
    "frame": FRAME, "Series": FRAME["name"], "Index": pd.Index(LINES),
    "categories": FRAME["name"].astype("category"), "strings": FRAME["name"].astype("string"),
    "objects of pandas": FRAME["name"].astype(object),
    "polars": pl.DataFrame({"name": LINES}), "polars Series": pl.Series(LINES),
    "table": pa.table({"name": LINES}), "batch": pa.record_batch({"name": LINES}),
    "Array": pa.array(LINES), "ChunkedArray": pa.chunked_array([LINES[:1], LINES[1:]]),
    "dictionary": pa.array(LINES).dictionary_encode(),
    "text file": io.StringIO("\ufeff" + "\n".join(LINES)), "binary file": io.BytesIO(BODY.encode()),
    "records": np.rec.fromarrays([LINES], names="name"), "matrix": as_matrix(LINES),
    "column of two levels": FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "b")]), axis=1),
    "polars categories": pl.Series(LINES, dtype=pl.Categorical),
    "Arrow of pandas": pd.Series(LINES, dtype=pd.ArrowDtype(pa.string())),
    "readlines": [line + "\n" for line in LINES], "CRLF": [line + "\r\n" for line in LINES],
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_whatever_has_lines_gives_the_same_lines(kind: str) -> None:
    assert list(Corpus.from_lines(COLUMNS[kind])) == LINES


def test_files_are_read_as_the_commands_read_them(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(BODY.encode())
    assert list(Corpus.from_lines(path)) == list(Corpus.read(path)) == LINES
    with open(path, encoding="utf-8") as text, open(path, "rb") as binary:
        assert list(Corpus.from_lines(text)) == list(Corpus.from_lines(binary)) == LINES
        assert not binary.closed  # whoever opened it closes it
    with gzip.open(tmp_path / "names.gz", "wb") as packed:
        packed.write(BODY.encode())
    with gzip.open(tmp_path / "names.gz") as packed:
        assert list(Corpus.from_lines(packed)) == LINES
    with tempfile.TemporaryFile() as temporary, tempfile.NamedTemporaryFile() as named:
        for each in (temporary, named):
            each.write(BODY.encode())
            each.seek(0)
            assert list(Corpus.from_lines(each)) == LINES
    with pytest.raises(DataError, match=r"names.txt.*cannot read|cannot read .*missing.txt"):
        Corpus.from_lines(tmp_path / "missing.txt")
    with pytest.raises(DataError, match="cannot read"):
        Corpus.from_lines(tmp_path)
    for path_like in (None, 3, b"names.txt"):
        with pytest.raises(UsageError, match="is no path .*a string or a pathlib.Path"):
            Corpus.read(path_like)  # type: ignore[arg-type]


def test_a_file_open_for_text_is_looked_at_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("id,name\n1,zo\u00eb\n2,bo\n", encoding="latin-1")
    column = TextConfig(text_column="name")
    with open(path, encoding="latin-1") as opened:  # its own encoding holds
        assert list(Corpus.from_lines(opened, column)) == ["zo\u00eb", "bo"]
    with open(path, encoding="latin-1") as opened, pytest.raises(DataError, match="a table of 2"):
        Corpus.from_lines(opened)
    with pytest.raises(DataError, match="line 2 holds half a surrogate pair"):
        Corpus.from_lines(io.StringIO("a\n\udc80"))


def test_what_was_read_once_does_not_pass_for_empty(tmp_path: Path) -> None:
    generator = (line for line in LINES)
    assert strings_of(generator) == LINES
    with pytest.raises(DataError, match=r"^the generator was used up .*: give a list"):
        strings_of(generator)
    assert strings_of(line for line in "") == []  # nothing was ever in it
    path = tmp_path / "names.txt"
    path.write_bytes(BODY.encode())
    with open(path, encoding="utf-8") as text, open(path, "rb") as binary:
        for opened in (text, binary):
            assert list(Corpus.from_lines(opened)) == LINES
            with pytest.raises(
                DataError, match=r"read to its end .*: go back first: file.seek\(0\)"
            ):
                Corpus.from_lines(opened)
            opened.seek(0)
            assert list(Corpus.from_lines(opened)) == LINES
        with pytest.raises(DataError, match=r"^the lines' file has been read to its end"):
            strings_of(text)
    assert list(Corpus.from_lines(io.BytesIO(), fewest=0)) == []  # an empty one


def test_a_set_is_sorted_or_refused_where_order_counts() -> None:
    assert strings_of(set(LINES)) == strings_of(frozenset(LINES)) == sorted(LINES)
    with pytest.raises(DataError, match=re.escape("a set has no order")):
        strings_of(set(LINES), ordered=True)


def test_strings_of_other_classes_are_what_they_hold() -> None:
    found = strings_of([np.str_("anna"), Colour.RED])
    assert found == ["anna", "anna"] and {type(line) for line in found} == {str}


TWO = {"id": [1, 2], "first name": ["a", "b"]}
REFUSED: list[tuple[Any, str]] = [
    ("anna", "one string is no list of lines (lines): give a list of strings, such as ['anna'], "
     "or a file: pathlib.Path('anna')"),
    (b"anna", "bytes is no list of lines (lines): decode it and split it: "
     "data.decode('utf-8').split('\\n')"),
    ({"anna": 3}, "dict is no list of lines (lines): give its keys, list(d), or its values"),
    (None, "None is no list of lines (lines): give a list of strings"),
    (7, "int is no list of lines"), (float("nan"), "float is no list of lines"),
    (list, "type is no list of lines"),
    ([1, 2], "line 1 is no string but int (lines): give strings: [str(line) for line in lines]"),
    (["a", b"b"], "line 2 is no string but bytes (lines): decode it: line.decode('utf-8')"),
    (np.array(["a"], dtype="S"), "line 1 is no string but bytes"),
    (["a", ["b"]], "line 2 is no string but list (lines): give one string for each line"),
    (np.array("a"), "an array of shape () is no list of lines"),
    (np.array([["a", "b"]]), "an array of shape (1, 2) is no list of lines (lines): "
     "give one column: array[:, 0], or its one row: array.tolist()[0]"),
    (np.array(["a", None], dtype=object), "1 missing value among 2 lines (line 2)"),
    (pd.Series(["a", None], dtype=pd.ArrowDtype(pa.string())), "1 missing value among 2 lines"),
    (pd.Categorical(["a", None]), "1 missing value among 2 lines (line 2): leave them out: "
     "lines.dropna()"),
    (pl.Series(["a", None], dtype=pl.Categorical), "1 missing value among 2 lines (line 2)"),
    (pd.DataFrame([["a", "b"]], columns=["n", "n"]), "a table of 2 columns is no list of lines "
     "(its columns: 'n', 'n'): name the one that holds the lines: table.iloc[:, 0]"),
    (pa.table([["a"], ["b"]], ["n", "n"]), "a table of 2 columns is no list of lines "
     "(its columns: 'n', 'n'): name the one that holds the lines: table.column(0)"),
    (pd.DataFrame([[1, "b"]]), "a table of 2 columns is no list of lines (its columns: 0, 1): "
     "name the one that holds the lines: table[1]"),
    (np.array([(1, "b")], dtype=[("id", "i8"), ("name", "U9")]), "a table of 2 columns is no list "
     "of lines (its columns: 'id', 'name'): name the one that holds the lines: table['name']"),
    (FRAME.groupby("name"), "DataFrameGroupBy is no list of lines"),
    (FRAME["name"].str, "StringMethods is no list of lines (lines): give a list of strings"),
    (pa.table({"name": LINES}).to_reader(), "RecordBatchReader is no list of lines (lines): "
     "read it first: reader.read_all()"),
    (csv.reader(["anna,f"]), "line 1 is no string but list (lines): "
     "give one cell of each: [line[0] for line in lines]"),
    ([{"id": 1, "name": "anna"}], "line 1 is no string but dict (lines): "
     "give one cell of each: [line['name'] for line in lines]"),
    (["a\nb"], "line 1 holds a line feed (lines): "
     "split it: [part for line in lines for part in line.split('\\n')]"),
    (["a", "\ud800"], "line 2 holds half a surrogate pair (lines): "
     "leave it out: line.encode('utf-8', 'ignore').decode()"),
    (pl.DataFrame({"name": LINES}).lazy(), "LazyFrame is no list of lines (lines): "
     "collect it first: frame.collect()"),
    (pd.DataFrame(), "a table without columns holds no lines"),
    *[(table(TWO), "a table of 2 columns is no list of lines (its columns: 'id', 'first name'): "
       "name the one that holds the lines: table['first name']")
      for table in (pd.DataFrame, pl.DataFrame, pa.table)],
    ([None, "a", None], "2 missing values among 3 lines (line 1, 3): leave them out: "
     "[line for line in lines if isinstance(line, str)]"),
    (["a", float("nan")], "1 missing value among 2 lines (line 2)"),
    (["a", np.float32("nan")], "1 missing value among 2 lines (line 2)"),
    ([pd.NA], "1 missing value among 1 lines (line 1)"), ([pd.NaT], "1 missing value"),
    (pd.Series(["a", None]), "1 missing value among 2 lines (line 2): leave them out: "
     "lines.dropna()"),
    (pl.Series(["a", None]), "1 missing value among 2 lines (line 2): leave them out: "
     "lines.drop_nulls()"),
    (pa.array(["a", None]), "1 missing value among 2 lines (line 2): leave them out: "
     "lines.drop_null()"),
    (np.ma.array(["a", "b"], mask=[True, False]), "1 missing value among 2 lines (line 1)"),
    (pd.Series([None] * 9), "9 missing values among 9 lines (line 1, 2, 3, 4, 5, ...)"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_what_has_no_lines_is_refused_with_what_to_type(source: Any, message: str) -> None:
    with pytest.raises(DataError, match="^" + re.escape(message)):
        Corpus.from_lines(source)


def test_no_library_of_columns_is_imported() -> None:
    script = """
import sys, makemore, numpy
maker = makemore.MakeMore("ngram").fit(numpy.array(["anna", "bo"]))
maker.score_samples(["anna"]), repr(maker), maker._repr_html_()
assert not {"pandas", "polars", "pyarrow", "sklearn", "IPython"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
