"""Requests as bytes, over a socket: what no HTTP client would send; and servers as processes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SMALL = [sys.executable, str(Path(__file__).with_name("small_server.py"))]
LINK = re.compile(r"http://(\S+):(\d+)/\?token=(\S+)")


@dataclass
class Answer:
    """An answer; status 0: the server closed the connection without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@dataclass
class Server:
    """A server that runs as a process."""

    process: subprocess.Popen[str]
    host: str
    port: int
    token: str
    log: IO[str]  # what it wrote to stderr

    def open(self, timeout: float = 15) -> socket.socket:
        """Connect."""
        return socket.create_connection((self.host.strip("[]"), self.port), timeout)

    def send(self, request: bytes, timeout: float = 15) -> Answer:
        """Send bytes on a connection of their own, and read what comes."""
        with self.open(timeout) as sock:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before it is all sent
                sock.sendall(request)
            return read(sock, request.split(b" ", 1)[0])

    def ask(
        self, line: str, body: Any = None, timeout: float = 15, **headers: str | None
    ) -> Answer:
        """Ask "GET /path" as a client should; a header of None is left out, _ stands for -."""
        return self.send(self.request(line, body, **headers), timeout)

    def request(self, line: str, body: Any = None, **headers: str | None) -> bytes:
        """The bytes of a good request, but for what headers say."""
        given: dict[str, str | None] = {"host": f"{self.host}:{self.port}", "connection": "close"}
        sent = b""
        if body is not None:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            given |= {"content-type": "application/json", "content-length": str(len(sent))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{line} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items() if v is not None)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + sent

    @property
    def bearer(self) -> str:
        return f"Bearer {self.token}"

    def said(self) -> str:
        """What it has written to stderr."""
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> float:
        """Resident memory, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1000

    def end(self, signum: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(timeout)


def read(sock: socket.socket, method: bytes = b"GET") -> Answer:
    """Read an answer."""
    answer = http.client.HTTPResponse(sock, method=method.decode("latin-1"))
    try:
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    except (ConnectionResetError, http.client.RemoteDisconnected):
        return Answer(0, {}, b"")
    finally:
        answer.close()


def until(check: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.02)
    return check()


@contextmanager
def running(command: list[str], *options: str) -> Iterator[Server]:
    """Start a server that prints its link, and end it."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            found = LINK.match(process.stdout.readline())
            log.seek(0)
            assert found is not None, log.read()
            started = Server(process, found[1], int(found[2]), found[3], log)
            # It has all files open that it keeps open once it has answered.
            assert started.ask("GET /health", authorization=started.bearer).status == 200
            yield started
        finally:
            process.kill()
            process.communicate()
