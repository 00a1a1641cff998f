"""corpus.py against a naive reference, against broken files, and the split that never changes."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import random
import struct
import sys
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from makemore.errors import DataError
from makemore.escaping import visible
from makemore.text import reading
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus, concatenate, is_clean
from makemore.text.dataset import MIN_LINES_TO_SPLIT, train_val_test_split
from makemore.text.reading import Counts

TRICKY = (
    ". .. <START> <|endoftext|> \\n %s {0} $(id) --help -rf =1+1 @SUM 'q' \"q\" a\tb "
    "zoë zoe\u0308 Z\u0351\u036b\u0343\u036a\u0342a 👩\u200d👩\u200d👧 🇳🇴 😀 שלום "
    "نام\u200cه \u202eabc\u202c 名字 \ufefff"
).split(" ")

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12)
# Few symbols, so that copies, blanks and white space at the ends come up all the time.
NEAR = st.text(st.sampled_from("ab \t\r\x0b\x1c\x85\xa0\u2028\u3000é名😀"), max_size=5)
LINES = st.lists(LINE | NEAR, max_size=30)


def made(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def file_of(tmp_path: Path, body: bytes | str) -> Path:
    return made(tmp_path / "lines.txt", body if isinstance(body, bytes) else body.encode())


def refused(path: Path | str, **options: object) -> str:
    """The message with which a file is refused; always a DataError, whose exit code is 3."""
    with pytest.raises(DataError) as caught:
        Corpus.read(path, TextConfig(**options))  # type: ignore[arg-type]
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message == visible(message)
    return message


def is_control(symbol: str) -> bool:
    return ord(symbol) < 32 or 127 <= ord(symbol) < 160


def reference(lines: Iterable[str], max_line: int, keep_copies: bool) -> tuple[list[str], Counts]:
    """Cleaning as anybody would write it."""
    kept, seen = [], set()
    read = blank = too_long = copies = control = 0
    for line in lines:
        read += 1
        text = line.strip()
        if not text:
            blank += 1
            continue
        if len(text) > max_line:
            too_long += 1
            continue
        control += any(is_control(symbol) for symbol in text)
        copies += text in seen
        if text not in seen or keep_copies:
            kept.append(text)
        seen.add(text)
    return kept, Counts(read, blank, too_long, copies, control)


# -- cleaning -------------------------------------------------------------------------------------


@given(LINES, st.sampled_from([1, 3, 1000]), st.booleans())
@example([" a", "a ", "\u2028a\x85", "\xa0", "a\r", "ab"], 1, False)
def test_from_lines_is_strip_drop_and_count(lines: list[str], most: int, keep: bool) -> None:
    kept, counts = reference(lines, most, keep)
    options = TextConfig(max_line=most, keep_copies=keep)
    if not kept:
        with pytest.raises(DataError, match=f"no lines .*{counts.blank} blank, {counts.too_long} "):
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


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_file_is_its_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, final: bool
) -> None:
    lines = [*lines, "x"]  # so that there is one, and the last is not empty
    body = end.join(lines) + end * final
    path = file_of(tmp_path_factory.getbasetemp(), body)
    if "\n" not in body and "\r" in lines[0].strip():
        return  # lone CR: its own test
    if body.startswith("\ufeff"):
        lines[0] = lines[0][1:]  # a mark, and no character
    assert list(Corpus.read(path)) == reference(lines, 1000, False)[0]


@given(LINES, st.data())
def test_a_clean_corpus_comes_back_from_its_own_text(lines: list[str], data: st.DataObject) -> None:
    corpus = Corpus.exactly(lines)
    assert corpus.text() == "".join(line + "\n" for line in lines)
    assert list(corpus) == lines
    rows = data.draw(st.lists(st.integers(0, len(lines) - 1) if lines else st.nothing()))
    picked = corpus.take(np.array(rows, dtype=np.int64))
    assert list(picked) == [lines[row] for row in rows]
    assert list(corpus.take(slice(1, None, 2))) == lines[1::2]
    mask = np.array([len(line) % 2 == 0 for line in lines], dtype=bool)
    assert list(corpus.take(mask)) == [line for line in lines if len(line) % 2 == 0]
    assert list(concatenate([corpus, picked])) == lines + [lines[row] for row in rows]
    assert corpus.digest() == hashlib.sha256(corpus.text().encode()).hexdigest()


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


def test_from_lines_refuses_what_is_no_line() -> None:
    with pytest.raises(DataError, match=r"^line 2 is no string but int \(lines\)$"):
        Corpus.from_lines(["a", 2])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"^line 2 is no string but bytes"):
        Corpus.from_lines(["a", b"b"])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"^line 1 holds a line feed"):
        Corpus.from_lines(["a\nb", "c"])
    with pytest.raises(DataError, match=r"^line 3 holds half a surrogate pair"):
        Corpus.from_lines(["a", "b", "\ud800"])
    with pytest.raises(DataError, match="half a surrogate pair"):
        Corpus.exactly(["\udfff"])


def test_exactly_cleans_nothing() -> None:
    lines = [" a ", "", "a", "a", "\t"]
    assert list(Corpus.exactly(lines)) == lines
    assert Corpus.exactly([]).text() == "" and Corpus.exactly([]).longest == 0


@pytest.mark.parametrize("text", ["", " a", "a ", "a\r", "\u2028a", "a\x85", "a\nb", "\x1fa", " "])
def test_what_reading_would_change_is_not_clean(text: str) -> None:
    assert not is_clean(text)


@pytest.mark.parametrize("text", ["a", "a b", "a\rb", "a\u2028b", ".", "\u200ba", "\x00"])
def test_what_reading_keeps_is_clean(text: str) -> None:
    assert is_clean(text)
    assert list(Corpus.from_lines([text])) == [text]


# -- files as people have them (faults 1 to 16) ---------------------------------------------------


@pytest.mark.parametrize("body", ["", "\n", "\n\r\n \t\n\u3000\n", "\ufeff", "\ufeff\n"])
def test_no_lines_at_all(tmp_path: Path, body: str) -> None:
    message = refused(file_of(tmp_path, body))
    assert message.startswith("no lines to learn from (")
    assert "lines.txt" in message and message.endswith("give one thing a line")


def test_no_lines_in_dev_null() -> None:
    assert refused("/dev/null").startswith("no lines to learn from (/dev/null: 0 blank")


@pytest.mark.parametrize(
    "body",
    [
        b"emma\nolivia\nava\n",
        b"emma\nolivia\nava",  # no final newline: a name is not glued to the next
        b"emma\r\nolivia\r\nava\r\n",
        b"emma\r\nolivia\nava",
        b"\n\nemma \n\tolivia\r\n\r\nava\r\n\n",
        b"\xef\xbb\xbfemma\nolivia\nava\n",
        b"\xef\xbb\xbfemma\r\nolivia\r\nava",
    ],
)
def test_line_ends_and_marks_are_no_symbols(tmp_path: Path, body: bytes) -> None:
    corpus = Corpus.read(file_of(tmp_path, body))
    assert list(corpus) == ["emma", "olivia", "ava"]


def test_a_mark_is_dropped_once_and_only_where_the_file_starts(tmp_path: Path) -> None:
    corpus = Corpus.read(file_of(tmp_path, "\ufeff\ufeffa\n\ufeffb\n"))
    assert list(corpus) == ["\ufeffa", "\ufeffb"]


@pytest.mark.parametrize("body", [b"emma\rolivia\rava", b"emma\rolivia\rava\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_lone_carriage_returns_are_refused_with_a_hint(
    tmp_path: Path, body: bytes, encoding: str
) -> None:
    message = refused(file_of(tmp_path, body), encoding=encoding)
    assert message.startswith("the only line ends are lone CR") and "tr" in message


def test_one_line_that_ends_in_a_carriage_return_is_a_line(tmp_path: Path) -> None:
    assert list(Corpus.read(file_of(tmp_path, b"emma\r"))) == ["emma"]


def test_copies_of_one_line(tmp_path: Path) -> None:
    path = file_of(tmp_path, "anna\n" * 20)
    assert list(Corpus.read(path)) == ["anna"]
    assert Corpus.read(path).counts == Counts(read=20, copies=19)
    kept = Corpus.read(path, TextConfig(keep_copies=True))
    assert list(kept) == ["anna"] * 20 and kept.counts.copies == 19


@pytest.mark.parametrize(
    ("encoding", "hint"),
    [
        ("utf-16", "looks like UTF-16 .*use --encoding utf-16$"),
        ("utf-16-le", "looks like UTF-16 .*use --encoding utf-16-le$"),
        ("utf-16-be", "looks like UTF-16 .*use --encoding utf-16-be$"),
        ("utf-32", "looks like UTF-32 .*use --encoding utf-32$"),
        ("utf-32-le", "looks binary"),
        ("utf-32-be", "looks binary"),
    ],
)
def test_wide_encodings_are_seen_and_read_when_named(
    tmp_path: Path, encoding: str, hint: str
) -> None:
    lines = ["emma", "zoë", "名字", "😁"]
    path = file_of(tmp_path, "\r\n".join(lines * 9).encode(encoding))
    with pytest.raises(DataError, match=hint):
        Corpus.read(path)
    corpus = Corpus.read(path, TextConfig(encoding=encoding))
    assert list(corpus) == lines
    assert corpus.counts.copies == 32


@pytest.mark.parametrize("order", ["le", "be"])
def test_a_mark_of_utf_16_is_no_symbol(tmp_path: Path, order: str) -> None:
    path = file_of(tmp_path, "\ufeffemma\nava\n".encode(f"utf-16-{order}"))
    assert "--encoding utf-16" in refused(path)
    for encoding in ("utf-16", f"utf-16-{order}"):
        assert list(Corpus.read(path, TextConfig(encoding=encoding))) == ["emma", "ava"]


def test_latin_1_when_named(tmp_path: Path) -> None:
    path = file_of(tmp_path, "zoë\nåse\n".encode("latin-1"))
    assert list(Corpus.read(path, TextConfig(encoding="latin-1"))) == ["zoë", "åse"]
    assert list(Corpus.read(path, TextConfig(errors="ignore"))) == ["zo", "se"]
    assert list(Corpus.read(path, TextConfig(errors="replace"))) == ["zo\ufffd", "\ufffdse"]


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "k\x1b[2J"])
def test_an_encoding_that_does_not_exist(tmp_path: Path, encoding: str) -> None:
    message = refused(file_of(tmp_path, "emma\n"), encoding=encoding)
    assert message.startswith("unknown encoding") and message.endswith("use utf-8, latin-1, ...")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"\xe9mma\n", "1:1"),
        (b"emma\nzo\xeb\n", "2:3"),  # latin-1
        (b"emma\r\n\r\nab\xff", "3:3"),
        (b"emma\nab\xc0\xafc\n", "2:3"),  # overlong
        (b"emma\n\xed\xa0\x80\xed\xb0\x80\n", "2:1"),  # a surrogate pair as CESU-8 has it
        ("é\né".encode()[:-1], "2:1"),  # cut in the middle of a character
        (b"\xef\xbb\xbfab\xff\n", "1:6"),
    ],
)
def test_bytes_that_are_no_utf_8_are_placed(tmp_path: Path, body: bytes, place: str) -> None:
    message = refused(file_of(tmp_path, body))
    assert message.startswith(f"the bytes are no utf-8 ({tmp_path}/lines.txt:{place}: ")
    assert "--encoding latin-1" in message and "--errors replace" in message


def test_the_place_is_right_in_a_later_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, "naïve\n".encode() * 1000 + b"ab\xff\n" + b"ava\n" * 1000)
    for chunk in (7, 64, 8 * 2**20):
        monkeypatch.setattr(reading, "CHUNK", chunk)
        assert "lines.txt:1001:3: invalid start byte" in refused(path)


def _png() -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = part(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + pixels + part(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"emma\nav\0a\n", "looks binary"),
        (b"emma\n" * 1000 + b"\0", "looks binary"),
        (gzip.compress(b"emma\n" * 1000, mtime=0), "looks like gzip"),
        (_png(), "looks like a PNG picture"),
        (b"PK\x03\x04" + bytes(26), "looks like a zip archive"),
        (b"%PDF-1.7\n", "looks like a PDF"),
        (random.Random(1).randbytes(10_000), "looks binary"),
    ],
)
@pytest.mark.parametrize("errors", ["strict", "ignore"])
def test_what_is_no_text_is_refused_and_never_unpacked(
    tmp_path: Path, body: bytes, kind: str, errors: str
) -> None:
    assert kind in refused(file_of(tmp_path, body), errors=errors)


def test_control_characters_are_kept_and_their_lines_counted(tmp_path: Path) -> None:
    lines = ["a\x1b[31mb", "bell\x07", "back\x08space", "c1 \x9b x", "\x7f", "plain", "é"]
    corpus = Corpus.read(file_of(tmp_path, "\n".join(lines)))
    assert list(corpus) == lines
    assert corpus.counts.control == 5


@pytest.mark.parametrize(
    "inside", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"]
)
def test_only_lf_and_crlf_end_a_line(tmp_path: Path, inside: str) -> None:
    corpus = Corpus.read(file_of(tmp_path, f"a{inside}b\nc\n"))
    assert list(corpus) == [f"a{inside}b", "c"]
    assert len(f"a{inside}b".splitlines()) == 2  # where str would have split


def test_lines_are_literal_and_come_back_byte_for_byte(tmp_path: Path) -> None:
    body = "".join(line + "\n" for line in TRICKY).encode()
    corpus = Corpus.read(file_of(tmp_path, body))
    assert list(corpus) == TRICKY
    assert corpus.text().encode() == body  # no normalisation: zoë is written in two ways
    (tmp_path / "again.txt").write_text(corpus.text(), encoding="utf-8", newline="")
    assert (tmp_path / "again.txt").read_bytes() == body


def test_more_symbols_than_max_vocab(tmp_path: Path) -> None:
    symbols = [chr(code) for code in range(0x4E00, 0x4E00 + 20_500)]
    path = file_of(tmp_path, "\n".join("".join(symbols[i : i + 5]) for i in range(0, 20_500, 5)))
    assert len(np.unique(Corpus.read(path).codes)) == 20_500
    assert len(Corpus.read(path, TextConfig(max_vocab=20_500))) == 4_100
    message = refused(path, max_vocab=20_499)
    assert message.startswith("20500 different symbols, more than 20499 (")
    assert "--max-vocab" in message


def test_one_line_of_a_megabyte_among_names_is_skipped_and_counted(tmp_path: Path) -> None:
    corpus = Corpus.read(file_of(tmp_path, b"emma\n" + b"x" * 10**6 + b"\nava\n"))
    assert list(corpus) == ["emma", "ava"]
    assert corpus.counts == Counts(read=3, too_long=1)
    assert corpus.longest == 4


def test_max_line_counts_symbols_without_the_white_space_around(tmp_path: Path) -> None:
    path = file_of(tmp_path, "😀" * 7 + "\n" + " " * 20 + "é" * 7 + "\r\n" + "a" * 8)
    corpus = Corpus.read(path, TextConfig(max_line=7))
    assert list(corpus) == ["😀" * 7, "é" * 7]
    assert corpus.counts.too_long == 1
    message = refused(path, max_line=6)
    assert "0 blank, 3 longer than 6" in message


def test_a_line_without_an_end_is_bounded_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 100)
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 1000)
    path = file_of(tmp_path, b"emma\n" + b"x" * 1_000_000)
    read = 0

    class Slow(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            nonlocal read
            read += size
            return super().read(size)

    with Slow(path) as stream, pytest.raises(DataError, match="longer than 1000 bytes"):
        Corpus._from_stream(stream, "lines.txt", TextConfig())  # type: ignore[arg-type]
    assert read <= 1300
    assert "a line is longer than 1000 bytes" in refused(path)
    made(path, b"emma\n" + b"x" * 1000)
    assert list(Corpus.read(path)) == ["emma", "x" * 1000]


def test_a_file_that_never_ends_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, b"emma\nava\n\n")
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


# -- chunks ---------------------------------------------------------------------------------------


def test_every_chunk_size_gives_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*TRICKY, "", "x" * 50, "y" * 51, "\ufeffb", " a\x07 ", "emma", "emma", "e\u2028f"]
    path = file_of(tmp_path, "\ufeff" + "\r\n".join(lines) + "\nlast")
    expected = reference([*lines, "last"], 50, False)
    sizes = [*range(1, 40), 64, 100, 1000, 8 * 2**20]
    for size in sizes:
        monkeypatch.setattr(reading, "CHUNK", size)
        corpus = Corpus.read(path, TextConfig(max_line=50))
        assert (list(corpus), corpus.counts) == expected, size


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_chunk_may_end_inside_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    lines = ["emma", "zoë", "x" * 30, "åse"]
    path = file_of(tmp_path, "\n".join(lines).encode(encoding))
    for size in (1, 2, 3, 5, 7, 1000):
        monkeypatch.setattr(reading, "CHUNK", size)
        assert list(Corpus.read(path, TextConfig(encoding=encoding))) == lines


def test_a_corpus_of_many_lines_is_walked_in_blocks() -> None:
    lines = [str(number) for number in range(2**16 + 5)]
    corpus = Corpus.from_lines(lines)
    assert list(corpus) == lines
    assert corpus.text() == "\n".join(lines) + "\n"


# -- files that cannot be opened (faults 18 to 21) ------------------------------------------------


def test_errors_of_the_file_system_are_said_in_words(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, code in (
        (tmp_path / "missing.txt", errno.ENOENT),
        (tmp_path / "lines.txt" / "below", errno.ENOTDIR),
        (tmp_path, errno.EISDIR),
        (loop, errno.ELOOP),
        (tmp_path / ("x" * 300), errno.ENAMETOOLONG),
    ):
        made(tmp_path / "lines.txt", b"emma\n")
        message = refused(path)
        assert message.startswith(f"cannot read '{str(path)[:20]}")
        assert message.endswith(f" ({os.strerror(code)}): give a text file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, "emma\n")
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


def test_the_digest_tells_when_a_file_has_changed(tmp_path: Path) -> None:
    path = file_of(tmp_path, "emma\nava\n")
    before = Corpus.read(path).digest()
    assert before == hashlib.sha256(b"emma\nava\n").hexdigest()
    assert Corpus.read(file_of(tmp_path, b"emma\r\nava")).digest() == before
    assert Corpus.read(file_of(tmp_path, "emma\navi\n")).digest() != before
    assert Corpus.read(file_of(tmp_path, "ava\nemma\n")).digest() != before


# -- equality: hashes and copies ------------------------------------------------------------------


@given(LINES)
@example(["", "a", "", "aa", "\x00", "\x00\x00"])
def test_hashes_are_equal_where_texts_are(lines: list[str]) -> None:
    hashes = Corpus.exactly(lines).hashes()
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == len(set(lines))
    by_text = dict(zip(lines, hashes.tolist(), strict=True))
    assert hashes.tolist() == [by_text[line] for line in lines]


def test_hashes_of_many_like_lines_are_distinct() -> None:
    lines = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefghij" for c in range(1000)]
    lines += ["a" * length for length in range(1, 1000)]
    assert len(np.unique(Corpus.exactly(lines).hashes())) == len(set(lines)) == 80_999


def test_hashes_do_not_depend_on_storage_neighbours_or_order() -> None:
    lines = ["emma", "ava", "zoë"]
    alone = [int(Corpus.exactly([line]).hashes()[0]) for line in lines]
    for other, dtype in (("a", np.uint8), ("名", np.uint16), ("😀", np.uint32)):
        corpus = Corpus.exactly([other, "", *lines])
        assert corpus.codes.dtype == dtype
        assert corpus.hashes()[2:].tolist() == alone
    # Pinned: what is in which part of a run, and what is new, goes by them.
    assert alone[:2] == [854284512378916851, 6676574930750346057]


def test_the_first_of_each_is_found() -> None:
    lines = ["b", "a", "b", "", "a", "c", "", "b"]
    assert Corpus.exactly(lines).first_of_each().tolist() == [0, 1, 3, 5]
    assert Corpus.exactly([]).first_of_each().tolist() == []


def test_a_collision_of_hashes_never_drops_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_length(self: Corpus) -> np.ndarray:
        return self.lengths.astype(np.uint64)

    def constant(self: Corpus) -> np.ndarray:
        return np.zeros(len(self), dtype=np.uint64)

    lines = ["ab", "ab", "cd", "ef", "ab", "a", "xyz", "a"]
    for planted in (by_length, constant):
        monkeypatch.setattr(Corpus, "hashes", planted)
        rows = Corpus.exactly(lines).first_of_each()
        assert list(dict.fromkeys(lines[row] for row in rows)) == ["ab", "cd", "ef", "a", "xyz"]
        assert set(Corpus.from_lines(lines)) == set(lines)
    # Copies of the line that leads its hash are found all the same.
    monkeypatch.setattr(Corpus, "hashes", constant)
    assert list(Corpus.from_lines(["ab", "cd", "ab", "ab"])) == ["ab", "cd"]


@given(st.lists(st.tuples(NEAR, NEAR)))
@example([("", ""), ("a", "a"), ("", "a"), ("ab", "ac"), ("é名", "é名"), ("a", "😀")])
def test_equal_lines_compares_texts(pairs: list[tuple[str, str]]) -> None:
    left = Corpus.exactly([pair[0] for pair in pairs])
    right = Corpus.exactly([pair[1] for pair in pairs])
    assert left.equal_lines(right).tolist() == [a == b for a, b in pairs]


def mixed(x: int) -> int:
    """SplitMix64's finaliser, in Python's own numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def hashed(text: str) -> int:
    each = (mixed(ord(symbol) + (place << 32)) for place, symbol in enumerate(text))
    return mixed((sum(each) + len(text)) % 2**64)


