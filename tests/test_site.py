"""The site, built once: no broken link, nothing from elsewhere, a search that works from disk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from record import RECORDED, cells_of, lessons
from web.browser import AXE, OPEN_DETAILS, Visit, chromium

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PLAYGROUND = "playground.html"  # has tests of its own: tests/web
PAGES = (
    "index.html", "course/index.html", "course/01_counting.html", "course/11_attention.html",
    "course/modules/index.html", "course/modules/layers.html",
    "guides/list.html", "models/gru.html", "api/makemore.html", "search.html?q=Kneser",
)  # fmt: skip
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
# The heading of the address is near the top, or in sight at the end of its page.
ARRIVED = """() => {
  const { top, bottom } = document.querySelector(`${location.hash} > :is(h1, h2, h3, h4)`)
    .getBoundingClientRect();
  const { scrollHeight, clientHeight } = document.documentElement;
  const ended = scrollY + clientHeight >= scrollHeight - 1;
  return top >= 0 && (top <= 120 || (ended && bottom <= innerHeight));
}"""
PATIENCE = 280  # seconds: three minutes are promised, of a machine with nothing else to do


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site. Skips where its tools or the records of the lessons are missing."""
    for tool in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(tool, reason="needs what builds the site: make site")
    for lesson in lessons():
        record = RECORDED / f"{lesson.stem}.json"
        if not record.exists() or "cells" not in json.loads(record.read_text("utf-8")):
            pytest.skip(f"needs what {lesson.name} prints: python lessons/record.py {lesson.stem}")
    out = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, ROOT / "docs/site/make_site.py", "-o", out],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert re.search(r"index\.html: \d+ pages in \d+ seconds$", done.stdout.strip())
    return out


@dataclass
class Page(HTMLParser):
    """What a page has: its anchors, where its links lead, what it loads, its blocks of code."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    in_block: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, file: Path) -> Page:
        page = cls()
        page.feed(file.read_text(encoding="utf-8"))
        return page

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in given}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in ("a", "use", "area"):
            self.links += [values[name] for name in ("href",) if name in values]
        else:  # a link to a style or an icon, a script, a picture, a frame
            names = ("src", "href", "data", "poster")
            self.loaded += [values[name] for name in names if values.get(name)]
            self.loaded += re.findall(r"url\(([^)]+)\)", values.get("style", ""))
        if tag == "pre":
            self.in_block = True
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        self.in_block &= tag != "pre"

    def handle_data(self, data: str) -> None:
        if self.in_block:
            self.blocks[-1] += data


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every page but the playground, by its path in the site."""
    files = [file for file in site.rglob("*.html") if file.name != PLAYGROUND]
    return {file.relative_to(site).as_posix(): Page.of(file) for file in files}


