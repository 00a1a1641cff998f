"""Servers for tests: the application in a thread of its own, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from makemore.cli.serving import read_list
from makemore.version import __version__
from makemore.web import served_page
from makemore.web.server import running
from makemore.web.server.app import Site
from makemore.web.server.limits import Times
from makemore.web.server.runs import Place
from web.raw_http import Answer

PAGE = b"<!DOCTYPE html><title>page</title>"
POLICY = "default-src 'none'; connect-src 'self'"


@dataclass
class Served:
    """A server that answers at a port of this machine."""

    port: int
    token: str = ""

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        return self.ask("POST", path, body)

    def run(self, id: str) -> Any:
        return self.get(f"/api/run?run={id}").json

    def until(self, id: str, holds: Callable[[Any], bool], seconds: float = 60) -> Any:
        """The run, once something holds of it."""
        end = time.monotonic() + seconds
        while not holds(run := self.run(id)):
            assert time.monotonic() < end, run
            time.sleep(0.05)
        return run

    def state(self, id: str, *states: str) -> Any:
        return self.until(id, lambda run: run["state"] in states)

    @contextmanager
    def events(self, path: str = "/api/events") -> Iterator[Iterator[tuple[str, Any]]]:
        """The events of a stream, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.getheader("content-type", "").startswith("text/event-stream")
        try:
            yield parsed(answer)
        finally:
            connection.close()


def parsed(lines: Any) -> Iterator[tuple[str, Any]]:
    fields: dict[str, str] = {}
    for raw in lines:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if not line and fields:
            assert fields["id"].isdigit()
            yield fields["event"], json.loads(fields["data"])
            fields = {}
        name, _, value = line.partition(": ")
        fields |= {name: value} if line else {}


class ThreadServer(running.Server):
    """The command's server, but in a thread, which gets no signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class InThread:
    """Serves a site in a thread; after `stop` at the same port again."""

    def __init__(self, site: Callable[[], Site], token: str = "token") -> None:  # noqa: S107
        self.site, self.token, self.port = site, token, 0
        self.asked: list[str] = []  # method and path of each request

    def start(self) -> None:
        self.sock = running.listen("127.0.0.1", self.port)
        self.port, times = self.sock.getsockname()[1], Times(stop=1)
        self.now = self.site()
        app = running.guarded(self.now.app(), self.token, "127.0.0.1", self.port, times)
        self.server = ThreadServer(running.settings(self.noting(app), times))
        self.server.ending = self.now.ending
        self.thread = threading.Thread(target=self.server.run, args=([self.sock],))
        self.thread.start()

    def noting(self, app: ASGIApp) -> ASGIApp:
        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.asked.append(f"{scope['method']} {scope['path']}")
            await app(scope, receive, send)

        return noted

    def stop(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)
        self.thread.join()
        self.sock.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def link(self) -> str:
        """What `makemore serve` would print."""
        return f"{self.address}?token={self.token}"


class Folder(InThread):
    """A server of a folder of runs, as `makemore serve` makes it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(self.made)
        self.folder = folder
        self.file: Path | None = None  # the list that the page opens with, from the next start on

    def made(self) -> Site:
        file = None if self.file is None else read_list(self.file)
        return Site(Place.of(self.folder), partial(served_page, __version__), file)


@contextmanager
def served(site: Site) -> Iterator[Served]:
    """Serve a site in a thread until the `with` ends."""
    server = InThread(lambda: site)
    server.start()
    try:
        yield Served(server.port, server.token)
    finally:
        server.stop()
