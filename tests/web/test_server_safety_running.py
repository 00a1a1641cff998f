"""The socket, signals, and the network: rows 89, 96 and 99 of the catalogue of faults."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from makemore.errors import SystemFault, UsageError
from makemore.web.server import running as serving
from makemore.web.server.port_holder import port_holder
from web.raw_http import SMALL, Answer, Server, read, running, until

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


def test_port_0_is_a_free_one_and_its_link_is_printed() -> None:
    with running(SMALL) as first, running(SMALL, "--port", "0") as second:
        assert first.port != second.port and first.port > 0
        for server in (first, second):
            assert server.ask("GET /health").status == 200


def test_a_port_in_use_is_named_with_its_holder() -> None:
    with running(SMALL) as server:
        done = subprocess.run(
            [*SMALL, "--port", str(server.port)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 5
        assert done.stdout == ""
        assert f"port {server.port} in use by python" in done.stderr
        assert f"({server.process.pid})" in done.stderr
        assert "try --port 0" in done.stderr and "Traceback" not in done.stderr
        assert server.ask("GET /health").status == 200


def test_a_port_that_nobody_holds_has_no_holder() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert port_holder(sock.getsockname()[1]) is None  # bound, but nobody listens
        sock.listen()
        assert str(os.getpid()) in str(port_holder(sock.getsockname()[1]))


@pytest.mark.parametrize(
    ("host", "port", "kind", "said"),
    [
        ("192.0.2.1", 0, SystemFault, "no such address"),  # of no machine, by RFC 5737
        ("no.such.host.invalid", 0, UsageError, "no such address"),
        ("127.0.0.1", 65536, UsageError, "no port 65536"),
        ("127.0.0.1", -1, UsageError, "no port -1"),
        ("a" * 300, 0, UsageError, "no such address"),
    ],
)
def test_an_address_that_is_none_is_named(
    host: str, port: int, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as raised:
        serving.listen(host, port)
    assert "--" in str(raised.value)  # the way out


def test_a_port_of_the_administrator_is_named() -> None:
    error = serving.cannot_listen(PermissionError(13, "Permission denied"), "127.0.0.1", 80)
    assert error.exit_code == 5
    assert "port 80" in str(error) and "--port 8000" in str(error)


def test_the_default_address_is_of_this_machine_only() -> None:
    with serving.listen("127.0.0.1", 0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert not os.get_inheritable(sock.fileno())  # a child must not hold the port
        assert serving.link(sock, "T") == f"http://127.0.0.1:{sock.getsockname()[1]}/?token=T"
    with serving.listen("0.0.0.0", 0) as sock:  # noqa: S104
        assert serving.link(sock, "T").startswith("http://127.0.0.1:")


def test_an_answer_does_not_wait_for_the_client_to_confirm_a_piece_of_it() -> None:
    """Nagle's algorithm would hold back the body of each answer on a kept connection for 40 ms."""
    with running(SMALL) as server, server.open() as sock:
        request = server.request("GET /health", connection=None)
        waited = []
        for _ in range(20):
            start = time.monotonic()
            sock.sendall(request)
            assert read(sock).status == 200
            waited.append(time.monotonic() - start)
        assert sorted(waited)[5] < 0.03


def test_ipv6_alone_will_do() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6 on loopback")
    with running(SMALL, "--host", "::1") as server:
        assert server.host == "[::1]"
        assert server.ask("GET /health").status == 200
        assert server.ask("GET /api/list").status == 401
        assert server.ask("GET /health", host="evil.example").status == 403


def asked_in_the_background(server: Server, wait: float) -> tuple[threading.Thread, list[Answer]]:
    """Ask for what takes so many seconds; the thread, and where the answer will be."""
    answers: list[Answer] = []
    request = {"wait": wait}

    def ask() -> None:
        answers.append(server.ask("POST /api/sample", request, timeout=30))

    thread = threading.Thread(target=ask)
    thread.start()
    assert until(lambda: b'"computing":1' in server.ask("GET /health").body)
    return thread, answers


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), SIGNALS)
def test_a_signal_lets_finish_what_is_in_flight(signum: int, code: int) -> None:
    with running(SMALL) as server:
        thread, answers = asked_in_the_background(server, 1)
        with server.open() as stream, server.open(), server.open() as idle:
            stream.sendall(server.request("GET /api/events"))
            assert stream.recv(12) == b"HTTP/1.1 200"
            idle.sendall(server.request("GET /health", connection=None))
            assert read(idle).status == 200
            start = time.monotonic()
            assert server.end(signum) == code
            assert (
                time.monotonic() - start < 2.5
            )  # neither a stream nor an idle client is waited for
            thread.join()
        assert answers[0].status == 200
        assert server.said() == ""
        # At once, though connections of the old one still linger in the system.
        with running(SMALL, "--port", str(server.port)) as next_one:
            assert next_one.ask("GET /health").status == 200


@pytest.mark.parametrize("stop", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_a_signal_waits_for_a_while_only(stop: int) -> None:
    """Four seconds, and what is to be done before and after makes less than five."""
    with running(SMALL, "--stop", str(stop)) as server:
        thread, answers = asked_in_the_background(server, 20)
        with server.open() as deaf:
            deaf.sendall(server.request("GET /api/events?size=60000"))
            assert until(lambda: b'"streams":1' in server.ask("GET /health").body)
            start = time.monotonic()
            assert server.end() == 143
            assert stop - 0.5 < time.monotonic() - start < stop + 1
        thread.join()
        assert answers[0].status == 503
        assert answers[0].error["message"] == "the server ends"
        assert "Traceback" not in server.said()


def test_a_second_signal_ends_it_at_once() -> None:
    with running(SMALL) as server:
        thread, _ = asked_in_the_background(server, 20)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        start = time.monotonic()
        assert server.end(signal.SIGINT) == 130
        assert time.monotonic() - start < 2
        thread.join()
        assert "Traceback" not in server.said()


def test_no_new_client_is_taken_once_it_ends() -> None:
    with running(SMALL) as server:
        thread, _ = asked_in_the_background(server, 2)
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: refuses(server), 2)
        thread.join()
        assert server.process.wait(15) == 143


def refuses(server: Server) -> bool:
    """Tell whether nobody listens any more."""
    try:
        server.open(1).close()
    except OSError:
        return True
    return False


@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="needs Linux")
def test_it_connects_to_nobody() -> None:
    """Row 89: every socket of the process is the one on which it listens, or of a client."""
    with running(SMALL) as server:
        for line in ("GET /", "GET /api/runs", "GET /nothing"):
            server.ask(line)
        with server.open():
            own = [os.readlink(each) for each in Path(f"/proc/{server.process.pid}/fd").iterdir()]
            net = Path(f"/proc/{server.process.pid}/net")
            rows = [
                line.split() for table in ("tcp", "tcp6", "udp", "udp6")
                for line in (net / table).read_text().splitlines()[1:]
            ]  # fmt: skip
        ports = {int(row[1].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in own}
        assert ports == {server.port}


def test_the_server_needs_no_torch() -> None:
    """It imports in a tenth of a second what torch needs one for."""
    names = (
        "refusal body connection guard host_names leaving limits log running strict_http".split()
    )
    imports = "; ".join(f"import makemore.web.server.{name}" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "numpy", "websockets", "wsproto", "httptools", "uvloop"}
