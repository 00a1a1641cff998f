"""likely_encoding.py: which encoding an error tells to try, for lists of many languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from makemore.errors import DataError
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.likely_encoding import is_damaged, likely_encoding

RUSSIAN = "Анна\nБорис\nВера\nГалина\nДмитрий\n"
LISTS = [
    (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (RUSSIAN, "cp866"), (RUSSIAN.lower(), "cp1251"),
    (RUSSIAN.lower(), "koi8_r"), ("Άννα\nΓιώργος\nΕλένη\n", "cp1253"),
    ("שלום\nאברהם\nרחל\n", "cp1255"), ("محمد\nفاطمة\nأحمد\n", "cp1256"),
    ("สมชาย\nสมหญิง\nมานี\n", "cp874"), ("さくら\nたろう\nはなこ\n", "shift_jis"),
    ("さくら\nたろう\nはなこ\n", "euc_jp"), ("タカハシ\nサトウ\n", "shift_jis"),
    ("高橋\n佐藤\n鈴木\n", "shift_jis"), ("王伟\n李娜\n张敏\n刘洋\n", "gb18030"),
    ("王偉\n李娜\n張敏\n陳大文\n", "big5"), ("김민수\n이영희\n박지훈\n", "euc_kr"),
    ("Łukasz\nŻaneta\nŚwiętosław\n", "cp1250"), ("Björn\nJörg\nKäthe\n", "cp850"),
    ("zoë", "latin-1"), ("Björn\nÉmile\n", "latin-1"), ("d’Arc", "cp1252"), ("5 €", "cp1252"),
    ("naïve – é", "cp1252"), ("“Zoë”", "cp1252"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "encoding"), LISTS)
def test_the_encoding_to_try_first(text: str, encoding: str) -> None:
    body = text.encode(encoding)
    assert likely_encoding(body) == encoding
    assert likely_encoding((body + b"\n") * 9000) == encoding  # of a long text, its start


@pytest.mark.parametrize(("text", "encoding"), [row for row in LISTS if row[1] != "gb18030"])
def test_the_message_shows_the_line_and_what_reads_it(
    text: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"emma\r\n" + text.encode(encoding))
    with pytest.raises(DataError) as refused:
        Corpus.read(path)
    first = text.partition("\n")[0]
    assert f"in {encoding} the line is {first!r}" in refused.value.what
    assert dict(refused.value.add) == {"encoding": encoding}
    assert Corpus.read(path, TextConfig(encoding=encoding)).text() == f"emma\n{text.strip()}\n"


def test_bytes_that_are_wrong_here_and_there_are_told_from_another_encoding() -> None:
    assert is_damaged("zoë émile ".encode() + b"\xff", "utf-8")
    assert not is_damaged("zoë émile".encode("latin-1"), "utf-8")
