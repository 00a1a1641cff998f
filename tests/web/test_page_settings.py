"""Settings, storage and looks: what a link carries, what a reload keeps, what one click forgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import VIEWS, Visit

Visits = Callable[..., Visit]
FRUITS = ["apple", "apricot", "banana", "cherry", "cranberry", "damson", "gooseberry", "mango"]


@pytest.fixture
def learned(visit: Visits, empty_page: Path) -> Visit:
    opened = visit(empty_page)
    opened.learn("\n".join(FRUITS))
    return opened


def hash_of(opened: Visit) -> str:
    return str(opened.page.evaluate("() => decodeURIComponent(location.hash)"))


def stored(opened: Visit) -> dict[str, str]:
    found: dict[str, str] = opened.page.evaluate("() => ({ ...localStorage })")
    return found


@pytest.mark.slow
def test_every_view_is_reached_by_its_tab(learned: Visit) -> None:
    learned.show("Names")
    learned.names()
    learned.page.locator(".wall button").first.click()
    for view in VIEWS:
        learned.show(view)
        panel = learned.page.get_by_role("tabpanel", name=view)
        assert panel.is_visible()
        assert panel.get_by_role("heading", level=2).count() >= 1


@pytest.mark.slow
def test_a_link_carries_settings_and_no_line_of_the_list(learned: Visit, empty_page: Path) -> None:
    page = learned.page
    learned.show("Names")
    page.get_by_label("Begins with").fill("c")
    page.get_by_label("Temperature").fill("0.8")
    page.get_by_text("More conditions").click()
    page.get_by_label("Show names that are in the list").check()
    names = learned.names()
    known = next(name for name in names if name in FRUITS)
    page.locator(".cell", has=page.get_by_text(known, exact=True)).click()
    seen = [hash_of(learned)]
    for button in ("More like this", "Letter by letter"):
        page.get_by_role("button", name=button).click()
        page.wait_for_timeout(300)
        seen.append(hash_of(learned))
        learned.show("Names")
    for view in VIEWS:
        learned.show(view)
        seen.append(hash_of(learned))
    assert not [text for text in seen for fruit in FRUITS if fruit in text]
    assert "begins=c" in seen[-1] and "temperature=0.8" in seen[-1]


@pytest.mark.slow
def test_a_link_opens_with_its_settings(visit: Visits, empty_page: Path) -> None:
    link = "#view=names&begins=ba&longest=7&seed=5"
    first = visit(empty_page, link)
    first.learn("\n".join(FRUITS))
    first.show("Names")
    assert first.page.get_by_label("Begins with").input_value() == "ba"
    assert all(name.startswith("ba") and len(name) <= 7 for name in first.names())


@pytest.mark.slow
def test_a_reload_keeps_the_list_and_kept_lines_until_they_are_forgotten(learned: Visit) -> None:
    page = learned.page
    learned.show("Names")
    kept = learned.names()[0]
    page.locator(".wall button").first.click()
    page.reload()
    assert learned.names()  # the view that was open, of the list that was read
    learned.show("Kept")
    assert page.locator(".kept .name").all_text_contents() == [kept]
    page.get_by_role("tabpanel").get_by_role("button", name="Forget the list").click()
    learned.field.wait_for()
    assert stored(learned) == {}
    page.reload()
    learned.field.wait_for()
    assert page.get_by_role("tab").all_text_contents() == ["List", "About"]


@pytest.mark.slow
def test_a_theme_is_chosen_and_kept(learned: Visit) -> None:
    page = learned.page
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme").click()
    dark = page.evaluate(ground)
    assert brightness(dark) < 60 < 200 < brightness(light)
    page.reload()
    page.get_by_role("tablist").wait_for()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) == light


@pytest.mark.slow
def test_a_dark_device_gets_a_dark_page(visit: Visits, empty_page: Path) -> None:
    page = visit(empty_page, color_scheme="dark").page
    ground = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    assert brightness(ground) < 60


def brightness(colour: str) -> float:
    """The mean of red, green and blue, of rgb(r, g, b)."""
    parts = colour.removeprefix("rgb(").removesuffix(")").split(",")
    return sum(float(part) for part in parts) / 3


@pytest.mark.slow
def test_nothing_moves_where_a_person_wants_no_motion(visit: Visits, empty_page: Path) -> None:
    moved = {}
    for wish in ("no-preference", "reduce"):
        opened = visit(empty_page, reduced_motion=wish)
        opened.learn("\n".join(FRUITS))
        opened.show("Map")
        point: Any = opened.page.locator(".point").first
        point.wait_for()
        moved[wish] = point.evaluate("element => getComputedStyle(element).transitionDuration")
        running = opened.page.evaluate("() => document.getAnimations().length")
        assert wish == "no-preference" or running == 0
    assert moved == {"no-preference": "0.35s", "reduce": "0s"}


@pytest.mark.slow
def test_javascript_computes_where_webassembly_is_refused(
    visit: Visits, empty_page: Path, tmp_path: Path
) -> None:
    html = empty_page.read_text(encoding="utf-8")
    strict = tmp_path / "strict.html"
    strict.write_text(html.replace(" 'wasm-unsafe-eval'", ""), encoding="utf-8")
    names = {}
    for file in (empty_page, strict):
        opened = visit(file)
        opened.learn("\n".join(FRUITS))
        opened.show("Names")
        names[file] = opened.names()
        opened.show("About")
        engine = opened.page.get_by_role("tabpanel").get_by_text("JavaScript (WebAssembly")
        assert engine.is_visible() == (file == strict)
    assert names[strict] == names[empty_page]
    opened.errors.clear()  # Chromium writes into the console what it refuses
    opened.page.evaluate("() => { brokenPolicies.length = 0 }")


@pytest.mark.slow
def test_known_names_stand_on_the_wall_once(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page, "#known=1")
    opened.learn("\n".join(FRUITS))
    opened.show("Names")
    names = opened.names()
    assert set(names) & set(FRUITS)
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_what_cannot_be_drawn_is_said_until_the_condition_goes(learned: Visit) -> None:
    page = learned.page
    learned.show("Names")
    names = learned.names()
    page.get_by_label("Begins with").fill("ß")
    page.get_by_text("0 names").or_(page.locator(".alert p")).first.wait_for()
    assert learned.names() == []
    page.get_by_label("Begins with").fill("")
    page.locator(".cell").first.wait_for()
    assert learned.names() == names
    assert page.get_by_role("alert").inner_text() == ""
