"""Running: the socket, and uvicorn around the application until a signal ends it."""

from __future__ import annotations

import errno
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from makemore.errors import SystemFault, UsageError
from makemore.web.server.connection import Connection, Settings
from makemore.web.server.guard import Guard
from makemore.web.server.limits import Limits, Times
from makemore.web.server.log import Say, told
from makemore.web.server.port_holder import port_holder

LAST_PORT = 65535
WAITING = 1024  # connections that the system holds until they are accepted
MOST = 2000  # connections at once
OWN_FILES = 100  # open files that are no connections, and a few to spare
UNSENT = 128 * 2**10  # bytes that the system keeps for a client that does not read


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. Raises SystemFault and UsageError."""
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"there is no port {port}", host, f"--port takes 0 to {LAST_PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError, OverflowError):
        raise UsageError(
            "there is no such address", host, "--host 127.0.0.1 is this machine"
        ) from None
    faults = []
    for family, kind, protocol, _, address in found:  # localhost may be IPv6 only
        # With its protocol: asyncio sends the pieces of an answer at once only if it knows that
        # it is TCP, and else each waits up to 40 ms for the client to confirm the one before.
        sock = socket.socket(family, kind, protocol)
        try:
            # The port of a server that has just ended is free, whatever its clients still do.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
            sock.bind(address)
            sock.listen(WAITING)
            return sock
        except OSError as error:
            sock.close()
            faults.append(error)
    raise cannot_listen(faults[0], host, port)


def cannot_listen(error: OSError, host: str, port: int) -> SystemFault:
    """Make the error for an address on which nothing can listen."""
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        return SystemFault(f"port {port} in use{by}", host, "try --port 0, which takes a free one")
    if error.errno in (errno.EACCES, errno.EPERM):
        what = f"port {port} is for the administrator"
        return SystemFault(what, host, "try --port 8000, or 0, which takes a free one")
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        what = "this machine has no such address"
        return SystemFault(what, host, "try --host 127.0.0.1, or --host ::1")
    return SystemFault(f"cannot listen on port {port}", error.strerror, "try --port 0")


def link(sock: socket.socket, token: str) -> str:
    """Write the link of a server, with the port that it has got."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # every address
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/?token={token}"


def guarded(app: ASGIApp, token: str, host: str, port: int, times: Times | None = None) -> ASGIApp:
    """Put guard and limits before an application: what reaches it is small, whole and allowed."""
    return Guard(Limits(app, times), token, host, port)


def serve(
    app: ASGIApp, sock: socket.socket, say: Say, requests: bool = False,
    times: Times | None = None, ending: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Serve an application until SIGINT or SIGTERM; returns the exit code.

    say: is told every fault, in one line; requests: and every request
    ending: called at the signal, to end what goes on by itself: streams of events
    Raises SystemFault when the application does not start.
    """
    times = times or Times()
    server = Server(settings(app, times))
    server.ending = ending
    with told(say, requests):
        try:
            server.run([sock])
        except SystemExit:
            raise SystemFault("the server did not start", None, "see the lines above") from None
    return 128 + server.signum if server.signum else 0


def settings(app: ASGIApp, times: Times) -> Settings:
    """Set up uvicorn: HTTP/1.1 and nothing else, no logs, no headers of its own."""
    made = Settings(
        app, http=Connection, ws="none", loop="asyncio", lifespan="on", interface="asgi3",
        log_config=None, access_log=False, proxy_headers=False, server_header=False,
        backlog=WAITING, timeout_keep_alive=times.idle,
        timeout_graceful_shutdown=times.stop,
    )  # fmt: skip
    made.times = times
    made.connections = connections()
    return made


def connections() -> int:
    """Count the connections that may be open at once, with as many files as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):  # macOS has a limit below the one that it names
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, soft - OWN_FILES))


class Server(uvicorn.Server):
    """Runs until a signal, which it keeps: the command ends with its exit code."""

    signum: int | None = None
    ending: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM while the server runs; the second one ends it at once."""
        before = {
            each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remember the first signal, and end what goes on by itself."""
        self.ending()
        self.force_exit = self.should_exit
        self.should_exit = True
        self.signum = self.signum or sig

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: what is in flight has Times.stop, and what is left then is dropped."""
        await super().shutdown(sockets)
        for each in list(self.server_state.connections):
            transport: Any = each.transport
            transport.abort()
