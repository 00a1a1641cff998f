"""How the site's links, docstrings and HTML are changed; nothing is built."""

from __future__ import annotations

from pathlib import Path

import docstrings
import mend_html
import pytest
from links import Links

# -- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written, wanted",
    [
        ("[a](prior.md)", "[a](prior.md)"),
        ("[a](prior.md#what-is-new)", "[a](prior.md#what-is-new)"),
        ("[a](#here) [b](https://example.org/x.md)", "[a](#here) [b](https://example.org/x.md)"),
        ("[the `gru`](../src/makemore/models/gru.py)", "[the `gru`](../models/gru.md)"),
        ("[a](../src/makemore/lazy.py)", "[a](../source/src/makemore/lazy.md)"),
        (
            "[prior.md](prior.md#what-is-new)",
            "[The prior: what is known before your list is read](prior.md#what-is-new)",
        ),
        ("![b](page.png)", "![b](../pictures/page.png)"),
        ("[licence](../LICENSE)", "licence (`LICENSE`)"),
        ("[test_docs.py](../tests/test_docs.py)", "`tests/test_docs.py`"),
        ("`[a](none.md)` [a](prior.md)", "`[a](none.md)` [a](prior.md)"),
        ("```text\n[a](none.md)\n```\n", "```text\n[a](none.md)\n```\n"),
    ],
)
def test_links_lead_to_pages(written: str, wanted: str, tmp_path: Path) -> None:
    places = {"docs/prior.md": "guides/prior.md", "src/makemore/models/gru.py": "models/gru.md"}
    assert Links(places, tmp_path).rewrite(written, "docs/list.md", "guides/list.md") == wanted


def test_a_link_to_nothing_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"docs/list.md links docs/none.md, which is not there"):
        Links({}, tmp_path).rewrite("[a](none.md)", "docs/list.md", "guides/list.md")


def test_linked_modules_get_a_page(tmp_path: Path) -> None:
    links = Links({}, tmp_path)
    links.rewrite("[a](../src/makemore/lazy.py)", "docs/list.md", "guides/list.md")
    links.write_sources()
    text = (tmp_path / "source/src/makemore/lazy.md").read_text()
    assert "# src/makemore/lazy.py" in text and "def late_names(" in text and "orphan" in text


# -- docstrings, and what is mended after the build -----------------------------------------------


def test_docstrings_become_restructuredtext() -> None:
    lines = [
        "Draw *n* lines, `all` of them: see plan_ and a|b.",
        "",
        "avoid, avoid_like: lines to",
        "    leave out",
        "n: how many",
        "Raises UsageError.",
        "",
        "    maker.sample(20)",
        "",
        "    maker.top(5)",
    ]
    assert docstrings.to_rst(lines) == [
        "Draw \\*n\\* lines, \\ ``all``\\  of them: see plan\\_ and a\\|b.",
        "",
        "",
        "* ``avoid``, ``avoid_like``: lines to",
        "  leave out",
        "",
        "* ``n``: how many",
        "",
        "Raises UsageError.",
        "",
        "::",
        "",
        "        maker.sample(20)",
        "    ",
        "        maker.top(5)",
        "",
    ]


def test_a_mend_that_finds_nothing_is_told(tmp_path: Path) -> None:
    faults = "".join(old for old, _ in mend_html.MENDS)
    (tmp_path / "a.html").write_text(f"{faults}<dl>\n<dd>n: int,</dd>\n</dl>")
    (tmp_path / "playground.html").write_text(faults)
    mend_html.mend(tmp_path)
    text = (tmp_path / "a.html").read_text()
    assert all(new in text for _, new in mend_html.MENDS)
    assert text.endswith('<span class="sig-lines">\n<span class="sig-line">n: int,</span>\n</span>')
    assert (tmp_path / "playground.html").read_text() == faults
    with pytest.raises(SystemExit, match='no page has <p class="caption"'):
        mend_html.mend(tmp_path)


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\x04\x4c" + b"\0\0\x01\x5e" + b"\x08\6\0\0\0"


def test_pictures_get_their_size(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(PNG)
    (tmp_path / "c.svg").write_text('<?xml?><svg viewBox="0 0 420 236.4" role="img"><svg/></svg>')
    text = '<img alt="a" src="a%20b.png" /><img src="c.svg"><img width="1" src="d.png">'
    assert mend_html.with_sizes(text, tmp_path) == (
        '<img width="1100" height="350" alt="a" src="a%20b.png" />'
        '<img width="420" height="236" src="c.svg"><img width="1" src="d.png">'
    )
    (tmp_path / "c.svg").write_text("<svg></svg>")
    with pytest.raises(SystemExit, match=r"c.svg: neither a PNG nor an SVG with a viewBox"):
        mend_html.with_sizes(text, tmp_path)
