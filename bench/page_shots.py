"""Pictures of every view of the page: phone, tablet and desk, light and dark.

    python bench/page_shots.py FOLDER [--names names.txt] [--run page.html]

They are for eyes: look at them after each change of the page's looks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from makemore.cli.main import run
from makemore.text.builtin_lists import builtin_names

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from web.browser import VIEWS, Visit, chromium  # noqa: E402

WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")


def prepare(opened: Visit, view: str) -> None:
    """Bring a view to what a person would see in it."""
    page = opened.page
    opened.show(view)
    if view == "Names":
        opened.names()
        if page.locator('.cell[aria-pressed="true"]').count() == 0:
            for cell in page.locator(".cell").all()[:4]:
                cell.click()
    if view == "Letters":
        page.get_by_role("textbox", name="A name").fill("marielle")
        page.locator(".choice").first.wait_for()
    if view == "Learning" and page.get_by_role("button", name="Play").is_visible():
        page.get_by_role("button", name="Play").click()
        page.get_by_role("button", name="Learn again").wait_for(timeout=180_000)
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


def shoot(browser: Any, file: Path, name: str, lines: list[str] | None, folder: Path) -> None:
    """Take the pictures of one page: FOLDER/NAME-VIEW-WIDTH-SCHEME.png."""
    for width in WIDTHS:
        context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
        opened = Visit(context.new_page())
        opened.open(file)
        if lines is not None:
            opened.page.screenshot(path=folder / f"{name}-empty-{width}.png")
            opened.learn("\n".join(lines))
        for view in VIEWS:
            if opened.page.get_by_role("tab", name=view).is_visible():
                prepare(opened, view)
                both_schemes(opened.page, folder / f"{name}-{view.lower()}-{width}", view)
        opened.check()
        context.close()


def both_schemes(page: Any, path: Path, view: str) -> None:
    """Take one view in light and dark; of the wall, which is long, what a screen shows."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(250)
        page.screenshot(path=path.with_name(f"{path.name}-{scheme}.png"), full_page=view != "Names")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", type=Path, help="a list instead of the built-in names")
    parser.add_argument("--run", type=Path, help="the page of a run, to be shown, too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = options.names.read_text().split() if options.names else builtin_names()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / "page.html"
        assert run(["page", "-o", str(file), "--no-prior"]) == 0
        shoot(browser, file, "list", lines[:: len(lines) // 1000 or 1], options.folder)
        if options.run:
            shoot(browser, options.run, "run", None, options.folder)


if __name__ == "__main__":
    main()
