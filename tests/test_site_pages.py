"""How pages of the site are made: lessons from their records, links, docstrings; none is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docstrings
import lesson_pages
import mend_html
import pytest
from links import Links

from record import fingerprint

LESSON = """\
# %% [markdown]
# # 3. A lesson
#
# **You will be able to** count. **You need** lesson 2.
#
# **It takes** an hour; the code a second.

# %%
def chart():
    axes.set_title("Few are frequent")


print("counted")

# %% [markdown]
# ### Exercise: count as in lesson 1
#
# You know it from lessons 1 and 2, `lesson 2` that is, and from [lesson 1](course.py).

# %% tags=["exercise"]
answer = ...

# %% [markdown] tags=["solution"]
# It is one.

# %% tags=["solution"]
answer = 1
lesson.show(chart(), "counts")

# %% [markdown]
# Lesson 3 ends here, lessons 4 to 6 go on.
"""
CODE = [
    'def chart():\n    axes.set_title("Few are frequent")\n\n\nprint("counted")',
    "answer = ...",
    'answer = 1\nlesson.show(chart(), "counts")',
]
PRINTED = ["counted\n", "answer - replace the dots\n", ""]
AGAIN = "python lessons/record.py 03_counting"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lesson, its record and its pictures."""
    monkeypatch.setattr(lesson_pages, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(lesson_pages, "PICTURES", tmp_path / "pictures")
    for name in ("recorded", "pictures", "tree"):
        (tmp_path / name).mkdir()
    for ending in ("", "-dark"):
        (tmp_path / "pictures" / f"03_counting-counts{ending}.png").write_bytes(b"png")
    (tmp_path / "03_counting.py").write_text(LESSON)
    keep(tmp_path, cells(CODE))
    return tmp_path


def cells(code: list[str]) -> list[dict[str, Any]]:
    shown = [[], [], ["counts"]]
    return [
        {"code": fingerprint(source), "printed": printed, "pictures": pictures}
        for source, printed, pictures in zip(code, PRINTED, shown, strict=False)
    ]


def keep(folder: Path, cells: list[dict[str, Any]]) -> None:
    row = {"quantity": "a | b", "expected": [1, 2.5], "measured": [1, 2.50001], "within": 0.1,
           "source": "part 1"}  # fmt: skip
    record = {"date": "2026-01-02", "machine": "2 cores", "seconds": 7, "rows": [row]}
    text = json.dumps(record | {"cells": cells})
    (folder / "recorded/03_counting.json").write_text(text)


def page(folder: Path) -> str:
    lesson = lesson_pages.of_file(folder / "03_counting.py")
    places = {1: "01_a.md", 2: "02_b.md", 3: "03_counting.md", 4: "04_d.md", 6: "06_f.md"}
    return lesson_pages.page(lesson, places, Links({}, folder / "tree"))


def test_output_and_pictures_stand_below_their_code(folder: Path) -> None:
    text = page(folder)
    parts = [
        f"```python\n{CODE[0]}\n```", "```text\ncounted\n```", "**Your turn.**", CODE[1],
        "replace the dots", "</div>", '<details class="solution">', "It is one.", CODE[2],
        "only-light", "pictures/03_counting-counts.png", ":alt: Chart: Few are frequent",
        "only-dark", "pictures/03_counting-counts-dark.png", "</details>", "go on",
        "expected and measured", "| a \\| b | 1, 2.5000 | 1, 2.5000 | 0.1 | part 1 |",
        "2026-01-02, 2 cores, 7 seconds", AGAIN,
    ]  # fmt: skip
    position = 0
    for part in parts:
        assert part in text[position:], f"{part!r} is not after {text[:position][-60:]!r}"
        position = text.index(part, position) + 1
    assert text.count('<details class="solution">') == 1, "one fold for adjacent cells"
    pictures = {file.name for file in (folder / "tree/course/pictures").iterdir()}
    assert pictures == {"03_counting-counts.png", "03_counting-counts-dark.png"}


@pytest.mark.parametrize(
    "code, wanted",
    [
        ('"Few are frequent"', "Chart: Few are frequent"),
        ('"flat" if first else "tree"', "Chart: flat; tree"),
        ('f"head {number}"', "Chart: counts, in the section 'Exercise: count as in lesson 1'"),
    ],
)
def test_a_picture_says_what_it_shows(folder: Path, code: str, wanted: str) -> None:
    lesson = folder / "03_counting.py"
    lesson.write_text(LESSON.replace('"Few are frequent"', code))
    keep(folder, cells([CODE[0].replace('"Few are frequent"', code), *CODE[1:]]))
    assert f":alt: {wanted}\n" in page(folder)


def test_lessons_are_linked_where_they_are_mentioned(folder: Path) -> None:
    text = page(folder)
    assert "You need** [lesson 2](02_b.md)." in text
    assert "### Exercise: count as in lesson 1\n" in text, "no links in headings"
    assert "from lessons [1](01_a.md) and [2](02_b.md), `lesson 2` that is" in text
    assert "and from [lesson 1](../source/lessons/course.md)" in text, "no link in a link"
    assert "Lesson 3 ends here" in text, "no link to the page itself"
    assert "lessons [4](04_d.md) to [6](06_f.md) go on" in text


def test_the_contents_say_what_it_is_for(folder: Path) -> None:
    lesson = lesson_pages.of_file(folder / "03_counting.py")
    listed = lesson_pages.contents([lesson])
    assert "**[3. A lesson](03_counting.md)**" in listed
    assert "You will be able to count." in listed and "*It takes an hour.*" in listed


def test_code_that_is_not_what_ran_stops_the_build(folder: Path) -> None:
    keep(folder, cells([CODE[0], "answer = 2", CODE[2]]))
    with pytest.raises(SystemExit, match=f"03_counting.py:21: not the code .*: {AGAIN}"):
        page(folder)
    keep(folder, cells(CODE)[:2])
    with pytest.raises(SystemExit, match=f"03_counting.py:27: not the code .*: {AGAIN}"):
        page(folder)
    keep(folder, [*cells(CODE), cells(CODE)[0]])
    with pytest.raises(SystemExit, match=f"fewer cells than were recorded: {AGAIN}"):
        page(folder)


def test_comments_may_change_after_the_run(folder: Path) -> None:
    changed = LESSON.replace('print("counted")', '# It counts.\nprint("counted")')
    (folder / "03_counting.py").write_text(changed)
    assert "# It counts." in page(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "pictures/03_counting-counts-dark.png").unlink()
    with pytest.raises(SystemExit, match=f"no docs/lessons/03_counting-counts-dark.png: {AGAIN}"):
        page(folder)
    record = folder / "recorded/03_counting.json"
    record.write_text('{"rows": []}')  # of a form without cells
    with pytest.raises(SystemExit, match=f"no record of what its cells print: {AGAIN}"):
        page(folder)
    record.unlink()
    with pytest.raises(SystemExit, match=f"no record of what its cells print: {AGAIN}"):
        page(folder)


def test_a_heading_in_a_solution_is_refused(folder: Path) -> None:
    """It would end the fold where Sphinx begins a section."""
    changed = LESSON.replace("# It is one.", "# ## It is one.")
    (folder / "03_counting.py").write_text(changed)
    with pytest.raises(SystemExit, match="03_counting.py:24: a heading in a solution"):
        page(folder)


@pytest.mark.parametrize(
    "printed, kind, folded",
    [
        ("a b", "output wrapped", False),
        ("k    share\n1     0.2", "output", False),
        ("k    share " * 10, "output wrapped", False),
        ("line\n" * 30, "output wrapped", False),
        ("line\n" * 31, "output wrapped", True),
    ],
)
def test_long_output_is_folded_and_broken(printed: str, kind: str, folded: bool) -> None:
    shown = lesson_pages.output(printed)
    tag = "details" if folded else "div"
    assert shown.startswith(f'<{tag} class="{kind}">') and shown.endswith(f"</{tag}>\n")
    assert ("Output, 31 lines" in shown) == folded


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert lesson_pages.output("```\nx").count("````") == 2


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