@given(LINES)
def test_hashes_are_what_they_are_said_to_be(lines: list[str]) -> None:
    assert Corpus.exactly(lines).hashes().tolist() == [hashed(line) for line in lines]


# -- split ----------------------------------------------------------------------------------------


def random_lines(number: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    words = {"".join(draw.choices("abcdefghij", k=draw.randint(4, 9))) for _ in range(2 * number)}
    return sorted(words)[:number]


def parts_of(lines: Iterable[str], keep_copies: bool = False) -> dict[str, str]:
    """Line -> the name of its part; a line in two parts fails."""
    found: dict[str, str] = {}
    corpus = Corpus.from_lines(lines, TextConfig(keep_copies=keep_copies))
    for name, part in train_val_test_split(corpus):
        for line in part:
            assert found.setdefault(line, name) == name
    return found


PINNED_PARTS = {
    "emma": "val", "ava": "val", "olivia": "train", "mia": "train", "isabella": "train",
    "zoë": "train", "名字": "train", "😀": "test", ".": "test",
}  # fmt: skip


def test_where_a_line_goes_is_pinned() -> None:
    found = parts_of([*PINNED_PARTS, *random_lines(100)])
    assert {line: found[line] for line in PINNED_PARTS} == PINNED_PARTS
    key = int.from_bytes(b"makemore", "big")
    for line, part in found.items():
        tenth = (mixed(hashed(line) ^ key) >> 32) * 10 >> 32
        assert part == ("test" if tenth == 9 else "val" if tenth == 8 else "train")


def test_the_names_split_as_ever(names_file: Path) -> None:
    parts = train_val_test_split(Corpus.read(names_file))
    assert [len(part) for _, part in parts] == [23_649, 2_938, 2_907]


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(50, 300))
def test_neither_order_nor_growth_nor_copies_move_a_line(draw: random.Random, number: int) -> None:
    lines = random_lines(400)
    alone = parts_of(lines[:number])
    assert set(alone) == set(lines[:number])
    shuffled = lines[:]
    draw.shuffle(shuffled)
    grown = parts_of(shuffled)
    copied = parts_of(draw.choices(lines, k=200) + shuffled, keep_copies=True)
    assert {line: grown[line] for line in alone} == alone
    assert copied == grown


