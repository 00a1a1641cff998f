"""What a served page says where a server, a run or a token is not what it was; hostile names."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from web import hostile
from web.browser import OPEN_DETAILS, Visit
from web.served import bar, card, open_run, wait_for_state
from web.serving import Folder

pytestmark = pytest.mark.slow
HOSTILE = f"<img src=x onerror={hostile.RUNS}>\u202eabc"
Open = Callable[..., Visit]


def test_without_the_token_a_tab_may_look_and_says_why_not_more(
    served: Folder, open_page: Open
) -> None:
    visit = open_page(served.address)
    visit.show("Runs")
    visit.page.get_by_text("Open the link that makemore serve printed").wait_for()
    wait_for_state(visit, "first", "finished")
    for words in ("Open", "Stop", "Go on", "Train on the server"):
        assert not visit.page.get_by_role("button", name=words, exact=False).is_visible()
    card(visit, "first").get_by_role("checkbox").check()
    visit.page.locator("path.curve.run0").wait_for()
    assert not any("weights" in each or "POST" in each for each in served.asked)


def test_a_token_of_an_earlier_start_is_told_and_forgotten(served: Folder, open_page: Open) -> None:
    visit = open_page(f"{served.address}?token=old", expected="401")
    card(visit, "first").get_by_role("button", name="Open").click()
    visit.page.get_by_role("alert").get_by_text("has another token by now").wait_for()
    visit.page.get_by_text("This tab came without the server's token").wait_for()
    assert not card(visit, "first").get_by_role("button").first.is_visible()


def test_a_server_that_is_gone_is_told_once_and_found_again(
    served: Folder, open_page: Open
) -> None:
    visit = open_page(served.link, expected="ERR_")
    open_run(visit, "first")
    served.stop()
    gone = bar(visit).get_by_text("The server does not answer")
    gone.wait_for()
    visit.show("Names")
    visit.page.get_by_role("button", name="Other names").click()
    assert visit.names()  # what is loaded goes on working
    assert visit.page.get_by_role("alert").inner_text() == ""
    served.start()
    gone.wait_for(state="hidden", timeout=30_000)
    assert "finished" in bar(visit).inner_text()


def test_a_run_that_is_deleted_or_fails_is_told_of(
    served: Folder, open_page: Open, three_hundred: list[str]
) -> None:
    visit = open_page(served.link)
    open_run(visit, "first")
    shutil.rmtree(served.folder / "first")
    wait_for_state(visit, "first", "gone")
    bar(visit).get_by_text("Its folder is gone from the server").wait_for()
    assert not card(visit, "first").get_by_role("button").first.is_visible()
    (served.folder / "second" / "checkpoint.json").write_text("{}")
    wait_for_state(visit, "second", "failed")
    assert card(visit, "second").locator(".trouble").inner_text()


def test_names_of_runs_stay_text(served: Folder, open_page: Open, three_hundred: list[str]) -> None:
    (served.folder / "second").rename(served.folder / HOSTILE)
    visit = open_page(served.link, viewport={"width": 360, "height": 740})
    page = visit.page
    heading = page.locator(".run-cards h3").filter(has_text="<img")
    assert "\u202e" not in heading.inner_text() and "\\u202e" in heading.inner_text()
    hostile_card = page.locator(".run-cards li").filter(has_text="<img")
    hostile_card.get_by_role("checkbox").check()
    hostile_card.get_by_role("button").first.click()
    bar(visit).get_by_text("Open: ").wait_for()
    for view in ("Runs", "Names", "Learning", "About"):
        visit.show(view)
        page.evaluate(OPEN_DETAILS)
        page.wait_for_timeout(200)
        assert page.evaluate("() => globalThis.hit") is None
        assert page.locator("img, iframe, [onerror]").count() == 0
        width, screen = page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width <= screen, view
