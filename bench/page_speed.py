"""How fast the page is in Chromium, opened from disk with the network off.

python bench/page_speed.py --names names.txt [--json OUT]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from makemore.web.export import run_page
from makemore.web.page import empty_page, page_of_run, write_page
from measure import Bench, parser, spread, words_of
from splits import by_hash
from trained import trained

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from web.browser import MOVE_SLIDERS, Visit, chromium  # noqa: E402

TIMES, SHORT = 9, 2
NAMES = 1000  # drawn at once, the most that the wall shows
SAVED = {"ngram": 100_000, "transformer": 20_000}  # drawn into a file
PASTED = 300  # lines of a list that a person may have
MOVES = 90
LEARN = 600_000  # ms that a training may take
Files = dict[str, Path]

# Presses "Other names"; gives seconds until the wall is whole, and what the page says.
OTHER_NAMES = """async () => {
  const wall = document.querySelector(".wall"), buttons = [...document.querySelectorAll("button")];
  const began = performance.now();
  buttons.find((each) => each.textContent === "Other names").click();
  while (wall.ariaBusy !== "false") await new Promise((done) => setTimeout(done, 1));
  const seconds = (performance.now() - began) / 1000, names = wall.querySelectorAll(".name").length;
  return [seconds, names, Number(wall.dataset.seconds)];
}"""


# When the first name stood on the screen: the end of the frame after it came into the document. A
# test tool that asks from outside hears of it a tenth of a second later, or three.
FIRST_SEEN = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".wall .name")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { globalThis.firstSeen = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""


@contextmanager
def opened(browser: Any, file: Path, hash: str = "") -> Iterator[Visit]:
    """A page in a context of its own: nothing is remembered from the one before."""
    context = browser.new_context(offline=True)
    visit = Visit(context.new_page())
    visit.page.add_init_script(FIRST_SEEN)
    try:
        visit.open(file, hash)
        yield visit
        visit.check()
    finally:
        context.close()


def wait_to_open(browser: Any, file: Path) -> float:
    """Seconds from the navigation to the first names on the wall."""
    with opened(browser, file, "#view=names") as visit:
        visit.page.wait_for_function("() => globalThis.firstSeen")
        return float(visit.page.evaluate("() => firstSeen / 1000"))


def names_rates(browser: Any, file: Path, times: int) -> dict[str, list[float]]:
    """New names a second, of 1,000 by each of several seeds: in the worker, and on the wall."""
    rates: dict[str, list[float]] = {"drawn": [], "seen": []}
    with opened(browser, file, f"#view=names&shown={NAMES}") as visit:
        visit.names()
        for _ in range(times):
            seconds, names, drawn = visit.page.evaluate(OTHER_NAMES)
            rates["drawn"].append(names / drawn)
            rates["seen"].append(names / seconds)
    return rates


def saved_rate(browser: Any, file: Path, count: int, times: int) -> list[float]:
    """New names a second of many that are drawn into a file, in one page time after time."""
    with opened(browser, file, "#view=names") as visit:
        visit.names()
        page = visit.page
        page.get_by_text("Save many").click()
        page.get_by_label("How many").fill(str(count))
        rates = []
        for _ in range(times):
            with page.expect_download(timeout=LEARN):
                page.get_by_role("button", name="Save", exact=True).click()
            rates.append(float(page.locator(".many").get_attribute("data-rate")))
            page.get_by_role("button", name="Other names").click()  # another seed
        return rates


def training_rate(browser: Any, file: Path, lines: list[str], steps: int) -> float:
    """Gradient steps a second of the lectures' MLP, evaluations left out, as the page says it."""
    with opened(browser, file, f"#kind=mlp&size=medium&steps={steps}") as visit:
        visit.give(lines)
        visit.show("Learning")
        visit.page.get_by_role("button", name="Play").click()
        visit.page.get_by_role("button", name="Learn again").wait_for(timeout=LEARN)
        said = visit.page.get_by_text(re.compile("^Step .* a second")).inner_text()
    found = re.search(r"([\d,]+) a second", said)
    assert found is not None
    return float(found[1].replace(",", ""))


def wait_to_learn(browser: Any, file: Path, lines: list[str]) -> float:
    """Seconds from giving the list to names of counts and the network together."""
    with opened(browser, file) as visit:
        began = time.perf_counter()
        visit.learn("\n".join(lines))
        visit.show("Learning")
        visit.page.get_by_role("button", name="Play").click()
        visit.page.get_by_role("button", name="Learn again").wait_for(timeout=LEARN)
        visit.show("Names")
        visit.names()
        return time.perf_counter() - began


def slider_waits(browser: Any, file: Path) -> list[float]:
    """Milliseconds from a moved slider to its first names."""
    with opened(browser, file, "#view=names") as visit:
        visit.names()
        waits: list[float] = visit.page.evaluate(MOVE_SLIDERS, MOVES)
        return waits


def pages(folder: Path, options: argparse.Namespace) -> Files:
    """The empty page, and those of runs of counts and of a transformer."""
    files = {"empty": folder / "empty.html"}
    write_page(files["empty"], empty_page())
    parts = by_hash(words_of(options))
    for model in ("ngram", "transformer"):
        files[model] = folder / f"{model}.html"
        write_page(files[model], page_of_run(run_page(trained(model, parts, options))))
    return files


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    bench, times = Bench("page_speed", options), SHORT if options.short else TIMES
    words = words_of(options)
    pasted = words[:: len(words) // PASTED][:PASTED]

    def add(what: str, unit: str, values: list[float]) -> None:
        bench.add({"what": what, "unit": unit, "figure": spread(values)})

    def again(call: Callable[[], float]) -> list[float]:
        return [call() for _ in range(times)]

    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        files = pages(Path(folder), options)
        for name, file in files.items():
            add(f"page: {name}", "kB", [file.stat().st_size / 1000])
        for name in ("ngram", "transformer"):
            file = files[name]
            add(f"opening to names: {name}", "s", again(partial(wait_to_open, browser, file)))
            for how, rates in names_rates(browser, file, times).items():
                add(f"{NAMES:,} names {how}: {name}", "names/s", rates)
            many = SAVED[name] // (10 if options.short else 1)
            add(f"{many:,} names saved: {name}", "names/s", saved_rate(browser, file, many, times))
            add(f"slider to names: {name}", "ms", slider_waits(browser, file))
        empty, steps = files["empty"], 500 if options.short else 6000
        rate = again(partial(training_rate, browser, empty, words, steps))
        add("learning: the lectures' mlp", "steps/s", rate)
        waits = again(partial(wait_to_learn, browser, empty, pasted))
        add(f"{PASTED} lines, pasted to names of counts and network", "s", waits)
    bench.finish()


if __name__ == "__main__":
    main()
