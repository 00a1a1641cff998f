"""A small application behind the server's real guard, limits and socket: the routes of its API.

    python small_server.py [--host H] [--port P] [--log] [--head S] [--body S] [--read S] [--stop S]

It prints the link on stdout, as `makemore serve` does, and what it logs on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from makemore.errors import MakemoreError
from makemore.web.server import running
from makemore.web.server.guard import Guard
from makemore.web.server.limits import JSON, Limits, Times

TOKEN = "small-token-" + "x" * 31
PAGE = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
LIST = "\n".join(["annaqx", "berta"] * 50_000)
counts = {"computing": 0, "streams": 0}


async def page(request: Request) -> Response:
    return HTMLResponse("<!DOCTYPE html><title>makemore</title>", headers={
        "content-security-policy": PAGE, "access-control-allow-origin": "*", "server": "small",
    })  # fmt: skip


async def health(request: Request) -> Response:
    return JSONResponse({"ok": True, "version": "0", **counts})


async def runs(request: Request) -> Response:
    return JSONResponse({"runs": [], "file": None, "models": [], "version": "0"})


async def run(request: Request) -> Response:
    if request.query_params.get("run", "first") != "first":
        raise HTTPException(404)
    return JSONResponse({"id": "first"})


async def events(request: Request) -> Response:
    """Sends events without end; with size=N, N bytes each, as fast as they are taken."""
    size = int(request.query_params.get("size", "0"))

    async def sent() -> AsyncIterator[str]:
        counts["streams"] += 1
        try:
            while True:
                yield f"event: metric\ndata: {'x' * size}\n\n"
                await asyncio.sleep(0 if size else 0.05)
        finally:
            counts["streams"] -= 1

    return StreamingResponse(sent(), media_type="text/event-stream")


async def sample(request: Request) -> Response:
    """Echoes the request; with "wait", after that many seconds."""
    body = said(request)
    counts["computing"] += 1
    try:
        await asyncio.sleep(min(float(body.get("wait", 0)), 20))
    finally:
        counts["computing"] -= 1
    return JSONResponse({"seed": 1, "samples": [], "said": body})


async def train(request: Request) -> Response:
    return JSONResponse({"run": {"lines": len(said(request).get("lines", []))}}, 202)


async def whole(request: Request) -> Response:
    return PlainTextResponse(LIST)


async def broken(request: Request) -> Response:
    raise RuntimeError("secret\nforged line \x1b[31m")


def said(request: Request) -> dict[str, Any]:
    """The body, which must be an object."""
    body = request.scope["state"][JSON]
    if not isinstance(body, dict):
        raise HTTPException(422)
    return body


async def as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    shown = {"error": {"message": error.detail, "where": None, "fix": None}}
    return JSONResponse(shown, error.status_code, error.headers)


def application() -> Starlette:
    gets = {"/": page, "/health": health, "/api/runs": runs, "/api/run": run,
            "/api/events": events, "/api/list": whole, "/api/weights": whole}  # fmt: skip
    posts = {"/api/sample": sample, "/api/score": sample, "/api/explain": sample,
             "/api/train": train, "/api/stop": train, "/api/broken": broken}  # fmt: skip
    routes = [Route(path, each, methods=["GET"]) for path, each in gets.items()]
    routes += [Route(path, each, methods=["POST"]) for path, each in posts.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: as_json})


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", action="store_true")
    for name, seconds in (
        ("head", 10.0),
        ("body", 10.0),
        ("read", 10.0),
        ("idle", 30),
        ("stop", 4),
    ):
        parser.add_argument(f"--{name}", type=type(seconds), default=seconds)
    given = parser.parse_args()
    times = Times(given.head, given.body, given.read, given.idle, given.stop)
    try:
        sock = running.listen(given.host, given.port)
    except MakemoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    app = Guard(Limits(application(), times), TOKEN, given.host, sock.getsockname()[1])
    print(running.link(sock, TOKEN), flush=True)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    return running.serve(app, sock, say, given.log, times)


if __name__ == "__main__":
    sys.exit(main())
