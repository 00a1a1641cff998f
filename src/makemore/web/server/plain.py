"""Plain: uvicorn as it comes around the application: what guard, limits and running replace."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from makemore.errors import SystemFault
from makemore.web.server.app import Site

STOP = 5  # seconds that requests have once the server ends


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. Raises SystemFault."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise SystemFault(f"cannot listen on port {port}", error.strerror, "try --port 0") from None


def link(sock: socket.socket, token: str) -> str:
    """Write the link of a server."""
    host, port = sock.getsockname()[:2]
    return f"http://{host}:{port}/?token={token}"


class Server(uvicorn.Server):
    """Runs until a signal, which it keeps: the command ends with its exit code."""

    signum: int | None = None
    site: Site

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM while the server runs."""
        both = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in both}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remember the first signal, and end the streams that nobody else would end."""
        self.signum = self.signum or sig
        self.site.ending()
        super().handle_exit(sig, frame)


def serve(site: Site, sock: socket.socket, token: str, say: Callable[[str], None]) -> int:
    """Serve a site until SIGINT or SIGTERM; returns the exit code."""
    config = uvicorn.Config(
        site.app(), http="h11", ws="none", log_config=None, access_log=False, lifespan="on",
        timeout_graceful_shutdown=STOP,
    )  # fmt: skip
    server = Server(config)
    server.site = site
    server.run([sock])
    return 128 + server.signum if server.signum else 0
