"""Text of the page: lists, tables, shapes, hashes and splits as makemore.text has them."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from makemore.errors import MakemoreError
from makemore.options import make
from makemore.text import Corpus, TextConfig, Vocabulary, markup, mojibake, train_val_test_split
from makemore.text.builtin_lists import builtin_names
from makemore.text.line_hashes import pack
from makemore.text.mend import mend
from page_scripts import run_script

pytestmark = pytest.mark.slow  # the same numbers twice, in Python and in node


def shapes_of_the_tests() -> ModuleType:
    path = Path(__file__).parents[1] / "text" / "test_shape.py"
    spec = importlib.util.spec_from_file_location("shapes_of_the_tests", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTS = {
    "LF and CRLF": b"anna\r\nbo\n\n  eve \t\nanna\n",
    "no last line feed": b"anna\nbo",
    "white space": "a\x1fb\x1f\n\x85c\u3000\n\u2009\n\u200bd\n x\xa0\n".encode(),
    "a mark within": "e\ufeffe\nf\x0bg\x0c".encode(),
    "UTF-8 with a mark": b"\xef\xbb\xbfanna\nbo\xef\xbb\xbf\n",
    "UTF-16": "anna\nÉva\n\U0001f600\n".encode("utf-16"),
    "UTF-16 big-endian": b"\xfe\xff" + "anna\nbo\n".encode("utf-16-be"),
    "too long": b"a\n" + b"b" * 1001 + b"\n" + "\U0001f600".encode() * 1000 + b"\n",
    "other line ends": "a\u2028b\nc\u0085d\ne\rf\n".encode(),
}
TABLES: dict[str, tuple[bytes, dict[str, str]]] = {
    "by name": (b"name,sex\nanna,f\n karl ,m\n", {"column": "name"}),
    "labels": (
        b"name,sex\nanna,f\nkarl,m\nanna,m\nanna,f\n",
        {"column": "name", "labelColumn": "sex"},
    ),
    "by number": (b"anna;f\nkarl;m\n", {"column": "1", "labelColumn": "2"}),
    "the other column": (b"id;title;sex\n1;anna;f\n2;karl;m\n", {"labelColumn": "sex"}),
    "quotes": (b'name,x\n"Smith, J",1\n"a ""b""",2\n\n"c"\r\n', {"column": "name"}),
    "sep": (b"sep=;\r\nname;x\r\nanna;1\r\n", {"column": "name"}),
    "a delimiter": (b"a~b\nc~d\n", {"column": "2", "delimiter": "~"}),
    "tabs": (b"a\tb\nc\td\n", {"column": "2", "delimiter": "tab"}),
    "a quote within": (b'a "b,c\nd,e\n', {"column": "1"}),
    "blank texts": (b"name,x\n,1\nanna,2\n,,\n", {"column": "name"}),
    "a mark": (b"\xef\xbb\xbfname,x\nanna,1\n", {"column": "name"}),
    "a row too short": (b"x,name\n1,anna\n2\n", {"column": "name"}),
    "an empty label": (b"name,x\nanna,\n", {"column": "name", "labelColumn": "x"}),
    "no such column": (b"name,x\nanna,1\n", {"column": "nam"}),
    "number too large": (b"name,x\nanna,1\n", {"column": "3"}),
    "a line feed inside": (b'name,x\n"an\nna",1\n', {"column": "name"}),
    "one column": (b"name,x\nanna,1\n", {"column": "name", "labelColumn": "name"}),
}
FACTS = [
    list(builtin_names())[:400],
    ["a", "ab", "ba", "é", "e\u0301", "\U0001f600", "\ufb01x", "\uffee", "x" * 300],
]
BROKEN = ["Björn", "Zoë", "Макс", "d’Arc", "Ágnes Íris Ý", "anna", "CAFÉ™"]


