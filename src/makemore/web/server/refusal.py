"""Refusal: how a request is refused, and the headers by which every answer is safe in a browser.

An error is JSON of one shape, as the command line's errors are: what, where, and what to do.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Send

from makemore.escaping import visible

Headers = list[tuple[bytes, bytes]]

# What is no page may load nothing, should a browser ever show it as one.
NOTHING = "default-src 'none'; frame-ancestors 'none'"
SAFE = {
    b"x-content-type-options": b"nosniff",  # text is never taken for a script
    b"referrer-policy": b"no-referrer",  # the link holds the token
    b"cross-origin-resource-policy": b"same-origin",  # no other page embeds what is answered
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
LONGEST = 400  # characters of an error's message, place or fix
LINGER_S = 2.0  # how long the rest of a refused request is taken, so that its answer is read


@dataclass(frozen=True)
class Refusal:
    """Says why a request is refused: an HTTP status, what is wrong, where, and what to do.

    headers: more of the answer; last: the connection ends with it
    """

    status: int
    message: str
    where: str | None = None
    fix: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    last: bool = False

    def body(self) -> bytes:
        """Write the error as JSON."""
        return json.dumps(error_json(self.message, self.where, self.fix)).encode()

    def all_headers(self, body: bytes) -> Headers:
        """List the headers of the answer."""
        return [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", NOTHING.encode()),
            *SAFE.items(),
            *self.headers,
            *([(b"connection", b"close")] if self.last else []),
        ]


def error_json(message: str, where: str | None, fix: str | None) -> dict[str, Any]:
    """Make the JSON object of an error; its words are cut, and hold no control characters."""
    words = {"message": message, "where": where, "fix": fix}
    return {"error": {key: word and visible(word, LONGEST) for key, word in words.items()}}


async def refuse(refusal: Refusal, receive: Receive, send: Send) -> None:
    """Answer a request by an error.

    One that is refused before its body is read is the connection's last. What comes of the body is
    taken and thrown away for a moment: a connection closed on bytes that nobody read is reset, and
    the client would never see the answer.
    """
    body = refusal.body()
    headers = refusal.all_headers(body)
    start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if refusal.last:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while (await receive()).get("more_body"):
                    pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
