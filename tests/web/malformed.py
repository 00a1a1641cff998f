"""Requests that are wrong in some way, by chance from a seed, each with the answers that are right.

0 stands for a connection that is closed without an answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

Made = tuple[bytes, frozenset[int]]
PATHS = ("/", "/health", "/api/runs", "/api/sample", "/api/train", "/api/weights", "/nothing")
CLIENT_ERRORS = frozenset({0, 400, 401, 403, 404, 405, 408, 413, 415, 422, 431})
BROKEN = frozenset({0, 400, 408})  # 408: for what may be the beginning of a request
ANY = CLIENT_ERRORS | {200, 202}  # for what chance may leave good


def malformed(rng: random.Random, port: int) -> tuple[str, bytes, frozenset[int]]:
    """Make one: its kind, its bytes, and the statuses that are right."""
    kind = rng.choice(KINDS)
    return (kind.__name__, *kind(rng, port))


def head(
    rng: random.Random, port: int, line: bytes | None = None, host: bytes | None = None
) -> bytes:
    """Begin a request that would be good."""
    line = line or f"{rng.choice(('GET', 'HEAD', 'POST'))} {rng.choice(PATHS)} HTTP/1.1".encode()
    host = f"localhost:{port}".encode() if host is None else host
    return line + b"\r\nhost: " + host + b"\r\n"


def post(port: int, body: bytes, path: str = "/api/sample", more: bytes = b"") -> bytes:
    """Make a POST whose head is good but for `more`."""
    length = b"" if b"length" in more or b"encoding: ch" in more else b"content-length: %d\r\n"
    sent = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n".encode()
    sent += b"content-type: application/json\r\n"
    return sent + (length % len(body) if length else b"") + more + b"\r\n" + body


def noise(rng: random.Random, most: int = 300) -> bytes:
    return rng.randbytes(rng.randint(1, most))


def bytes_of_chance(rng: random.Random, port: int) -> Made:
    return noise(rng, 4000), BROKEN


def text_of_chance(rng: random.Random, port: int) -> Made:
    letters = "GETPOST /:.HTTP1\r\n\t aá"
    text = "".join(rng.choices(letters, k=rng.randint(1, 300)))
    return text.encode() + b"\r\n\r\n", BROKEN


def another_host(rng: random.Random, port: int) -> Made:
    word = "".join(rng.choices("abcx0.-", k=rng.randint(1, 30)))
    names = (f"evil{word}.example", f"localhost.x{word}", f"xlocalhost:{port}", f"1{word}")
    method = rng.choice(("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"))
    line = f"{method} {rng.choice(PATHS)} HTTP/1.1".encode()
    host = rng.choice(names).encode()
    return head(rng, port, line, host) + b"\r\n", frozenset({403})


def strange_host(rng: random.Random, port: int) -> Made:
    marks = rng.choice(("@", "/", " x", ",", "?", "#", "\\", "%31", ":", ";", "[", "]", "\xe9"))
    host = f"localhost{marks}:{port}".encode("latin-1")
    return head(rng, port, host=host) + b"\r\n", frozenset({400})


def method_of_chance(rng: random.Random, port: int) -> Made:
    method = "".join(rng.choices("ABCDEFXYZ", k=rng.randint(3, 20)))
    line = f"{method} {rng.choice(PATHS)} HTTP/1.1".encode()
    return head(rng, port, line) + b"\r\n", frozenset({405})


def header_of_chance(rng: random.Random, port: int) -> Made:
    return head(rng, port, b"GET /health HTTP/1.1") + noise(rng) + b"\r\n\r\n", ANY


def control_character(rng: random.Random, port: int) -> Made:
    mark = bytes([rng.choice([*range(9), 11, 12, *range(14, 32), 127])])
    value = b"x" * rng.randint(0, 20) + mark + b"y" * rng.randint(0, 20)
    return head(rng, port) + b"x: " + value + b"\r\n\r\n", frozenset({400})


def byte_changed(rng: random.Random, port: int) -> Made:
    """One byte of a good request is another, more, or missing."""
    request = bytearray(post(port, b'{"n": 3}'))
    place = rng.randrange(len(request))
    what = rng.randrange(3)
    if what == 0:
        request[place] = rng.randrange(256)
    elif what == 1:
        request.insert(place, rng.randrange(256))
    else:
        del request[place]
    return bytes(request), ANY


def cut(rng: random.Random, port: int) -> Made:
    request = post(port, b'{"n": 3}')
    return request[: rng.randrange(1, len(request))], BROKEN


def two_ends(rng: random.Random, port: int) -> Made:
    ends = [b"content-length: 2\r\n", b"transfer-encoding: chunked\r\n"]
    rng.shuffle(ends)
    return post(port, b"{}", more=b"".join(ends)), frozenset({400})


def length_of_chance(rng: random.Random, port: int) -> Made:
    lengths = (b"-1", b"+2", b"2 2", b"2,3", b"1e3", b"0x2", b"two", b"9" * 30, b"2.0", b"")
    return post(port, b"{}", more=b"content-length: %s\r\n" % rng.choice(lengths)), frozenset({400})


def too_long(rng: random.Random, port: int) -> Made:
    length = rng.randint(2**16 + 1, 10**18)
    return post(port, b"{}", more=b"content-length: %d\r\n" % length), frozenset({413})


def large_head(rng: random.Random, port: int) -> Made:
    value = b"y" * rng.randint(2**14, 2**15)
    return head(rng, port) + b"x: " + value + b"\r\n\r\n", frozenset({431})


def chunks_of_chance(rng: random.Random, port: int) -> Made:
    body = rng.choice((b"", b"2\r\n", b"g\r\n", b"2\r\n{}\r\n")) + noise(rng, 100)
    return post(port, body, more=b"transfer-encoding: chunked\r\n"), CLIENT_ERRORS


def line_feeds(rng: random.Random, port: int) -> Made:
    request = head(rng, port) + b"x: y\r\n\r\n"
    places = [place for place in range(len(request)) if request[place : place + 2] == b"\r\n"]
    place = rng.choice(places)
    return request[:place] + request[place + 1 :], frozenset({400})


def version_of_chance(rng: random.Random, port: int) -> Made:
    version = rng.choice(("HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTP/1", "ICY/1.1", "X"))
    return head(rng, port, f"GET /health {version}".encode()) + b"\r\n", frozenset({400})


def json_of_chance(rng: random.Random, port: int) -> Made:
    return post(port, noise(rng)), frozenset({400})


def json_cut(rng: random.Random, port: int) -> Made:
    body = json.dumps({"n": rng.random(), "prefix": "\xe9" * 10, "x": [1, {"y": None}]}).encode()
    return post(port, body[: rng.randrange(1, len(body))]), frozenset({400})


def json_too_deep(rng: random.Random, port: int) -> Made:
    depth = rng.randint(9, 30_000)
    return post(port, b"[" * depth + b"]" * depth), frozenset({400})


def json_of_no_number(rng: random.Random, port: int) -> Made:
    numbers = (
        b"NaN",
        b"Infinity",
        b"1e999",
        b"9" * rng.randint(21, 9000),
        b"-Infinity",
        b"1.",
        b"+1",
    )
    return post(port, b'{"n": %s}' % rng.choice(numbers)), frozenset({400})


def key_twice(rng: random.Random, port: int) -> Made:
    return post(port, b'{"n": 1, "seed": 2, "n": %d}' % rng.randrange(99)), frozenset({400})


def no_object(rng: random.Random, port: int) -> Made:
    value = rng.choice(([], [1, 2], "text", 1, None, True, 1.5))
    return post(port, json.dumps(value).encode()), frozenset(
        {400, 404, 422}
    )  # 404: there is no run


def no_json(rng: random.Random, port: int) -> Made:
    kind = rng.choice(
        (b"text/plain", b"multipart/form-data", b"", b"application/xml", noise(rng, 3))
    )
    request = post(port, b"{}").replace(b"application/json", kind)
    return request, frozenset({400, 415})


def compressed(rng: random.Random, port: int) -> Made:
    coding = rng.choice((b"gzip", b"br", b"deflate", b"zstd", b"x" * rng.randint(1, 99)))
    return post(port, noise(rng), more=b"content-encoding: %s\r\n" % coding), frozenset({415})


def from_elsewhere(rng: random.Random, port: int) -> Made:
    origin = rng.choice(
        (b"null", b"http://evil.example", b"http://localhost:1", noise(rng, 4).hex().encode())
    )
    more = rng.choice((b"origin: " + origin, b"sec-fetch-site: cross-site")) + b"\r\n"
    return post(port, b"{}", rng.choice(PATHS), more), frozenset({403})


def without_token(rng: random.Random, port: int) -> Made:
    guess = noise(rng, 40).hex().encode()
    path = rng.choice(("/api/train", "/api/stop", "/api/weights", "/api/x" + guess.decode()))
    return post(port, b"{}", path, b"authorization: Bearer %s\r\n" % guess), frozenset({401})


def path_of_chance(rng: random.Random, port: int) -> Made:
    parts = ("..", "%2e%2e", "%252e", "%00", "%ff", ";", "\\", "etc", "passwd", "runs", "//", "%2f")
    path = "/" + "/".join(rng.choices(parts, k=rng.randint(1, 12)))
    return head(rng, port, f"GET {path} HTTP/1.1".encode()) + b"\r\n", frozenset({404})


def query_of_chance(rng: random.Random, port: int) -> Made:
    run = "".join(f"%{byte:02x}" for byte in noise(rng, 60))
    request = head(rng, port, f"GET /api/run?run={run}&run=&x HTTP/1.1".encode()) + b"\r\n"
    return request, frozenset({200, 400, 404})


def second_is_garbage(rng: random.Random, port: int) -> Made:
    """A good request, and what is none behind it."""
    return head(rng, port, b"GET /health HTTP/1.1") + b"\r\n" + noise(rng), frozenset({0, 200})


KINDS: list[Callable[[random.Random, int], Made]] = [
    bytes_of_chance, text_of_chance, another_host, strange_host, method_of_chance,
    header_of_chance, control_character, byte_changed, cut, two_ends, length_of_chance, too_long,
    large_head, chunks_of_chance, line_feeds, version_of_chance, json_of_chance, json_cut,
    json_too_deep, json_of_no_number, key_twice, no_object, no_json, compressed, from_elsewhere,
    without_token, path_of_chance, query_of_chance, second_is_garbage,
]  # fmt: skip
