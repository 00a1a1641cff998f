"""file_kinds.py: what people give by mistake, by its name, with what to do."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from makemore.errors import DataError
from makemore.text.corpus import Corpus
from makemore.text.file_kinds import unmarked


def zipped(*names: str, first: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


OPENDOCUMENT = b"application/vnd.oasis.opendocument."
KINDS = {
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "spreadsheet (xlsx)", "as CSV"),
    "ods": (zipped("content.xml", first=OPENDOCUMENT + b"spreadsheet"), "spreadsheet (ods)", "CSV"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "(docx)", "as plain text"),
    "odt": (zipped("content.xml", first=OPENDOCUMENT + b"text"), "(odt)", "as plain text"),
    "zip": (zipped("names.txt"), "a zip archive", "unpack it"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel or Word", "CSV"),
    "gz": (b"\x1f\x8b\x08" + bytes(9), "gzip", "unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(9), "7z", "unpack it"),
    "rar": (b"Rar!\x1a\x07" + bytes(9), "RAR", "unpack it"),
    "pdf": (b"%PDF-1.7\n%\xe2", "a PDF", "copy the list out of it"),
    "rtf": (b"{\\rtf1\\ansi anna}", "RTF", "as plain text"),
    "jpg": (b"\xff\xd8\xff\xe0" + bytes(9), "JPEG", "text file"),
    "sqlite": (b"SQLite format 3\0" + bytes(9), "SQLite", "as CSV"),
    "parquet": (b"PAR1" + bytes(9), "Parquet", "as CSV"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_file_is_named(kind: str, tmp_path: Path) -> None:
    body, what, to_do = KINDS[kind]
    path = tmp_path / f"list.{kind}"
    path.write_bytes(body)
    with pytest.raises(DataError) as refused:
        Corpus.read(path)
    assert what in refused.value.what and to_do in (refused.value.to_do or "")


TEXTS = {
    "Latin": "emma\nava\n", "one line": "emma", "accents": "Zo\u00eb\n\u0100da\n",
    "Cyrillic": "\u0410\u043d\u043d\u0430\n\u0418\u0432\u0430\u043d\n",
    "Greek": "\u0386\u03bd\u03bd\u03b1\n\u0395\u03cd\u03b1\n",
    "Chinese": "\u540d\u5b57\n\u674e\u56db\n\u5f20\u4e09\n",
    "Hebrew": "\u05e9\u05dc\u05d5\u05dd\r\n\u05d0\r\n", "emoji": "\U0001f600a\nb\n",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_recognized_without_a_mark(text: str, encoding: str) -> None:
    assert unmarked(TEXTS[text].encode(encoding)) == encoding
    assert unmarked((TEXTS[text] * 999).encode(encoding)[:4096]) == encoding


def test_what_is_binary_is_no_wide_encoding() -> None:
    luck = random.Random(1)
    for body in (b"emma\nol\0ivia\n", b"\0a\0\0\1b\0\n", bytes(100), b"emma\n\0", b"ab\0\0\n\n"):
        assert unmarked(body) is None
    assert not any(unmarked(luck.randbytes(4096)) for _ in range(20))
