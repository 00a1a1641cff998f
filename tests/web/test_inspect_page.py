"""The page of `makemore inspect` in a browser: whole at every width, and what one can touch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from makemore.cli.main import run
from web.browser import AXE, Visit
from web.test_page_axe import faults

pytestmark = pytest.mark.slow
WIDTHS = (320, 390, 768, 1280, 1920)
LEAST_SCALE = 0.995  # of a chart on a phone of 390 pixels: its texts have 11 pixels as drawn
TRANSFORMER = (
    "--model", "transformer", "--max-steps", "30", "--eval-interval", "10", "--n-layer", "2",
    "--n-head", "2", "--n-embd", "16", "--threads", "1",
)  # fmt: skip

# What is wider than the page, what lies outside of its box, and what the boxes say of it.
MEASURE = """() => {
  const boxes = [...document.querySelectorAll(".box")];
  const isInside = (element) => boxes.some((box) => box !== element && box.contains(element));
  return {
    page: document.documentElement.scrollWidth - innerWidth,
    outside: [...document.querySelectorAll("body *")]
      .filter((each) => !isInside(each) && each.getBoundingClientRect().right > innerWidth + 0.5)
      .map((each) => `${each.tagName} ${each.textContent.slice(0, 40)}`),
    boxes: boxes.map((box) => ({
      of: box.closest("section").id, wide: box.scrollWidth > box.clientWidth,
      hint: (box.parentElement.querySelector(".hint")?.offsetHeight ?? 0) > 0,
      focusable: box.tabIndex === 0,
    })),
    charts: [...document.querySelectorAll(".box:not(.scrolled) img")].map((image) =>
      ({ shown: image.getBoundingClientRect().width, pixels: image.naturalWidth })),
  };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, three_hundred: list[str]) -> Path:
    """The pages of a watched transformer, in the folder page/; and of one that was not, in bare/.

    A symbol more than letters makes the map of pairs wider than any column.
    """
    made = tmp_path_factory.mktemp("inspect")
    lines = [*three_hundred, *(f"{name}{sign}" for name, sign in
                               zip(three_hundred, "0123456789+-=&%#", strict=False))]  # fmt: skip
    (made / "list.txt").write_text("\n".join(lines) + "\n")
    for name, more in (("page", ["--watch"]), ("bare", [])):
        out = str(made / f"run-{name}")
        assert run(["train", str(made / "list.txt"), "-o", out, *TRANSFORMER, *more]) in (0, 7)
        assert run(["inspect", out, "-o", str(made / name), "--word", "maria"]) == 0
    return made


@pytest.fixture
def report(browser: Any, folder: Path) -> Any:
    """Opens the report with the network off; at the end it must have asked for nothing."""
    visits: list[Visit] = []

    def start(width: int, scheme: str = "light", name: str = "page", **options: Any) -> Any:
        context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": 800}, **options
        )
        visits.append(Visit(context.new_page()))
        visits[-1].page.goto((folder / name / "index.html").as_uri())
        return visits[-1].page

    yield start
    for each in visits:
        try:
            each.check()
        finally:
            each.page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_at_any_width(report: Callable[..., Any], width: int) -> None:
    found = report(width).evaluate(MEASURE)
    assert found["page"] <= 0 and found["outside"] == []
    by_name = {box["of"]: box for box in found["boxes"]}
    assert by_name["pairs"]["wide"]  # 42 symbols: 1,300 pixels, in a column of 928
    for box in found["boxes"]:
        assert box["wide"] == box["hint"], box  # what scrolls says so, and nothing else does
        assert box["focusable"] or not box["wide"], box  # by the keyboard, too
    for chart in found["charts"]:
        assert chart["pixels"] == (660 if width < 640 else 1080) or width >= 640
        least = 288 if width == 320 else 330 if width < 640 else 0.995 * chart["pixels"] / 1.5
        assert chart["shown"] >= least


def test_the_map_of_pairs_is_reached_by_keys(report: Callable[..., Any]) -> None:
    page = report(390)
    box = page.get_by_role("region", name="Pairs of symbols, scrolls sideways")
    box.focus()
    for _ in range(50):  # it glides; and no function can wait in a page that forbids scripts
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
        if box.evaluate("(box) => box.scrollLeft + box.clientWidth >= box.scrollWidth - 1"):
            return
    raise AssertionError("the right end of the map cannot be reached by keys")


@pytest.mark.parametrize("scheme, width", [("light", 390), ("dark", 1280)])
def test_it_has_no_fault(report: Callable[..., Any], scheme: str, width: int) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    page = report(width, scheme, bypass_csp=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert faults(page) == []


def test_one_drags_the_map_through_the_training(report: Callable[..., Any]) -> None:
    page = report(390)
    page.get_by_role("link", name="Map of letters: drag it through 4 steps").click()
    slider = page.get_by_role("slider", name="Step of the map")
    slider.wait_for()
    points = page.locator(".point:visible")
    places = "all => all.map((each) => each.style.transform).join()"
    last, at = points.evaluate_all(places), slider.get_attribute("aria-valuetext")
    assert at == "30" and points.count() >= 27
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0"
    assert points.evaluate_all(places) != last
    page.keyboard.press("End")
    assert points.evaluate_all(places) == last


def test_a_training_that_was_not_watched_has_no_maps_and_says_so(
    report: Callable[..., Any],
) -> None:
    page = report(390, name="bare")
    page.get_by_role("link", name="the training kept none of earlier steps (--watch)").click()
    page.get_by_text("This page has no maps of earlier steps").wait_for()
    page.locator(".point").first.wait_for()
    assert not page.get_by_role("slider", name="Step of the map").is_visible()


def test_one_types_a_line_and_sees_its_attention(report: Callable[..., Any]) -> None:
    page = report(390)
    page.get_by_role("link", name="where each head looks").click()
    field = page.get_by_role("textbox", name="A name")
    field.wait_for()
    assert field.input_value() == "maria"
    looks = page.locator("section.stage", has=page.get_by_role(
        "heading", name="Block 2: attention", exact=True)).locator(".looks")  # fmt: skip
    looks.wait_for()
    assert looks.locator("thead th").all_inner_texts() == ["■", *"maria"]
    field.fill("ann")
    page.get_by_text("After ann the transformer expects").wait_for()
    assert looks.locator("thead th").all_inner_texts() == ["■", *"ann"]
