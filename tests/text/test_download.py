"""download.py: http and https alone, in bounded time, and no password is shown."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import answering
from makemore.errors import SystemFault, UsageError
from makemore.text.download import download, without_secrets

SEEN = list[tuple[str, str | None]]()
MOVED = {
    "/to-file": "file:///etc/passwd", "/to-ftp": "ftp://127.0.0.1/a", "/to-data": "data:,emma",
    "/to-password": "http://me:secret@127.0.0.1/a", "/to-itself": "/to-itself", "/moved": "/list",
    "/relative": "list",
}  # fmt: skip


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN.append((self.path, self.headers.get("Authorization")))
        path = self.path.partition("?")[0]
        if path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/slow-headers":
            self.trickle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100)
        elif path == "/slow":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            self.trickle(b"x" * 100)
        elif path == "/list":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nemma\n")
        else:
            self.send_error(404)

    def trickle(self, body: bytes) -> None:
        for byte in body:
            try:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            except OSError:
                return
            if STOP.wait(0.02):
                return

    def log_message(self, *_: Any) -> None:
        pass


STOP = threading.Event()


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with answering(Answers) as address:
        yield address
        STOP.set()


@pytest.mark.parametrize("path", ["list", "moved", "relative", "list?a=b#c"])
def test_what_the_server_has(server: str, path: str) -> None:
    assert download(f"http://{server}/{path}", 100) == b"emma\n"
    assert download(f"http://{server}/{path}", 2) == b"emm"  # one more than allowed, and no more


@pytest.mark.parametrize("path", ["slow", "slow-headers"])
def test_a_byte_now_and_then_is_too_slow(server: str, path: str) -> None:
    """Each read has its answer in time; all of them together have not."""
    began = time.monotonic()
    with pytest.raises(SystemFault) as caught:
        download(f"http://{server}/{path}", 1000, timeout=5, seconds=0.3)
    message = str(caught.value)
    assert message.endswith(
        f"{path} (it takes longer than 0.3 s): check the network, or download it by hand"
    )
    assert caught.value.exit_code == 5 and time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url",
    [
        "names.txt", "", "http://", "http://[", "http://127.0.0.1/a b", "nope://x",
        "file:names.txt", "file:///etc/passwd", "ftp://127.0.0.1/a", "data:,emma",
        "https:names.txt", "//host/a",
        "http://host:port/a", "http://host/\n", "http://h\u00e9/a", "HTTP//x", "http://@/a",
        "http://:80/a",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="is no http or https address") as caught:
        download(url, 100)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["to-file", "to-ftp", "to-data", "to-password"])
def test_a_redirect_leads_to_no_other_kind_of_address(server: str, path: str) -> None:
    with pytest.raises(UsageError, match="it leads") as caught:
        download(f"http://{server}/{path}", 100)
    assert "secret" not in str(caught.value)
    with pytest.raises(SystemFault, match="infinite loop"):
        download(f"http://{server}/to-itself", 100)


def test_a_password_is_sent_once_and_never_shown(server: str) -> None:
    SEEN.clear()
    assert download(f"http://me:s%40cret@{server}/moved", 100) == b"emma\n"
    token = base64.b64encode(b"me:s@cret").decode()
    assert SEEN == [("/moved", f"Basic {token}"), ("/list", None)]
    for url in (
        f"http://me:secret@{server}/missing?token=secret", "http://me:secret@127.0.0.1:1/a",
        "file://me:secret@host/a", "http://me:se/cret@host:port/a", "me:secret@host/a",
        "http://me:secret@[/a",
    ):  # fmt: skip
        with pytest.raises((SystemFault, UsageError)) as caught:
            download(url, 100)
        assert "secret" not in str(caught.value) and "cret" not in str(caught.value), url


def test_what_is_no_secret_is_shown() -> None:
    for url in ("https://host/pkg@1.0/names.txt", "http://127.0.0.1:80/a", "file:names.txt"):
        assert without_secrets(url) == url
    assert without_secrets("https://u:p@host:1/a/b?c=d#e") == "https://host:1/a/b"