def test_a_split_is_a_partition_in_order_of_about_80_10_10() -> None:
    lines = random_lines(20_000)
    random.Random(1).shuffle(lines)
    parts = train_val_test_split(Corpus.from_lines(lines))
    where = {line: place for place, line in enumerate(lines)}
    together: list[str] = []
    for _, part in parts:
        places = [where[line] for line in part]
        assert places == sorted(places)
        together += part
    assert sorted(together) == sorted(lines)
    # Standard deviations are 57, 42 and 42 lines.
    for part, expected in ((parts.train, 16_000), (parts.val, 2_000), (parts.test, 2_000)):
        assert abs(len(part) - expected) < 200


def test_copies_are_on_one_side() -> None:
    lines = random_lines(300) * 3
    parts = train_val_test_split(Corpus.from_lines(lines, TextConfig(keep_copies=True)))
    assert sum(len(part) for _, part in parts) == 900
    for _, part in parts:
        assert all(list(part).count(line) == 3 for line in set(part))


def test_too_few_lines_all_train() -> None:
    lines = random_lines(MIN_LINES_TO_SPLIT)
    few = train_val_test_split(Corpus.from_lines(lines[:-1] * 4, TextConfig(keep_copies=True)))
    assert list(few.train) == lines[:-1] * 4
    assert (len(few.val), len(few.test)) == (0, 0)
    enough = train_val_test_split(Corpus.from_lines(lines))
    assert len(enough.train) < 50 and len(enough.val) + len(enough.test) > 0


