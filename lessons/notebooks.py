"""Writes the lessons as Jupyter notebooks, with what their last full run printed and showed.

    python lessons/notebooks.py                all of them, into lessons/notebooks
    python lessons/notebooks.py 01_counting    this one

No lesson runs for it: the outputs are those of recorded/ and docs/lessons. A notebook can be taken
elsewhere alone: its first code cells, made of prepare.py, bring what the lesson imports. One that
you have changed stays as it is.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course import EXPECTED, HERE
from record import PICTURES, RECORDED, cells_of, fingerprint, lessons

NOTEBOOKS = HERE / "notebooks"
# JupyterLab 4 folds a cell by these. VS Code reads no folds of code from a file. Both fold the
# <details> of a text.
FOLDED = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
FOLDED_WITH_OUTPUT = {"jupyter": {"source_hidden": True, "outputs_hidden": True}}
SILENT = ("print", "check", "lesson.check", "lesson.show")  # what they return is not shown anyway

BEFORE = """\
**Before you begin.** The code needs makemore, which brings torch and matplotlib. If this kernel
has it not yet, go to makemore's folder, type

    python -m pip install -c constraints.txt .

and restart the kernel. (Without `constraints.txt` pip takes a PyTorch with several GB of CUDA.)

Then run the cells from the top. The next one chooses between the full form and a short one. The one
after it is folded: it writes {files}
beside this notebook where they are missing, and finds `names.txt` or downloads it. Without a
network the lesson takes its short form.

What stands under the cells now is of a full run: {date}, {seconds} seconds, {machine}.

**Solutions are folded.** A click on ▸ **Solution** opens the text, one on the row below it the
code, and then what that prints. VS Code keeps no folds of code, so there it stands open: answer
before you scroll."""

FORM = "SHORT = False  # True: a minute at most, on the 6,800 names that makemore has built in"

SOLUTION = """\
<details>
<summary><b>Solution</b></summary>

{text}