def broken(site: Path, pages: dict[str, Page]) -> Iterator[str]:
    """Links and what is loaded, within the site, that is not there."""
    for name, page in pages.items():
        for link in page.links + page.loaded:
            if re.match(r"(https?|mailto|data):", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            path = path.partition("?")[0]
            target = ((site / name).parent / path).resolve() if path else site / name
            if not target.is_file():
                yield f"{name}: {link}"
                continue
            other = pages.get(target.relative_to(site.resolve()).as_posix())
            if anchor and (other is None or anchor not in other.anchors):
                yield f"{name}: {link} (no such anchor)"


def test_no_link_is_broken(site: Path, pages: dict[str, Page]) -> None:
    assert sum(len(page.links) for page in pages.values()) > 10_000
    assert list(broken(site, pages)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<p id="here">')
    text = '<a href="b.html#here"><a href="b.html#there"><a href="c.html"><img src="d.png">'
    (tmp_path / "a.html").write_text(text)
    pages = {name: Page.of(tmp_path / name) for name in ("a.html", "b.html")}
    assert list(broken(tmp_path, pages)) == [
        "a.html: b.html#there (no such anchor)", "a.html: c.html", "a.html: d.png",
    ]  # fmt: skip


def test_nothing_comes_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    """Links may lead to other hosts; scripts, styles, fonts and pictures may not."""
    for name, page in pages.items():
        assert [each for each in page.loaded if re.match(r"(https?:)?//", each)] == [], name
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert re.findall(r"(?:url\(\s*['\"]?|@import\s+['\"])(?:https?:)?//[^)]*", text) == [], (
            file
        )


def test_pages_are_small(site: Path) -> None:
    large = {
        file.name: file.stat().st_size
        for kind in ("*.html", "*.js", "*.css")
        for file in site.rglob(kind)
        if file.stat().st_size >= 1_000_000
    }
    assert large.keys() == {PLAYGROUND}


def test_every_part_is_in_the_sidebar_in_order(site: Path, pages: dict[str, Page]) -> None:
    links = pages["index.html"].links
    parts = [
        *(f"course/{lesson.stem}.html" for lesson in lessons()), "course/modules/index.html",
        "course/modules/course.html", "course/modules/layers.html", "guides/list.html",
        "guides/decisions/index.html", "models/index.html", "models/transformer.html",
        "api/makemore.html", "try-it.html",
    ]  # fmt: skip
    order = [links.index(part) for part in parts]
    assert order == sorted(order)
    assert PLAYGROUND in pages["try-it.html"].links
    readable = {f"guides/{file.name}" for file in (ROOT / "docs").glob("*.md")}
    given = {re.sub(r"\.html.*", ".md", link) for link in links}
    assert readable - given == {"guides/lessons.md", "guides/models.md"}  # the course, the models


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.stem)
def test_a_lesson_shows_what_each_cell_printed(lesson: Path, pages: dict[str, Page]) -> None:
    """All code in order, and right below it all that it printed."""
    kept = json.loads((RECORDED / f"{lesson.stem}.json").read_text("utf-8"))["cells"]
    code = [
        source for kind, source, _ in cells_of(lesson.read_text("utf-8"))
        if not kind.startswith("[markdown]")
    ]  # fmt: skip
    wanted = []
    for source, cell in zip(code, kept, strict=True):
        wanted += [source, cell["printed"]] if cell["printed"].strip() else [source]
    page = pages[f"course/{lesson.stem}.html"]
    shown = iter(each.strip() for each in page.blocks)
    for text in wanted:  # between them there may be blocks of the text
        assert text.strip() in shown, f"not there, or not in its place: {text[:200]}"
    assert {link for link in page.links if link.startswith("../_images/")} >= {
        f"../_images/{lesson.stem}-{name}{ending}.png"
        for cell in kept for name in cell["pictures"] for ending in ("", "-dark")
    }  # fmt: skip


def test_every_model_has_its_source_and_options(pages: dict[str, Page]) -> None:
    models = [name for name in pages if name.startswith("models/") and "index" not in name]
    assert len(models) == 11
    for name in models:
        file = ROOT / "src/makemore" / name.replace(".html", ".py")
        assert file.read_text(encoding="utf-8").strip() in map(str.strip, pages[name].blocks)


def test_the_modules_of_the_course_are_shown_and_linked(pages: dict[str, Page]) -> None:
    for name in ("course", "layers", "mlp", "rows"):
        source = (ROOT / f"lessons/{name}.py").read_text(encoding="utf-8")
        assert source.strip() in map(str.strip, pages[f"course/modules/{name}.html"].blocks)
    assert "modules/layers.html" in pages["course/06_batchnorm.html"].links
    assert "modules/rows.html" in pages["course/10_recurrent.html"].links
    assert "../guides/glossary.html#n-gram" in pages["course/01_counting.html"].links


# -- in a browser, from disk -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Opens pages with the network off; at the end each must have asked nobody for anything."""
    visits: list[Visit] = []

    def start(**options: Any) -> Visit:
        visits.append(Visit(browser.new_context(offline=True, **options).new_page()))
        return visits[-1]

    yield start
    for each in visits:
        try:
            each.check()
            assert all(url.startswith(("file:", "data:")) for url in each.requests)
        finally:
            each.page.context.close()


def test_search_finds_a_lesson_by_a_word(visit: Any, site: Path) -> None:
    page = visit().page
    page.goto((site / "guides/list.html").as_uri())
    page.get_by_label("Search", exact=True).fill("Kneser")
    page.keyboard.press("Enter")
    found = page.locator("#search-results .search a")
    found.first.wait_for()
    assert found.first.get_attribute("href").startswith("course/12_generalising.html")
    found.first.click()
    page.get_by_role("heading", level=1).get_by_text("12.").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "link", ["01_counting.html#what-you-have-now", "11_attention.html#samples-side-by-side"]
)
def test_a_link_into_a_page_meets_its_heading(
    visit: Any, site: Path, width: int, link: str
) -> None:
    """Pictures above it are loaded late, but have their place."""
    page = visit(viewport={"width": width, "height": 900}).page
    page.goto(f"{(site / 'course').as_uri()}/{link}")
    page.wait_for_function(ARRIVED)
    page.wait_for_timeout(500)  # for what is loaded then
    assert page.evaluate(ARRIVED)


def test_drawings_follow_the_switch_of_the_theme(visit: Any, site: Path) -> None:
    drawn = {}
    for scheme in SCHEMES:
        for theme in ("auto", *SCHEMES):
            page = visit(color_scheme=scheme, viewport={"width": 1280, "height": 900}).page
            page.goto((site / "guides/glossary.html").as_uri())
            page.evaluate(f"document.body.dataset.theme = '{theme}'")
            drawn[scheme, theme] = page.locator("img[src*='softmax.svg']").screenshot()
    light, dark = drawn["light", "auto"], drawn["dark", "auto"]
    assert light != dark
    assert drawn["dark", "light"] == drawn["light", "light"] == light
    assert drawn["light", "dark"] == drawn["dark", "dark"] == dark


@pytest.mark.parametrize("width, beside", [(1279, False), (1280, True), (1312, True), (1313, True)])
def test_contents_stand_beside_a_lesson(visit: Any, site: Path, width: int, beside: bool) -> None:
    """Where there is room for them: to the right of the text, and all of them in sight."""
    page = visit(viewport={"width": width, "height": 900}).page
    page.goto((site / "course/09_wavenet.html").as_uri())
    text, contents = (
        page.locator(part).bounding_box() for part in ("article[role=main]", ".toc-drawer")
    )
    assert (contents["x"] + contents["width"] <= width) == beside
    assert contents["x"] >= text["x"] + text["width"] and text["width"] >= 700
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width, scheme", [(390, "dark"), (1280, "light")])
def test_pages_have_no_fault_and_fit(visit: Any, site: Path, width: int, scheme: str) -> None:
    """axe finds nothing, folds open; nothing but tables and code scrolls sideways."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in page/")
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 900}).page
    for name in PAGES:
        path, _, query = name.partition("?")
        page.goto((site / path).as_uri() + (f"?{query}" if query else ""))
        if query:
            page.locator("#search-results .search a").first.wait_for()
        page.evaluate(OPEN_DETAILS)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.evaluate(AXE.read_text(encoding="utf-8"))
        assert faults(page) == [], name


def faults(page: Any) -> list[str]:
    """What axe finds: the rule, and where. From disk it may not read style sheets by itself."""
    found = page.evaluate(
        "() => axe.run(document, { resultTypes: ['violations'], preload: false })"
    )
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
