"""opening.py: files by their path or already open, the home folder, what was read to its end."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from makemore.errors import DataError, UsageError
from makemore.text.opening import Kept, is_decoded, is_file, path_of, position, reading


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert path_of("~/names.txt") == path_of(Path("~/names.txt")) == "/home/ada/names.txt"
    assert path_of("~") == "/home/ada"
    for plain in ("names.txt", "./~/names.txt", "~names.txt", "a/~", ""):
        assert path_of(plain) == plain
    monkeypatch.chdir(tmp_path)
    Path("~").mkdir()  # as the command line makes it, where somebody types '~'
    assert path_of("~/names.txt") == "~/names.txt"
    with pytest.raises(UsageError, match=r"^int is no path \(folder\): give the folder's path"):
        path_of(3, "folder")


def test_what_is_open_is_known_by_what_it_gives(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"anna\n")
    with open(path, "rb") as binary, open(path, encoding="utf-8") as text:
        assert is_file(binary) and not is_decoded(binary)
        assert is_decoded(text) and not is_file(text)
    assert is_file(path) and not is_file(str(path)) and not is_decoded(["anna"])


def test_a_stream_is_read_from_where_it_stands_and_stays_open(tmp_path: Path) -> None:
    stream = io.BytesIO(b"anna\nbo\n")
    stream.readline()
    assert position(stream) == 5
    with reading(stream) as (opened, name):
        assert (opened.read(), name) == (b"bo\n", "lines")
    assert not stream.closed
    with pytest.raises(DataError, match=r"^'lines' has been read to its end .*: go back first"):
        with reading(stream):
            pass
    receiver, sender = os.pipe()  # nobody knows where a pipe stands
    with os.fdopen(receiver, "rb") as pipe, os.fdopen(sender, "wb") as end:
        end.write(b"cy\n")
        end.close()
        with reading(pipe) as (opened, _):
            assert position(pipe) == 0 and opened.read() == b"cy\n"


def test_kept_bytes_have_the_name_of_their_file() -> None:
    with reading(Kept(b"anna", "names.txt")) as (stream, name):
        assert (stream.read(), name) == (b"anna", "names.txt")


def test_a_pipe_that_breaks_is_no_fault_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.touch()
    with pytest.raises(BrokenPipeError), reading(path):
        raise BrokenPipeError
    with pytest.raises(DataError, match="cannot read .*names.txt"), reading(path):
        raise OSError("it is gone")