</details>"""


def notebook(lesson: Path) -> NotebookNode:
    """Make the notebook of a lesson. Raises SystemExit where its record is missing or old."""
    record = read_record(lesson)
    title, *others = lesson_cells(lesson, record)
    cells = [title, *first_cells(lesson, record), *others]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # nbformat's own would be others each time
    made = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py"},
            "makemore": {"sources": digest(cells)},
        },
    )
    nbformat.validate(made)
    return made


def read_record(lesson: Path) -> dict[str, Any]:
    """What the last full run of a lesson gave, if it was of the code as it is."""
    path = RECORDED / f"{lesson.stem}.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    code = [
        fingerprint(source)
        for kind, source, _ in cells_of(lesson.read_text(encoding="utf-8"))
        if not kind.startswith("[markdown]")
    ]
    if [cell["code"] for cell in record.get("cells", [])] != code:
        anew = f"python lessons/record.py {lesson.stem}"
        sys.exit(f"{path.name} is not of {lesson.name} as it is now: {anew} records it anew")
    return dict(record)


def lesson_cells(lesson: Path, record: dict[str, Any]) -> Iterator[NotebookNode]:
    """The cells of the script, those of code with their outputs; solutions folded."""
    ran = iter(record["cells"])
    count = 0
    for kind, source, _ in cells_of(lesson.read_text(encoding="utf-8")):
        tagged = re.search(r"tags=(\[.*\])", kind)
        tags = json.loads(tagged[1]) if tagged else []
        metadata = {"tags": tags} if tags else {}
        if kind.startswith("[markdown]"):
            text = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
            text = text.replace("](../", "](../../")  # a notebook lies one folder deeper
            text = SOLUTION.format(text=text) if "solution" in tags else text
            yield new_markdown_cell(text, metadata=metadata)
        else:
            count += 1
            source = without_echo(source)
            if "solution" in tags:  # JupyterLab shows the first line of what is folded
                metadata, source = metadata | FOLDED_WITH_OUTPUT, f"# The solution's code\n{source}"
            outputs = list(outputs_of(lesson, next(ran)))
            yield new_code_cell(source, metadata=metadata, outputs=outputs, execution_count=count)


def without_echo(source: str) -> str:
    """Put a semicolon behind a last expression: a notebook shows its value, a script does not."""
    last = ast.parse(source).body[-1]
    called = last.value if isinstance(last, ast.Expr) else None
    if not isinstance(called, ast.Call) or ast.unparse(called.func) in SILENT:
        return source
    lines = source.encode().splitlines(keepends=True)  # ast counts bytes
    row, column = (last.end_lineno or 1) - 1, last.end_col_offset
    lines[row] = lines[row][:column] + b";" + lines[row][column:]
    return b"".join(lines).decode()


def outputs_of(lesson: Path, cell: dict[str, Any]) -> Iterator[NotebookNode]:
    """What a cell printed, and then the pictures that it showed."""
    if cell["printed"]:
        yield new_output("stream", name="stdout", text=cell["printed"])
    for name in cell["pictures"]:
        picture = (PICTURES / f"{lesson.stem}-{name}.png").read_bytes()
        data = {"image/png": base64.b64encode(picture).decode("ascii"), "text/plain": f"<{name}>"}
        yield new_output("display_data", data=data)


def first_cells(lesson: Path, record: dict[str, Any]) -> list[NotebookNode]:
    """How to install makemore; the form; and a folded cell that brings what the lesson needs."""
    names = [f"{name}.py" for name in course_files(lesson)]
    files = ",\n".join(f"    {json.dumps(name)}: {quoted(HERE / name)}" for name in names)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[lesson.stem]
    rows = ",\n".join(f"    {quantity!r}: {entry!r}" for quantity, entry in expected.items())
    code = "\n\n".join(
        [
            (HERE / "prepare.py").read_text(encoding="utf-8"),
            f"FILES = {{\n{files},\n}}",
            f"EXPECTED = {{\n{rows},\n}}",
            f"prepare({lesson.stem!r}, FILES, EXPECTED, SHORT)\n"
            "# Without it a Figure is shown as its name alone.\n%matplotlib inline",
        ]
    )
    before = BEFORE.format(
        files=", ".join(f"`{name}`" for name in [*names, "expected.json"]),
        date=record["date"], seconds=record["seconds"], machine=record["machine"],
    )  # fmt: skip
    return [new_markdown_cell(before), new_code_cell(FORM), new_code_cell(code, metadata=FOLDED)]


def course_files(path: Path) -> list[str]:
    """The course's own modules that a file imports, and what those import in turn."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if (HERE / f"{name}.py").is_file():
                found |= {name, *course_files(HERE / f"{name}.py")}
    return sorted(found)


def quoted(path: Path) -> str:
    """A file as a Python literal that can still be read."""
    text = path.read_text(encoding="utf-8")
    if "'''" in text:
        sys.exit(f"{path.name} holds ''', in which a notebook quotes it: write \"\"\" there")
    return f"r'''{text}'''"


def digest(cells: list[NotebookNode]) -> str:
    """Of all that a reader may type into; outputs change nothing."""
    sources = json.dumps([[cell.cell_type, cell.source] for cell in cells])
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def is_changed(path: Path) -> bool:
    """Whether somebody has typed into a notebook since it was written."""
    try:
        found = nbformat.read(path, as_version=4)
    except ValueError:  # no notebook at all, so none of ours
        return True
    return bool(found.metadata.get("makemore", {}).get("sources") != digest(found.cells))


def write(lesson: Path, folder: Path) -> None:
    """Write a lesson's notebook into a folder, and beside it the files as they are now."""
    made, path = notebook(lesson), folder / f"{lesson.stem}.ipynb"
    folder.mkdir(exist_ok=True)
    # An older copy would win over the one that the notebook brings.
    for name in [*(f"{name}.py" for name in course_files(lesson)), EXPECTED.name]:
        (folder / name).write_bytes((HERE / name).read_bytes())
    if path.exists() and is_changed(path):
        print(f"{path.name} stays, since you have changed it: delete it to get a new one")
    else:
        nbformat.write(made, path)


def main(names: list[str]) -> int:
    known = {path.stem: path for path in lessons()}
    for name in names or known:
        if name not in known:
            sys.exit(f"there is no lesson {name}: give one of {', '.join(known)}")
        write(known[name], NOTEBOOKS)
    print(NOTEBOOKS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
