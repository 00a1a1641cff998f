"""Save many: thousands of lines under the wall's conditions, straight into a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from web.browser import Visit

pytestmark = pytest.mark.slow

Visits = Callable[..., Visit]
SYLLABLES = ["ba", "ko", "ri", "ta", "lu", "ne", "mi", "so"]
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES[:5] for c in SYLLABLES[2:7]]


@pytest.fixture
def wall(visit: Visits, empty_page: Path) -> Visit:
    opened = visit(empty_page)
    opened.learn("\n".join(WORDS[::2]))
    opened.show("Names")
    opened.page.get_by_text("Save many").click()
    return opened


def saved(opened: Visit, count: int, form: str) -> str:
    page = opened.page
    page.get_by_label("How many").fill(str(count))
    page.get_by_label("As", exact=True).select_option(form)
    with page.expect_download() as coming:
        page.get_by_role("button", name="Save", exact=True).click()
    return Path(coming.value.path()).read_bytes().decode()


def test_a_file_begins_with_the_names_of_the_wall_and_has_each_once(wall: Visit) -> None:
    names = wall.names()
    lines = saved(wall, 300, "text").splitlines()
    assert lines[: len(names)] == names
    assert len(lines) == len(set(lines)) == 300
    assert not set(lines) & set(WORDS[::2])
    assert wall.page.get_by_text("300 names saved as names.txt").is_visible()


def test_csv_has_one_head_and_json_is_exact(wall: Visit) -> None:
    wall.page.get_by_label("Begins with").fill("ta")
    text = saved(wall, 200, "text").splitlines()
    rows = list(csv.reader(io.StringIO(saved(wall, 200, "csv"))))
    assert rows[0] == ["text", "nll", "origin"]
    assert [row[0] for row in rows[1:]] == text
    objects = [json.loads(line) for line in saved(wall, 200, "json").splitlines()]
    assert [each["text"] for each in objects] == text
    assert all(line.startswith("ta") for line in text)


def test_what_cannot_be_drawn_is_told_and_stop_saves_nothing(wall: Visit) -> None:
    page = wall.page
    page.get_by_label("Contains").fill("tata")
    page.get_by_label("At most").fill("4")
    assert saved(wall, 500, "text").splitlines() in (["tata"], [])
    assert "of 500 lines" in page.locator(".many").inner_text()
    page.get_by_role("button", name="Set all back").click()
    page.get_by_label("How many").fill("100000")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Stop", exact=True).click()
    assert page.get_by_text("Stopped: nothing was saved.").is_visible()
    assert wall.names()
