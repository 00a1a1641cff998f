"""The tour: six steps on the real page, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import AXE, Visit
from web.test_page_axe import faults

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow


def box(opened: Visit) -> Any:
    return opened.page.get_by_role("dialog")


def text(opened: Visit) -> str:
    return str(box(opened).inner_text())


def press(opened: Visit, words: str) -> None:
    box(opened).get_by_role("button", name=words).click()


def step(opened: Visit, at: int) -> None:
    box(opened).get_by_text(f"Step {at} of 6").wait_for()


def target(opened: Visit) -> Any:
    """What the step points at: on the screen, above the box."""
    found = opened.page.locator("[data-toured]")
    found.wait_for()
    assert found.count() == 1
    opened.page.wait_for_timeout(400)  # the view fills
    place, size = found.bounding_box(), opened.page.viewport_size
    assert 0 <= place["y"] < box(opened).bounding_box()["y"] or place["x"] < 700 < size["width"]
    assert place["y"] < size["height"]
    return found


def test_a_reader_does_every_step(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page)
    page = opened.page
    assert box(opened).count() == 0  # it never begins by itself
    page.get_by_role("button", name="Show me around").first.click()
    step(opened, 1)
    target(opened).click()
    box(opened).get_by_text("✓ It is read").wait_for()
    press(opened, "Next")
    step(opened, 2)
    assert "Temperature" in text(opened) and "✓" not in text(opened)
    names = opened.names()
    target(opened).locator("input").fill("1.6")
    assert "✓ Other names" in text(opened)
    assert opened.names() != names
    press(opened, "Next")
    step(opened, 3)
    assert "context" in text(opened)
    page.locator(".place").nth(3).click()
    assert "✓ Another context" in text(opened)
    press(opened, "Next")
    step(opened, 4)
    assert "32 of them, large 128" in text(opened)
    target(opened).locator("select").select_option("small")
    assert "✓ More units" in text(opened)
    press(opened, "Next")
    step(opened, 5)
    choices = int(page.evaluate("() => /if all (\\d+) choices/.exec(document.body.innerText)[1]"))
    assert choices > 20
    target(opened).click()
    box(opened).get_by_text("✓ It falls").wait_for()
    press(opened, "Next")
    step(opened, 6)
    target(opened).locator(".cell").first.click()
    assert "✓ It is kept" in text(opened)
    press(opened, "Done")
    assert box(opened).count() == 0
    assert "tour" not in page.evaluate("() => location.hash")
    assert page.locator("[data-toured]").count() == 0


def test_next_alone_leads_through_it_with_an_example(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, viewport={"width": 360, "height": 740})
    opened.show("About")
    opened.page.get_by_role("button", name="Show me around").click()
    for at in range(1, 7):
        step(opened, at)
        target(opened)
        assert opened.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        press(opened, "Done" if at == 6 else "Next")
    assert box(opened).count() == 0


def test_it_is_walked_by_keyboard(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page)
    page = opened.page
    page.wait_for_timeout(500)
    opened.press_to("Show me around")
    page.keyboard.press("Enter")
    assert opened.focused() == "A list to learn from"
    opened.press_to("Next")
    page.keyboard.press("Enter")
    step(opened, 2)
    assert opened.focused().startswith("Next")
    opened.press_to("Go to it")
    page.keyboard.press("Enter")
    assert opened.focused() == "Temperature"
    page.keyboard.press("ArrowRight")
    assert "✓" in text(opened)
    box(opened).get_by_role("button", name="Next").focus()
    page.keyboard.press("ArrowRight")
    step(opened, 3)
    page.keyboard.press("ArrowLeft")
    step(opened, 2)
    page.keyboard.press("Escape")
    assert box(opened).count() == 0
    assert opened.focused() == "Names"  # the button that began it is on another tab


def test_its_step_is_in_the_link_and_back_undoes_one(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    opened = visit(empty_page, "#view=names&tour=2")
    step(opened, 1)  # without a list there is no temperature to turn
    opened.learn("\n".join(three_hundred))
    step(opened, 2)
    press(opened, "Next")
    step(opened, 3)
    assert "tour=3" in opened.page.evaluate("() => location.hash")
    opened.page.go_back()
    step(opened, 2)
    opened.page.evaluate("() => { location.hash = '#tour=99' }")
    box(opened).wait_for(state="detached" if box(opened).count() == 0 else "hidden")


def test_the_page_of_a_run_shows_what_it_has(visit: Visits, page_of: Callable[..., Path]) -> None:
    opened = visit(page_of("--model", "ngram"))
    opened.show("About")
    opened.page.get_by_role("button", name="Show me around").click()
    for at, title in enumerate(("Temperature", "Context", "Yours"), 1):
        box(opened).get_by_text(f"Step {at} of 3").wait_for()
        assert title in text(opened)
        press(opened, "Done" if at == 3 else "Next")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_no_step_and_no_new_control_has_a_fault(
    visit: Visits, empty_page: Path, scheme: str, width: int
) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    opened = visit(
        empty_page, bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 740}
    )
    page = opened.page
    page.evaluate(AXE.read_text(encoding="utf-8"))
    page.get_by_role("button", name="Show me around").first.click()
    found = {}
    for at in range(1, 7):
        step(opened, at)
        page.wait_for_timeout(300)
        found[at] = faults(page)
        press(opened, "Done" if at == 6 else "Next")
    page.get_by_text("More conditions").click()
    page.get_by_label("Pattern").fill("a**")
    page.get_by_label("Order").select_option("near")
    found[7] = faults(page)
    assert found == {at: [] for at in range(1, 8)}


def test_nothing_moves_where_a_person_wants_no_motion(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, "#tour=1", reduced_motion="reduce")
    step(opened, 1)
    assert opened.page.evaluate("() => document.getAnimations().length") == 0
