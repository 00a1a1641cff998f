"""Servers for tests: the application in a thread of its own, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from makemore.web.server import running
from makemore.web.server.app import Site
from makemore.web.server.limits import Times

PAGE = b"<!DOCTYPE html><title>page</title>"
POLICY = "default-src 'none'; connect-src 'self'"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


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


@contextmanager
def served(site: Site) -> Iterator[Served]:
    """Serve a site in a thread until the `with` ends."""
    sock = running.listen("127.0.0.1", 0)
    port, token, times = sock.getsockname()[1], "token", Times()
    app = running.guarded(site.app(), token, "127.0.0.1", port, times)
    server = uvicorn.Server(running.settings(app, times))
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        yield Served(port, token)
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
