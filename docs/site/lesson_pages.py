"""The course: each lesson as a page, from its script and from what its last full run printed.

Nothing is run here. lessons/record.py has kept the output of each cell beside a fingerprint of its
code, so a page shows what the code that it shows printed, or is not made.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from links import LINK_OR_CODE, Links, fenced

from course import shown
from record import PICTURES, RECORDED, cells_of, fingerprint, lessons

FOLDED = 30  # lines of output from which on it is folded away
WRAPPED = 100  # characters of a line from which on even a table is broken
MENTION = re.compile(
    rf"{LINK_OR_CODE.pattern}|(?P<mention>\b[Ll]essons\s\d+(?:(?:,|\sand|\sor|\sto)\s\d+)*"
    r"|\b[Ll]esson\s\d+)\b|(?P<heading>^#[^\n]*)",
    re.MULTILINE | re.DOTALL,
)
TRY = (
    "**Your turn.** In `lessons/{name}.py`, or in its notebook (`make notebooks`), replace the "
    "dots and run the cell: it says whether you are right."
)


@dataclass(frozen=True)
class Cell:
    """A cell of a lesson with what it printed and showed; of a text, nothing."""

    kind: str  # "text", "code"
    tag: str  # "exercise", "solution" or ""
    source: str
    line: int
    printed: str = ""
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """A lesson with the record of its last full run."""

    name: str
    cells: tuple[Cell, ...]
    record: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"course/{self.name}.md"

    @property
    def number(self) -> int:
        return int(self.name.partition("_")[0])

    @property
    def title(self) -> str:
        return text_of(self.cells[0]).partition("\n")[0].removeprefix("# ")

    def promise(self, words: str) -> str:
        """A paragraph of the first cell by its first words, such as "It takes", without them."""
        found = re.search(
            rf"^\*\*{words}\*\* (.+?)(?:\n\n|\Z)", text_of(self.cells[0]), re.M | re.S
        )
        if found is None:
            raise SystemExit(f'lessons/{self.name}.py: the first cell has no "**{words}** ..."')
        return " ".join(found[1].split())


def read(only: list[str]) -> list[Recorded]:
    """The lessons with their records. Stops, saying what to type, where a record is not theirs."""
    paths = {path.stem: path for path in lessons()}
    for name in only:
        if name not in paths:
            raise SystemExit(f"no lesson {name!r}: there are {', '.join(paths)}")
    return [of_file(paths[name]) for name in only or paths]


def of_file(path: Path) -> Recorded:
    """A lesson with its record."""
    again = f"python lessons/record.py {path.stem}"
    file = RECORDED / f"{path.stem}.json"
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if "cells" not in record:
        raise SystemExit(f"lessons/{path.name}: no record of what its cells print: {again}")
    kept, cells = list(record["cells"]), []
    for beside, source, line in cells_of(path.read_text(encoding="utf-8")):
        tag = next((tag for tag in ("exercise", "solution") if f'"{tag}"' in beside), "")
        if beside.startswith("[markdown]"):
            cells.append(Cell("text", tag, source, line))
            continue
        came = kept.pop(0) if kept else {"code": "none"}
        if came["code"] != fingerprint(source):
            raise SystemExit(f"lessons/{path.name}:{line}: not the code that was recorded: {again}")
        cells.append(Cell("code", tag, source, line, came["printed"], tuple(came["pictures"])))
    if kept:
        raise SystemExit(f"lessons/{path.name}: fewer cells than were recorded: {again}")
    return Recorded(path.stem, tuple(cells), record)


def text_of(cell: Cell) -> str:
    """The Markdown of a cell, whose lines begin with "# " in the script."""
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in cell.source.splitlines())


# -- a page ---------------------------------------------------------------------------------------


def page(lesson: Recorded, places: Mapping[int, str], links: Links) -> str:
    """The whole page of a lesson. places: the file names of all lessons by their numbers."""
    blocks: list[str] = []
    folding = False
    for cell in lesson.cells:
        if folding != (cell.tag == "solution"):
            folding = not folding
            opened = '<details class="solution">\n<summary>Solution</summary>\n'
            blocks.append(opened if folding else "</details>\n")
        if cell.kind == "text":
            blocks.append(prose(cell, lesson, places, links))
        else:
            blocks += code(cell, lesson, links)
    if folding:
        blocks.append("</details>\n")
    return "\n".join([*blocks, *numbers(lesson)])


def prose(cell: Cell, lesson: Recorded, places: Mapping[int, str], links: Links) -> str:
    text = text_of(cell)
    if cell.tag == "solution" and re.search(r"^#", text, re.MULTILINE):
        where = f"lessons/{lesson.name}.py:{cell.line}"
        raise SystemExit(f"{where}: a heading in a solution, which is folded: write it in bold")
    text = links.rewrite(text, f"lessons/{lesson.name}.py", lesson.place)
    others = {number: place for number, place in places.items() if number != lesson.number}
    return with_mentions(text, others) + "\n"


def with_mentions(text: str, places: Mapping[int, str]) -> str:
    """Make links of "lesson 5" and "lessons 3 and 6", but for headings and code."""

    def number(found: re.Match[str]) -> str:
        place = places.get(int(found[0]))
        return f"[{found[0]}]({place})" if place else found[0]

    def linked(found: re.Match[str]) -> str:
        mention = found["mention"]
        if mention is None:
            return found[0]
        if not mention.lower().startswith("lessons"):
            place = places.get(int(mention[len("lesson ") :]))
            return f"[{mention}]({place})" if place else mention
        return re.sub(r"\d+", number, mention)

    return MENTION.sub(linked, text)


def code(cell: Cell, lesson: Recorded, links: Links) -> Iterator[str]:
    """A cell's code, marked if it is an exercise, its output right below, its pictures."""
    if cell.tag == "exercise":
        yield f'<div class="exercise">\n\n{TRY.format(name=lesson.name)}\n'
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
    columns = any(re.search(r"\S {2,}\S", line) for line in lines)
    kind = "output" if columns and max(map(len, lines)) <= WRAPPED else "output wrapped"
    block = fenced(printed, "text")
    if len(lines) <= FOLDED:
        return f'<div class="{kind}">\n\n{block}\n</div>\n'
    summary = f"<summary>Output, {len(lines)} lines</summary>"
    return f'<details class="{kind}">\n{summary}\n\n{block}\n</details>\n'


