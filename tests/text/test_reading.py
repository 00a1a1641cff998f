"""reading.py: files as people have them, against a naive reference; what is no text is refused."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import re
import sys
import threading
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conftest import is_clean
from makemore.errors import DataError
from makemore.escaping import visible
from makemore.text import reading
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.reading import Counts
from makemore.text.source import Source

TRICKY = (
    ". .. <START> <|endoftext|> \\n %s {0} $(id) --help -rf =1+1 @SUM 'q' \"q\" a\tb "
    "zoë zoe\u0308 Z\u0351\u036b\u0343\u036a\u0342a 👩\u200d👩\u200d👧 🇳🇴 😀 שלום "
    "نام\u200cه \u202eabc\u202c 名字 \u2060f"
).split(" ")

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12)
# Few symbols, so that copies, blanks and white space at the ends come up all the time.
NEAR = st.text(st.sampled_from("ab \t\r\x0b\x1c\x85\xa0\u2028\u3000é名😀"), max_size=5)
LINES = st.lists(LINE | NEAR, max_size=30)
OPTIONS = st.builds(TextConfig, max_line=st.sampled_from([1, 3, 1000]), keep_copies=st.booleans())


def made(path: Path, body: bytes | str) -> Path:
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def refused(path: Path | str, **options: Any) -> str:
    """The message with which a file is refused; always a DataError, whose exit code is 3."""
    with pytest.raises(DataError) as caught:
        Corpus.read(path, TextConfig(**options))
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message == visible(message)
    return message


def is_control(symbol: str) -> bool:
    return ord(symbol) < 32 or 127 <= ord(symbol) < 160


def reference(lines: Iterable[str], options: TextConfig) -> tuple[list[str], Counts]:
    """Cleaning as anybody would write it."""
    kept, seen = [], set()
    read = blank = too_long = copies = control = marks = 0
    for line in lines:
        read += 1
        marks += line.count("\ufeff")
        text = line.replace("\ufeff", "").strip()
        if not text:
            blank += 1
            continue
        if len(text) > options.max_line:
            too_long += 1
            continue
        control += any(is_control(symbol) for symbol in text)
        copies += text in seen
        if text not in seen or options.keep_copies:
            kept.append(text)
        seen.add(text)
    return kept, Counts(read, blank, too_long, copies, control, marks)


# -- cleaning -------------------------------------------------------------------------------------


@given(LINES, OPTIONS)
@example([" a", "a ", "\u2028a\x85", "\xa0", "a\r", "ab"], TextConfig(max_line=1))
def test_from_lines_is_strip_drop_and_count(lines: list[str], options: TextConfig) -> None:
    kept, counts = reference(lines, options)
    if not kept:
        long = f", {counts.too_long} longer" if counts.too_long else r"\): give one thing a line"
        with pytest.raises(DataError, match=f"no lines .*{counts.blank} blank{long}"):
            Corpus.from_lines(lines, options)
        return
    corpus = Corpus.from_lines(lines, options)
    assert list(corpus) == kept
    assert corpus.counts == counts
    assert [corpus[row] for row in range(len(corpus))] == kept
    assert corpus.text() == "".join(line + "\n" for line in kept)
    assert corpus.lengths.tolist() == [len(line) for line in kept]
    assert corpus.longest == max(map(len, kept))
    assert corpus.codes.tolist() == [ord(symbol) for line in kept for symbol in line]
    assert all(is_clean(line) for line in corpus)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), OPTIONS)
@example(["a", "x", "a", " " * 20 + "é" * 3, "😀" * 4], "\r\n", False, TextConfig(max_line=3))
def test_a_file_is_its_lines(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str], end: str, final: bool, options: TextConfig,
) -> None:  # fmt: skip
    lines = [*lines, "x"]  # so that there is one, and the last is not empty
    body = end.join(lines) + end * final
    assume("\0" not in body)  # it would look binary
    if body.startswith("\ufeff"):
        lines[0] = lines[0][1:]  # a mark, and no character
    options = replace(options, as_is=True)  # whatever the lines look like
    corpus = Corpus.read(made(tmp_path_factory.getbasetemp() / "lines.txt", body), options)
    assert (list(corpus), corpus.counts) == reference(lines, options)


def test_the_names_are_read_as_the_lectures_read_them(names_file: Path) -> None:
    corpus = Corpus.read(names_file, TextConfig(keep_copies=True))
    assert list(corpus.take(slice(8))) == [
        "emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia"
    ]  # fmt: skip
    assert list(corpus) == names_file.read_text().splitlines()
    assert (len(corpus), int(corpus.lengths.min()), corpus.longest) == (32_033, 2, 15)
    assert corpus.counts == Counts(read=32_033, copies=2_539)


def test_the_names_are_29494_distinct_ones(names_file: Path) -> None:
    corpus = Corpus.read(names_file)
    assert (len(corpus), corpus.counts.copies) == (29_494, 2_539)
    assert list(corpus) == list(dict.fromkeys(names_file.read_text().splitlines()))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a", 2], r"^line 2 is no string but int \(lines\): give strings: \[str\("),
        (["a", b"b"], "^line 2 is no string but bytes"),
        (["a\nb", "c"], "^line 1 holds a line feed"),
        (["a", "b", "\ud800"], "^line 3 holds half a surrogate pair"),
    ],
)
def test_from_lines_refuses_what_is_no_line(lines: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Corpus.from_lines(lines)


@pytest.mark.parametrize("text", ["", " a", "a ", "a\r", "\u2028a", "a\x85", "a\nb", "\x1fa", " "])
def test_what_reading_would_change_is_not_clean(text: str) -> None:
    assert not is_clean(text)


@pytest.mark.parametrize("text", ["a", "a b", "a\rb", "a\u2028b", ".", "\u200ba", "\x00"])
def test_what_reading_keeps_is_clean(text: str) -> None:
    assert is_clean(text) and list(Corpus.from_lines([text])) == [text]


# -- files as people have them (faults 1 to 16) ---------------------------------------------------

THREE, MARKED = ["emma", "olivia", "ava"], "\ufeffemma\nava\n"
WIDE = ["emma", "zoë", "名字", "😁"]
SYMBOLS = "\n".join(map(chr, range(0x4E00, 0x4E00 + 20_500)))
WITH_CONTROL = ["a\x1b[31mb", "bell\x07", "back\x08space", "c1 \x9b x", "\x7f", "plain", "é"]


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        ("emma\nolivia\nava\n", {}, THREE),
        ("emma\nolivia\nava", {}, THREE),  # no final newline: a name is not glued to the next
        ("emma\r\nolivia\r\nava\r\n", {}, THREE),
        ("emma\r\nolivia\nava", {}, THREE),
        ("\n\nemma \n\tolivia\r\n\r\nava\r\n\n", {}, THREE),
        ("\ufeffemma\nolivia\nava\n", {}, THREE),
        ("\ufeffemma\r\nolivia\r\nava", {}, THREE),
        # Marks stand where files were put together; joiners and the like stay.
        ("\ufeff\ufeffa\n\ufeffb\u200d\ufeff\u200b\n", {}, ["a", "b\u200d\u200b"]),
        ("emma\r", {}, ["emma"]),
        ("emma\n" + "x" * 10**6 + "\nava\n", {}, ["emma", "ava"]),
        (SYMBOLS, {"max_vocab": 20_500}, SYMBOLS.split("\n")),
        ("\n".join(WITH_CONTROL), {}, WITH_CONTROL),
        ("zoë\nåse\n".encode("latin-1"), {"encoding": "latin-1"}, ["zoë", "åse"]),
        ("zoë\nåse\n".encode("latin-1"), {"errors": "ignore"}, ["zo", "se"]),
        ("zoë\nåse\n".encode("latin-1"), {"errors": "replace"}, ["zo\ufffd", "\ufffdse"]),
        *((MARKED.encode(of), {"encoding": read}, ["emma", "ava"])
          for of in ("utf-16-le", "utf-16-be") for read in ("utf-16", of)),
        *(("\r\n".join(WIDE * 9).encode(of), {"encoding": of}, WIDE)
          for of in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")),
        # Only LF and CRLF end a line, where str would have split.
        *((f"a{inside}b\nc\n", {}, [f"a{inside}b", "c"])
          for inside in "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r"),
    ],
)  # fmt: skip
def test_a_file_is_read(
    body: bytes | str, options: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    corpus = Corpus.read(made(tmp_path / "lines.txt", body), TextConfig(**options))
    assert list(corpus) == expected
    assert corpus.counts.control == sum(any(map(is_control, line)) for line in expected)


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17) + zlib.compress(b"\0\0")
NO_UTF_8 = [
    (b"\xe9mma\n", "1:1", "latin-1"),
    (b"emma\nzo\xeb\n", "2:3", "latin-1"),
    (b"emma\r\n\r\nab\xff", "3:3", "latin-1"),
    (b"emma\nab\xc0\xafc\n", "2:3", "latin-1"),  # overlong
    (b"emma\n\xed\xa0\x80\xed\xb0\x80\n", "2:1", "cp1252"),  # a surrogate pair of CESU-8
    ("é\né".encode()[:-1], "2:1", "latin-1"),  # cut in the middle of a character
    (b"\xef\xbb\xbfab\xff\n", "1:6", "latin-1"),
    (b"d\x92Arc\nzo\xeb \x96 5 \x80\n", "1:2", "cp1252"),
]
NO_TEXT = [
    (b"emma\nav\0a\n", "looks binary"), (b"emma\n" * 1000 + b"\0", "looks binary"),
    (gzip.compress(b"emma\n" * 1000, mtime=0), "looks like gzip"), (PNG, "looks like a PNG"),
    (b"PK\x03\x04" + bytes(26), "looks like a zip archive"), (b"%PDF-1.7\n", "looks like a PDF"),
    (random.Random(1).randbytes(10_000), "looks binary"),
]  # fmt: skip
WIDE_HINTS = [
    ("utf-16", "looks like UTF-16 .*use --encoding utf-16$"),
    ("utf-16-le", "looks like UTF-16 .*use --encoding utf-16-le$"),
    ("utf-16-be", "looks like UTF-16 .*use --encoding utf-16-be$"),
    ("utf-32", "looks like UTF-32 .*use --encoding utf-32$"),
    ("utf-32-le", "looks like UTF-32 .*use --encoding utf-32-le$"),
    ("utf-32-be", "looks like UTF-32 .*use --encoding utf-32-be$"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        *((body, {}, r"^no lines to learn from \(.*lines\.txt.*give one thing a line$")
          for body in ("", "\n", "\n\r\n \t\n\u3000\n", "\ufeff", "\ufeff\n")),
        *((body, {"encoding": encoding}, "^the only line ends are lone CR.*tr ")
          for body in ("emma\rolivia\rava", "emma\rolivia\rava\r")
          for encoding in ("utf-8", "latin-1")),
        *(("emma\n", {"encoding": name}, "^unknown encoding .*: use utf-8, latin-1, ...$")
          for name in ("klingon", "hex", "rot13", "k\x1b[2J")),
        *((body, {}, r"^the bytes are no utf-8, and --errors replace would lose letters; in .* "
                     rf"\(.*/lines.txt:{place}: .*use --encoding {encoding}$")
          for body, place, encoding in NO_UTF_8),
        *((body, {"errors": errors}, kind)
          for body, kind in NO_TEXT for errors in ("strict", "ignore")),
        *(("\r\n".join(WIDE * 9).encode(encoding), {}, words) for encoding, words in WIDE_HINTS),
        *((MARKED.encode(f"utf-16-{order}"), {}, "--encoding utf-16") for order in ("le", "be")),
        ("\n\nabcdefg\nhijklmn", {"max_line": 6},
         r"^no lines .*2 blank, 2 longer than 6\): use --max-line 7$"),
        (SYMBOLS, {"max_vocab": 20_499},
         r"^20500 different symbols, more than 20499 \(.*--max-vocab"),
    ],
)  # fmt: skip
def test_a_file_is_refused_with_what_to_do(
    body: bytes | str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """What is no text is never unpacked; what is wrong has its place."""
    assert re.search(words, refused(made(tmp_path / "lines.txt", body), **options))


def test_lines_are_literal_and_come_back_byte_for_byte(tmp_path: Path) -> None:
    body = "".join(line + "\n" for line in TRICKY).encode()
    corpus = Corpus.read(made(tmp_path / "lines.txt", body))
    assert list(corpus) == TRICKY
    assert corpus.text().encode() == body  # no normalisation: zoë is written in two ways


# -- bounds and chunks ----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_line_without_an_end_is_bounded_before_it_is_read(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 100)
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 1000)
    path = made(tmp_path / "lines.txt", b"emma\n" + b"x" * 1_000_000)
    read = 0

    class Slow(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            nonlocal read
            read += size
            return super().read(size)

    options = TextConfig(encoding=encoding)
    with Slow(path) as stream, pytest.raises(DataError, match="longer than 1000 bytes"):
        Corpus._from_stream(Source(stream, "lines.txt", "lines.txt", options))
    assert read <= 1300
    assert "is longer than 1000 bytes" in refused(path, encoding=encoding)
    assert list(Corpus.read(made(path, b"emma\n" + b"x" * 1000))) == ["emma", "x" * 1000]


def test_a_file_that_never_ends_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "lines.txt", b"emma\nava\n\n")
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    assert list(Corpus.read(path)) == ["emma", "ava"]
    monkeypatch.setattr(reading, "MAX_BYTES", 9)
    for encoding in ("utf-8", "latin-1"):
        assert refused(path, encoding=encoding).startswith("more than 9 bytes (")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_devices_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 4096)
    assert "looks binary" in refused("/dev/zero")
    assert "looks" in refused("/dev/urandom")
    assert refused("/dev/null").startswith("no lines to learn from (/dev/null: 0 blank")


def test_every_chunk_size_gives_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*TRICKY, "", "x" * 50, "y" * 51, "\ufeffb", " a\x07 ", "emma", "emma", "e\u2028f"]
    path = made(tmp_path / "lines.txt", "\ufeff" + "\r\n".join(lines) + "\nlast")
    options = TextConfig(max_line=50)
    for size in [*range(1, 40), 64, 100, 1000, 8 * 2**20]:
        monkeypatch.setattr(reading, "CHUNK", size)
        corpus = Corpus.read(path, options)
        assert (list(corpus), corpus.counts) == reference([*lines, "last"], options), size


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig", "utf_8_sig"])
def test_a_chunk_may_end_inside_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    lines = ["emma", "zoë", "x" * 30, "åse", *(["\ufeffb"] if "utf" in encoding else [])]
    path = made(tmp_path / "lines.txt", "\n".join(lines).encode(encoding))
    for size in (1, 2, 3, 5, 7, 1000):
        monkeypatch.setattr(reading, "CHUNK", size)
        found = list(Corpus.read(path, TextConfig(encoding=encoding)))
        assert found == [line.replace("\ufeff", "") for line in lines]


def test_the_place_is_right_in_a_later_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "naïve\n".encode() * 1000 + b"ab\xff\n" + b"ava\n" * 1000
    for chunk in (7, 64, 8 * 2**20):
        monkeypatch.setattr(reading, "CHUNK", chunk)
        assert "lines.txt:1001:3: invalid start" in refused(made(tmp_path / "lines.txt", body))


# -- files that cannot be opened (faults 18 to 21) ------------------------------------------------


def test_errors_of_the_file_system_are_said_in_words(tmp_path: Path) -> None:
    loop, lines = tmp_path / "loop", made(tmp_path / "lines.txt", "emma\n")
    loop.symlink_to(loop)
    for path, code in (
        (tmp_path / "missing.txt", errno.ENOENT), (lines / "below", errno.ENOTDIR),
        (tmp_path, errno.EISDIR), (loop, errno.ELOOP), (tmp_path / ("x" * 300), errno.ENAMETOOLONG),
    ):  # fmt: skip
        message = refused(path)
        assert message.startswith(f"cannot read '{str(path)[:20]}")
        assert message.endswith(f" ({os.strerror(code)}): give a text file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "lines.txt", "emma\n")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything: refuse in its place

        def no(*_: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr("builtins.open", no)
    assert refused(path).endswith("(Permission denied): give a text file")


@pytest.mark.parametrize("name", ["a\nb", "a'b", 'a"b', "\x1b[2J", "\udcff", "a\0b", "a\u202eb"])
def test_a_hostile_name_is_shown_escaped(tmp_path: Path, name: str) -> None:
    message = refused(str(tmp_path / name))
    assert message.startswith("cannot read ") and message.endswith("): give a text file")


def test_hostile_names_can_be_read(tmp_path: Path) -> None:
    for name in ("a\nb.txt", "'\"$(id)", "--help", os.fsdecode(b"\xff.txt"), "名字 .txt"):
        assert list(Corpus.read(made(tmp_path / name, b"emma\nava"))) == ["emma", "ava"]


def test_a_fifo_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    body = "".join(f"name{number}\n" for number in range(20_000)).encode()  # more than a pipe holds
    writer = threading.Thread(target=path.write_bytes, args=(body,))
    writer.start()
    corpus = Corpus.read(path)
    writer.join()
    assert len(corpus) == 20_000 and corpus[19_999] == "name19999"


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO("zoë\r\nava".encode()), "ascii")
    monkeypatch.setattr(sys, "stdin", stream)
    assert list(Corpus.read("-")) == ["zoë", "ava"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\xff")))
    assert "(standard input:1:3: " in refused("-")


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(11, 22, 33, 44, 55)
