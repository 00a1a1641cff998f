"""Who may ask the server for what: rows 84 to 88 of the catalogue of faults, over raw sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from web.raw_http import SMALL, Server, running

PATHS = ("/", "/health", "/api/runs", "/api/events", "/api/weights", "/static/page.js", "/nothing")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get", "BREW")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(SMALL) as started:
        yield started
        assert "Traceback" not in started.said()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_another_host_is_refused_on_every_path_and_method(
    server: Server, method: str, path: str
) -> None:
    answer = server.ask(f"{method} {path}", host="evil.example", authorization=server.bearer)
    assert answer.status == 403
    assert b"anna" not in answer.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{}", 200), ("127.0.0.1:{}", 200), ("[::1]:{}", 200), ("LocalHost:{}", 200),
        ("[0:0:0:0:0:0:0:1]:{}", 200), ("localhost", 200), ("127.0.0.1", 200),
        ("localhost:1", 403), ("localhost:0{}", 400), ("localhost.:{}", 403),
        ("localhost.evil.example:{}", 403), ("evil-localhost:{}", 403),
        ("127.0.0.1.nip.io:{}", 403), ("127.0.0.2:{}", 403), ("127.1:{}", 403),
        ("2130706433:{}", 403), ("0.0.0.0:{}", 403),
        ("[::ffff:127.0.0.1]:{}", 403), ("[::]:{}", 403), ("0x7f.0.0.1", 403), ("", 400),
        ("localhost@evil.example", 400), ("evil.example/localhost:{}", 400), ("localhost:", 400),
        ("[::1", 400), ("::1", 400), ("[localhost]:{}", 400), ("localhost, evil.example", 400),
        ("localhost:{}:{}", 400), ("löcalhost", 400), ("http://localhost:{}", 400),
    ],
)  # fmt: skip
def test_a_host_is_compared_whole(server: Server, host: str, status: int) -> None:
    assert server.ask("GET /health", host=host.replace("{}", str(server.port))).status == status


def test_a_request_names_its_host_once(server: Server) -> None:
    good = f"host: 127.0.0.1:{server.port}\r\n".encode()
    assert server.ask("GET /health", host=None).status == 400
    assert server.send(b"GET /health HTTP/1.0\r\n\r\n").status == 400
    assert server.send(b"GET /health HTTP/1.1\r\n" + good * 2 + b"\r\n").status == 400
    assert server.send(b"GET http://evil.example/ HTTP/1.1\r\n" + good + b"\r\n").status == 400
    assert server.send(b"GET /health HTTP/1.0\r\n" + good + b"\r\n").status == 200


@pytest.mark.parametrize("path", PATHS)
def test_only_get_head_and_post_exist(server: Server, path: str) -> None:
    for method in METHODS[3:]:
        answer = server.ask(f"{method} {path}", authorization=server.bearer)
        assert answer.status == 405, method
        assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{}", 200), ("null", 403), ("http://127.0.0.1:1", 403), ("", 403),
        ("https://127.0.0.1:{}", 403), ("http://localhost:{}", 403), ("http://127.0.0.1", 403),
        ("http://127.0.0.1:{}.evil.example", 403), ("http://evil.example", 403),
        ("http://127.0.0.1:{}/", 403), ("file://", 403), ("http://127.0.0.1:{}, null", 403),
    ],
)  # fmt: skip
def test_only_the_page_itself_may_post(server: Server, origin: str, status: int) -> None:
    origin = origin.replace("{}", str(server.port))
    for path in ("/api/sample", "/api/train"):
        answer = server.ask(f"POST {path}", {}, origin=origin, authorization=server.bearer)
        assert (answer.status == 403) == (status == 403)
    assert server.ask("GET /api/runs", origin=origin).status == status


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "nonsense"])
def test_a_page_of_another_site_gets_nothing(server: Server, site: str) -> None:
    for path in PATHS:
        answer = server.ask(f"GET {path}", sec_fetch_site=site, authorization=server.bearer)
        assert answer.status == 403
    assert server.ask("POST /api/sample", {}, sec_fetch_site=site).status == 403
    navigated = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert server.ask("POST /", {}, sec_fetch_site=site, **navigated).status == 403
    assert server.ask("GET /api/runs", sec_fetch_site=site, **navigated).status == 403
    framed = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
    assert server.ask("GET /", sec_fetch_site=site, **framed).status == 403


def test_a_link_to_the_page_may_be_followed(server: Server) -> None:
    navigated = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert server.ask("GET /", sec_fetch_site="cross-site", **navigated).status == 200
    assert server.ask("GET /", sec_fetch_site="none").status == 200
    assert server.ask("POST /api/sample", {}, sec_fetch_site="same-origin").status == 200


@pytest.mark.parametrize(
    ("type", "status"),
    [
        ("application/json", 200), ("Application/JSON; charset=utf-8", 200), (None, 415),
        ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415), ("text/plain, application/json", 415),
        ("application/jsonp", 415), ("text/plain; application/json", 415), ("", 415),
    ],
)  # fmt: skip
def test_a_post_is_json(server: Server, type: str | None, status: int) -> None:
    assert server.ask("POST /api/sample", {}, content_type=type).status == status


@pytest.mark.parametrize(
    "line",
    ["GET /api/list", "GET /api/weights", "POST /api/train", "POST /api/stop", "GET /api/later",
     "HEAD /api/list"],
)  # fmt: skip
def test_what_writes_or_gives_lines_needs_the_token_on_loopback(server: Server, line: str) -> None:
    body = {} if line.startswith("POST") else None
    good = server.token
    wrong = (None, "", good, f"Basic {good}", f"Bearer {good}x", f"Bearer {good[:-1]}", "Bearer",
             f"Bearer {good.upper()}", f"Bearer {good} {good}", "Bearer \xff")  # fmt: skip
    for value in wrong:
        answer = server.ask(line, body, authorization=value)
        assert answer.status == 401, value
        assert answer.headers["www-authenticate"] == "Bearer"
        assert b"anna" not in answer.body
    assert server.ask(f"{line}?token={good}", body).status == 401  # a link is for the page only
    passed = server.ask(line, body, authorization=server.bearer).status
    assert passed == 404 if "later" in line else passed not in (401, 403, 405, 415)


def test_whoever_may_not_ask_is_not_read(server: Server) -> None:
    """The token is asked for before a large body is waited for."""
    headers = {"content_length": str(8 * 2**20), "content_type": "application/json"}
    assert server.ask("POST /api/train", timeout=5, **headers).status == 401


def test_from_other_machines_everything_needs_the_token() -> None:
    with running(SMALL, "--host", "0.0.0.0") as server:  # noqa: S104
        for line in ("GET /", "GET /health", "GET /api/runs", "HEAD /", "GET /nothing"):
            assert server.ask(line).status == 401, line
            assert server.ask(line, authorization="Bearer wrong").status == 401
            right = server.ask(line, authorization=server.bearer).status
            assert right == (404 if "nothing" in line else 200)
        assert server.ask("POST /api/sample", {}).status == 401
        assert server.ask("POST /api/sample", {}, authorization=server.bearer).status == 200
        assert server.ask(f"GET /?token={server.token}").status == 200
        assert server.ask(f"GET /?token={server.token}&token={server.token}").status == 401
        assert server.ask(f"GET /health?token={server.token}").status == 401
        assert server.ask("GET /?token=wrong").status == 401
        # An address of this machine is a name of it; a name that a stranger can point here is none.
        for host, status in (("192.0.2.1", 200), ("[2001:db8::1]", 200), ("evil.example", 403)):
            host = f"{host}:{server.port}"
            assert server.ask("GET /", host=host, authorization=server.bearer).status == status


TRAVERSALS = [
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/etc/passwd",
    "/..;/etc/passwd", "/..%5c..%5cetc%5cpasswd", "/\\..\\etc\\passwd", "/%00/etc/passwd",
    "/%c0%ae%c0%ae/etc/passwd", "/static/../../pyproject.toml", "//etc/passwd", "/etc/passwd",
    "/runs/../runs-secret/names.txt", "/api/../../etc/passwd", "/%", "/%zz", "/%ff%fe",
    "/api/run?run=../../etc", "/api/run?run=%2e%2e%2fruns-secret", "/api/run?run=/etc",
    "/api/run?run=first%00", "/api/run?run=first/../first", "/api/run?run=first%2f",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_to_a_file(server: Server, path: str) -> None:
    for given in (None, server.bearer):
        answer = server.ask(f"GET {path}", authorization=given)
        # What is decoded once may name a route below /api, which needs the token.
        assert answer.status == 404 or (given is None and answer.status == 401)
        assert b"root:" not in answer.body and b"[project]" not in answer.body


def test_every_answer_tells_the_browser_what_not_to_do(server: Server) -> None:
    lines = [f"GET {path}" for path in PATHS if path != "/api/events"] + ["HEAD /", "PUT /"]
    answers = [server.ask(line, authorization=server.bearer) for line in lines]
    answers += [server.ask("GET /", host="evil.example"), server.ask("GET /", host=None)]
    answers += [server.ask("POST /api/sample", b"{"), server.send(b"garbage\r\n\r\n")]
    for answer in answers:
        assert answer.status > 0
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_preflight_is_told_nothing(server: Server) -> None:
    answer = server.ask(
        "OPTIONS /api/train", origin="http://evil.example", access_control_request_method="POST",
        access_control_request_headers="authorization",
    )  # fmt: skip
    assert answer.status in (403, 405)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_an_error_is_json_that_names_the_fix(server: Server) -> None:
    for line, headers in (
        ("GET /api/list", {}), ("GET /", {"host": "evil.example"}), ("PUT /", {}),
        ("POST /api/sample", {"content_type": "text/plain"}), ("GET /", {"origin": "null"}),
    ):  # fmt: skip
        body = {} if line.startswith("POST") else None
        answer = server.ask(line, body, **headers)
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.error) == {"message", "where", "fix"}
        assert answer.error["message"] and answer.error["fix"]
