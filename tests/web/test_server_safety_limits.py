"""What a client may bring, and for how long: rows 90 to 93 and 95, over raw sockets."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from web.raw_http import SMALL, Server, read, running, until

QUICK = ("--head", "1.0", "--body", "1.0", "--read", "1.0", "--idle", "2")
KB = 2**10


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(SMALL) as started:
        yield started
        assert "Traceback" not in started.said()


@pytest.fixture(scope="module")
def quick() -> Iterator[Server]:
    """A server that waits a second where others wait ten."""
    with running(SMALL, *QUICK) as started:
        yield started
        assert "Traceback" not in started.said()


def health(server: Server) -> dict[str, int]:
    return json.loads(server.ask("GET /health").body)


def closed_after(sock: socket.socket) -> float:
    """Wait until the server closes a connection; how many seconds that took."""
    start = time.monotonic()
    with suppress(ConnectionResetError):
        while sock.recv(2**16):
            pass
    return time.monotonic() - start


def answered(sock: socket.socket) -> bool:
    """Tell whether something has come from the server."""
    return bool(select.select([sock], [], [], 0)[0])


def text_of(size: int) -> bytes:
    """JSON of so many bytes."""
    return b'{"prefix": "' + b"x" * (size - 14) + b'"}'


# Bodies and heads: row 90


def test_bodies_have_a_limit(server: Server) -> None:
    assert server.ask("POST /api/sample", text_of(64 * KB)).status == 200
    answer = server.ask("POST /api/sample", text_of(64 * KB + 1))
    assert answer.status == 413 and "64 KiB" in answer.error["message"]
    given = {"authorization": server.bearer}
    assert server.ask("POST /api/train", text_of(8 * KB * KB), **given).status == 202
    assert server.ask("POST /api/train", text_of(8 * KB * KB + 1), **given).status == 413


@pytest.mark.parametrize("length", [2**30, 2**62, 10**19])
def test_a_body_is_refused_by_the_length_that_it_states(server: Server, length: int) -> None:
    start = time.monotonic()
    for path in ("/api/sample", "/api/train"):
        with server.open() as sock:
            head = server.request(
                f"POST {path}", content_type="application/json", content_length=str(length),
                authorization=server.bearer,
            )  # fmt: skip
            sock.sendall(head)
            assert read(sock).status == 413
    assert time.monotonic() - start < 2


def test_an_answer_reaches_a_client_that_still_sends(server: Server) -> None:
    """A megabyte is on its way when its head is refused: no reset may overtake the answer."""
    for _ in range(5):
        assert server.ask("POST /api/sample", text_of(1024 * KB)).status == 413


def test_a_client_that_asks_first_sends_nothing(server: Server) -> None:
    head = {"content_type": "application/json", "expect": "100-continue"}
    large = server.request("POST /api/sample", content_length=str(2**30), **head)
    with server.open() as sock:
        sock.sendall(large)
        assert sock.recv(12) == b"HTTP/1.1 413"
    with server.open() as sock:
        sock.sendall(server.request("POST /api/sample", content_length="2", **head))
        assert sock.recv(25).startswith(b"HTTP/1.1 100 ")


def test_chunks_without_end_are_refused_at_the_limit(server: Server) -> None:
    before = server.memory()
    head = {"content_type": "application/json", "transfer_encoding": "chunked"}
    for path in ("/api/sample", "/api/train"):
        with server.open() as sock:
            sock.sendall(server.request(f"POST {path}", authorization=server.bearer, **head))
            chunk = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
            with suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1000):
                    sock.sendall(chunk)
            with suppress(ConnectionResetError):
                assert read(sock).status in (413, 0)
    assert server.memory() - before < 40
    assert server.ask("GET /health").status == 200


@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "GZIP"]
)
def test_a_compressed_body_is_not_read(server: Server, coding: str) -> None:
    body = gzip.compress(b" " * 2**20)
    answer = server.ask("POST /api/sample", body, content_encoding=coding)
    assert answer.status == 415 and "compressed" in answer.error["message"]
    assert server.ask("POST /api/sample", {}, content_encoding="identity").status == 200


@pytest.mark.parametrize(
    "range", ["bytes=0-4", "bytes=0-0," * 500 + "bytes=1-1", "bytes=-1", "lines=x"]
)
def test_a_range_is_ignored(server: Server, range: str) -> None:
    given = {"authorization": server.bearer}
    whole = server.ask("GET /api/list", **given)
    answer = server.ask("GET /api/list", range=range, if_range='"x"', **given)
    assert (answer.status, answer.body) == (200, whole.body)
    assert "content-range" not in answer.headers


def test_heads_have_a_limit(server: Server) -> None:
    good = server.request("GET /health", x="", connection=None)
    room = 16 * KB - len(good)
    with server.open() as sock:
        sock.sendall(server.request("GET /health", x="y" * room, connection=None))
        assert read(sock).status == 200
    assert server.ask("GET /health", x="y" * (room + 1), connection=None).status == 431
    assert server.ask("GET /" + "y" * 17 * KB).status == 431
    many = {f"x{number}": "y" for number in range(4000)}
    assert server.ask("GET /health", **many).status == 431
    assert server.send(b"GET /" + b"y" * 17 * KB).status == 431  # before its line is whole


def test_only_a_post_has_a_body(server: Server) -> None:
    assert server.ask("GET /health", b"{}").status == 400
    chunked = {"transfer_encoding": "chunked", "content_length": None}
    assert server.ask("GET /health", **chunked).status == 400
    assert server.ask("GET /health", content_length="0").status == 200


# JSON: row 95

NOT_READ = [
    b"", b"{", b"[1,]", b"nonsense", b"\xff\xfe", b'"\xed\xa0\x80"', b"{} {}", b"\xef\xbb\xbf{}",
    b'{"n": NaN}', b'{"n": Infinity}', b'{"n": -Infinity}', b'{"n": 1e400}', b'{"n": -1e999}',
    b'{"n": 1, "n": 2}', b'{"n": ' + b"9" * 5000 + b"}", b'{"n": ' + b"9" * 21 + b"}",
    b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"prefix": "\\ud800"}', b'{"\\udfff": 1}', b'{"n": 01}', b"{'n': 1}", b'{"n": 0x10}',
    b'{"prefix": "\n"}', b"[[[[[[[[[1]]]]]]]]]",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_READ, ids=range(len(NOT_READ)))
def test_what_is_no_json_is_refused_in_json(server: Server, body: bytes) -> None:
    answer = server.ask("POST /api/sample", body)
    assert answer.status == 400
    assert answer.error["fix"]


def test_a_list_may_not_be_deeper_than_python_reads(server: Server) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert server.ask("POST /api/train", deep, authorization=server.bearer).status == 400


def test_what_json_says_comes_through(server: Server) -> None:
    body = {"prefix": "ñ😀\u2028", "n": 2**63, "t": -1.5e300, "a": [[1], {"b": None}]}
    answer = server.ask("POST /api/sample", body)
    assert json.loads(answer.body)["said"] == body
    escaped = server.ask("POST /api/sample", b'{"prefix": "\\ud83d\\ude00"}')
    assert json.loads(escaped.body)["said"] == {"prefix": "😀"}
    assert server.ask("POST /api/sample", [1]).status == 422


# Slow clients: row 91


def half_open(server: Server, held: ExitStack, number: int) -> list[socket.socket]:
    """Open connections that send half of a head, or nothing, or half of a body."""
    begun = [
        server.request("GET /health")[:-2], b"", b"G",
        server.request("POST /api/sample", content_type="application/json", content_length="9"),
    ]  # fmt: skip
    sockets = [held.enter_context(server.open()) for _ in range(number)]
    for place, sock in enumerate(sockets):
        sock.sendall(begun[place % len(begun)])
    return sockets


def slowest(server: Server, asked: int) -> float:
    """The longest time that a new client waits for its answer, s."""
    waited = []
    for _ in range(asked):
        start = time.monotonic()
        assert server.ask("GET /health").status == 200
        waited.append(time.monotonic() - start)
    return max(waited)


def test_500_half_open_connections_delay_nobody(server: Server) -> None:
    with ExitStack() as held:
        half_open(server, held, 500)
        assert slowest(server, 20) < 1
        assert server.threads() <= 64


@pytest.mark.slow
def test_slow_clients_are_dropped(quick: Server) -> None:
    before = quick.files()
    with ExitStack() as held:
        sockets = half_open(quick, held, 100)
        assert until(lambda: quick.files() <= before + 1, 6)
        told = [sock.recv(12) for sock in sockets[:4]]
    # Whoever has sent nothing is closed without a word.
    assert told == [b"HTTP/1.1 408", b"", b"HTTP/1.1 408", b"HTTP/1.1 408"]


@pytest.mark.slow
def test_a_byte_now_and_then_does_not_help(quick: Server) -> None:
    """The time is that of the whole head, or body, and not of a byte of it."""
    body = quick.request("POST /api/sample", content_type="application/json", content_length="900")
    for begun in (b"GET / HTTP/1.1\r\nx: ", body):
        with quick.open() as sock:
            sock.sendall(begun)
            start = time.monotonic()
            while time.monotonic() - start < 6 and not answered(sock):
                sock.sendall(b"y")
                time.sleep(0.1)
            assert read(sock).status == 408
            assert time.monotonic() - start < 3


@pytest.mark.slow
def test_an_idle_connection_is_kept_for_a_while(quick: Server) -> None:
    request = quick.request("GET /health", connection=None)
    with quick.open() as sock:
        for pause in (0, 1.5):  # longer than a head may take
            time.sleep(pause)
            sock.sendall(request)
            assert read(sock).status == 200
        assert 1 < closed_after(sock) < 5
    with quick.open() as sock:  # the second head has its time, too
        sock.sendall(request)
        assert read(sock).status == 200
        sock.sendall(request[:20])
        assert read(sock).status == 408


def test_a_client_that_does_not_read_is_dropped(quick: Server) -> None:
    with quick.open() as sock:
        sock.sendall(quick.request("GET /api/events?size=60000"))
        assert until(lambda: health(quick)["streams"] == 1)
        assert until(lambda: health(quick)["streams"] == 0, 30)
    large = quick.request("GET /api/list", authorization=quick.bearer)
    files = quick.files()
    with ExitStack() as held:
        for _ in range(5):
            sock = held.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", quick.port))
            sock.sendall(large * 20)
        assert until(lambda: quick.files() <= files, 30)


@pytest.mark.slow
def test_a_client_that_reads_slowly_gets_everything(quick: Server) -> None:
    """64 KiB a second are enough."""
    with quick.open() as sock:
        sock.sendall(quick.request("GET /api/list", authorization=quick.bearer))
        received = b""
        while piece := sock.recv(2**16):
            received += piece
            time.sleep(0.3)
    assert len(received) > 500_000


@pytest.mark.slow
def test_slow_clients_are_dropped_in_their_time(server: Server) -> None:
    """Ten seconds for a head and for a body, 30 between two requests, ten for reading."""
    with ExitStack() as held:
        sockets = half_open(server, held, 40)
        idle = held.enter_context(server.open(40))
        idle.sendall(server.request("GET /health", connection=None))
        assert read(idle).status == 200
        deaf = held.enter_context(server.open(40))
        deaf.sendall(server.request("GET /api/events?size=60000"))
        start = time.monotonic()
        for sock in sockets:
            closed_after(sock)
        assert 8 < time.monotonic() - start < 14
        assert until(lambda: health(server)["streams"] == 0, 12)
        assert time.monotonic() - start < 25
        closed_after(idle)
        assert 25 < time.monotonic() - start < 34


# Many clients, and those that leave: rows 92 and 93


def test_500_clients_are_answered(server: Server) -> None:
    def ask(number: int) -> int:
        answer = server.ask("POST /api/sample", {"n": number, "wait": 0.5}, timeout=30)
        return json.loads(answer.body)["said"]["n"]

    with concurrent.futures.ThreadPoolExecutor(500) as pool:
        asked = [pool.submit(ask, number) for number in range(500)]
        waited = slowest(server, 10)
        assert [each.result() for each in asked] == list(range(500))
    assert waited < 2


@pytest.mark.slow
def test_above_the_limit_whoever_keeps_it_waiting_goes_first(server: Server) -> None:
    """2,000 connections are held at most: the oldest that have asked nothing make room."""
    with ExitStack() as held:
        stream = held.enter_context(server.open())
        stream.sendall(server.request("GET /api/events"))
        assert stream.recv(12) == b"HTTP/1.1 200"
        silent = [held.enter_context(server.open()) for _ in range(2100)]
        assert server.ask("GET /health").status == 200
        silent[0].settimeout(5)
        with suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""
        with pytest.raises(BlockingIOError):  # the last one is still there
            silent[-1].settimeout(0)
            silent[-1].recv(1)
        stream.settimeout(5)
        assert stream.recv(100)  # and so is who has asked


def test_nobody_computes_for_a_client_that_left(server: Server) -> None:
    for line, body, what in (
        ("POST /api/sample", {"wait": 20}, "computing"), ("GET /api/events", None, "streams"),
    ):  # fmt: skip
        with server.open() as sock:
            sock.sendall(server.request(line, body))
            assert until(lambda: health(server)[what] == 1)  # noqa: B023
        start = time.monotonic()
        assert until(lambda: health(server)[what] == 0)  # noqa: B023
        assert time.monotonic() - start < 1


def leave(server: Server, number: int) -> None:
    """Ask, and leave without an answer."""
    requests = [
        server.request("POST /api/sample", {"wait": 20}), server.request("GET /api/events"),
        server.request("POST /api/sample", text_of(60 * KB))[: 30 * KB],
        server.request("GET /api/list", authorization=server.bearer), b"GET / HT",
    ]  # fmt: skip
    for place in range(number):
        with server.open() as sock:
            sock.sendall(requests[place % len(requests)])
            if place % 2:  # a reset, where the others end in peace
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.slow
def test_1000_clients_that_left_leave_nothing_behind(server: Server) -> None:
    leave(server, 100)
    assert until(lambda: health(server)["computing"] + health(server)["streams"] == 0)
    time.sleep(0.2)
    memory, files, threads = server.memory(), server.files(), server.threads()
    leave(server, 1000)
    assert until(lambda: health(server)["computing"] + health(server)["streams"] == 0)
    assert until(lambda: server.files() <= files)
    assert server.memory() - memory < 20
    assert server.threads() == threads
