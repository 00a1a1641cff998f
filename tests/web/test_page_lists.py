"""Lists come as text, as a table with a choice of column, by drop, or as the example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from web.browser import Visit

Visits = Callable[..., Visit]
TABLE = """city,country,people
Aachen,Germany,249070
Bern,Switzerland,134794
Calais,France,72929
Delft,Holland,103581
"""

# What a file manager does when somebody lets a file go over the page.
DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "text/plain" }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true }));
  }
}"""


def first_lines(opened: Visit) -> list[str]:
    found: list[str] = opened.page.locator(".lines").first.locator("li").all_text_contents()
    return found


@pytest.mark.slow
def test_a_table_is_learned_by_the_column_that_is_chosen(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page)
    opened.give(TABLE.splitlines(), "cities.csv")
    column = opened.page.get_by_label("Column of the lines")
    assert column.input_value() == "city"
    assert first_lines(opened) == ["Aachen", "Bern", "Calais", "Delft"]
    column.select_option("country")
    opened.page.get_by_role("listitem").filter(has_text="Germany").wait_for()
    assert first_lines(opened) == ["Germany", "Switzerland", "France", "Holland"]


@pytest.mark.slow
def test_a_file_that_is_dropped_is_learned(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page)
    opened.page.evaluate(DROP, ["trees.txt", "alder\nbeech\nelm\nfir\n"])
    opened.page.get_by_role("heading", name="What is in trees.txt").wait_for()
    assert first_lines(opened) == ["alder", "beech", "elm", "fir"]


def with_example(visit: Visits, empty_page: Path) -> Visit:
    """The empty page after the press that takes its example."""
    opened = visit(empty_page)
    opened.page.get_by_role("button", name="Play with this list").click()
    return opened


def test_what_is_no_list_is_said_and_the_page_goes_on(visit: Visits, empty_page: Path) -> None:
    opened = visit(empty_page)
    page = opened.page
    content = {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}
    page.locator("input[type=file]").set_input_files(content)
    page.get_by_role("alert").get_by_role("button", name="Close").click()
    assert page.get_by_role("alert").inner_text() == ""
    page.get_by_role("button", name="Play with this list").click()
    page.get_by_role("heading", name="What is in ").wait_for()


@pytest.mark.slow
def test_a_network_goes_step_by_step_and_starts_over(visit: Visits, empty_page: Path) -> None:
    opened = with_example(visit, empty_page)
    page = opened.page
    page.get_by_role("button", name="Let a network learn").click()
    for steps in (1, 2, 3):
        page.get_by_role("button", name="One step").click()
        page.get_by_text(f"Step {steps} of").wait_for()
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Play", exact=True).wait_for()
    opened.show("Names")
    assert opened.names()  # counts are still there


@pytest.mark.slow
def test_back_and_forward_go_through_the_views(visit: Visits, empty_page: Path) -> None:
    opened = with_example(visit, empty_page)
    page = opened.page
    page.get_by_role("heading", name="What is in").wait_for()
    for view in ("Names", "Pairs"):
        opened.show(view)
    page.go_back()
    page.get_by_role("tabpanel", name="Names").wait_for()
    page.go_forward()
    page.get_by_role("tabpanel", name="Pairs").wait_for()
