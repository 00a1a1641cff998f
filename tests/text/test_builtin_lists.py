"""builtin_lists.py: names that come with the package; a download that is whole or not at all."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import answering, is_clean
from makemore.errors import DataError, SystemFault
from makemore.text import builtin_lists
from makemore.text.builtin_lists import NAMES_SHA256, builtin_names, fetch
from makemore.text.corpus import Corpus
from run_folder import STRANGE

BODY = b"emma\nolivia\nava\n"
DIGEST = hashlib.sha256(BODY).hexdigest()


def reply(status: str, body: bytes, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n".encode() + b"\r\n" + body


REPLIES = {
    "/names.txt": reply("200 OK", BODY),
    "/changed": reply("200 OK", BODY + b"eve\n"),
    "/cut": reply("200 OK", BODY[:-3], len(BODY)),
    "/error": reply("500 Internal Server Error", BODY),  # the right body, but no success
    "/moved": reply("302 Found\r\nLocation: /names.txt", b""),
    "/nothing-here": reply("404 Not Found", b"no"),
    "/silent": b"",
    "/garbage": b"emma\r\n\r\n",
    "/broken-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nemma",
    "/large": reply("200 OK", b"x" * 5000),
}


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that is well, or broken in the way its path names."""

    def do_GET(self) -> None:
        self.wfile.write(REPLIES[self.path])

    def log_message(self, *_: Any) -> None:
        pass


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with answering(Answers) as address:
        yield f"http://{address}"


def test_builtin_names_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    names = builtin_names()
    assert names == sorted(set(names))
    assert 6_000 < len(names) < 10_000
    assert {"Emma", "Olivia", "James", "Zoe"} <= set(names)
    assert all(is_clean(name) for name in names)
    assert list(Corpus.from_lines(names)) == names


def test_the_lectures_names_have_the_digest_that_fetch_asks_for(names_file: Path) -> None:
    assert hashlib.sha256(names_file.read_bytes()).hexdigest() == NAMES_SHA256


@pytest.mark.parametrize("path", ["/names.txt", "/moved"])
def test_what_has_the_digest_is_written_whole(server: str, tmp_path: Path, path: str) -> None:
    target = tmp_path / "names.txt"
    target.write_bytes(b"mine\n")  # what was there is replaced only by the right one
    with pytest.raises(DataError):
        fetch(server + "/changed", DIGEST, target)
    assert target.read_bytes() == b"mine\n"
    assert fetch(server + path, DIGEST, target) == target
    assert target.read_bytes() == BODY
    assert os.listdir(tmp_path) == ["names.txt"]


@pytest.mark.parametrize("path", ["/changed", "/cut", "/large"])
def test_anything_else_is_not_written(
    server: str, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_lists, "MAX_DOWNLOAD", 1000)
    with pytest.raises(DataError, match=rf"^what came has sha256 [0-9a-f]{{64}}, not {DIGEST} \("):
        fetch(server + path, DIGEST, tmp_path / "names.txt")
    with pytest.raises(DataError) as caught:  # a body without end is bounded
        fetch(server + "/large", DIGEST, tmp_path / "names.txt")
    assert hashlib.sha256(b"x" * 1001).hexdigest() in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nothing-here", "Not Found"), ("/error", "Internal Server Error"),
        ("/silent", "Remote end closed connection"), ("/garbage", "emma"),
        ("/broken-chunks", "IncompleteRead"),
    ],
)  # fmt: skip
def test_a_broken_server_is_a_fault_of_the_environment(
    server: str, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(SystemFault) as caught:
        fetch(server + path, DIGEST, tmp_path / "names.txt")
    message = str(caught.value)
    assert message.startswith(f"cannot download {server}{path} (") and reason in message
    assert message.endswith("check the network, or download it by hand")
    assert caught.value.exit_code == 5 and os.listdir(tmp_path) == []


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but it does not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(SystemFault, match="Connection refused"):
            fetch(f"http://127.0.0.1:{port}/names.txt", DIGEST, tmp_path / "names.txt")


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/names.txt"
        with pytest.raises(SystemFault, match="timed out"):
            fetch(url, DIGEST, tmp_path / "names.txt", timeout=0.2)


def test_a_target_that_cannot_be_written(server: str, tmp_path: Path) -> None:
    target = tmp_path / "no" / "names.txt"
    with pytest.raises(SystemFault) as caught:
        fetch(server + "/names.txt", DIGEST, target)
    assert (
        str(caught.value) == f"cannot write {target} (No such file or directory): give another -o"
    )
    (tmp_path / "names.txt").mkdir()
    with pytest.raises(SystemFault, match="Is a directory"):
        fetch(server + "/names.txt", DIGEST, tmp_path / "names.txt")
    assert os.listdir(tmp_path) == ["names.txt"]


@pytest.mark.parametrize("kind", STRANGE)
def test_what_was_planted_beside_the_target_stays_as_it_is(
    kind: str, server: str, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    STRANGE[kind](folder / "names.txt.part")
    before = os.lstat(folder / "names.txt.part")
    assert fetch(server + "/names.txt", DIGEST, folder / "names.txt").read_bytes() == BODY
    assert os.lstat(folder / "names.txt.part").st_ino == before.st_ino
    assert sorted(os.listdir(folder)) == ["names.txt", "names.txt.part"]
    if kind == "link":
        assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_file_is_not_replaced(kind: str, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    STRANGE[kind](folder / "names.txt")
    before = os.lstat(folder / "names.txt")
    with pytest.raises(SystemFault, match="cannot write .*: give another -o"):
        fetch("http://127.0.0.1:1/", DIGEST, folder / "names.txt")  # and nobody was asked
    assert os.lstat(folder / "names.txt") == before and os.listdir(folder) == ["names.txt"]


def test_the_file_has_the_modes_that_its_owner_wants(server: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fetch(server + "/names.txt", DIGEST, tmp_path / "names.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "names.txt").stat().st_mode & 0o777 == 0o640
