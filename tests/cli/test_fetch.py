"""makemore fetch: a list from a server, if it is the one that was expected."""

from __future__ import annotations

import hashlib
import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import TEXT, failed
from conftest import Call, answering
from makemore.text import builtin_lists


@pytest.fixture
def server() -> Any:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TEXT.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    with answering(Handler) as address:
        yield f"http://{address}/names.txt"


def test_fetch_keeps_only_what_was_expected(
    server: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(call("fetch", "names", "--url", server), 3, "sha256", server)
    assert os.listdir() == []
    monkeypatch.setattr(builtin_lists, "NAMES_SHA256", hashlib.sha256(TEXT.encode()).hexdigest())
    ended = call("fetch", "names", "--url", server)
    assert ended.returncode == 0 and ended.stdout == "names.txt\n"
    assert Path("names.txt").read_text() == TEXT


def test_fetch_replaces_no_other_file_unless_it_is_told_to(
    server: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_lists, "NAMES_SHA256", hashlib.sha256(TEXT.encode()).hexdigest())
    Path("names.txt").write_text("mine\n")
    failed(
        call("fetch", "names", "--url", server), 2, "a file already (names.txt): give another -o"
    )
    assert Path("names.txt").read_text() == "mine\n"
    assert call("fetch", "names", "--url", server, "--force").returncode == 0
    again = call("fetch", "names", "--url", "http://127.0.0.1:9/none")  # nothing is downloaded
    assert again.returncode == 0 and "it is there already" in again.stderr
    failed(call("fetch"), 2, "Missing argument 'names'")
