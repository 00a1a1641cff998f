"""Running: the socket, and uvicorn around the application until a signal ends it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
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


def serve(site: Site, sock: socket.socket, token: str, say: Callable[[str], None]) -> int:
    """Serve a site until SIGINT or SIGTERM; returns the exit code."""

    class Server(uvicorn.Server):
        signum = 0

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.signum = self.signum or sig
            site.ending()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        site.app(), http="h11", ws="none", log_config=None, access_log=False, lifespan="on",
        timeout_graceful_shutdown=STOP,
    )  # fmt: skip
    server = Server(config)
    try:
        server.run([sock])
    except KeyboardInterrupt:  # uvicorn raises the signals again that it has caught
        pass
    return 128 + (server.signum or signal.SIGINT)
