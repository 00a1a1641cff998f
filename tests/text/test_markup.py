"""markup.py: the texts in JSON, HTML and Markdown, as `data --fix` takes them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from makemore.text.config import TextConfig
from makemore.text.markup import kind_of, texts_of
from makemore.text.mend import mend_file

NAMES = ["Zoë", "Smith, John", "D'Arc", 'Nat "King" Cole']
OBJECTS: list[dict[str, Any]] = [{"id": n, "name": name, "x": None} for n, name in enumerate(NAMES)]
ARRAY = "the texts of 'name' taken out of a JSON array"
FILES = {
    "array": (json.dumps(NAMES, indent=1), "the texts of a JSON array, one a line"),
    "objects": (json.dumps(OBJECTS), ARRAY),
    "indented objects": (json.dumps(OBJECTS, indent=2), ARRAY),
    "JSON lines": ("\n".join(map(json.dumps, OBJECTS)),
                   "the texts of 'name' taken out of JSON lines"),
    "within an object": (json.dumps({"n": 4, "names": NAMES}, indent=1),
                         "the texts of a JSON array, one a line"),
    "keys": (json.dumps(dict.fromkeys(NAMES, 1), indent=1),
             "the keys of a JSON object, one a line"),
    "HTML": ("<ul>\n<!-- all -->\n<li>Zo&euml;</li>\n<li>Smith, <b>John</b></li>\n<li>D'Arc</li>\n"
             "<li class='x'>Nat &quot;King&quot; Cole</li>\n</ul>", "tags taken off"),
    "Markdown": ("| # | name |\n|--:|---|\n" + "".join(f"| {n} | {name} |\n"
                 for n, name in enumerate(NAMES)), "the texts of 'name' taken out of a table in "
                 "Markdown"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_the_texts_are_taken_out(kind: str, tmp_path: Path) -> None:
    body, what = FILES[kind]
    path = tmp_path / "list.txt"
    path.write_text(body)
    mended = mend_file(path, TextConfig())
    assert mended.lines == NAMES and [done for done, _ in mended.done] == [what]


@pytest.mark.parametrize(
    "lines",
    [["[H]", "[Na+]"], ["{", "a"], ["[1, 2]"], ["{}"], ["[", "]"], ["<3", "<4"], ["a|b", "c|d"],
     ['{"a": [1]}', '{"a": [2]}'], ["[[[["] * 3, ["[" * 100_000], ["anna"]],
)  # fmt: skip
def test_what_holds_no_texts_is_no_markup(lines: list[str]) -> None:
    assert kind_of(lines) is None


def test_a_bar_within_a_cell_of_markdown() -> None:
    done, texts = texts_of("Markdown table", ["name | n", "--- | ---", r"a\|b | 1", "c | 2"])
    assert (texts, done) == (["a|b", "c"], "the texts of 'name' taken out of a table in Markdown")
