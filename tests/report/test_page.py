"""page.py: a page that holds all it shows, runs nothing, loads nothing and escapes everything."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from makemore.errors import SystemFault, UsageError
from makemore.report import page as page_module
from makemore.report.page import Beside, Chart, LeftOut, Table, Verses
from makemore.report.plots import model as of_model
from makemore.report.plots import training

EVIL = "<script>alert('x')</script> & \"q\" 'q' $x$ </title><img src=x onerror=alert(1)>"
CONTROL = "a\x1b[31m\u202eb\x00"
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "nav", "a", "main",
    "section",
    "p", "ul", "li", "bdi", "div", "picture", "source", "img", "table", "thead", "tbody", "tr",
    "th", "td", "footer",
}  # fmt: skip
VOID = {"meta", "img", "source"}


class Page(HTMLParser):
    """What a page is made of: its tags, their attributes, and the text of each section."""

    said = ""  # on stderr, when it was made

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.folder = path.parent
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(self.source)
        assert self.open == []  # every tag was closed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th", "li"):
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        sections = [attributes["id"] for tag, attributes in self.tags if tag == "section"]
        where = (sections or ["title" if "title" in self.open else "head"])[-1] or ""
        self.texts[where] = self.texts.get(where, "") + data

    def check(self) -> None:
        """Nothing of it runs, or comes from elsewhere."""
        assert {tag for tag, _ in self.tags} <= ALLOWED
        ids = {attributes["id"] for _, attributes in self.tags if "id" in attributes}
        for _, attributes in self.tags:
            for name, value in attributes.items():
                assert not name.startswith("on") and name != "style"
                if name in ("src", "srcset"):
                    assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+=*", value or "")
                if name == "href" and re.fullmatch(r"inside\.html#view=[^\s\"<>]+", value or ""):
                    assert (self.folder / "inside.html").is_file()
                elif name == "href":
                    assert (value or "").startswith("#") and (value or "")[1:] in ids
        style = re.findall(r"<style>(.*?)</style>", self.source, re.DOTALL)
        assert len(style) == 1 and "url(" not in style[0] and "@import" not in style[0]
        assert not re.search(r"(https?:)?//[\w.]", re.sub(r"base64,[^\"]*", "", self.source))
        policy = next(a["content"] for t, a in self.tags if a.get("http-equiv"))
        digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in (policy or "")
        assert "default-src 'none'" in (policy or "") and "img-src data:" in (policy or "")
        assert "unsafe" not in (policy or "") and "script" not in (policy or "")


def tiny_png(width: int = 30, height: int = 15) -> bytes:
    written = io.BytesIO()
    Image.new("L", (width, height), 128).save(written, "PNG")
    return written.getvalue()


ENDS = ("", "-dark", "-narrow", "-narrow-dark")
HISTORY = [{"step": 10, "kind": "batch", "nll": 2.0, "lr": 0.1},
           {"step": 20, "kind": "batch", "nll": 1.5, "lr": 0.1}]  # fmt: skip
CHART = Chart("learning-rate", "Learning rate", EVIL, training.learning_rate, (HISTORY,))
PARTS = [
    Table("summary", "The run", "", ("", ""), [("data", EVIL), ("model", CONTROL)]),
    Verses("findings", "Findings", ["It fits."]),
    Verses("samples", "2 new lines", [EVIL, "  two  spaces"], verbatim=True),
    CHART,
    Beside("inside", "To touch", EVIL, b"<p>a page</p>", [(EVIL, "view=inside&name=a%3Cb")]),
    LeftOut("attention maps", EVIL),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "deep" / "out"
    assert list(page_module.write_page(out, EVIL, PARTS)) == [
        *(out / f"learning-rate{end}.png" for end in ENDS), out / "inside.html",
        out / "index.html",
    ]  # fmt: skip
    return out


def test_hostile_texts_stay_texts(made: Path) -> None:
    page = Page(made / "index.html")
    page.check()
    assert page.texts["title"] == EVIL
    assert EVIL in page.texts["summary"] and EVIL in page.texts["samples"]
    assert EVIL in page.texts["learning-rate"] and EVIL in page.texts["not-shown"]
    assert "  two  spaces" in page.texts["samples"]
    assert "a\\x1b[31m\\u202eb\\x00" in page.texts["summary"]
    assert not set("\x1b\u202e\x00") & set(page.source)
    alternative = [a["alt"] for t, a in page.tags if t == "img"]
    assert alternative == [f"Learning rate. {EVIL}"]


def test_only_what_we_write_ourselves_is_not_escaped() -> None:
    """A template's author has to say `safe`, here, too: all else is escaped without being told."""
    folder = Path(page_module.__file__).parent / "templates"
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))
    trusted = re.findall(r"{{ (.*?) \| safe }}", source)
    pictures = [f"picture.{name}" for name in ("narrow_dark", "narrow_light", "dark", "light")]
    assert trusted == ["mark", "style", *pictures]
    assert source.count("safe }}") == len(trusted) and "autoescape" not in source


