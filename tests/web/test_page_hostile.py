"""Lines of a list are text everywhere: on screen, in titles, in exports; none is run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from makemore.cli.main import run
from web import hostile
from web.browser import OPEN_DETAILS, VIEWS, Visit

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow
PHONE = {"width": 360, "height": 740}
NAME = f"<img src=x onerror={hostile.RUNS}>\u202e.txt"

# What a line that had become markup would have made.
FOREIGN = "img, iframe, base, link, object, embed, a[href^=javascript], [onerror], [onload]"


def assert_only_text(page: Any, where: str) -> None:
    """Nothing was run, nothing became an element, and nothing is wider than the screen."""
    assert page.evaluate("() => globalThis.hit") is None, where
    assert page.locator(FOREIGN).count() == 0, where
    width, screen = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= screen, where


def look_everywhere(opened: Visit) -> None:
    page = opened.page
    for view in VIEWS:
        if not page.get_by_role("tab", name=view).is_visible():
            continue
        opened.show(view)
        page.evaluate(OPEN_DETAILS)
        page.wait_for_timeout(300)
        assert_only_text(page, view)


def take(page: Any, button: str) -> str:
    with page.expect_download() as coming:
        page.get_by_role("button", name=button, exact=True).click()
    return str(Path(coming.value.path()).read_bytes().decode("utf-8-sig"))


def test_hostile_lines_stay_text(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, "#known=1&shown=300", viewport=PHONE)
    opened.give(hostile.lines(), NAME)
    page = opened.page
    look_everywhere(opened)
    opened.show("Names")
    opened.names()
    kept: list[str] = []
    for cell in page.locator(".cell").all()[:40]:
        if cell.get_attribute("aria-pressed") == "false":
            cell.click()
    look_everywhere(opened)
    opened.show("Letters")
    for line in (hostile.MARKUP[2], hostile.BIDI[0], *hostile.UNBREAKABLE, hostile.LONG[:200]):
        page.get_by_role("textbox", name="A name").fill(line)
        page.wait_for_timeout(200)
        assert_only_text(page, line)
    opened.show("Kept")
    objects = [json.loads(each)["text"] for each in take(page, "as JSON").splitlines()]
    kept = page.locator(".kept .name").all_text_contents()
    assert len(objects) == len(kept) > 10
    table = list(csv.reader(io.StringIO(take(page, "as CSV"))))
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert [cell.removeprefix("'") for cell, *_ in table[1:]] == [
        line.removeprefix("'") for line in objects
    ]
    assert take(page, "Download as text").split("\n")[:-1] == objects


def test_a_reload_shows_hostile_lines_as_text_again(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, "#known=1", viewport=PHONE)
    opened.give(hostile.lines(), NAME)
    opened.show("Names")
    opened.names()
    opened.page.locator(".cell").first.click()
    opened.page.reload()
    opened.names()
    look_everywhere(opened)


def test_ten_thousand_symbols_break_no_view(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, "#known=1", viewport=PHONE)
    opened.give(hostile.many_symbols())
    opened.show("Names")
    opened.names()
    opened.page.locator(".cell").first.click()
    look_everywhere(opened)


def test_a_run_of_hostile_lines_is_a_page_of_text(visit: Visits, tmp_path: Path) -> None:
    text = tmp_path / NAME
    text.write_bytes("\n".join(hostile.lines()).encode())
    folder, file = tmp_path / NAME.removesuffix(".txt"), tmp_path / "page.html"
    assert run(["train", str(text), "-o", str(folder), "--model", "ngram", "--as-is"]) == 0
    license = f"</script><script>{hostile.RUNS}</script>"
    export = ["export", str(folder), "--html", str(file), "--lines", "--license", license]
    assert run(export) == 0
    opened = visit(file, "#view=names&known=1", viewport=PHONE)
    assert opened.names()
    assert "onerror" in opened.page.title()  # as text
    look_everywhere(opened)
