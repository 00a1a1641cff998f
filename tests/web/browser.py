"""A page in a real browser: opened from disk with the network off, and watched.

Chromium is the machine's own, Playwright comes from pip (`pip install --group page`); where one is
absent, the tests that open a page skip and say so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
AXE = Path(__file__).parents[2] / "page/node_modules/axe-core/axe.min.js"
OWN = ("file:", "blob:", "data:")  # schemes that reach no network
PATIENCE = 20_000  # ms: machines that test are loaded
VIEWS = ("List", "Names", "Letters", "Learning", "Experiments", "Map", "Pairs", "Kept", "About")
OF_NETWORKS = ("Inside",)  # views that are there once a network is

# Each break of the page's policy is an event; the page itself need not know of it.
RECORD_POLICY = """
globalThis.brokenPolicies = [];
document.addEventListener("securitypolicyviolation", (event) =>
  brokenPolicies.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the machine's Chromium. Skips the test where there is none, or no Playwright."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install --group page"
    )
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open, and what it did that it should not."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        page = self.page
        page.set_default_timeout(PATIENCE)
        page.add_init_script(RECORD_POLICY)
        page.on("console", lambda message: self.heard(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.context.on("request", lambda request: self.requests.append(request.url))

    def heard(self, kind: str, text: str) -> None:
        """Take down what the console says of errors and warnings."""
        if kind in ("error", "warning"):
            self.errors.append(text)

    def check(self) -> None:
        """Assert that there was no error, no break of the policy, and no request to anywhere."""
        assert self.errors == []
        assert self.page.evaluate("brokenPolicies") == []
        assert [url for url in self.requests if not url.startswith(OWN)] == []

    def open(self, file: Path, hash: str = "") -> Any:
        """Open a file and wait for its views."""
        self.page.goto(file.as_uri() + hash)
        self.page.get_by_role("tablist").wait_for()
        return self.page

    @property
    def field(self) -> Any:
        """The field that a list is pasted into."""
        return self.page.get_by_role("textbox", name="Your list")

    def learn(self, text: str) -> None:
        """Type a list into the field and let counts learn it."""
        self.field.fill(text)
        self.page.get_by_role("button", name="Learn this list").click()
        self.page.get_by_role("heading", name="What is in").wait_for()

    def give(self, lines: list[str], name: str = "list.txt") -> None:
        """Choose a file of these lines, as somebody does whose list is long."""
        content = {"name": name, "mimeType": "text/plain", "buffer": "\n".join(lines).encode()}
        self.page.locator("input[type=file]").set_input_files(content)
        self.page.get_by_role("heading", name="What is in").wait_for()

    def show(self, view: str) -> None:
        """Open the tab of a view."""
        self.page.get_by_role("tab", name=view).click()

    def names(self) -> list[str]:
        """Wait for the wall to be whole, and read it."""
        wall = self.page.locator('.wall[aria-busy="false"]')
        wall.wait_for(state="attached")  # an empty wall has no height
        return wall.locator(".name").all_text_contents()

    def press_to(self, words: str, most: int = 60) -> None:
        """Press Tab until what is focused is called so. Fails where Tab never comes there."""
        been: list[str] = []
        for _ in range(most):
            self.page.keyboard.press("Tab")
            been.append(self.focused())
            if been[-1].startswith(words):
                return
        raise AssertionError(f"no Tab leads to {words}: {been}")

    def focused(self) -> str:
        """The name of what has the focus, as a screen reader would say it."""
        return str(self.page.evaluate(FOCUSED))


OPEN_DETAILS = "() => document.querySelectorAll('details').forEach((each) => { each.open = true })"

# The name by label, aria-label or text; of the body, nothing.
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return "";
  const label = element.labels?.[0]?.textContent ?? element.getAttribute("aria-label");
  return (label ?? element.textContent ?? "").trim();
}"""

# Moves sliders, each after the names of the one before; gives the ms until names came.
MOVE_SLIDERS = """async (moves) => {
  const wall = document.querySelector(".wall"), waits = [];
  const sliders = [...document.querySelectorAll('input[type="range"]')].slice(0, 3);
  const drawn = () => new Promise((resolve) => {
    const check = () => wall.ariaBusy === "false" ? resolve() : setTimeout(check, 1);
    check();
  });
  for (let at = 0; at < moves; at++) {
    const slider = sliders[at % sliders.length], { min, max, step } = slider;
    const places = Math.round((max - min) / step);
    slider.value = Number(min) + ((at * 7) % places) * step;
    // "At least" beyond "at most" has no names, which is another answer.
    if (slider === sliders[1]) slider.value = at % 5;
    if (slider === sliders[2]) slider.value = 6 + at % 7;
    slider.dispatchEvent(new Event("input"));
    await drawn();
    waits.push(Number(wall.dataset.ms));
  }
  return waits;
}"""


def run_command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would who has the files that a page gave."""
    return subprocess.run(
        [sys.executable, "-m", "makemore", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
