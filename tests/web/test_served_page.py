"""The page that a server sends: it knows that there is one, and may ask it and nobody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from makemore.web import empty_page, served_page
from makemore.web.page import NO_SCRIPT


def meta_policy(page: str) -> str:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_a_served_page_names_its_server(static: Path) -> None:
    page, _ = served_page("1.2.3", static)
    found = re.search(r'<script type="application/json" id="server">(.*?)</script>', page.decode())
    assert found is not None
    assert json.loads(found[1]) == {"version": "1.2.3"}
    assert b'id="server"' not in empty_page(static=static)


def test_a_served_page_may_ask_its_server_alone(static: Path) -> None:
    page, policy = served_page("1.2.3", static)
    assert policy == meta_policy(page.decode()) + "; frame-ancestors 'none'"
    of_file = meta_policy(empty_page(static=static).decode())
    assert set(policy.split("; ")) - set(of_file.split("; ")) == {
        "connect-src 'self'", "frame-ancestors 'none'",
    }  # fmt: skip
    assert "connect-src" not in of_file


def test_only_a_page_from_disk_says_that_it_asks_no_network(static: Path) -> None:
    assert NO_SCRIPT.encode() in empty_page(static=static)
    assert NO_SCRIPT.encode() not in served_page("1.2.3", static)[0]