def test_pictures_are_inside_light_and_dark_wide_and_narrow(made: Path) -> None:
    page = Page(made / "index.html")
    (image,) = [a for t, a in page.tags if t == "img"]
    sources = [a for t, a in page.tags if t == "source"]
    # A browser takes the first that fits.
    assert [source["media"] for source in sources] == [
        "(max-width: 40rem) and (prefers-color-scheme: dark)", "(max-width: 40rem)",
        "(prefers-color-scheme: dark)",
    ]  # fmt: skip
    given = [*(source["srcset"] for source in sources), image["src"]]
    for value, name in zip(given, ("-narrow-dark", "-narrow", "-dark", ""), strict=True):
        inside = base64.b64decode((value or "").partition(",")[2])
        assert inside == (made / f"learning-rate{name}.png").read_bytes()
    for tag, name, sharpness in ((image, "", 1.5), (sources[1], "-narrow", 2)):
        with Image.open(made / f"learning-rate{name}.png") as picture:
            size = [round(side / sharpness) for side in picture.size]
        assert [int(tag[side] or 0) for side in ("width", "height")] == size
        assert size[0] == (330 if name else 720)


def test_a_map_that_is_wider_than_the_page_says_so(tmp_path: Path) -> None:
    """It scrolls in a box of its own, which the keyboard reaches, under a hint."""
    chart = Chart("pairs", "Pairs", "", of_model.pairs, (np.ones((3, 3), int), list(".ab")))
    *pictures, page = page_module.write_page(tmp_path / "out", "a", [chart])
    assert [path.name for path in pictures] == ["pairs.png", "pairs-dark.png"]  # at any width
    (box,) = [a for t, a in Page(page).tags if a.get("class") == "box scrolled"]
    assert (box["tabindex"], box["role"]) == ("0", "region") and "scrolls" in (
        box["aria-label"] or ""
    )
    source = page.read_text()
    assert source.index('class="hint"') < source.index('class="box scrolled"')
    with Image.open(pictures[0]) as picture:
        whole = round(picture.size[0] / 1.5) + 2
    assert f"@container (min-width: {whole}px) {{ #pairs .hint {{ display: none; }}" in source


def test_the_same_parts_give_the_same_bytes(made: Path, tmp_path: Path) -> None:
    *_, page = page_module.write_page(tmp_path / "again", EVIL, PARTS)
    assert page.read_bytes() == (made / "index.html").read_bytes()


def quick(folder: Path, name: str, draw: Any, *data: Any, narrow: bool = False) -> list[Path]:
    """Stands for plots.save where the picture does not count."""
    paths = [folder / f"{name}.png", folder / f"{name}-dark.png"]
    for path in paths:
        path.write_bytes(tiny_png())
    return paths


def test_every_figure_has_a_name_that_is_known() -> None:
    folder = Path(page_module.__file__).parent / "sections"
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    named = re.findall(r'Chart\(\s*"([\w-]+)"', source)
    assert sorted(named) == sorted(page_module.FIGURES) and set(page_module.SCROLLED) <= set(named)


# -- the folder -----------------------------------------------------------------------------------


