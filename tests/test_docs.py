"""What is written about makemore is what makemore is: blocks, links, names, codes, commands."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import makemore
from makemore import errors
from makemore.text.builtin_lists import builtin_names

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "makemore"
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEARNING = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
TERMINAL = ROOT / "docs" / "terminal.svg"
COMMANDS = {path.stem.replace("_", "-") for path in PACKAGE.glob("cli/commands/[!_]*.py")}


def test_drift_is_found_and_named(tmp_path, monkeypatch, capsys):
    """`docs/generate.py --check` over another README."""
    text = README.replace("| 11,897 |", "| 11,898 |")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setitem(GENERATE["main"].__globals__, "README", tmp_path / "README.md")
    assert GENERATE["main"](["--check"]) == 1
    said = capsys.readouterr().err
    assert "11,898" in said and "11,897" in said and "make docs" in said
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text  # only checked


def test_generated_blocks_are_current():
    assert GENERATE["filled"](README) == README
    with pytest.raises(ValueError, match="models"):  # a block that is gone
        GENERATE["filled"](README.replace("<!-- end of models -->", ""))


def test_the_table_has_a_row_for_each_model():
    models = {path.stem for path in (PACKAGE / "models").glob("*.py")}
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == models - {"__init__", "base", "neural"} and "core" not in rows
    counted = {10: "ten", 11: "eleven", 12: "twelve"}[len(rows)]
    assert f"There are {counted} models" in README


def test_the_list_of_wings_is_the_package_in_the_order_of_its_contract():
    """Each wing once, with what its face says; and a wing of one layer stands above the next."""
    listed = re.findall(r"^(\w+)/ +(\S.*)$", GENERATE["wings"](), re.MULTILINE)
    wings = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    assert {name for name, _ in listed} == {path.name for path in wings}
    assert len(listed) == len(wings)
    for name, what in listed:
        text = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text("utf-8")))
        assert text is not None and f"{what}." in text.partition("\n")[0]
    places = {name: number for number, (name, _) in enumerate(listed)}
    order = ("text", "models", "sampling", "training", "api", "analysis", "cli")
    assert sorted(order, key=places.__getitem__) == list(order)
    counted = {11: "Eleven", 12: "Twelve"}[len(wings)]
    assert f"{counted} wings in `src/makemore`" in README


def test_parameters_are_those_of_the_lectures():
    table = dict(re.findall(r"^\| `(\w+)` .*\| ([\d,]+) \|$", README, re.MULTILINE))
    expected = {"bigram": "729", "mlp": "11,897", "deep_mlp": "47,024", "transformer": "204,544"}
    assert {name: table[name] for name in expected} == expected
    assert "of 204,544 parameters" in LEARNING and "of 11,897 parameters" in LEARNING  # in words


def test_the_table_is_that_of_names_txt(names_file):
    lines = names_file.read_text(encoding="utf-8").split()
    assert GENERATE["LONGEST"] == max(map(len, lines))
    assert GENERATE["VOCABULARY"] == len(set("".join(lines))) + 1
    assert f"{len(lines):,} names" in LEARNING


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links to files that are not there, or to headings that a page does not have."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.is_relative_to(ROOT) or not there.exists():
            yield link
        elif anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}
            if anchor not in known:
                yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


def test_a_broken_link_is_found():
    text = "[a](LICENSE) [b](LICENCE) ![c](docs/none.svg) [d](#the-models) [e](#none) [f](../x)"
    found = list(broken_links(ROOT / "README.md", text))
    assert found == ["LICENCE", "docs/none.svg", "#none", "../x"]


def test_readme_fits_a_screen_and_links_to_every_page():
    """Those that are about one subject are linked by a page of their own."""
    assert len(README.splitlines()) <= 100
    linked = set(re.findall(r"\]\((\S+?)\)", README))
    assert {"docs/terminal.svg", "LICENSE"} <= linked
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    further = {"changes.md", "compare.md", "coverage.md"}
    assert {f"docs/{name}" for name in pages - further} <= linked


def test_every_module_says_what_it_is():
    for path in PACKAGE.rglob("*.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first, _, rest = text.partition("\n")
        assert 20 <= len(first) <= 100 and first.endswith("."), path
        assert not rest or rest.startswith("\n"), path  # the first line stands alone


PUBLIC = [
    "Corpus", "DataError", "Diverged", "FittedModel", "MakeMore", "MakemoreError", "RunError",
    "Split", "SystemFault", "Unsatisfiable", "UsageError", "Vocabulary", "__version__",
    "read_lines",
]  # fmt: skip


def test_public_names_are_pinned():
    """Taking one away, or adding one, is a decision: change this list with it."""
    assert makemore.__all__ == PUBLIC
    assert [name for name in PUBLIC if not hasattr(makemore, name)] == []
    assert not hasattr(makemore, "Makemore")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'^version = "(.*)"$', text, re.MULTILINE) == [makemore.__version__]


def test_readme_names_every_command():
    """README, or a page for users that it links to."""
    assert len(COMMANDS) >= 8
    pages = ("README.md", "docs/list.md", "docs/learning.md", "docs/new-model.md")
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in pages)
    missing = [name for name in COMMANDS if not re.search(rf"makemore {name}\b", text)]
    assert missing == ["original"]  # it has no name of its own: it is the original's -i
    assert "makemore -i names.txt -o names" in text


def test_exit_codes_are_those_of_the_errors():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = page.partition("## Exit codes")[2].partition("\n## ")[0]
    table = dict(re.findall(r"^\| ([\d, ]+) \| (.*) \|$", section, re.MULTILINE))
    written = {int(code) for row in table for code in row.split(", ")}
    kinds = [errors.MakemoreError, *errors.MakemoreError.__subclasses__()]
    ours = {kind.exit_code for kind in kinds}
    assert ours == set(range(1, 8))
    assert written == {0, 129, 130, 141, 143} | ours
    # A row says what its error's name says.
    words = {1: "bug", 2: "value", 3: "text", 4: "run directory", 5: "machine", 6: "diverged"}
    for code, word in words.items():
        assert word in table[str(code)]
    for kind in errors.MakemoreError.__subclasses__():
        assert table[str(kind.exit_code)].endswith(f"| `{kind.__name__}`")


def lines_of_picture() -> list[str]:
    """The text of the picture, line by line from the top."""
    root = ElementTree.fromstring(TERMINAL.read_text(encoding="utf-8"))  # noqa: S314 (our own file)
    rows: dict[float, list[tuple[float, str]]] = {}
    for part in root.iter("{http://www.w3.org/2000/svg}text"):
        if "clip-path" in part.attrib:
            row = rows.setdefault(float(part.attrib["y"]), [])
            row.append((float(part.attrib["x"]), part.text or ""))
    texts = ["".join(text for _, text in sorted(row)) for _, row in sorted(rows.items())]
    return [text.replace("\xa0", " ").rstrip() for text in texts]


def test_the_picture_shows_what_the_program_does():
    """Its commands are those of the script; the names that it gives are in no list."""
    recorded = runpy.run_path(str(ROOT / "docs" / "terminal.py"))["COMMANDS"]
    lines = lines_of_picture()
    assert [line[2:] for line in lines if line.startswith("$ ")] == list(recorded)
    known = set(builtin_names())
    assert f"makemore: {len(known):,} lines" in lines
    shown = [line for line in lines if re.fullmatch(r"[A-Za-z'-]+", line) and len(line) < 18]
    begin = next(i for i, line in enumerate(lines) if "20 new lines" in line)
    new = lines[begin + 1 : begin + 21]
    assert set(new) <= set(shown) and len(set(new)) == 20 and not known & set(new)
    last = lines[-5:]
    assert all(name.startswith("Mar") for name in last) and not known & set(last)
    assert len(set(last)) == 5


def test_the_picture_loads_nothing():
    text = TERMINAL.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert not any(part in text for part in ("@font-face", "url(http", "<script"))
