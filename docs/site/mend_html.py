"""What is missing in Sphinx's and furo's HTML, mended after the build: for screen readers mostly.

Each of MENDS names what stands there; one that finds nothing stops the build, so that a newer
theme, which may have mended it itself, shows.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from urllib.parse import unquote

# (what stands in a page, what should): axe-core names the fault on the right.
MENDS = [
    ('<p class="caption" role="heading">',
     '<p class="caption" role="heading" aria-level="2">'),  # aria-required-attr
    ('<aside class="sidebar-drawer">',
     '<aside class="sidebar-drawer" aria-label="All pages">'),  # landmark-unique
    ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="On this page">'),
    ('<div id="search-results"></div>',
     '<h1>Search</h1>\n<div id="search-results"></div>'),  # page-has-heading-one
]  # fmt: skip
# A signature of several lines is a list of descriptions without what they describe.
PARAMETERS = re.compile(r"<dl>\n((?:<dd>.*?</dd>\n?)+)</dl>", re.DOTALL)
PICTURE = re.compile(r'<img (?=[^>]*\bsrc="(?P<file>[^":]+)")(?![^>]*\bwidth=)')


def mend(site: Path) -> None:
    """Mend all pages of the site, but for the playground, which has tests of its own."""
    done = dict.fromkeys([old for old, _ in MENDS], 0)
    for file in sorted(site.rglob("*.html")):
        if file.name == "playground.html":
            continue
        text = file.read_text(encoding="utf-8")
        for old, new in MENDS:
            done[old] += text.count(old)
            text = text.replace(old, new)
        text = with_sizes(PARAMETERS.sub(as_lines, text), file.parent)
        file.write_text(text, encoding="utf-8")
    for old, times in done.items():
        if not times:
            raise SystemExit(f"docs/site/mend_html.py: no page has {old}: take that mend out")


def as_lines(found: re.Match[str]) -> str:
    """The parameters of a signature, each on a line of its own."""
    lines = found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">\n{lines}</span>'


def with_sizes(text: str, folder: Path) -> str:
    """Give each picture its size, so that a page knows where things are before it reads them.

    Without it a link to a heading misses: the pictures above it are loaded later and push it down.
    """

    def sized(found: re.Match[str]) -> str:
        width, height = size_of(folder / unquote(found["file"]))
        return f'{found[0]}width="{width}" height="{height}" '

    return PICTURE.sub(sized, text)


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG or an SVG file, in pixels."""
    data = picture.read_bytes()
    if data.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    opened = re.search(r"<svg\b[^>]*>", data.decode("utf-8", "replace"))
    told = opened and re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', opened[0])
    if not told:
        raise SystemExit(f"{picture}: neither a PNG nor an SVG with a viewBox: no size to give")
    return round(float(told[1])), round(float(told[2]))
