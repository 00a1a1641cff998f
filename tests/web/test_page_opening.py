"""Pages open from disk: the empty one asks for a list, a run's page shows names at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from makemore.cli.main import run
from web.browser import Visit

Pages = Callable[..., Path]
Visits = Callable[..., Visit]
TRANSFORMER = ("--model", "transformer", "--n-embd", "32", "--n-layer", "2", "--max-steps", "40")


def test_the_empty_page_asks_for_a_list_and_offers_what_needs_none(
    visit: Visits, empty_page: Path
) -> None:
    opened = visit(empty_page)
    page = opened.page
    assert opened.field.is_visible()
    shown = page.get_by_role("tab").all_text_contents()
    assert shown == ["List", "About"]
    assert page.title() == "makemore"


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "ngram", "--order", "4"),
        pytest.param(TRANSFORMER, marks=pytest.mark.slow),
        # The default: counts and networks mixed.
        pytest.param(("--max-steps", "60"), marks=pytest.mark.slow),
    ],
    ids=["ngram", "transformer", "mixture"],
)
def test_a_page_of_a_run_shows_names_soon(
    visit: Visits, page_of: Pages, options: tuple[str, ...]
) -> None:
    opened = visit(page_of(*options))
    opened.page.locator(".wall .name").first.wait_for()
    seconds = opened.page.evaluate("() => performance.now() / 1000")
    names = opened.names()
    print(f"{seconds:.2f} s from opening to names")
    assert len(names) == 60
    assert all(re.fullmatch("[a-z]+", name) for name in names)
    assert seconds < 3  # half a second on a quiet machine, which a machine that tests is not


@pytest.mark.slow
def test_a_page_with_the_prior_opens_soon_and_learns(visit: Visits, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert run(["page", "-o", str(file), "--prior"]) == 0
    assert file.stat().st_size < 5_000_000
    opened = visit(file)
    seconds = opened.page.evaluate("() => performance.now() / 1000")
    print(f"{seconds:.2f} s from opening to the field")
    assert seconds < 3
    opened.page.get_by_role("button", name="Play with this list").click()
    opened.page.get_by_role("heading", name="What is in").wait_for()
    opened.show("Learning")
    opened.page.get_by_role("button", name="Play").click()
    opened.page.get_by_role("button", name="Learn again").wait_for(timeout=120_000)
    opened.show("Names")
    assert opened.names()
