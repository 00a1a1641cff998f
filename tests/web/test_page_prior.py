"""A training from the prior first compares the list with those that the prior has read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from makemore.cli.main import run
from web.browser import Visit

pytestmark = pytest.mark.slow

# Takes down the bar and what is said, at each change of either.
WATCH = """() => {
  const bar = document.querySelector("progress"), view = document.querySelector("#panel-learning");
  globalThis.seen = [];
  new MutationObserver(() => seen.push([bar.value, view.innerText]))
    .observe(view, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def test_how_much_is_compared_is_told(
    visit: Callable[..., Visit], tmp_path: Path, three_hundred: list[str]
) -> None:
    file = tmp_path / "page.html"
    assert run(["page", "-o", str(file)]) == 0
    opened = visit(file)
    opened.learn("\n".join(three_hundred))
    opened.show("Learning")
    page = opened.page
    page.evaluate(WATCH)
    page.get_by_role("button", name="Play").click()
    page.get_by_text(re.compile(r"^Step [\d,]+ of")).first.wait_for(timeout=60_000)
    told = [
        (bar, float(found[1]))
        for bar, text in page.evaluate("seen")
        if (found := re.search(r"First: comparing .* (\d+) %\.", text))
    ]
    shares = [share for _, share in told]
    assert shares == sorted(shares) and len(set(shares)) > 3
    assert 0 < shares[0] < 50 < shares[-1] <= 100
    assert all(abs(100 * bar - share) <= 1 for bar, share in told)
