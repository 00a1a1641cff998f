"""The page beside a server: runs by events, weights that it draws from, trainings it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import AXE, OPEN_DETAILS, Visit
from web.served import bar, card, open_run, train_here, wait_for_state
from web.serving import Folder
from web.test_page_axe import faults

pytestmark = pytest.mark.slow
Open = Callable[..., Visit]


def test_a_run_is_opened_and_drawn_from_in_the_page(served: Folder, open_page: Open) -> None:
    visit = open_page(served.link)
    page = visit.page
    assert page.url.partition("#")[0] == served.address  # the token is in no URL that is copied
    page.get_by_role("tab", name="Runs", selected=True).wait_for()
    assert sorted(page.locator(".run-cards h3").all_text_contents()) == ["first", "second"]
    assert "step 40 of 40" in card(visit, "first").inner_text()
    open_run(visit, "first")
    visit.show("Names")
    names = visit.names()
    assert len(names) == 60 and all(re.fullmatch("[a-z]+", name) for name in names)
    visit.show("Learning")
    page.locator("#panel-learning path.curve.val").wait_for()
    page.locator("#panel-learning .fresh li").first.wait_for()
    assert not page.get_by_role("button", name="Play").is_visible()
    for view in ("Map", "Pairs"):
        visit.show(view)
        page.locator(f"#panel-{view.lower()} svg > :nth-child(4)").first.wait_for()
    visit.show("About")
    assert "gru" in page.locator(".card").inner_text()
    assert not any(each.startswith("POST") for each in served.asked)


def test_a_training_is_watched_killed_and_gone_on_with(
    served: Folder, open_page: Open, three_hundred: list[str]
) -> None:
    visit = open_page(served.link)
    page = visit.page
    train_here(visit, three_hundred, "mine")
    open_run(visit, "mine")
    bar(visit).get_by_text("training; step").wait_for(timeout=60_000)
    page.wait_for_function(  # its weights have come
        "() => !document.querySelector('.run-bar').innerText.includes('next save')", timeout=60_000
    )
    visit.show("Names")
    before = visit.names()
    assert before
    page.wait_for_function(  # and newer ones come by themselves
        "(before) => document.querySelector('.wall .name').textContent !== before", arg=before[0],
        timeout=60_000,
    )  # fmt: skip
    visit.show("Learning")
    page.locator("#panel-learning path.curve.val").wait_for(timeout=60_000)
    page.locator("#panel-learning .fresh li").first.wait_for(timeout=60_000)
    visit.show("Runs")
    mine = card(visit, "mine")
    os.kill(int((served.folder / "mine" / "lock").read_text()), 9)
    wait_for_state(visit, "mine", "stopped")
    mine.get_by_role("button", name="Go on").click()
    wait_for_state(visit, "mine", "training")
    mine.get_by_role("button", name="Stop").click()
    wait_for_state(visit, "mine", "stopped")
    page.get_by_role("button", name="Back to your list").click()
    visit.show("List")
    page.get_by_role("heading", name="What is in mine.txt").wait_for()
    assert bar(visit).is_hidden()


def test_two_tabs_show_the_same_training(
    served: Folder, open_page: Open, three_hundred: list[str], browser: Any
) -> None:
    context = browser.new_context()
    first = open_page(served.link, context=context)
    second = open_page(served.address, context=context)  # the browser keeps the token
    train_here(first, three_hundred, "both")
    wait_for_state(second, "both", "training")
    assert second.page.locator(".run-cards h3").first.inner_text() == "both"
    open_run(second, "first")
    second.show("Names")
    assert second.names()
    second.show("Runs")
    card(second, "both").get_by_role("button", name="Stop").click()
    wait_for_state(first, "both", "stopped")


def test_curves_of_chosen_runs_stand_in_one_chart(served: Folder, open_page: Open) -> None:
    visit = open_page(served.link)
    curves = visit.page.locator("#panel-runs figure path.curve")
    assert curves.count() == 0
    for name, count in (("first", 1), ("second", 2)):
        card(visit, name).get_by_role("checkbox").check()
        visit.page.locator(f"#panel-runs figure path.curve.run{count - 1}").wait_for()
        assert curves.count() == count
    visit.page.evaluate(OPEN_DETAILS)
    table = visit.page.locator("#panel-runs table")
    assert table.locator("thead th").all_text_contents() == ["steps", "first", "second"]
    card(visit, "first").get_by_role("checkbox").uncheck()
    visit.page.wait_for_function(
        "() => document.querySelectorAll('#panel-runs figure path.curve').length === 1"
    )


def test_a_list_goes_to_the_server_by_its_button_alone(
    served: Folder, open_page: Open, three_hundred: list[str]
) -> None:
    visit = open_page(served.link)
    promise = visit.page.locator("header .promise").inner_text()
    assert promise.endswith(
        "The list goes to the server on this machine only when you press Train on the server."
    )
    visit.show("List")
    visit.give(three_hundred)
    for view in ("Names", "Kept", "About", "Runs"):
        if visit.page.get_by_role("tab", name=view).is_visible():
            visit.show(view)
    body = visit.page.locator("body").inner_text()
    assert "never leaves" not in body and "no server" not in body
    assert not any(each.startswith("POST") for each in served.asked)
    with visit.page.expect_request("**/api/train") as sent:
        visit.page.get_by_label("Ends after").select_option("30s")
        visit.page.get_by_role("button", name="Train on the server").click()
    posted = sent.value.post_data_json
    assert posted == {"lines": three_hundred, "name": "list.txt", "time": "30s"}


def test_the_file_of_the_server_is_read_and_another_list_stays_over_a_reload(
    served: Folder, open_page: Open, tmp_path: Path, three_hundred: list[str]
) -> None:
    served.file = tmp_path / "village.txt"
    served.file.write_text("\n".join(three_hundred) + "\n")
    served.stop()
    served.start()
    visit = open_page(served.link)
    page = visit.page
    page.get_by_role("heading", name="What is in village").wait_for()
    assert page.get_by_text("300").first.is_visible()
    visit.give(three_hundred[:100], "other.txt")
    page.get_by_role("heading", name="What is in other.txt").wait_for()
    page.reload()
    page.get_by_role("heading", name="What is in other.txt").wait_for()


def test_runs_are_opened_and_a_list_is_trained_by_keyboard(
    served: Folder, open_page: Open, three_hundred: list[str]
) -> None:
    visit = open_page(served.link)
    page = visit.page
    wait_for_state(visit, "first", "finished")
    visit.press_to("Open: ")
    page.keyboard.press("Enter")
    bar(visit).get_by_text("Open: ").wait_for()
    visit.show("List")
    visit.give(three_hundred, "mine.txt")
    visit.show("Runs")
    visit.press_to("Model")
    page.keyboard.type("gru")
    visit.press_to("Ends after")
    page.keyboard.type("1 hour")
    visit.press_to("Train on the server")
    page.keyboard.press("Enter")
    wait_for_state(visit, "mine", "training")
    card(visit, "mine").get_by_text("loss: its lines").wait_for(timeout=60_000)  # it has begun
    visit.press_to("Stop: ")
    page.keyboard.press("Enter")
    wait_for_state(visit, "mine", "stopped")
    assert visit.focused().startswith("Go on")  # the keyboard stays where it was


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_runs_have_no_fault_of_accessibility(
    served: Folder, open_page: Open, three_hundred: list[str], scheme: str, width: int
) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    view = {"width": width, "height": 800}
    visit = open_page(served.link, bypass_csp=True, color_scheme=scheme, viewport=view)
    page = visit.page
    page.evaluate(AXE.read_text(encoding="utf-8"))
    train_here(visit, three_hundred, "mine")
    for name in ("first", "second"):
        card(visit, name).get_by_role("checkbox").check()
    page.locator("path.curve.run2").wait_for(timeout=60_000)
    page.evaluate(OPEN_DETAILS)
    assert faults(page) == []
    screen = os.environ.get("MAKEMORE_SCREENSHOTS")
    if screen:
        page.screenshot(path=f"{screen}/runs-{scheme}-{width}.png", full_page=True)
    width_of, seen = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width_of <= seen
