"""Experiments in the browser: keys, links, workers that end, a policy without WebAssembly, axe."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import OPEN_DETAILS, Visit
from web.test_page_axe import axe, faults
from web.test_page_keyboard import to_tab

__all__ = ["axe"]  # a fixture

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow
SHORT = "#view=experiments&a=MLP-1-3-calm-AdamW-0.01-8-1&b=MLP-2-3-calm-SGD-0.1-8-1"  # seconds


def reads(opened: Visit, lines: list[str]) -> Visit:
    """Let a page read a list, and open its experiments."""
    opened.learn("\n".join(lines))
    opened.show("Experiments")
    return opened


@pytest.fixture
def reading(visit: Visits, empty_page: Path, three_hundred: list[str]) -> Visit:
    """A page that has read a list, at experiments that are soon done."""
    opened = reads(visit(empty_page, SHORT), three_hundred)
    return opened


def button(opened: Visit, name: str) -> Any:
    return opened.page.get_by_role("tabpanel").get_by_role("button", name=name, exact=True)


def step(opened: Visit) -> int:
    words = opened.page.get_by_text(re.compile(r"^Step [\d,]+ of [\d,]+\.")).inner_text().split()
    return int(words[1].replace(",", ""))


def figures(opened: Visit) -> dict[str, list[str]]:
    """The table of figures: a row's title without its numbers -> what A and B have."""
    rows = opened.page.locator(".figures tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    return {re.split(r"[,(]", title)[0].strip(): values for title, *values in cells}


def play(opened: Visit) -> str:
    """Play to the end; gives what was seen."""
    button(opened, "Play both").click()
    button(opened, "Pause").wait_for()
    button(opened, "Play both").wait_for(timeout=120_000)
    return str(opened.page.locator("#panel-experiments .verdict").inner_text())


def workers(opened: Visit, expected: int) -> None:
    for _ in range(100):
        if len(opened.page.workers) == expected:
            return
        opened.page.wait_for_timeout(50)
    assert len(opened.page.workers) == expected


def test_both_are_played_by_keyboard(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    long = "MLP-{}-200-calm-AdamW-0.005-64-1"  # so that there is time to pause
    link = f"#view=experiments&a={long.format(2)}&b={long.format(4)}"
    reading = visit(empty_page, link)
    reading.learn("\n".join(three_hundred))
    reading.show("Experiments")
    page = reading.page
    page.keyboard.press("Home")
    to_tab(reading, "Experiments")
    reading.press_to("Play both")
    page.keyboard.press("Enter")
    button(reading, "Pause").wait_for()
    page.get_by_text(re.compile(r"^Step ([2-9]\d\d|\d,\d+) of")).wait_for()  # evaluated once
    page.keyboard.press("Enter")
    button(reading, "Go on").wait_for()
    page.wait_for_timeout(300)  # a point that was on its way
    stands = step(reading)
    page.wait_for_timeout(500)
    assert step(reading) == stands > 0
    reading.press_to("One step")
    page.keyboard.press("Enter")
    page.get_by_text(f"Step {stands + 1:,} of").wait_for()
    reading.press_to("Stop")
    page.keyboard.press("Enter")
    button(reading, "Play both").wait_for()
    assert button(reading, "Stop").is_disabled()
    assert page.locator("#status").inner_text() == "Stopped"
    assert page.locator(".verdict:visible").inner_text().startswith("After ")


def test_the_end_is_told_and_is_the_same_again(reading: Visit) -> None:
    page = reading.page
    told = play(reading)
    assert "nseen lines" in told
    assert page.locator("#status").inner_text() == f"Both are done. {told}"
    first = figures(reading)
    assert first["Letters read"] == ["24,000", "24,000"]
    drawn = page.locator("#panel-experiments .lines li").all_inner_texts()
    assert len(drawn) > 10
    again = play(reading)
    second = figures(reading)
    for each in (first, second):
        each.pop("Seconds")
    assert second == first
    assert page.locator("#panel-experiments .lines li").all_inner_texts() == drawn
    before_times = [text.partition("Its steps")[0].strip() for text in (told, again)]
    assert before_times[0] == before_times[1]


def test_the_same_setting_twice_is_level(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    setting = "MLP-2-5-calm-AdamW-0.01-8-3"
    opened = reads(visit(empty_page, f"#view=experiments&a={setting}&b={setting}"), three_hundred)
    assert "both are level" in play(opened)
    assert all(a == b for title, (a, b) in figures(opened).items() if title != "Seconds")
    a, b = (
        opened.page.get_by_role("heading", name=name).locator("xpath=..").locator("li")
        for name in ("A writes", "B writes")
    )
    assert a.all_inner_texts() == b.all_inner_texts() != []


def test_a_link_restores_both_settings(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    link = "#view=experiments&a=MLP-5-10-naive-SGD-0.25-8-5&b=GRU-3-16-calm-AdamW-0.01-4-2"
    opened = reads(visit(empty_page, link), three_hundred)
    page = opened.page

    def shown(side: str) -> dict[str, str]:
        controls = page.get_by_role("group", name=side, exact=True).locator(".control:visible")
        return {
            each.locator("label").inner_text(): each.locator("input, select").input_value()
            for each in controls.all()
        }

    assert shown("A") == {
        "Kind": "MLP", "Letters seen": "5", "Hidden units": "10", "First weights": "naive",
        "Optimizer": "SGD", "Learning rate": "0.25", "Batch": "8", "Seed": "5",
    }  # fmt: skip
    assert shown("B") == {
        "Kind": "GRU", "Hidden units": "16", "Optimizer": "AdamW", "Learning rate": "0.01",
        "Batch": "4", "Seed": "2",
    }  # fmt: skip
    # What is changed is in the link, and the browser's Back undoes a preset.
    page.get_by_role("group", name="B", exact=True).get_by_label("Hidden units").fill("20")
    page.keyboard.press("Tab")
    assert "b=GRU-3-20-" in page.url
    button(opened, "Learning rate").click()
    assert shown("A") == {"Learning rate": "0.1"} and shown("B") == {"Learning rate": "10"}
    assert button(opened, "Learning rate").get_attribute("aria-pressed") == "true"
    page.go_back()
    assert shown("B")["Hidden units"] == "20"


def test_workers_end_when_stopped_replaced_or_the_list_changes(reading: Visit) -> None:
    workers(reading, 1)
    button(reading, "One step").click()
    reading.page.locator(".figures").wait_for()
    workers(reading, 3)
    button(reading, "Stop").click()
    workers(reading, 1)
    button(reading, "One step").click()
    workers(reading, 3)
    button(reading, "Kind").click()  # replaced
    workers(reading, 1)
    assert reading.page.locator(".figures").is_hidden()
    button(reading, "One step").click()
    workers(reading, 3)
    reading.show("List")
    reading.give([f"other{at}" for at in range(40)])
    workers(reading, 1)


def test_memory_is_bounded_over_ten_runs(reading: Visit) -> None:
    page = reading.page
    session = page.context.new_cdp_session(page)

    def run_some(count: int) -> tuple[float, int]:
        """Run some to the end, others not; the MB of the page's heap and its elements after."""
        for at in range(count):
            if at % 2:
                button(reading, "One step").click()
                page.get_by_text(re.compile("^Step 1 of")).wait_for()
                button(reading, "Stop").click()
            else:
                play(reading)
            workers(reading, 1)
        session.send("HeapProfiler.collectGarbage")
        usage = session.send("Runtime.getHeapUsage")
        size = (usage["usedSize"] + usage.get("backingStorageSize", 0)) / 2**20
        return size, page.evaluate("() => document.querySelectorAll('*').length")

    before, elements = run_some(2)
    after, elements_after = run_some(8)
    print(f"MB of the page: {before:.1f} after 2 runs, {after:.1f} after 10")
    assert after < before + 1
    assert abs(elements_after - elements) < 100


def test_without_webassembly_it_learns_and_says_so(
    visit: Visits, empty_page: Path, three_hundred: list[str], tmp_path: Path
) -> None:
    strict = tmp_path / "strict.html"
    html = empty_page.read_text(encoding="utf-8")
    assert " 'wasm-unsafe-eval'" in html
    strict.write_text(html.replace(" 'wasm-unsafe-eval'", ""), encoding="utf-8")
    opened = reads(visit(strict, SHORT), three_hundred)
    play(opened)
    assert opened.page.get_by_text("both compute in JavaScript, which is slower").is_visible()
    assert len(figures(opened)["Parameters"]) == 2
    # What the policy refuses is what is tested here: it is no fault of the page.
    opened.errors.clear()
    opened.page.evaluate("() => { brokenPolicies.length = 0 }")


def test_a_rate_far_too_large_is_an_outcome_and_no_error(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    link = "#view=experiments&a=MLP-3-100-naive-SGD-100-8-1&b=counts"
    opened = reads(visit(empty_page, link), three_hundred)
    told = play(opened)
    assert "worse than knowing nothing" in told or "exploded" in told
    assert opened.page.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_nothing_is_at_fault(
    visit: Visits, empty_page: Path, three_hundred: list[str], axe: str, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    opened = visit(empty_page, SHORT, bypass_csp=True, color_scheme=scheme, viewport=size)
    page = opened.page
    page.evaluate(axe)
    opened.learn("\n".join(three_hundred))
    opened.show("Experiments")
    assert faults(page) == []
    play(opened)
    page.evaluate(OPEN_DETAILS)
    page.wait_for_timeout(200)
    assert faults(page) == []
    # The page never scrolls sideways, and a table is no wider than it.
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    right = "() => document.querySelector('.figures').getBoundingClientRect().right"
    assert page.evaluate(right) <= width
