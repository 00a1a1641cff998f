"""What tests do on the tab Runs of a served page."""

from __future__ import annotations

from typing import Any

from web.browser import Visit

SMALL = {  # and more steps than a test waits for
    "n_embd": 8, "n_hidden": 16, "batch_size": 32, "max_steps": 20_000, "eval_interval": 40,
}  # fmt: skip
# Asks the server as the page does, with the token that it keeps.
POST = """async ([path, body]) => {
  const token = localStorage.getItem("makemore/server/token");
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  return (await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).status;
}"""


def card(visit: Visit, name: str) -> Any:
    """What the tab Runs shows of a run."""
    heading = visit.page.get_by_role("heading", name=name, exact=True)
    return visit.page.locator(".run-cards li").filter(has=heading)


def bar(visit: Visit) -> Any:
    return visit.page.get_by_role("region", name="The server")


def open_run(visit: Visit, name: str) -> None:
    card(visit, name).get_by_role("button", name="Open", exact=False).first.click()
    bar(visit).get_by_text("Open: ").wait_for()
    visit.page.get_by_role("tab", name="Names").wait_for()


def wait_for_state(visit: Visit, name: str, state: str) -> None:
    card(visit, name).locator(f'[data-state="{state}"]').wait_for(timeout=60_000)


def train_here(visit: Visit, lines: list[str], name: str) -> None:
    """Give a list, and let the server train a network on it that is small, for long."""
    visit.show("List")
    visit.give(lines, f"{name}.txt")
    visit.show("Runs")
    body = {"lines": lines, "name": name, "model": "gru", "options": SMALL}
    assert visit.page.evaluate(POST, ["/api/train", body]) == 202
    wait_for_state(visit, name, "training")
    card(visit, name).get_by_text("unseen lines").wait_for(timeout=60_000)  # it has begun
