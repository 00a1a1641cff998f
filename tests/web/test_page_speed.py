"""A moved slider is answered soon, and a page that is used for long grows no larger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import pytest

from web.browser import MOVE_SLIDERS, Visit

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow


def test_a_moved_slider_is_answered_soon(drawing: Visit) -> None:
    waits = drawing.page.evaluate(MOVE_SLIDERS, 60)
    print(f"from slider to names: {median(waits):.0f} ms, at most {max(waits):.0f}")
    assert median(waits) < 250  # 50 on a quiet machine


@contextmanager
def worker_heap(page: Any) -> Iterator[Callable[[], float]]:
    """Measures the worker, MB of heap and of arrays beside it, after its garbage is collected.

    Playwright opens no session to a worker, so messages are passed on by the page's.
    """
    session = page.context.new_cdp_session(page)
    heard: dict[int, Any] = {}
    attached: list[str] = []
    session.on("Target.attachedToTarget", lambda event: attached.append(event["sessionId"]))

    def take(event: dict[str, str]) -> None:
        message = json.loads(event["message"])
        heard[message.get("id", 0)] = message

    session.on("Target.receivedMessageFromTarget", take)
    session.send(
        "Target.setAutoAttach",
        {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False},
    )

    def ask(method: str) -> Any:
        number = len(heard) + 1
        message = json.dumps({"id": number, "method": method})
        session.send("Target.sendMessageToTarget", {"sessionId": attached[0], "message": message})
        for _ in range(500):
            if number in heard:
                return heard[number]["result"]
            page.wait_for_timeout(20)
        raise AssertionError(f"the worker does not answer {method}")

    def measure() -> float:
        ask("HeapProfiler.collectGarbage")
        return megabytes(ask("Runtime.getHeapUsage"))

    yield measure
    session.detach()


def megabytes(usage: dict[str, float]) -> float:
    return (usage["usedSize"] + usage.get("backingStorageSize", 0)) / 2**20


def test_the_heap_is_stable_over_moves(drawing: Visit) -> None:
    page = drawing.page
    session = page.context.new_cdp_session(page)

    def own_heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return megabytes(session.send("Runtime.getHeapUsage"))

    with worker_heap(page) as of_worker:
        page.evaluate(MOVE_SLIDERS, 200)  # caches fill
        before = own_heap(), of_worker()
        nodes = page.evaluate("() => document.querySelectorAll('*').length")
        page.evaluate(MOVE_SLIDERS, 400)
        after = own_heap(), of_worker()
    print(f"MB of the page and the worker: {before} after 200 moves, {after} after 600")
    assert after[0] < before[0] + 2
    assert after[1] < before[1] + 4
    assert abs(page.evaluate("() => document.querySelectorAll('*').length") - nodes) < 500
