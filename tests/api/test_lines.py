"""lines.py: read_lines reads as the commands do, where str.splitlines does not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import makemore
from makemore import MakeMore
from makemore.errors import DataError, UsageError

# A mark, blanks, a line that str.splitlines would cut in two, copies, a very long one.
TEXT = "\ufeffanna \r\n\n a\u2028b\x85c\nbo\nbo\n" + "x" * 1001


def test_lines_are_those_that_the_commands_learn(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(TEXT.encode())
    lines = makemore.read_lines(path)
    assert lines == ["anna", "a\u2028b\x85c", "bo", "bo", "x" * 1001]
    assert makemore.read_lines(str(path)) == makemore.read_lines(io.BytesIO(TEXT.encode())) == lines
    by_path, by_lines = (MakeMore("ngram").fit(each) for each in (path, lines))
    assert by_path.split.digest() == by_lines.split.digest()
    assert list(by_path.split.train) == ["anna", "a\u2028b\x85c", "bo"]


def test_options_are_those_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes("Zoë\nJosé".encode("latin-1"))
    assert makemore.read_lines(path, encoding="latin-1") == ["Zoë", "José"]
    assert makemore.read_lines(path, errors="ignore") == ["Zo", "Jos"]
    with pytest.raises(DataError, match="the bytes are no utf-8"):
        makemore.read_lines(path)
    with pytest.raises(UsageError, match="unknown option 'encodin': did you mean 'encoding'?"):
        makemore.read_lines(path, encodin="x")  # type: ignore[call-arg]
    table = tmp_path / "names.csv"
    table.write_text("id,name,sex\n1,anna,f\n2,bo,m\n")
    assert makemore.read_lines(table, text_column="name") == ["anna", "bo"]
    labelled = makemore.read_lines(table, text_column="name", label_column="sex")
    assert labelled == ["anna\tf", "bo\tm"]
    maker = MakeMore("ngram", labels=True).fit(labelled)
    assert maker.classes_.tolist() == ["f", "m"]
    same = MakeMore("ngram", text_column="name", label_column="sex").fit(table)
    assert same.split.digest() == maker.split.digest()


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert makemore.read_lines(tmp_path / "empty.txt") == []
    with pytest.raises(DataError, match="no lines to learn from"):
        MakeMore("ngram").fit(tmp_path / "empty.txt")
