"""Download: bytes from an http or https address, within bounds of size and of time.

A server may send one byte a second, or for ever, or lead to a file of this machine: none of it
holds up or harms whoever asked. An address may hold a password, so messages show neither that nor
the query.
"""

from __future__ import annotations

import base64
import http.client
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from makemore.errors import SystemFault, UsageError

CHUNK = 2**16  # bytes
BY_HAND = "check the network, or download it by hand"


def download(url: str, most: int, timeout: float = 30.0, seconds: float = 60.0) -> bytes:
    """Return what an address holds, and of more than `most` bytes the first `most` + 1.

    timeout: seconds without an answer; seconds: of the whole download
    Raises UsageError for another kind of address, also as a redirect, SystemFault where the network
    fails or is too slow.
    """
    parts = check_address(url)
    answer: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            answer.put(_read(parts, most, timeout, time.monotonic() + seconds))
        except Exception as error:
            answer.put(error)

    # A thread of its own, because a time-out holds for one read alone: a server that sends a byte
    # of its headers now and then is never too slow by it.
    threading.Thread(target=read, daemon=True).start()
    try:
        came = answer.get(timeout=seconds)
    except queue.Empty:
        came = TimeoutError(_too_slow(seconds))
    if isinstance(came, bytes):
        return came
    if isinstance(came, UsageError):
        raise came from None
    if not isinstance(came, (http.client.HTTPException, OSError, ValueError)):
        raise came
    if isinstance(came, urllib.error.HTTPError):
        came.close()  # it is the answer, too, and holds the connection
    reason = str(getattr(came, "reason", came))
    raise SystemFault(f"cannot download {without_secrets(url)}", reason, BY_HAND) from None


def _read(parts: SplitResult, most: int, timeout: float, deadline: float) -> bytes:
    """Read the answer of a server, at most `most` + 1 bytes of it."""
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(parts._replace(netloc=host, fragment="").geturl())  # noqa: S310
    if parts.username is not None:
        # Not sent on to the address that a redirect names, which may be another's.
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        token = base64.b64encode(words.encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {token}")
    began, body = time.monotonic(), bytearray()
    with _opener().open(request, timeout=timeout) as response:
        # read1() returns what has come, and read() would wait until all has.
        while len(body) <= most and (chunk := response.read1(min(CHUNK, most + 1 - len(body)))):
            body += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(_too_slow(deadline - began))
    return bytes(body)


def _too_slow(seconds: float) -> str:
    return f"it takes longer than {seconds:.3g} s"


def check_address(url: str, what: str = "") -> SplitResult:
    """Return the parts of an http or https address. Raises UsageError for anything else."""
    parts = _split(url)
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise UsageError(
            f"{what}{without_secrets(url)!r} is no http or https address", "--url",
            "give one such as https://example.org/names.txt",
        )  # fmt: skip
    return parts


def without_secrets(url: str) -> str:
    """Return an address without user, password and query, to be shown."""
    shown = re.split(r"[?#]", url, maxsplit=1)[0]
    parts = _split(url)
    # Where the parts cannot be told apart, whatever may be a password goes.
    secret = r"[^/]*@" if parts is not None and parts.netloc else r".*@"
    return re.sub(rf"^([A-Za-z][\w+.-]*:/*)?{secret}", lambda found: found[1] or "", shown)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no number
    except ValueError:
        return None
    return parts


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https addresses alone."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: http.client.HTTPMessage,
    ) -> IO[bytes] | None:  # fmt: skip
        location = urljoin(req.full_url, headers.get("location") or headers.get("uri") or "")
        try:
            if check_address(location, "it leads elsewhere: ").username is not None:
                raise UsageError("it leads to an address with a password", "--url", BY_HAND)
        except UsageError:
            fp.close()
            raise
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener() -> urllib.request.OpenerDirector:
    """Make what opens addresses: as urllib's own, without files, FTP and data in an address."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
        _Redirects(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener
