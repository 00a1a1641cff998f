"""The order of the wall: by likelihood, by the alphabet, and by nearness to a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from web.browser import MOVE_SLIDERS, Visit

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow
UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def order(opened: Visit, value: str) -> list[str]:
    opened.page.get_by_label("Order").select_option(value)
    return opened.names()


def hash_of(opened: Visit) -> str:
    return str(opened.page.evaluate("() => decodeURIComponent(location.hash)"))


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        new = [i + 1]
        for j, y in enumerate(b):
            new.append(min(new[j] + 1, row[j + 1] + 1, row[j] + (x != y)))
        row = new
    return row[-1]


def test_each_order_has_the_same_names_in_its_own_way(drawing: Visit) -> None:
    drawn = drawing.names()
    assert order(drawing, "alphabet") == sorted(drawn) != drawn
    assert "order=alphabet" in hash_of(drawing)
    likely = order(drawing, "likely")
    times = [
        float(text.removeprefix("1 in ").rstrip("KMBT").replace(",", "")) * UNITS.get(text[-1], 1)
        for text in drawing.page.locator(".cell .facts span:last-child").all_text_contents()
    ]
    assert times == sorted(times) and times[0] < times[-1]
    near = order(drawing, "near")  # nothing is picked: near to the first that was drawn
    assert near[0] == drawn[0]
    distances = [distance(drawn[0], name) for name in near]
    assert distances == sorted(distances)
    assert set(drawn) == set(likely) == set(near)
    assert order(drawing, "drawn") == drawn
    assert "order" not in hash_of(drawing)


def test_names_near_to_the_picked_one_come_first_and_stay_in_the_link(
    drawing: Visit, visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    page = drawing.page
    name = drawing.names()[17]
    page.locator(".cell").nth(17).click()
    page.get_by_role("button", name="Nearest first").click()
    near = drawing.names()
    assert near[0] == name
    assert drawing.focused().startswith("Nearest first")
    assert page.locator("#status").inner_text() == f"60 names, nearest to “{name}” first"
    page.locator(".cell").nth(3).click()  # another one is picked: the wall stays as it is
    assert drawing.names() == near
    again = visit(empty_page, hash_of(drawing))
    again.learn("\n".join(three_hundred))
    again.show("Names")
    assert again.names() == near


def test_a_link_has_no_name_of_the_list(drawing: Visit, three_hundred: list[str]) -> None:
    page = drawing.page
    page.get_by_text("More conditions").click()
    page.get_by_label("Show names that are in the list").check()
    known = next(name for name in drawing.names() if name in three_hundred)
    page.locator(".cell", has=page.get_by_text(known, exact=True)).click()
    page.get_by_role("button", name="Nearest first").click()
    assert drawing.names()[0] == known
    assert "order=near" in hash_of(drawing) and known not in hash_of(drawing)


def test_the_focus_stays_on_its_name(drawing: Visit) -> None:
    page = drawing.page
    page.locator(".cell").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    name = drawing.names()[5]
    assert drawing.focused().startswith(name)
    page.evaluate("() => { location.hash += '&order=alphabet' }")
    page.wait_for_function("() => location.hash.includes('alphabet')")
    assert drawing.names() == sorted(drawing.names())
    assert drawing.focused().startswith(name)
    page.keyboard.press("ArrowRight")
    following = drawing.names()[drawing.names().index(name) + 1]
    assert drawing.focused().startswith(following)


def test_a_moved_slider_is_answered_soon_in_any_order(drawing: Visit) -> None:
    for value in ("likely", "alphabet", "near"):
        order(drawing, value)
        waits = drawing.page.evaluate(MOVE_SLIDERS, 30)
        print(f"{value}: {median(waits):.0f} ms from slider to names")
        assert median(waits) < 250  # 50 on a quiet machine
