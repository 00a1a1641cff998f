"""How the site's pages of lessons are made of scripts and their records; none is built."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import lesson_mentions
import lesson_pages
import lesson_pictures
import lesson_records
import pytest
from links import Links

from record import PICTURES, fingerprint

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
PLACES = {"docs/glossary.md": "guides/glossary.md", **lesson_pages.module_places()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lesson, its record and its pictures."""
    monkeypatch.setattr(lesson_records, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(lesson_pictures, "PICTURES", tmp_path / "pictures")
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
    lesson = lesson_records.of_file(folder / "03_counting.py")
    places = {1: "01_a.md", 2: "02_b.md", 3: "03_counting.md", 4: "04_d.md", 6: "06_f.md"}
    return lesson_pages.page(lesson, places, Links(PLACES, folder / "tree"))


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
        ('"Few"); right.set(title="Most", xlabel="count"', "Chart: Few; Most"),
    ],
)
def test_a_picture_says_what_it_shows(folder: Path, code: str, wanted: str) -> None:
    with_title(folder, code)
    assert f":alt: {wanted}\n" in page(folder)


def with_title(folder: Path, code: str) -> None:
    """Let the lesson's picture have another title."""
    (folder / "03_counting.py").write_text(LESSON.replace('"Few are frequent"', code))
    keep(folder, cells([CODE[0].replace('"Few are frequent"', code), *CODE[1:]]))


@pytest.mark.parametrize("code", ['f"head {number}"', '"a"); axes.set_title(names[1]', ""])
def test_a_title_that_is_computed_asks_for_words(
    folder: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_title(folder, code)
    with pytest.raises(SystemExit, match="03_counting-counts.png .* say in WORDS what it shows"):
        page(folder)
    monkeypatch.setitem(lesson_pictures.WORDS, "03_counting-counts", "Four heads")
    assert ":alt: Four heads\n" in page(folder)


def test_the_words_are_those_of_pictures() -> None:
    for name in lesson_pictures.WORDS:
        assert (PICTURES / f"{name}.png").is_file(), f"no picture {name}: take its words out"


def test_only_the_first_exercise_says_how(folder: Path) -> None:
    more = '\n# %% tags=["exercise"]\nanother = ...\n'
    (folder / "03_counting.py").write_text(LESSON + more)
    keep(folder, [*cells(CODE), {"code": fingerprint("another = ..."), "printed": "",
                                 "pictures": []}])  # fmt: skip
    text = page(folder)
    assert text.count("**Your turn.**") == 2 and text.count("make notebooks") == 1
    assert text.index("make notebooks") < text.index(lesson_pages.TRY_AGAIN)


def test_lessons_are_linked_where_they_are_mentioned(folder: Path) -> None:
    text = page(folder)
    assert "You need** [lesson 2](02_b.md)." in text
    assert "### Exercise: count as in lesson 1\n" in text, "no links in headings"
    assert "from lessons [1](01_a.md) and [2](02_b.md), `lesson 2` that is" in text
    assert "and from [lesson 1](modules/course.md)" in text, "no link in a link"
    assert "Lesson 3 ends here" in text, "no link to the page itself"
    assert "lessons [4](04_d.md) to [6](06_f.md) go on" in text


@pytest.mark.parametrize(
    "written, wanted",
    [
        ("a *bigram* is", "a [*bigram*](../guides/glossary.md#n-gram) is"),
        ("*Gradients* and", "[*Gradients*](../guides/glossary.md#gradient) and"),
        ("a *logit*", "a [*logit*](../guides/glossary.md#logits)"),
        ("*early\nstopping*", "[*early\nstopping*](../guides/glossary.md#early-stopping)"),
        ("*nat* or *bit*", "[*nat*](../guides/glossary.md#nat-and-bit) or *bit*"),
        ("*nat*, *nat*", "[*nat*](../guides/glossary.md#nat-and-bit), *nat*"),
        ("*emma* **nat** nat", "*emma* **nat** nat"),
        ("# A *nat*\n`a *nat* b`", "# A *nat*\n`a *nat* b`"),
        ("```python\na *nat* b\n```", "```python\na *nat* b\n```"),
        ("by `mlp.py`.", "by [`mlp.py`](modules/mlp.md)."),
        ("in rows.py.)", "in [rows.py](modules/rows.md).)"),
        ("`python mlp.py` my_mlp.py", "`python mlp.py` my_mlp.py"),
    ],
)  # fmt: skip
def test_terms_and_modules_are_linked(folder: Path, written: str, wanted: str) -> None:
    lesson = lesson_records.of_file(folder / "03_counting.py")
    links = Links(PLACES, folder / "tree")
    assert lesson_mentions.Mentions(lesson, {}, links).linked(written) == wanted


def test_a_term_is_linked_once_in_all_cells(folder: Path) -> None:
    (folder / "03_counting.py").write_text(
        LESSON.replace("You know it", "A *nat*.").replace("# It is one.", "# It is a *nat*.")
    )
    text = page(folder)
    assert "A [*nat*](../guides/glossary.md#nat-and-bit)." in text and "It is a *nat*." in text


def test_a_word_of_another_sense_is_not_linked(folder: Path) -> None:
    lesson = lesson_records.of_file(folder / "03_counting.py")
    links = Links(PLACES, folder / "tree")
    batchnorm = dataclasses.replace(lesson, name="06_batchnorm")
    assert lesson_mentions.Mentions(batchnorm, {}, links).linked("*momentum*") == "*momentum*"
    assert "#momentum" in lesson_mentions.Mentions(lesson, {}, links).linked("*momentum*")


def test_modules_of_the_course_are_listed_and_shown(tmp_path: Path) -> None:
    listed = lesson_pages.module_contents()
    assert "**[layers.py](layers.md)**" in listed and "`Linear`, `BatchNorm1d`" in listed
    lesson_pages.write_modules(Links(PLACES, tmp_path))
    text = (tmp_path / "course/modules/mlp.md").read_text()
    assert "# mlp.py\n" in text and "def build_dataset(" in text


def test_the_contents_say_what_it_is_for(folder: Path) -> None:
    lesson = lesson_records.of_file(folder / "03_counting.py")
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
