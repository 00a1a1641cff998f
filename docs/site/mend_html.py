"""What a screen reader misses in Sphinx's and furo's HTML, mended after the build.

Each mend names what stands there; one that finds nothing stops the build, so that a newer theme,
which may have mended it itself, shows.
"""

from __future__ import annotations

import re
from pathlib import Path

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
        file.write_text(PARAMETERS.sub(as_lines, text), encoding="utf-8")
    for old, times in done.items():
        if not times:
            raise SystemExit(f"docs/site/mend_html.py: no page has {old}: take that mend out")


def as_lines(found: re.Match[str]) -> str:
    """The parameters of a signature, each on a line of its own."""
    lines = found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">\n{lines}</span>'
