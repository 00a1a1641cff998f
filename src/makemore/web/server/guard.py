"""Guard: who may ask for what. Every request passes it first, static paths and unknown ones too.

In this order: the host that the request names, its method, where it comes from, the type of its
body, and the token. So no page of another site and no other user of this machine reaches what
writes, and a server that others can reach answers nothing without the token.
"""

from __future__ import annotations

import asyncio
import hmac
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from makemore.web.server.host_names import Names, is_loopback, parsed
from makemore.web.server.log import LOG
from makemore.web.server.refusal import NOTHING, SAFE, Refusal, refuse

METHODS = ("GET", "HEAD", "POST")
# What anybody on this machine may ask for on loopback. What a later route gives needs the token
# until it stands here.
OPEN = frozenset(
    {"/api/runs", "/api/run", "/api/events", "/api/sample", "/api/score", "/api/explain"}
)
ENDS = Refusal(
    503, "the server ends", None, "ask again once it is back",
    ((b"connection", b"close"), (b"retry-after", b"5")),
)  # fmt: skip
STREAM = "event_stream"  # in a request's state: its answer ends only when somebody leaves


class Guard:
    """Lets a request through to the application, or refuses it.

    token: what the link of the server holds; host, port: where it listens
    """

    def __init__(self, app: ASGIApp, token: str, host: str, port: int) -> None:
        self.app = app
        self.token = token
        self.names = Names.of(host, port)
        self.everything = not is_loopback(host)  # needs the token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = Answered(scope, send)
        try:
            if (refusal := self.refusal(scope)) is not None:
                await refuse(refusal, receive, answered)
            else:
                await self.app(scope, receive, answered)
        except asyncio.CancelledError:  # the server ends, and this took longer than it waits
            if answered.status is None:
                await refuse(ENDS, receive, answered)
            raise
        except Exception:
            # A fault of ours. Whoever asked learns that it is none of theirs, and nothing else.
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            if answered.status is None:
                fault = Refusal(500, "the server failed at this request", None, "report it")
                await refuse(fault, receive, answered)
        finally:
            LOG.info("%s %s %s", scope["method"], scope["path"], answered.status or "left")

    def refusal(self, scope: Scope) -> Refusal | None:
        """Say why a request is refused; None: it may pass."""
        for check in (self.of_host, self.of_method, self.of_origin, self.of_type, self.of_token):
            if (found := check(scope)) is not None:
                return found
        return None

    def of_host(self, scope: Scope) -> Refusal | None:
        """Refuse a request that names another host than this server."""
        hosts = values(scope, b"host")
        host = parsed(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return Refusal(400, "a request names its host once", "Host", self.link, last=True)
        if not self.names.allow(*host):
            return Refusal(403, "this server has another name", "Host", self.link, last=True)
        # A target such as http://evil.com/ would name a second host.
        if not scope["raw_path"].startswith(b"/") and scope["method"] in METHODS:
            return Refusal(400, "a path begins with /", None, self.link, last=True)
        return None

    @property
    def link(self) -> str:
        """Say what to ask instead."""
        return f"ask http://127.0.0.1:{self.names.port}/ or the link that the server printed"

    def of_method(self, scope: Scope) -> Refusal | None:
        """Refuse methods that are not on the list."""
        if scope["method"] in METHODS:
            return None
        allow = ((b"allow", ", ".join(METHODS).encode()),)
        return Refusal(405, "there is no such method here", None, "use GET or POST", allow, True)

    def of_origin(self, scope: Scope) -> Refusal | None:
        """Refuse what a page of another site asks for, of another port of this machine as well."""
        origins = values(scope, b"origin")
        sites = values(scope, b"sec-fetch-site")
        same = all(origin == f"http://{values(scope, b'host')[0].lower()}" for origin in origins)
        ours = all(site in ("same-origin", "none") for site in sites)
        if same and (ours or followed_link(scope)):
            return None
        fix = "open the link that the server printed"
        return Refusal(403, "a page of another site asks for this", "Origin", fix, last=True)

    def of_type(self, scope: Scope) -> Refusal | None:
        """Refuse a POST that is no JSON: a form of any site can send the other types unasked."""
        if scope["method"] != "POST":
            return None
        types = values(scope, b"content-type")
        if len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json":
            return None
        fix = "send Content-Type: application/json"
        return Refusal(415, "a request is JSON here", "Content-Type", fix, last=True)

    def of_token(self, scope: Scope) -> Refusal | None:
        """Refuse what needs the token and does not have it."""
        closed = scope["path"].startswith("/api/") and scope["path"] not in OPEN
        if not (self.everything or closed) or self.has_token(scope):
            return None
        fix = "open the link that the server printed, or send Authorization: Bearer TOKEN"
        challenge = ((b"www-authenticate", b"Bearer"),)
        return Refusal(401, "this needs the token", "Authorization", fix, challenge, last=True)

    def has_token(self, scope: Scope) -> bool:
        """Tell whether a request has the token: in its header; for the page, also in its link."""
        given = [
            word.strip() for value in values(scope, b"authorization")
            for kind, _, word in [value.partition(" ")] if kind.lower() == "bearer"
        ]  # fmt: skip
        if not given and scope["path"] == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        # In constant time: how long a comparison takes would tell how many letters are right.
        return len(given) == 1 and hmac.compare_digest(
            given[0].encode("utf-8", "replace"), self.token.encode()
        )


class Answered:
    """Sends an answer with the headers that every answer has, and keeps its status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self.headers(message.get("headers", []))}
        await self.send(message)

    def headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Lay ours over what the application gives; it may state a policy of its own for HTML."""
        kept = [(name.lower(), value) for name, value in given]
        kept = [
            (name, value) for name, value in kept
            if name not in SAFE and name != b"server" and not name.startswith(b"access-control-")
        ]  # fmt: skip
        names = dict(kept)
        if names.get(b"content-type", b"").startswith(b"text/event-stream"):
            self.scope.setdefault("state", {})[STREAM] = True
        if b"content-security-policy" not in names:
            kept.append((b"content-security-policy", NOTHING.encode()))
        return kept + list(SAFE.items())


def values(scope: Scope, name: bytes) -> list[str]:
    """List the values of a header, which may stand there more than once."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def followed_link(scope: Scope) -> bool:
    """Tell whether somebody followed a link to the page: that shows it, and does nothing else."""
    return (
        scope["method"] in ("GET", "HEAD")
        and scope["path"] == "/"
        and values(scope, b"sec-fetch-mode") == ["navigate"]
        and values(scope, b"sec-fetch-dest") == ["document"]
    )