def misread() -> list[str]:
    each = []
    for line in BROKEN:
        for encoding in ("cp1252", "cp1251", "mac_roman"):
            for _ in range(2):
                try:
                    line = line.encode().decode(encoding)
                except UnicodeDecodeError:
                    break
                each.append(line)
    return [*each, *BROKEN]


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[list[str], str]]:
    module = shapes_of_the_tests()
    plain = {f"list: {name}": (lines, "a.txt") for name, lines in module.LISTS.items()}
    odd = {name: each[:2] for name, each in module.SHAPES.items() if each[2] not in markup.KINDS}
    return {**plain, **odd}


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict[str, tuple[list[str], str]]
) -> dict[str, Any]:
    lists = [{"bytes": list(body), "name": "a.txt", "options": {}} for body in LISTS.values()]
    tables = [
        {"bytes": list(body), "name": "a.csv", "options": options}
        for body, options in TABLES.values()
    ]
    case = {
        "lists": [*lists, *tables], "facts": FACTS, "repaired": misread(),
        "shapes": [{"lines": lines, "name": name} for lines, name in shapes.values()],
        "mended": [lines for lines, _ in shapes.values()],
    }  # fmt: skip
    result: dict[str, Any] = run_script("text.mjs", case, tmp_path_factory.mktemp("text"))
    return result


def by_python(body: bytes, **values: Any) -> Corpus:
    return Corpus.read(io.BytesIO(body), make(TextConfig, {"as_is": True, **values}))


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_the_lines_of_python(name: str, results: dict[str, Any]) -> None:
    ours = results["lists"][list(LISTS).index(name)]
    encoding = {"encoding": "utf-16"} if name.startswith("UTF-16") else {}
    theirs = by_python(LISTS[name], **encoding)
    assert ours["lines"] == list(theirs)
    counts = theirs.counts
    expected = {
        "read": counts.read, "blank": counts.blank, "copies": counts.copies,
        "tooLong": counts.too_long,
    }  # fmt: skip
    assert {key: ours["counts"][key] for key in expected} == expected


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_rows_of_python(name: str, results: dict[str, Any]) -> None:
    body, given = TABLES[name]
    ours = results["lists"][len(LISTS) + list(TABLES).index(name)]
    python_names = {"column": "text_column", "labelColumn": "label_column"}
    values = {python_names.get(key, key): value for key, value in given.items()}
    try:
        theirs = by_python(body, **values)
    except MakemoreError:
        assert "error" in ours, ours
        return
    assert ours["lines"] == list(theirs), ours
    assert ours.get("labels") == theirs.label_of_each()
    assert ours["counts"]["read"] == theirs.counts.read


def test_hashes_split_and_ids_are_the_same(results: dict[str, Any]) -> None:
    for lines, ours in zip(FACTS, results["facts"], strict=True):
        corpus = Corpus.exactly(lines)
        hashes = corpus.hashes()
        halves = [[int(x) >> 32, int(x) & 0xFFFFFFFF] for x in hashes]
        assert ours["hashes"] == halves
        assert ours["packed"] == pack(hashes).ravel().tolist()
        assert ours["among"] == [False, *[True] * (len(lines) - 1)]
        vocabulary = Vocabulary.of([corpus])
        assert ours["symbols"] == list(vocabulary.symbols)
        assert ours["ids"] == vocabulary.encode(corpus).ids.tolist()
        split = train_val_test_split(corpus)
        for name, part in split:
            assert [lines[row] for row in ours["split"][name]] == list(part)
    assert len(np.unique([len(rows) for rows in results["facts"][0]["split"].values()])) > 1


def test_what_is_no_list_is_recognized(
    results: dict[str, Any], shapes: dict[str, tuple[list[str], str]]
) -> None:
    from makemore.text.shape import shape_of

    for (name, (lines, file)), ours, mended in zip(
        shapes.items(), results["shapes"], results["mended"], strict=True
    ):
        found = shape_of(lines, TextConfig(), file)
        assert (ours and ours["kind"]) == (found and found.kind), name
        if found and "text_column" in found.add:
            assert ours["column"] == found.add["text_column"], name
        theirs = mend(lines, TextConfig())
        if not (theirs.left or any(markup.kind_of(each) for each in (lines, theirs.lines))):
            assert mended == theirs.lines, name


def test_broken_letters_are_repaired(results: dict[str, Any]) -> None:
    assert results["repaired"] == [mojibake.repaired(line) for line in misread()]
