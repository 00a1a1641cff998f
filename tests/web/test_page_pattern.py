"""A pattern as a condition of the wall: what it lacks, and the command line's names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from makemore import MakeMore
from makemore.cli.main import run
from web.browser import Visit

Visits = Callable[..., Visit]
pytestmark = pytest.mark.slow
PATTERN = "(?!.*(.)?nn)[a-m].*(?:[aeiou]|el)"


@pytest.fixture
def conditions(drawing: Visit) -> Visit:
    """A page at its names, with all conditions open."""
    drawing.page.get_by_text("More conditions").click()
    return drawing


def test_names_match_the_pattern_as_a_whole(conditions: Visit) -> None:
    page = conditions.page
    page.get_by_label("Pattern").fill(PATTERN)
    names = conditions.names()
    assert len(names) == 60
    assert all(re.fullmatch(PATTERN, name) for name in names)
    assert "pattern=" in page.evaluate("() => location.hash")
    page.get_by_role("button", name="Set all back").click()
    assert not all(re.fullmatch(PATTERN, name) for name in conditions.names())
    assert page.get_by_label("Pattern").input_value() == ""


def test_an_unfinished_pattern_is_no_alarm(conditions: Visit) -> None:
    page = conditions.page
    field = page.get_by_label("Pattern")
    field.fill("[abc].*")
    names = conditions.names()
    for typed, note in {
        "[abc].*(": "( is not closed yet; write ) at its end",
        "[abc].*(e|": "( is not closed yet",
        "[abc].*[": "[ is not closed yet; write ] at its end",
        "[abc].*\\": "\\ needs a sign behind it",
    }.items():
        field.fill(typed)
        described = page.locator(f"#{field.get_attribute('aria-describedby')}")
        assert note in described.inner_text() and "Not used yet" in described.inner_text()
        assert page.locator("#status").inner_text() == described.inner_text()
        assert field.get_attribute("aria-invalid") is None
        assert conditions.names() == names
        assert page.get_by_role("alert").inner_text() == ""
    field.fill("[abc].*(e|a)")
    names = conditions.names()
    assert names and all(re.fullmatch("[abc].*(e|a)", name) for name in names)
    assert "Not used yet" not in described.inner_text()


def test_a_wrong_pattern_is_told_with_what_to_do(conditions: Visit) -> None:
    page = conditions.page
    names = conditions.names()
    field = page.get_by_label("Pattern")
    field.fill("a**")
    note = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert "two repeats in a row; put the first into ( )" in note.inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert conditions.names() == names
    field.fill("(a|b)*a(a|b){40}")  # only its automaton is too large
    page.get_by_text("needs too much time or memory").wait_for()
    field.fill("")
    assert conditions.names() == names
    assert page.get_by_role("alert").inner_text() == ""


def test_labels_stand_beside_the_first_conditions_and_go_with_a_pattern(
    visit: Visits, empty_page: Path, three_hundred: list[str]
) -> None:
    opened = visit(empty_page, viewport={"width": 360, "height": 740})
    rows = [f"{name},{('other', 'soft')[name.endswith('a')]}" for name in three_hundred]
    opened.learn("name,end\n" + "\n".join(rows))
    opened.page.get_by_label("Column of labels").select_option("end")
    opened.show("Names")
    page = opened.page
    label = page.get_by_label("Label", exact=True)
    label.wait_for()
    assert label.is_visible()  # no fold has to be opened
    label.select_option("soft")
    page.get_by_text("More conditions").click()
    page.get_by_label("Pattern").fill("[a-m].*")
    names = opened.names()
    assert len(names) > 20 and all("a" <= name[0] <= "m" and name[-1] == "a" for name in names)
    label.select_option("other")
    names = opened.names()
    assert len(names) > 20 and all("a" <= name[0] <= "m" for name in names)
    assert sum(name[-1] == "a" for name in names) < len(names) / 4


@pytest.mark.parametrize("model", ["ngram", "transformer"])
def test_a_seed_gives_the_names_of_the_command_line(
    visit: Visits, tmp_path: Path, three_hundred: list[str], model: str
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(three_hundred) + "\n")
    options = ["--model", model]
    if model == "transformer":
        options += ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--max-steps", "100"]
    folder = tmp_path / "run"
    assert run(["train", str(tmp_path / "list.txt"), "-o", str(folder), *options]) == 0
    page = tmp_path / "page.html"
    # With the lines inside draws are guided by them, as those of the command line are.
    export = ["export", str(folder), "--html", str(page), "--lines", "--weights", "float32"]
    assert run(export) == 0
    maker = MakeMore.load(folder)
    for seed, conditions in ((5, {}), (6, {"prefix": "ma"}), (7, {"suffix": "ine"})):
        theirs = [
            line.text
            for line in maker.samples(20, random_state=seed, pattern=PATTERN, **conditions)
        ]
        keys = {"prefix": "begins", "suffix": "ends"}
        link = {"view": "names", "pattern": PATTERN, "seed": seed, "shown": 20}
        link |= {keys[name]: text for name, text in conditions.items()}
        opened = visit(page, "#" + urlencode(link))
        assert opened.names() == theirs
