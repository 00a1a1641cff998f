"""A whole way by keyboard alone: from a pasted list to lines and a run that are taken away."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import Visit, run_command

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow
STEP = re.compile(r"^Step [\d,]+ of")


def paste(opened: Visit, text: str) -> None:
    """Copy a text in another tab, and paste it where the focus is."""
    other = opened.page.context.new_page()
    other.set_content("<textarea autofocus></textarea>")
    other.locator("textarea").fill(text)
    other.keyboard.press("Control+a")
    other.keyboard.press("Control+c")
    other.close()
    opened.page.bring_to_front()
    opened.page.keyboard.press("Control+v")


def to_tab(opened: Visit, title: str) -> None:
    """Go back to the row of tabs, and by arrows to one of them."""
    keyboard = opened.page.keyboard
    opened.page.locator("body").evaluate("() => document.activeElement.blur()")
    opened.press_to(opened.page.locator('[role="tab"][aria-selected="true"]').inner_text())
    for _ in range(12):
        if opened.focused().startswith(title):
            return
        keyboard.press("ArrowRight")
    raise AssertionError(f"no arrow leads to {title}")


def take(opened: Visit, button: str, folder: Path) -> Path:
    """Press a button of a download, by keyboard, and save what comes."""
    opened.press_to(button)
    with opened.page.expect_download() as coming:
        opened.page.keyboard.press("Enter")
    file = folder / str(coming.value.suggested_filename)
    coming.value.save_as(file)
    return file


def learned_steps(opened: Visit) -> int:
    words = opened.page.get_by_text(STEP).inner_text().split()
    return int(words[1].replace(",", ""))


def learn_and_pause(opened: Visit) -> None:
    """Let a network learn, stop it on the way, see that it stands, and let it end."""
    page = opened.page
    opened.press_to("Play")
    page.keyboard.press("Enter")
    page.get_by_text(STEP).wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Go on").wait_for()
    page.wait_for_timeout(300)  # a slice that was on its way
    stands = learned_steps(opened)
    page.wait_for_timeout(700)
    assert learned_steps(opened) == stands
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Learn again").wait_for(timeout=120_000)
    assert learned_steps(opened) > stands


def keep_five(opened: Visit) -> list[str]:
    """Keep the first five names of the wall by arrows and Space."""
    names = opened.names()[:5]
    opened.press_to(names[0])
    for at in range(5):
        opened.page.keyboard.press("Space")
        if at < 4:
            opened.page.keyboard.press("ArrowRight")
    return names


def exports(opened: Visit, folder: Path) -> dict[str, list[str]]:
    """The kept lines, as each kind of file has them."""
    text = take(opened, "Download as text", folder).read_text(encoding="utf-8").splitlines()
    table = take(opened, "as CSV", folder).read_text(encoding="utf-8-sig")
    objects = take(opened, "as JSON", folder).read_text(encoding="utf-8").splitlines()
    return {
        "text": text,
        "CSV": [row[0] for row in csv.reader(io.StringIO(table))][1:],
        "JSON": [json.loads(each)["text"] for each in objects],
    }


def test_a_whole_way_by_keyboard_alone(
    visit: Visits, empty_page: Path, three_hundred: list[str], tmp_path: Path
) -> None:
    opened = visit(empty_page)
    page: Any = opened.page
    opened.press_to("Your list, one thing")
    paste(opened, "\n".join(three_hundred))
    page.get_by_role("heading", name="What is in").wait_for()

    opened.press_to("Let a network learn")
    page.keyboard.press("Enter")
    learn_and_pause(opened)

    to_tab(opened, "Names")
    opened.press_to("Begins with")
    page.keyboard.type("ma")
    opened.press_to("At most")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    names = opened.names()
    assert names and all(name.startswith("ma") and len(name) <= 7 for name in names)
    assert not set(names) & set(three_hundred)

    kept = keep_five(opened)
    to_tab(opened, "Kept")
    assert exports(opened, tmp_path) == {"text": kept, "CSV": kept, "JSON": kept}

    to_tab(opened, "About")
    run = take(opened, "Download the run", tmp_path)
    done = run_command("sample", run, "-n", "5", "--prefix", "ma", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert all(line.startswith("ma") for line in done.stdout.splitlines())
