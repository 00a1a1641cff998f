"""Limits: what a request may bring, and for how long. The application sees whole requests only.

The body is read here, up to its limit and for its time, before the application is called. It is
JSON, and lies parsed in the request's state. When its client leaves, the application is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from makemore.web.server.body import read_body
from makemore.web.server.leaving import while_there
from makemore.web.server.refusal import Refusal, refuse

BODY = 64 * 2**10  # bytes
LARGER: Mapping[str, int] = {"/api/train": 8 * 2**20}  # a list; with the token, says the guard
JSON = "json"  # in a request's state: what its body says


@dataclass(frozen=True)
class Times:
    """Holds how many seconds a client may take: for a head, a body, to read, between requests.

    stop: what the server gives to requests in flight when it is to end
    """

    head: float = 10.0
    body: float = 10.0
    read: float = 10.0
    idle: int = 30
    stop: int = 4


class BodyRefused(Exception):
    """Carries why a body is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Left(Exception):
    """Says that the client left before its request was whole."""


class Limits:
    """Reads the body of each request within its limits, and hands it on whole."""

    def __init__(
        self, app: ASGIApp, times: Times | None = None, larger: Mapping[str, int] = LARGER
    ) -> None:
        self.app = app
        self.times = times or Times()
        self.larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self.body(scope, receive)
            if scope["method"] == "POST":
                scope.setdefault("state", {})[JSON] = json_of(body)
        except Left:
            return
        except BodyRefused as refused:
            await refuse(refused.refusal, receive, send)
            return
        # Nobody resumes here: a part of a file would be the whole of it, and many parts many times.
        scope["headers"] = [
            pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")
        ]
        await while_there(self.app, scope, body, receive, send)

    async def body(self, scope: Scope, receive: Receive) -> bytes:
        """Read the body. Raises BodyRefused, if it can from the head alone, and Left."""
        limit = self.larger.get(scope["path"], BODY)
        if (refusal := refused_by_head(scope, limit)) is not None:
            raise BodyRefused(refusal)
        body = bytearray()
        try:
            async with asyncio.timeout(self.times.body):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Left
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise BodyRefused(too_large(limit))
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            what = f"the body took more than {self.times.body:g} s"
            raise BodyRefused(Refusal(408, what, None, "send it at once", last=True)) from None


def refused_by_head(scope: Scope, limit: int) -> Refusal | None:
    """Say why a request is refused before its body is read; None: it is read."""
    headers = dict(scope["headers"])
    length = int(headers.get(b"content-length", b"0"))
    if scope["method"] != "POST" and (length or b"transfer-encoding" in headers):
        return Refusal(400, "only a POST has a body", None, "send it without", last=True)
    coding = headers.get(b"content-encoding", b"identity").lower()
    if coding != b"identity":  # a kilobyte of it may be a gigabyte
        fix = "send it as it is"
        return Refusal(415, "no compressed body is read", "Content-Encoding", fix, last=True)
    return too_large(limit) if length > limit else None


def too_large(limit: int) -> Refusal:
    """Make the refusal of a body above its limit, bytes."""
    what = f"the body is larger than {limit // 2**10} KiB"
    return Refusal(413, what, None, "send less at once", last=True)


def json_of(body: bytes) -> object:
    """Parse a body that has come whole. Raises BodyRefused."""
    try:
        return read_body(body)
    except ValueError as error:
        what = f"the body is no JSON that is read here: {error}"
        raise BodyRefused(Refusal(400, what, None, "send one JSON object")) from None
