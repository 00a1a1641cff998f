"""File kinds: what bytes are that are no text in the encoding they are read in, and what to do."""

from __future__ import annotations

import codecs
import unicodedata

from makemore.errors import DataError
from makemore.options import without_options

UNPACK = "unpack it and give a text file"
PICTURE = "give a text file, one thing a line"
AS_CSV = "open it and save or export it as CSV (UTF-8), and give that file"
AS_TEXT = "open it, save it as plain text (UTF-8), one thing a line, and give that file"

# First bytes of files that people give by mistake: what they are, and what to do.
_MAGIC = (
    (b"\x1f\x8b", "gzip", UNPACK), (b"BZh", "bzip2", UNPACK), (b"\xfd7zXZ", "xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", UNPACK), (b"Rar!\x1a", "a RAR archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"\x89PNG", "a PNG picture", PICTURE), (b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (b"GIF8", "a GIF picture", PICTURE), (b"II*\0", "a TIFF picture", PICTURE),
    (b"%PDF", "a PDF", "copy the list out of it into a text file, one thing a line"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file",
     "save it as CSV (a table) or plain text (UTF-8), and give that file"),
    (b"{\\rtf", "a document (RTF)", AS_TEXT),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV, and give that file"),
    (b"PAR1", "a Parquet table", "export it as CSV, and give that file"),
    (b"ARROW1", "an Arrow table", "export it as CSV, and give that file"),
    (b"\x93NUMPY", "a NumPy array", "write its lines into a text file"),
    (b"\x89HDF", "an HDF5 file", "export the table as CSV, and give that file"),
    (b"\x7fELF", "a program", PICTURE), (b"ID3", "an MP3 file", PICTURE),
)  # fmt: skip

# What a zip archive with these bytes among its first ones is.
_IN_ZIP = (
    (b"opendocument.spreadsheet", "a spreadsheet (ods)", AS_CSV),
    (b"opendocument.text", "a document (odt)", AS_TEXT),
    (b"application/epub+zip", "an e-book (epub)", AS_TEXT),
    (b"Index/Document.iwa", "a Numbers, Pages or Keynote file", AS_CSV),
    (b"word/", "a document (docx)", AS_TEXT), (b"ppt/", "slides (pptx)", AS_TEXT),
    (b"xl/", "a spreadsheet (xlsx)", AS_CSV),
)  # fmt: skip

# Byte order marks; UTF-32 comes first, as its little-endian mark begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)  # fmt: skip
_ASCII = {0, 9, 10, 13, *range(32, 127)}
LOOKED_AT = 4096  # bytes by which an encoding is recognized; a multiple of 4


def check_kind(chunk: bytes, name: str, by_line: bool) -> None:
    """Refuse a first chunk that is no text in the encoding, by its first bytes (DataError).

    by_line: byte 10 ends a line, as in UTF-8 and not in UTF-16
    """
    for magic, kind, to_do in _MAGIC:
        if chunk.startswith(magic):
            raise DataError(f"the file looks like {kind}", name, to_do)
    if chunk.startswith(b"PK\x03\x04"):
        for inside, kind, to_do in _IN_ZIP:
            if inside in chunk:
                raise DataError(f"the file is {kind}, not plain text", name, to_do)
        raise DataError("the file looks like a zip archive", name, UNPACK)
    if not by_line:
        return
    for mark, kind in _MARKS:
        if chunk.startswith(mark):
            raise looks_like(kind, kind.lower(), name)
    if b"\0" in chunk:
        encoding = unmarked(chunk[:LOOKED_AT])
        if encoding:
            raise looks_like(encoding[:6].upper(), encoding, name)


def looks_like(kind: str, encoding: str, name: str) -> DataError:
    """Make the error for a file in another encoding."""
    what = f"the file looks like {kind}"
    return without_options(DataError, what, name, {"encoding": encoding})


def unmarked(some: bytes) -> str | None:
    """Recognize UTF-16 or UTF-32 without a byte order mark; None for anything else.

    In the right encoding all is text; in a wrong one there are characters that Unicode lacks, line
    feeds turn into others, and far more blocks of 256 characters are used.
    """
    fitting = []
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:  # the last character may have been cut
            text = codecs.getincrementaldecoder(encoding)().decode(some)
        except UnicodeDecodeError:
            continue
        # Bytes of ASCII alone are letters side by side, and no others of two bytes each.
        if text and not text.isascii() and set(some) <= _ASCII:
            continue
        if text and all(_in_texts(symbol) for symbol in set(text)):
            blocks = len({ord(symbol) >> 8 for symbol in text})
            fitting.append((text.count("\n") == 0, blocks, encoding))
    # Text of one byte a character reads as Chinese of many blocks: it has too few line feeds.
    return min(fitting)[2] if fitting and (not min(fitting)[0] or min(fitting)[1] == 1) else None


def _in_texts(symbol: str) -> bool:
    return symbol in "\t\n\r\ufeff" or unicodedata.category(symbol) not in ("Cc", "Cn", "Co", "Cs")
