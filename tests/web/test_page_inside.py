"""Inside: each number is read by pointer and by keys, with its place, its shape and its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.analysis.forward_pass import forward_pass
from web.browser import AXE, OPEN_DETAILS, Visit
from web.test_page_axe import faults

Visits = Callable[..., Visit]
Pages = Callable[..., Path]
pytestmark = pytest.mark.slow
MLP = ("--model", "mlp", "--max-steps", "200", "--threads", "1")
TRANSFORMER = (
    "--model", "transformer", "--max-steps", "30", "--n-layer", "2", "--n-head", "2",
    "--n-embd", "16", "--threads", "1",
)  # fmt: skip
HERE = "#view=inside&name=maria&place=2"


def strip(page: Any, title: str) -> Any:
    """The field of numbers of a stage."""
    return page.locator("section.stage", has=page.get_by_role("heading", name=title, exact=True))


def canvas(page: Any, title: str) -> Any:
    return strip(page, title).locator("canvas")


def reading(page: Any) -> str:
    return str(page.locator(".reading").inner_text()).replace("−", "-")


def test_a_number_is_what_explain_says(visit: Visits, page_of: Pages) -> None:
    file = page_of(*MLP)
    maker = MakeMore.load(file.parent / "run")
    page = visit(file, HERE).page
    focused = canvas(page, "Hidden units")
    focused.focus()
    (step,) = (s for s in forward_pass(maker, "maria", 1).steps if s.function == "tanh")
    words = reading(page)
    # Weights are in half precision here, in the run they are not.
    assert float(words.split()[0]) == pytest.approx(float(step.values[0, 0]), abs=0.01)
    for said in (
        "Hidden units, unit 1 of 200, at the beginning", "tanh (N, n_hidden) = (6, 200)",
        "models/mlp.py", "x = torch.tanh(self.norm(self.hidden(x)))  # (N, n_hidden)",
    ):  # fmt: skip
        assert said in words
    page.keyboard.press("End")  # the last position, after all of "maria"
    (step,) = (s for s in forward_pass(maker, "maria", 6).steps if s.function == "tanh")
    words = reading(page)
    assert "unit 1 of 200, after maria" in words
    assert float(words.split()[0]) == pytest.approx(float(step.values[0, 0]), abs=0.01)


def test_arrows_go_through_every_number_and_stop_at_the_ends(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*MLP), HERE).page
    canvas(page, "Hidden units").focus()
    keyboard = page.keyboard
    for key, unit in (
        ("ArrowRight", 2), ("ArrowDown", 22), ("ArrowLeft", 21), ("ArrowUp", 1), ("ArrowUp", 1),
        ("ArrowLeft", 1),
    ):  # fmt: skip
        keyboard.press(key)
        assert f"unit {unit} of 200, at the beginning" in reading(page)
    for _ in range(20):  # beyond the edge of a field is the next letter
        keyboard.press("ArrowRight")
    assert "unit 1 of 200, after m" in reading(page)
    keyboard.press("ArrowLeft")
    assert "unit 20 of 200, at the beginning" in reading(page)


def test_a_pointer_reads_what_is_under_it(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*MLP), HERE).page
    probabilities = canvas(page, "Probabilities")
    probabilities.scroll_into_view_if_needed()
    box = probabilities.bounding_box()
    field = box["width"] / 6  # positions of "maria" and its beginning
    page.mouse.move(box["x"] + 2.5 * field, box["y"] + 26)
    assert re.match(r"[\d.<]+\s?[\d.]* ?% Probabilities, “.”, after ma\n", reading(page))
    page.mouse.move(box["x"] + 0.02 * field, box["y"] + 26)
    assert "Probabilities, “■”, at the beginning" in reading(page)


def test_a_position_is_picked_and_its_loss_is_told(visit: Visits, page_of: Pages) -> None:
    file = page_of(*MLP)
    maker = MakeMore.load(file.parent / "run")
    page = visit(file, HERE).page
    told = page.get_by_text("the mlp expects")
    told.wait_for()
    expected = forward_pass(maker, "maria", 3)  # after "ma" comes "r"
    loss = re.search(r"“r” comes: .* = ([\d.]+) nats", told.inner_text())
    assert loss is not None and float(loss[1]) == pytest.approx(expected.loss, abs=0.02)
    page.locator('.place[aria-pressed="true"]').focus()
    page.keyboard.press("End")
    assert "After maria the mlp expects" in told.inner_text()
    assert "The end comes" in told.inner_text()
    assert "place=5" in page.url


def test_saturated_units_are_counted_in_words(visit: Visits, page_of: Pages) -> None:
    file = page_of(*MLP)
    maker = MakeMore.load(file.parent / "run")
    page = visit(file, HERE).page
    facts = strip(page, "Hidden units").locator(".what .note")
    facts.wait_for()
    (step,) = (s for s in forward_pass(maker, "maria", 3).steps if s.function == "tanh")
    expected = int((abs(step.values[0]) > 0.97).sum())
    said = re.search(r"(\d+) of 200 units (is|are) saturated", facts.inner_text())
    assert said is not None and abs(int(said[1]) - expected) <= 1  # half precision moves one


def test_a_unit_is_followed_along_the_name_and_the_list(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*MLP), HERE).page
    canvas(page, "Hidden units").focus()
    page.keyboard.press("Enter")
    below = strip(page, "Hidden units").locator(".below")
    below.get_by_text("Greatest after").wait_for()
    assert below.locator(".along li").count() == 6
    values = below.locator(".active ul").first.locator("li").all_inner_texts()
    numbers = [float(value.split()[-1].replace("−", "-")) for value in values]
    assert len(numbers) == 6 and numbers == sorted(numbers, reverse=True)
    below.get_by_text("beginnings of lines that the model draws").wait_for()
    # What is said of a beginning is what its number is.
    prefix = values[0].rsplit(" ", 1)[0]
    page.get_by_role("textbox", name="A name").fill(prefix)
    page.get_by_text(f"After {prefix} the mlp expects").wait_for()
    canvas(page, "Hidden units").focus()
    page.keyboard.press("End")
    assert float(reading(page).split()[0]) == pytest.approx(numbers[0], abs=0.006)


def test_attention_of_a_letter(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*TRANSFORMER), HERE).page
    looks = strip(page, "Block 2: attention").locator(".looks")
    looks.wait_for()
    assert looks.locator("thead th").all_inner_texts() == ["■", "m", "a"]
    rows = looks.locator("tbody tr").all()
    assert len(rows) == 2
    for row in rows:
        shares = [float(cell.split("%")[0]) for cell in row.locator("td").all_inner_texts()]
        assert sum(shares) == pytest.approx(100, abs=2)
    canvas(page, "Block 2: attention").focus()
    assert "head 1 of 2 looks at “■”, itself, at the beginning" in reading(page)
    assert "100 %" in reading(page)  # it can look at nothing else
    assert "(T, n_head, S) = (6, 2, 6)" in reading(page)
    page.locator(".place").nth(4).click()
    assert looks.locator("thead th").all_inner_texts() == ["■", "m", "a", "r", "i"]


def test_the_numbers_of_a_stage_as_a_table(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*MLP), HERE).page
    logits = strip(page, "Logits")
    logits.get_by_text("As a table").click()
    table = logits.get_by_role("table")
    assert table.locator("thead th").all_inner_texts() == ["■", "m", "a", "r", "i", "a"]
    canvas(page, "Logits").focus()
    first = table.locator("tbody tr").first.locator("td").first.inner_text()
    assert reading(page).startswith(first.replace("−", "-"))


def test_symbols_that_the_model_has_not(visit: Visits, page_of: Pages) -> None:
    page = visit(page_of(*MLP), "#view=inside&name=ma%C3%9F").page
    page.get_by_text("the model does not know “ß”").wait_for()
    page.get_by_role("textbox", name="A name").fill("<img src=x onerror=alert(1)>")
    page.get_by_text("the model does not know “<”").wait_for()
    assert page.locator("img").count() == 0
    page.get_by_role("textbox", name="A name").fill("max")
    page.get_by_text("the mlp expects").wait_for()


@pytest.mark.parametrize("kind", ["GRU", "Transformer", "MLP"])
def test_inside_a_network_that_learns(
    visit: Visits, empty_page: Path, three_hundred: list[str], kind: str
) -> None:
    opened = visit(empty_page, viewport={"width": 1200, "height": 900})
    page = opened.page
    opened.learn("\n".join(three_hundred))
    assert not page.get_by_role("tab", name="Inside").is_visible()  # counts alone
    opened.show("Learning")
    label = page.get_by_role("combobox", name="Network")
    words = [each for each in label.locator("option").all_inner_texts() if each.startswith(kind)]
    label.select_option(words[0])
    page.get_by_text("Steps, rate, seed").click()
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("500000")  # so many that it learns on until the test has ended
    steps.press("Tab")
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_text(re.compile(r"^Step [\d,]+ of")).wait_for()
    opened.show("Inside")
    canvas(page, "Logits").wait_for()
    page.get_by_role("textbox", name="A name").fill(three_hundred[0])
    page.get_by_text(f"After {three_hundred[0]} the {kind.lower()} expects").wait_for()
    assert three_hundred[0] not in page.url  # a line of the list stays out of the link
    canvas(page, "Logits").focus()
    seen = set()
    for _ in range(12):  # the numbers move while it learns
        seen.add(reading(page))
        page.wait_for_timeout(250)
    assert len(seen) > 1


def test_the_map_goes_back_through_the_training(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    opened = visit(empty_page)
    page = opened.page
    opened.learn("\n".join(three_hundred))
    opened.show("Learning")
    page.get_by_text("Steps, rate, seed").click()
    page.get_by_role("spinbutton", name="Steps").fill("120")
    page.get_by_role("spinbutton", name="Steps").press("Tab")
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("button", name="Learn again").wait_for(timeout=60_000)
    slider = page.get_by_role("slider", name="Step of the map")
    slider.wait_for()
    points = page.locator(".point")
    places = "all => all.map((each) => each.style.transform).join()"
    newest, at = points.evaluate_all(places), int(slider.get_attribute("max"))
    assert at >= 3
    slider.focus()
    page.keyboard.press("Home")
    first = points.evaluate_all(places)
    assert first != newest and slider.get_attribute("aria-valuetext") != "120"
    page.keyboard.press("End")
    assert points.evaluate_all(places) == newest
    page.get_by_role("button", name="From the start").click()
    page.get_by_role("button", name="Stop here").wait_for()
    page.get_by_role("button", name="From the start").wait_for(timeout=60_000)
    assert points.evaluate_all(places) == newest and int(slider.input_value()) == at


@pytest.mark.parametrize(
    ("options", "width", "scheme"),
    [(MLP, 1440, "dark"), (TRANSFORMER, 360, "dark"), (TRANSFORMER, 1440, "light")],
    ids=["mlp", "transformer-phone", "transformer"],
)
def test_it_has_no_fault(
    visit: Visits, page_of: Pages, scheme: str, width: int, options: tuple[str, ...]
) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    page = visit(
        page_of(*options), HERE, bypass_csp=True, color_scheme=scheme,
        viewport={"width": width, "height": 800},
    ).page  # fmt: skip
    page.evaluate(AXE.read_text(encoding="utf-8"))
    canvas(page, "Logits").focus()
    page.keyboard.press("Enter")
    page.locator(".active").wait_for()
    page.evaluate(OPEN_DETAILS)
    page.wait_for_timeout(200)
    assert faults(page) == []
    # The page itself does not scroll sideways; a strip that is wider than the screen does.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