def test_a_page_that_was_made_before_is_replaced(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "save", quick)
    more = Chart("attention", "Attention", "", None, ())  # type: ignore[arg-type]
    *_, page = page_module.write_page(tmp_path / "out", "a", [CHART, more, PARTS[-2]])
    assert (tmp_path / "out" / "inside.html").is_file()
    (tmp_path / "out" / "my notes.txt").write_text("mine")
    (tmp_path / "out" / "other.png").write_text("mine")
    *_, page = page_module.write_page(tmp_path / "out", "b", [CHART])
    assert "<title>b</title>" in page.read_text()
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "index.html", "learning-rate-dark.png", "learning-rate-narrow-dark.png",
        "learning-rate-narrow.png", "learning-rate.png", "my notes.txt", "other.png",
    ]  # fmt: skip


def test_a_page_that_was_not_finished_is_replaced(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "save", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        list(page_module.write_page(tmp_path / "out", "a", [CHART]))
    Page(tmp_path / "out" / "index.html").check()
    monkeypatch.setattr(page_module, "save", quick)
    *_, page = page_module.write_page(tmp_path / "out", "a", [CHART])
    assert "not finished" not in page.read_text()


FOREIGN = {
    "another file": ("notes.txt", "mine"),
    "another page": ("index.html", "<html>mine</html>"),
    "a picture of a name of ours": ("losses.png", "mine"),
    "a page that mentions it late": ("index.html", " " * 3000 + page_module.MARK),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_folder_of_somebody_else_is_refused(kind: str, tmp_path: Path) -> None:
    name, text = FOREIGN[kind]
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="not one that inspect made"):
        list(page_module.write_page(tmp_path, "a", PARTS))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, text)]


def test_a_picture_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    out = tmp_path / "out"
    *_, _ = page_module.write_page(out, "a", [])
    (out / "learning-rate.png").symlink_to(tmp_path / "mine")
    *_, _ = page_module.write_page(out, "a", [CHART])
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (out / "learning-rate.png").is_symlink()


def test_other_places_that_cannot_be_written(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for name in ("file", "nowhere"):
        with pytest.raises(UsageError, match="a file of that name"):
            page_module.check_out(tmp_path / name)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "index.html").symlink_to(made / "index.html")
    with pytest.raises(UsageError):  # a page behind a link is not ours
        page_module.check_out(tmp_path / "linked")
    with pytest.raises(SystemFault, match="cannot make"):
        list(page_module.write_page(tmp_path / "file" / "out", "a", []))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for inside in ("run", "run/out", "run/deep/out", "run/../run/out", "link/out"):
        with pytest.raises(UsageError, match="holds only its run"):
            page_module.check_out(tmp_path / inside)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "checkpoint.json", "file", "index.html", "link", "linked", "nowhere", "run",
    ]  # fmt: skip


def chromium(*arguments: str) -> bytes:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs chromium")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    done = subprocess.run(  # noqa: S603 (our own arguments)
        [found, *flags, "--host-resolver-rules=MAP * ~NOTFOUND", *arguments],
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("scheme, paper", [(1, (255, 255, 255)), (0, (0x16, 0x18, 0x1D))])
def test_a_browser_shows_it_in_light_and_in_dark(made, tmp_path, scheme, paper) -> None:
    """The style is applied (its digest fits the policy), and the scheme's picture is shown."""
    shot = tmp_path / "shot.png"
    chromium(
        f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}",
        "--window-size=900,1600", (made / "index.html").as_uri(),
    )  # fmt: skip
    seen = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    assert seen.getpixel((3, 3)) == paper
    blue = (0x00, 0x72, 0xB2) if scheme else (0x56, 0xB4, 0xE9)  # the line of the chart
    found = {colour for _, colour in seen.getcolors(2**20)}
    assert any(all(abs(a - b) < 12 for a, b in zip(each, blue, strict=True)) for each in found)
    other = (0x16, 0x18, 0x1D) if scheme else (255, 255, 255)
    assert other not in found  # neither page nor picture of the other scheme


@pytest.mark.slow
def test_a_browser_runs_nothing_of_it(made: Path) -> None:
    dumped = chromium("--dump-dom", (made / "index.html").as_uri()).decode()
    assert "&lt;script&gt;alert(" in dumped and "<script" not in dumped
    assert dumped.count("<img") == 1