def picture(lesson: Recorded, cell: Cell, name: str, links: Links) -> str:
    """A picture, light and dark, each a link to its file: on a phone one wants to zoom."""
    parts = []
    for mode, ending in (("only-light", ""), ("only-dark", "-dark")):
        file = f"{lesson.name}-{name}{ending}.png"
        if not (PICTURES / file).is_file():
            raise SystemExit(f"no docs/lessons/{file}: python lessons/record.py {lesson.name}")
        folder = links.tree / "course/pictures"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PICTURES / file, folder / file)
        # The class is on a box around the link: a link to a picture that is not shown has no name.
        parts += [
            f"````{{container}} {mode}",
            f"```{{image}} pictures/{file}",
            f":alt: {alt_text(lesson, cell, name)}",
            f":target: ../_images/{file}",  # where Sphinx puts it
            ":loading: lazy",  # the picture of the other mode is never read
            "```",
            "````",
            "",
        ]
    return "\n".join(parts)


def alt_text(lesson: Recorded, cell: Cell, name: str) -> str:
    """What a figure says above itself; where that is computed, its name and its section's."""
    everything = [ast.parse(each.source) for each in lesson.cells if each.kind == "code"]
    functions = {
        node.name: node for tree in everything for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }  # fmt: skip
    titles: list[str] = []
    for node in ast.parse(cell.source).body:
        match node:
            case ast.Expr(
                ast.Call(ast.Attribute(attr="show"), [drawn, ast.Constant(value=shown_name)])
            ):
                if isinstance(drawn, ast.Call) and isinstance(drawn.func, ast.Name):
                    titles = titles_in(functions[drawn.func.id])
                if shown_name == name and titles:
                    return "Chart: " + "; ".join(titles)
                titles = []
            case _:
                titles += titles_in(node)
    return f"Chart: {name.replace('-', ' ')}, in the section {heading_above(lesson, cell)!r}"


def heading_above(lesson: Recorded, cell: Cell) -> str:
    """The heading of the section in which a cell stands."""
    before = lesson.cells[: lesson.cells.index(cell)]
    texts = "\n".join(text_of(each) for each in before if each.kind == "text")
    return [*re.findall(r"^#+ (.+)$", texts, re.MULTILINE)][-1]


def titles_in(node: ast.AST) -> list[str]:
    """The titles that some code gives a figure and its axes, in their order."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    found: list[ast.expr] = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("suptitle", "set_title"):
            found += call.args[:1]
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "set":
            found += [word.value for word in call.keywords if word.arg == "title"]
    both = [[each.body, each.orelse] if isinstance(each, ast.IfExp) else [each] for each in found]
    texts = [each.value for one in both for each in one if isinstance(each, ast.Constant)]
    return [" ".join(str(text).split()) for text in texts]


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
        f"`python lessons/{lesson.name}.py`, with `--short` in a few seconds.",
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