def test_the_digest_of_a_split_is_that_of_its_three_texts() -> None:
    parts = train_val_test_split(Corpus.from_lines(random_lines(200)))
    digests = (hashlib.sha256(part.text().encode()).hexdigest() for _, part in parts)
    assert parts.digest() == hashlib.sha256("".join(digests).encode()).hexdigest()


def test_labels_stay_with_their_lines() -> None:
    lines = random_lines(200)
    labels = {line: number * 7 for number, line in enumerate(lines)}
    corpus = Corpus.exactly(lines)
    names = tuple(f"{number:04}" for number in range(1400))
    corpus = dataclasses.replace(
        corpus, labels=np.array([labels[line] for line in lines]), label_names=names
    )

    def check(part: Corpus, expected: Iterable[str]) -> None:
        expected = list(expected)
        assert part.labels is not None and list(part) == expected
        assert part.label_names == names
        assert part.labels.tolist() == [labels[line] for line in expected]

    check(corpus.take(np.array([5, 0, 5])), [lines[5], lines[0], lines[5]])
    check(corpus.take(slice(3, 6)), lines[3:6])
    parts = train_val_test_split(corpus)
    for _, part in parts:
        check(part, part)
    check(concatenate([parts.val, parts.train]), [*parts.val, *parts.train])
    assert concatenate([corpus, Corpus.exactly(["x"])]).labels is None


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(11, 22, 33, 44, 55)
    assert concatenate([]).counts == Counts() and len(concatenate([])) == 0


def test_latin_1_is_read_line_by_line_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr("makemore.text.reading.CHUNK", 4)
    monkeypatch.setattr("makemore.text.reading.MAX_LINE_BYTES", 8)
    path = tmp_path / "names.txt"
    path.write_bytes("zo\xeb\nb\xe9a\n".encode("latin-1"))
    assert list(Corpus.read(path, TextConfig(encoding="latin-1"))) == ["zo\xeb", "b\xe9a"]
    path.write_bytes(b"\xeb" * 40)
    with pytest.raises(DataError, match="longer"):
        Corpus.read(path, TextConfig(encoding="latin-1"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf_8_sig"])
def test_a_mark_inside_the_text_stays_with_utf_8_sig_too(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr("makemore.text.reading.CHUNK", 5)
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffa\n\ufeffb\n".encode())
    assert list(Corpus.read(path, TextConfig(encoding=encoding))) == ["a", "\ufeffb"]
