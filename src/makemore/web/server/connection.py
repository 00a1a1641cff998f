"""Connection: one client's, with a time for each thing that it can make the server wait for.

uvicorn closes only connections that are idle after an answer. A client that sends its head a letter
a minute, or never reads its answer, would stay for ever; and 500 of them would hold 500 sockets.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from makemore.web.server.guard import STREAM
from makemore.web.server.limits import Times
from makemore.web.server.refusal import Refusal
from makemore.web.server.strict_http import StrictConnection

LEAST = 64 * 2**10  # bytes that a client reads in Times.read seconds, if there are as many
PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large",
           503: b"Service Unavailable"}  # fmt: skip


class Settings(Config):
    """uvicorn's settings, with ours: the times, and how many connections there may be."""

    times: Times
    connections: int


class Connection(H11Protocol):
    """Serves one client; without its leave, no longer than Times say."""

    def __init__(self, config: Config, *args: Any, **named: Any) -> None:
        super().__init__(config, *args, **named)
        settings = cast(Settings, config)
        self.times = settings.times
        self.most = settings.connections
        self.strict = StrictConnection()
        self.conn = self.strict
        self.since = self.loop.time()  # when it began to wait for a request
        self.head_timer: asyncio.TimerHandle | None = None
        self.read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new client; above the limit, for the one that has kept us waiting longest."""
        super().connection_made(transport)
        # Writing counts as paused while anything is unsent, so that resume_writing says it is read.
        transport.set_write_buffer_limits(high=0)
        self.expect_head()
        if len(self.connections) > self.most:
            self.make_room()

    def make_room(self) -> None:
        """Drop the client that has kept the server waiting longest, or refuse this one."""
        others = [cast(Connection, each) for each in self.connections if each is not self]
        waiting = [each for each in others if each.waits()]
        if waiting:
            oldest = min(waiting, key=lambda each: each.since)
            self.connections.discard(oldest)  # at once: more clients may come before it is lost
            oldest.transport.abort()
        else:
            again = ((b"retry-after", b"5"),)
            self.end_by(Refusal(503, "too many connections", None, "try again", again, True))

    def waits(self) -> bool:
        """Tell whether no request of the client is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what waits for the client."""
        self.stop_timers()
        super().connection_lost(exc)

    def stop_timers(self) -> None:
        """Stop waiting for a head, and for a reader."""
        for timer in (self.head_timer, self.read_timer):
            if timer is not None:
                timer.cancel()
        self.head_timer = self.read_timer = None

    # A head has its time from its first byte; that of a new connection, from the connection.

    def handle_events(self) -> None:
        """Handle what has come; then a head that is not whole has its time."""
        super().handle_events()
        if self.transport.is_closing():
            return
        if self.strict.their_state is not h11.IDLE:
            if self.head_timer is not None:
                self.head_timer.cancel()
                self.head_timer = None
        elif self.head_timer is None and self.strict.trailing_data[0]:
            self.expect_head()

    def expect_head(self) -> None:
        """Give the client its time for a head."""
        self.since = self.loop.time()
        self.head_timer = self.loop.call_later(self.times.head, self.no_head)

    def no_head(self) -> None:
        """End a connection on which no whole head has come in time."""
        if not self.strict.trailing_data[0]:
            self.transport.close()  # it was opened for nothing: nobody waits for an answer
            return
        what = f"the headers took more than {self.times.head:g} s"
        self.end_by(Refusal(408, what, None, "send them at once", last=True))

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request of HTTP; the connection cannot be understood any more."""
        status = self.strict.status
        what = "the headers are longer than 16 KiB" if status == 431 else "no request of HTTP/1.1"
        self.end_by(Refusal(status, what, None, "send another one", last=True))

    def end_by(self, refusal: Refusal) -> None:
        """Answer by an error, unless an answer has begun, and close."""
        cycle = self.cycle
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # so that the application sends nothing more
            cycle.message_event.set()
        if not begun:
            body = refusal.body()
            status = f"HTTP/1.1 {refusal.status} ".encode() + PHRASES[refusal.status]
            lines = [status, *(b": ".join(pair) for pair in refusal.all_headers(body))]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.close()

    # A client that does not read keeps its answer in our memory.

    def pause_writing(self) -> None:
        """Give the client its time to read."""
        super().pause_writing()
        self.expect_reading()

    def resume_writing(self) -> None:
        """Go on: everything has been read."""
        if self.read_timer is not None:
            self.read_timer.cancel()
            self.read_timer = None
        super().resume_writing()

    def expect_reading(self) -> None:
        """Look after a while how much the client has read."""
        unsent = self.transport.get_write_buffer_size()
        self.read_timer = self.loop.call_later(self.times.read, self.no_reading, unsent)

    def no_reading(self, unsent: int) -> None:
        """Drop a client that has read too little; else give it its time again."""
        if unsent - self.transport.get_write_buffer_size() < LEAST:
            self.transport.abort()
        else:
            self.expect_reading()

    def shutdown(self) -> None:
        """End when the server does: a stream now, an answer once it is sent."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy and self.scope.get("state", {}).get(STREAM):
            self.transport.abort()  # who does not read it would be waited for
        elif self.transport.is_closing() or not busy:
            self.transport.close()
        else:
            self.cycle.keep_alive = False
