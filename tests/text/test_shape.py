"""shape.py, dialect.py, mojibake.py: what is no plain list, and what is one, whatever it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.errors import DataError, UsageError
from makemore.options import make
from makemore.text import mojibake
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.dialect import Dialect, has_header, recognized, text_column
from makemore.text.shape import shape_of

PLAIN = TextConfig()

# Lists as people have them: each is learned as it is.
LISTS: dict[str, list[str]] = {
    "surnames first": ["Smith, John", "Doe, Jane", "Roe, Ann"],
    "places": ["Paris, France", "Springfield", "Washington, D.C., USA"],
    "places of one comma": ["Paris, France", "Rome, Italy", "Nice, France"],
    "one comma, then a number word": ["Apollo, eleven", "Gemini, four"],
    "two names": ["anna", "karl"],
    "one name": ["anna"],
    "a sentence": ["Well, yes, and no"],
    "numbers": ["1984", "2001", "300"],
    "titles with numbers": ["7 Up", "3 Days", "21 Grams", "2 Fast"],
    "clubs": ["1. FC K\u00f6ln", "1. FC Kaiserslautern", "VfB"],
    "dates": ["1. Mai", "2. Mai", "1. Juni", "2. Juni"],
    "quotes in some": ['"Weird Al" Yankovic', '"Anna"', "Karl"],
    "quotes around words": ['"A" and "B"', '"C" or "D"', '"E" not "F"'],
    "quotes of one word in each": ['"Weird Al" Yankovic', '"Big Bill" Broonzy'],
    "ordinal numbers": ["1st Avenue", "2nd Avenue", "3rd Avenue"],
    "numbers that belong": ["101 Dalmatians", "102 Dalmatians", "12 Angry Men"],
    "years as titles": ["1984", "2001: A Space Odyssey", "2010"],
    "an apostrophe at both ends": ["'tis", "'twas'"],
    "hyphens": ["-ing", "-ed", "-ly"],
    "different bullets": ["- anna", "* karl"],
    "paths": ["a/b", "c/d"], "times": ["1:30", "2:45"], "versions": ["1.2.3", "1.2.4"],
    "molecules": ["CC(=O)O", "C1CC1", "c1ccccc1"],
    "semicolons without a header": ["a;b", "c;d"],
    "letters beyond ASCII": ["Bj\u00f6rn", "Zo\u00eb", "\u00c9mile", "NESCAF\u00c9\u2122"],
    "one trademark": ["CAF\u00c9\u2122"],
    "Cyrillic": ["\u0410\u043d\u043d\u0430", "\u0420\u0430\u044f"],
    "other scripts": ["\u540d\u5b57", "\u05e9\u05dc\u05d5\u05dd", "e\u0301mile"],
    "a word that names columns": ["name", "anna", "karl"],
    "a header below": ["anna, f", "name, sex"],
    "spaces": ["New York", "Los Angeles"],
    "tabs in some": ["a\tb", "c", "d\te\tf"],
    "brackets": ["[H]", "[Na+]"], "numbers in brackets": ["[1]", "[2]"],
    "signs in angles": ["<3 you", "a < b > c", "<- back"],
    "three of one comma": ["Smith, J, Dr", "Doe, J, Dr", "Roe, A, Dr"],
}  # fmt: skip

# Lines, the file's name, and the kind and the options that are told.
SHAPES: dict[str, tuple[list[str], str, str, dict[str, Any]]] = {
    "header": (["name,sex", "anna,f", "karl,m"], "a.txt", "table", {"text_column": "name"}),
    "the text is not first": (["id,title", "1,anna", "2,karl"], "a.txt", "table",
                              {"text_column": "title"}),
    "a year": (["artist;born", "anna;1990", "karl;1985"], "a.txt", "table",
               {"text_column": "artist"}),
    "bars": (["name|sex", "anna|f"], "a.txt", "table", {"text_column": "name"}),
    "another language": (["имя;пол", "Анна;ж"], "a.txt", "table", {"text_column": "имя"}),
    "capitals": (["First Name,Age", "anna,9", "karl,8"], "a.txt", "table",
                 {"text_column": "First Name"}),
    "quoted cells": (["name,sex", '"Smith, John",m', "Jane,f"], "a.txt", "table",
                     {"text_column": "name"}),
    ".csv": (["Smith, John", "Doe, Jane"], "a.csv", "table", {"text_column": "1"}),
    ".CSV, a short row": (["name,sex", *["anna,f"] * 20, "karl"], "A.CSV", "table",
                          {"text_column": "name"}),
    ".tsv": (["7\tanna", "8\tkarl"], "a.tsv", "table", {"text_column": "2"}),
    "sep": (["sep=;", "anna;f", "karl;m"], "a.txt", "table", {"text_column": "1"}),
    "a digit as a name": (["1990,name", "3,anna"], "a.txt", "table", {"text_column": "name"}),
    "two columns of one name": (["name,name", "anna,f"], "a.csv", "table", {"text_column": "1"}),
    "labels": (["anna\tf", "karl\tm", "eva\tf", "ida\tf"], "a.txt", "table", {"labels": True}),
    "tabs": (["anna\tkarl", "eva\tida"], "a.txt", "table", {"text_column": "1"}),
    "one column": (["Name", "anna", "karl"], "a.csv", "table", {"text_column": "Name"}),
    "1.": (["1. Bella", "2. Max"], "a.txt", "numbered list", {}),
    "mixed": (["1. Bella", "2) Max", "(3) Luna", "4: Eve", "#5 Ida", "[6] Otto"], "a.txt",
              "numbered list", {}),
    "without a sign": (["1 Bella", "2 Max", "3 Luna"], "a.txt", "numbered list", {}),
    "sorted by name": (["2. Anna", "3. Bella", "1. Max"], "a.txt", "numbered list", {}),
    "always 1": (["1. Bella", "1. Max", "1. Eve"], "a.txt", "numbered list", {}),
    "with a heading": (["Dogs", *(f"{n}. dog" for n in range(1, 20))], "a.txt", "numbered list",
                       {}),
    "bullets": (["\u2022 Bella", "\u2022 Max"], "a.txt", "numbered list", {}),
    "different bullets": (["- Bella", "* Max", "- Eve"], "a.txt", "numbered list", {}),
    "a heading and bullets": (["dogs:", "- Bella", "- Max"], "a.yaml", "numbered list", {}),
    "a heading and numbers": (["Dogs:", "1. Bella", "2. Max"], "a.txt", "numbered list", {}),
    "some left out": (["1. Bella", "4. Max", "9. Eve"], "a.txt", "numbered list", {}),
    "three columns without a header": (["red,#f00,x", "blue,#00f,", "tan,#dba,y"], "a.txt", "table",
                                       {"text_column": "1"}),
    "JSON lines": (['{"id": 1, "name": "Bella"}', '{"id": 2, "name": "Max"}'], "a.txt", "JSON", {}),
    "JSON": (["[", '"Bella",', '"Max"', "]"], "a.json", "JSON", {}),
    "HTML": (["<ul>", "<li>Bella</li>", "<li>Max</li>", "</ul>"], "a.html", "tags", {}),
    "Markdown": (["| name | sex |", "|---|:-:|", "| Bella | f |"], "a.md", "Markdown table", {}),
    "commas": (["Bella, Max, Luna, Eve"], "a.txt", "one line", {}),
    "semicolons": (["Smith, J; Doe, J; Roe, A; X, Y;"], "a.txt", "one line", {}),
    "one row of CSV": (["anna,karl,eva,ida"], "a.csv", "one line", {}),
    "quotes": (['"Bella"', '"Max"'], "a.txt", "quoted lines", {}),
    "other quotes": (["\u201eBella\u201c", "\u00abMax\u00bb"], "a.txt", "quoted lines", {}),
    "quotes and commas": (['"Bella",', '"Max",', '"Eve"'], "a.txt", "quoted lines", {}),
    "commas at the ends": (["Bella,", "Max,", "Eve,"], "a.txt", "separated lines", {}),
    "code": (["x = [", "'Bella',", "'Max'", "]"], "a.py", "quoted lines", {}),
    "mojibake": (["Bj\u00c3\u00b6rn", "Anna"], "a.txt", "broken letters", {}),
    "quotes of mojibake": (["d\u00e2\u20ac\u2122Arc", "Anna"], "a.txt", "broken letters", {}),
    "Cyrillic mojibake": (["\u0420\u0452\u0420\u0405\u0420\u0405\u0420\u00b0"] * 2, "a.txt",
                          "broken letters", {}),
}  # fmt: skip


@pytest.mark.parametrize("row", LISTS)
def test_a_list_is_learned_as_it_is(row: str) -> None:
    assert shape_of(LISTS[row], PLAIN, "a.txt") is None


@pytest.mark.parametrize("row", SHAPES)
def test_what_is_no_list_is_recognized(row: str) -> None:
    lines, name, kind, add = SHAPES[row]
    found = shape_of(lines, PLAIN, name)
    assert found is not None and (found.kind, found.add) == (kind, add), found


@pytest.mark.parametrize("row", SHAPES)
def test_lines_in_memory_are_taken_as_they_are(row: str, tmp_path: Path) -> None:
    lines, name, _, add = SHAPES[row]
    assert list(Corpus.from_lines(lines)) == list(dict.fromkeys(lines))
    path = tmp_path / name
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as refused:
        Corpus.read(path)
    assert dict(refused.value.add) == add
    assert list(Corpus.read(path, TextConfig(as_is=True))) == list(dict.fromkeys(lines))
    if add:  # what it says is what works
        assert len(Corpus.read(path, make(TextConfig, add)))


def test_python_fits_what_looks_like_a_table() -> None:
    lines = ["name,sex", "anna,f", "karl,m"]
    maker = MakeMore("ngram", order=2).fit(lines)
    assert list(maker.split.train) == lines


def test_the_message_names_the_columns_and_both_ways() -> None:
    found = shape_of(["name;hex;x", "red;ff;1"], PLAIN, "c.csv")
    assert found is not None
    assert found.says == ("the file is a table of 3 columns, separated by semicolons: name, hex, x")


# -- delimiter and quote --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        (["name;value", "anna;1,5", "karl;2,5"], ";"),
        (["a,b;c,d", "1,2;3,4", "5;6"], ";"),
        (["a\tb, c", "d\te"], "\t"),
        (["a|b", "c|d"], "|"),
        (["a,b", "c,d"], ","),
        (['"a;b",c', "d,e"], ","),
        (["anna", "karl"], None),
        ([], None),
    ],
)
def test_the_delimiter_is_recognized(head: list[str], delimiter: str | None) -> None:
    assert recognized(head, '"') == delimiter


def read(tmp_path: Path, body: str, **values: Any) -> list[str]:
    path = tmp_path / "t.csv"
    path.write_text(body)
    return list(Corpus.read(path, make(TextConfig, values)))


def test_tables_of_every_delimiter(tmp_path: Path) -> None:
    for delimiter in ";\t|,":
        body = "name,sex\nanna,f\nkarl,m\n".replace(",", delimiter)
        assert read(tmp_path, body, text_column="name") == ["anna", "karl"]
        assert read(tmp_path, f"sep={delimiter}\r\n{body}", text_column="name") == ["anna", "karl"]
    body = "name;sex\nSmith, J;m\n"
    assert read(tmp_path, body, text_column="name") == ["Smith, J"]
    assert read(tmp_path, "a;b,c\nd;e,f\n", text_column="1", delimiter=",") == ["a;b", "d;e"]
    assert read(tmp_path, "a~b\nc~d\n", text_column="2", delimiter="~") == ["b", "d"]
    assert read(tmp_path, "a\tb\n", text_column="2", delimiter="tab") == ["b"]
    assert read(tmp_path, "'a,b',c\n", text_column="1", quote="'") == ["a,b"]
    assert read(tmp_path, '"a",c\n', text_column="1", quote=None) == ['"a"']
    assert read(tmp_path, 'a "b,c\nd,e\n', text_column="1") == ['a "b', "d"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"delimiter": ""}, "--delimiter"), ({"delimiter": ",,"}, "or tab"),
        ({"delimiter": "\n"}, "--delimiter"), ({"quote": "''"}, "give one, or none"),
        ({"quote": ";", "delimiter": ";"}, "--quote none"),
        ({"text_column": None, "delimiter": ";"}, "line 1 is not separated by semicolons"),
        ({"labels": True, "text_column": None, "delimiter": ";"}, "--label-column instead"),
    ],
)  # fmt: skip
def test_what_is_no_delimiter_is_named(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        read(tmp_path, "a,b\nc,d\n", **{"text_column": "1", **values})


def test_a_column_that_is_not_found_names_those_of_the_recognized_delimiter(tmp_path: Path) -> None:
    body = "name;sex;born\nanna;f;1990\n"
    plain = tmp_path / "plain.txt"
    plain.write_text("anna\nkarl\n")
    for values, words in (
        (
            {"text_column": "name"},
            "one column, 'anna' \\(--text-column\\): leave --text-column out",
        ),
        ({"label_column": "2"}, "one column, 'anna' \\(--label-column\\): leave --label-column"),
        ({"label_column": "1"}, "text and label are one column .*: leave --label-column out"),
    ):
        with pytest.raises(UsageError, match=words):
            Corpus.read(plain, make(TextConfig, values))
    with pytest.raises(UsageError, match="line 1 is not separated by commas .*: leave it out"):
        read(tmp_path, body, text_column="name", delimiter=",")
    for column, words in (
        ("sez", "unknown column 'sez': did you mean 'sex'\\? the columns, separated by semicolons, "
                "are name, sex, born$"),
        ("SEX", "did you mean 'sex'"), ("zzz", "'zzz': the columns, separated by semicolons, are "),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            read(tmp_path, body, label_column=column)


def test_headers_and_columns() -> None:
    assert has_header([["name", "x"], ["anna", "y"]])
    assert not has_header([["name", "x"], ["name", "y"]]) and not has_header([["name", "x"]])
    assert has_header([["a", "b"], ["1", "x"], ["2.5", "y"]])
    assert not has_header([["1", "b"], ["2", "c"]])
    assert text_column([["id", "x"], ["1", "anna"], ["2", "karl"]], header=True) == "x"
    assert text_column([["sex", "2020"], ["f", "anna"], ["f", "eva"]], header=True) == "2"
    assert Dialect(";", None).separated_by == "semicolons" and Dialect("~", "'").quote == "'"


# -- broken letters -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "mac_roman", "cp437"])
def test_broken_letters_are_repaired(encoding: str) -> None:
    for line in ("Bj\u00f6rn", "Zo\u00eb", "\u041c\u0430\u043a\u0441", "d\u2019Arc"):
        try:
            wrong = line.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        assert mojibake.repaired(wrong) == line
        assert mojibake.repaired(line) == line


def test_five_bytes_that_cp1252_lacks_are_repaired_too() -> None:
    line = "\u00c1gnes \u00cdris \u00dd"  # 0x81, 0x8D, 0x9D follow 0xC3
    wrong = "".join(
        chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
        for byte in line.encode()
    )
    assert mojibake.repaired(wrong) == line
