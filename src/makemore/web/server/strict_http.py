"""Strict HTTP: an HTTP/1.1 parser that takes no head which two programs could read differently.

h11 reads a head as most servers do: a line may end in a bare line feed, a header may go on in the
next line, and of a length and chunks it believes the chunks. What stands before a server may read
the same bytes otherwise, and find two requests where we find one (request smuggling). So all of
that is refused here, with what no client of ours sends.
"""

from __future__ import annotations

import re
from typing import Any

import h11

HEAD = 16 * 2**10  # bytes of a request line and its headers
VERSIONS = (b"1.0", b"1.1")

# A carriage return or a line feed without the other, a line that goes on, a control character. At
# the end of what has come so far, a carriage return may still get its line feed.
AMBIGUOUS = re.compile(
    rb"(?<!\r)\n|\r(?!\n)(?!\Z)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)  # fmt: skip
# What begins a request, so far: nothing else need be waited for, such as a TLS handshake.
FIRST_LINE = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+( [!-~]*( [A-Z0-9/.]*)?)?\r?", re.ASCII)


class StrictConnection(h11.Connection):
    """Parses requests as h11 does, and refuses heads that h11 would still take.

    status: of the refusal, once next_event has raised RemoteProtocolError
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEAD)
        self.status = 400

    def next_event(self) -> Any:
        """Give the next event. Raises h11.RemoteProtocolError for what is no request."""
        if self.their_state is h11.IDLE and self.our_state is h11.IDLE:
            self.check_head(self.trailing_data[0])
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.status = 431 if error.error_status_hint == 431 else 400
            raise
        if isinstance(event, h11.Request):
            check_framing(event)
        return event

    def check_head(self, received: bytes) -> None:
        """Check the bytes of a head, or as many as have come. Raises RemoteProtocolError."""
        end = received.find(b"\r\n\r\n")
        head = received[: end + 4] if end >= 0 else received
        if len(head) > HEAD:
            self.status = 431
            raise h11.RemoteProtocolError("the headers are too long", error_status_hint=431)
        first, _, _ = head.partition(b"\r\n")
        if head and (AMBIGUOUS.search(head) or not FIRST_LINE.fullmatch(first)):
            self.status = 400
            raise h11.RemoteProtocolError("no request of HTTP/1.1")


def check_framing(request: h11.Request) -> None:
    """Check that a request has one end, the same for everybody. Raises RemoteProtocolError."""
    lengths = [value for name, value in request.headers if name == b"content-length"]
    codings = [value for name, value in request.headers if name == b"transfer-encoding"]
    if request.http_version not in VERSIONS:
        raise h11.RemoteProtocolError("no version 1.0 or 1.1")
    if (lengths and codings) or (codings and request.http_version == b"1.0"):
        raise h11.RemoteProtocolError("a length and chunks")
