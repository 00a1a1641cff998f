"""The course: each lesson as a page, from its script and from what its last full run printed.

Nothing is run here. lessons/record.py has kept the output of each cell beside a fingerprint of its
code, so a page shows what the code that it shows printed, or is not made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lesson_mentions import MODULES, Mentions
from lesson_pictures import picture
from lesson_records import Cell, Recorded, text_of
from links import ROOT, Links, fenced, source_of

from course import shown
from record import lessons

FOLDED = 30  # lines of output from which on it is folded away
WRAPPED = 100  # characters of a line from which on even a table is broken
TRY = (
    "**Your turn.** In `lessons/{name}.py`, or in its notebook (`make notebooks`), replace the "
    "dots and run the cell: it says whether you are right."
)  # at the first exercise of a lesson
TRY_AGAIN = "**Your turn.** Replace the dots and run the cell."


# -- a page ---------------------------------------------------------------------------------------


def page(lesson: Recorded, places: Mapping[int, str], links: Links) -> str:
    """The whole page of a lesson. places: the file names of all lessons by their numbers."""
    mentions = Mentions(lesson, places, links)
    blocks: list[str] = []
    folding = False
    for cell in lesson.cells:
        if folding != (cell.tag == "solution"):
            folding = not folding
            opened = '<details class="solution">\n<summary>Solution</summary>\n'
            blocks.append(opened if folding else "</details>\n")
        if cell.kind == "text":
            blocks.append(prose(cell, lesson, mentions, links))
        else:
            blocks += code(cell, lesson, links)
    if folding:
        blocks.append("</details>\n")
    return "\n".join([*blocks, *numbers(lesson)])


def prose(cell: Cell, lesson: Recorded, mentions: Mentions, links: Links) -> str:
    """A cell's text with its links, those of the repository and those to what it mentions."""
    text = text_of(cell)
    if cell.tag == "solution" and re.search(r"^#", text, re.MULTILINE):
        where = f"lessons/{lesson.name}.py:{cell.line}"
        raise SystemExit(f"{where}: a heading in a solution, which is folded: write it in bold")
    text = links.rewrite(text, f"lessons/{lesson.name}.py", lesson.place)
    return mentions.linked(text) + "\n"


def code(cell: Cell, lesson: Recorded, links: Links) -> Iterator[str]:
    """A cell's code, marked if it is an exercise, its output right below, its pictures."""
    if cell.tag == "exercise":
        first = next(each for each in lesson.cells if each.kind == "code" and each.tag == cell.tag)
        words = TRY.format(name=lesson.name) if cell is first else TRY_AGAIN
        yield f'<div class="exercise">\n\n{words}\n'
    yield fenced(cell.source, "python")
    if cell.printed.strip():
        yield output(cell.printed.rstrip("\n"))
    for name in cell.pictures:
        yield picture(lesson, cell, name, links)
    if cell.tag == "exercise":
        yield "</div>\n"


def output(printed: str) -> str:
    """What a cell printed: more than 30 lines are folded, lines are broken unless columns align."""
    lines = printed.splitlines()
    columns = sum(bool(re.search(r"\S {2,}\S", line)) for line in lines)
    table = columns > 1 or (columns and max(map(len, lines)) <= WRAPPED)
    kind = "output" if table else "output wrapped"
    block = fenced(printed, "text")
    if len(lines) <= FOLDED:
        return f'<div class="{kind}">\n\n{block}\n</div>\n'
    summary = f"<summary>Output, {len(lines)} lines</summary>"
    return f'<details class="{kind}">\n{summary}\n\n{block}\n</details>\n'


def numbers(lesson: Recorded) -> list[str]:
    """The end of a page: what was expected and measured, when, and where."""
    record = lesson.record
    rows = [
        [row["quantity"], shown(row["expected"]), shown(row["measured"]),
         f"{row['within']:g}" if row["within"] else "0", row["source"]]
        for row in record["rows"]
    ]  # fmt: skip
    return [
        '<details class="numbers">',
        "<summary>The numbers of this lesson: expected and measured</summary>",
        "",
        "| quantity | expected | measured | within | from |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(map(plain, row)) + " |" for row in rows),
        "",
        "</details>",
        "",
        f"Recorded on {record['date']}, {record['machine']}, {record['seconds']} seconds, by "
        f"`python lessons/record.py {lesson.name}`. You run the same cells by "
        f"`python lessons/{lesson.name}.py`, with `--short` in less time. The script: "
        f"{{download}}`lessons/{lesson.name}.py <../../../lessons/{lesson.name}.py>`",
        "",
    ]


def plain(text: Any) -> str:
    """A text in a cell of a table, in which nothing is Markdown."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", str(text))


# -- the course -----------------------------------------------------------------------------------


def write_course(recorded: list[Recorded], links: Links) -> None:
    """Write the pages of the lessons, and what each is for into the course's first page."""
    places = {lesson.number: f"{lesson.name}.md" for lesson in recorded}
    for lesson in recorded:
        file = links.tree / lesson.place
        file.parent.mkdir(exist_ok=True)
        file.write_text(page(lesson, places, links), encoding="utf-8")


def contents(recorded: list[Recorded]) -> str:
    """What each lesson teaches and how long it takes, as a list with links."""
    entries = []
    for lesson in recorded:
        takes, _, runs = lesson.promise("It takes").partition(";")
        able = lesson.promise("You will be able to")
        entries += [
            f"- **[{lesson.title}]({lesson.name}.md)**",
            "",
            f"  You will be able to {able}",
            "",
            f"  *It takes {takes.strip().rstrip('.')}.*" if runs else f"  *It takes {takes}*",
            "",
        ]
    return "\n".join(["{.lessons}", *entries])


def lesson_places() -> dict[str, str]:
    """Where the course is: "lessons/03_mlp.py" -> "course/03_mlp.md"."""
    return {f"lessons/{path.name}": f"course/{path.stem}.md" for path in lessons()}


# -- its own modules ------------------------------------------------------------------------------


def module_places() -> dict[str, str]:
    """Where the modules that lessons import are: "lessons/mlp.py" -> "course/modules/mlp.md"."""
    return {f"lessons/{name}.py": f"course/modules/{name}.md" for name in MODULES}


def write_modules(links: Links) -> None:
    """Write the page of each module of the course: all of it, highlighted."""
    for file, place in module_places().items():
        path = links.tree / place
        path.parent.mkdir(parents=True, exist_ok=True)
        name = file.removeprefix("lessons/")
        # A search leads to the list of the modules, which says what each defines.
        page = f"---\nnosearch: true\n---\n# {name}\n\nAll of it: `{file}`.\n\n{source_of(file)}"
        path.write_text(page, encoding="utf-8")


def module_contents() -> str:
    """What each module of the course is for and what it defines, as a list with links."""
    entries = []
    for name in MODULES:
        tree = ast.parse((ROOT / f"lessons/{name}.py").read_text(encoding="utf-8"))
        said = (ast.get_docstring(tree) or "").partition("\n")[0]
        defined = [
            f"`{node.name}`" for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        ]  # fmt: skip
        entries += [
            f"- **[{name}.py]({name}.md)**", "", f"  {said}", "", f"  {', '.join(defined)}", "",
        ]  # fmt: skip
    return "\n".join(["{.lessons}", *entries])
