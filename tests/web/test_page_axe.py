"""Accessibility: axe-core finds nothing in any view, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.browser import AXE, OF_NETWORKS, OPEN_DETAILS, VIEWS, Visit

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    return AXE.read_text(encoding="utf-8")


def faults(page: Any) -> list[str]:
    """What axe finds: the rule, and where."""
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_no_view_has_a_fault(
    visit: Visits, empty_page: Path, three_hundred: list[str], axe: str, scheme: str, width: int
) -> None:
    opened = visit(
        empty_page, bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = opened.page
    page.evaluate(axe)
    assert faults(page) == []  # empty, before a list is there
    opened.learn("\n".join(three_hundred))
    opened.show("Names")
    opened.names()
    page.locator(".wall button").first.click()
    found = {}
    for view in (*VIEWS, *OF_NETWORKS):
        if page.get_by_role("tab", name=view).is_visible():
            opened.show(view)
            settle(opened, view)
            found[view] = faults(page)
    assert found == {view: [] for view in (*VIEWS, *OF_NETWORKS)}


def settle(opened: Visit, view: str) -> None:
    """Wait for what a view shows; open what is closed; let a network learn some steps."""
    page = opened.page
    if view == "Letters":
        page.get_by_role("textbox", name="A name").fill("maria")
        page.locator(".choice").first.wait_for()
    if view == "Learning":
        page.get_by_role("button", name="Play").click()
        page.locator(".curve.val").first.wait_for()
        page.get_by_role("button", name="Pause").click()
    page.evaluate(OPEN_DETAILS)
    page.wait_for_timeout(200)
