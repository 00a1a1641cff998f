"""Shape: recognizes a text that is no plain list of one thing a line, and says how to learn it.

A table without a column named, numbered lines, all things in one line, lines in quotes, broken
letters: each would be learned as it is, and new lines would look like it. Looked at are the first
lines of a file, never lines that are given in memory.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.text import markup, mojibake
from makemore.text.config import TextConfig
from makemore.text.dialect import (
    SEPARATORS,
    Dialect,
    has_header,
    is_header_word,
    rows_of,
    text_column,
)
from makemore.text.reading import Remark

SHAPES = (
    "table", "one line", "quoted lines", "separated lines", "numbered list", "broken letters",
    *markup.KINDS,
)  # fmt: skip
LOOKED_AT = 10_000  # lines
MANY = 4  # things in one line
ALMOST_ALL = 0.9  # of the lines of a numbered list

NUMBER = re.compile(
    r"[(\[#]?(\d{1,7})(?:[.):\]]+(?:\s+|(?=\D))|\s+[-–.):]?\s*)(?=\S)"  # 1. 2) (3) 4: #5 [6] 7
)
BULLET = re.compile(r"[-*+•‣◦·–—]\s+(?:\[[ xX]?\]\s+)?(?=\S)")  # - or, to be ticked, - [ ]
QUOTES = ('""', "''", "“”", "„“", "„”", "«»", "»«", "‘’", "``", "「」", "《》", "”“")
TAIL = re.compile(r"\s*[,;]$")  # behind each thing of a list that was code


def shape_of(lines: Sequence[str], options: TextConfig, name: str = "") -> Remark | None:
    """Recognize the shape of lines that are stripped and not blank; None for a plain list.

    What it says how to read has options in `add`; the rest `data --fix` makes a plain list of.

    name: of the file; one that ends in .csv or .tsv is a table sooner
    """
    if not lines:
        return None
    columns = options.label_column is not None or options.text_column is not None
    if options.labels or options.label_column is not None:  # TEXT<tab>LABEL
        lines = [line.rpartition("\t")[0] or line for line in lines]
    elif not columns and (
        found := marked_up(lines) or table(lines, options, PurePath(name).suffix.lower())
    ):
        return found
    for recognize in (one_line, quoted, numbered, broken):
        if found := recognize(lines):
            return found
    return None


# -- tables ---------------------------------------------------------------------------------------


def table(lines: Sequence[str], options: TextConfig, suffix: str) -> Remark | None:
    """Recognize a table: each line has the same number of separators, and there is a header.

    In place of a header, a tab, the ending .csv or .tsv, `sep=;` or --delimiter will do. Raises
    UsageError for a delimiter that separates nothing.
    """
    is_file = suffix in (".csv", ".tsv", ".tab")
    dialect = Dialect.of(lines[:100], options)
    rows = [row for row in rows_of(lines, dialect) if any(row)]
    if len(rows) < 2:
        return None
    header, width, n_columns = has_header(rows), _widths(lines, rows, dialect), len(rows[0])
    if options.delimiter is not None and n_columns < 2:
        what = f"line 1 is not separated by {dialect.separated_by}"
        raise UsageError(what, "--delimiter", "leave it out, or give another")
    if n_columns < 2:  # a list with a name above it
        if not (is_file and is_header_word(rows[0][0]) and rows[0] not in rows[1:]):
            return None
        says = f"line 1, {visible(rows[0][0], 40)!r}, seems to be the name of a column"
        return Remark("table", says, {"text_column": rows[0][0].strip()})
    named = options.delimiter is not None or dialect.skipped or dialect.delimiter == "\t"
    # No text has as many signs in each line, and never a space behind one: "Smith, John".
    dense = n_columns > 2 and len(rows) > 2 and not _spaced(lines, dialect)
    # A file that is called a table, and has a header, may have rows that are too short.
    wanted = header or is_file or named or dense
    if not wanted or width < (ALMOST_ALL if is_file and header else 1):
        return None
    names = ": " + ", ".join(cell.strip() for cell in rows[0][:12]) if header else ""
    return Remark(
        "table",
        f"the file is a table of {n_columns} columns, separated by {dialect.separated_by}{names}",
        _column_of(rows, header, dialect),
    )


def _spaced(lines: Sequence[str], dialect: Dialect) -> bool:
    """Tell whether white space stands behind a separator somewhere."""
    pattern = re.compile(re.escape(dialect.delimiter) + r"\s+\S")
    return any(map(pattern.search, lines))


def _widths(lines: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect) -> float:
    """Compute the part of the lines, or of the rows, with as many cells as the first one."""
    cells = [len(row) for row in rows]
    signs = [line.count(dialect.delimiter) + 1 for line in lines[dialect.skipped :]]
    return max(each.count(each[0]) / len(each) for each in (cells, signs))


def _column_of(rows: Sequence[Sequence[str]], header: bool, dialect: Dialect) -> dict[str, Any]:
    """Suggest the options that read a table: its column of texts, or TEXT<tab>LABEL as it is."""
    column = text_column(rows, header)
    if not header and dialect.delimiter == "\t" and len(rows[0]) == 2 and column == "1":
        if len({row[1] for row in rows if len(row) == 2}) <= len(rows) / 2:
            return {"labels": True}
    return {"text_column": column}


# -- lists that `data --fix` makes plain ----------------------------------------------------------


def marked_up(lines: Sequence[str]) -> Remark | None:
    """Recognize JSON, lines with tags, and a table in Markdown."""
    says = {
        "JSON": "the file is JSON", "tags": "the lines have tags, as in HTML or XML",
        "Markdown table": "the file is a table in Markdown",
    }  # fmt: skip
    kind = markup.kind_of(lines)
    return Remark(kind, says[kind], examples=tuple(lines[:3])) if kind else None


def one_line(lines: Sequence[str]) -> Remark | None:
    """Recognize many things in one line, separated by one sign."""
    if len(lines) > 1 or not (found := separated(lines[0])):
        return None
    what = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}[found[0]]
    return Remark("one line", f"all {len(found[1]):,} things stand in one line, between {what}")


def separated(line: str) -> tuple[str, list[str]] | None:
    """Cut a line into the things in it: the sign that is between them, and these; None for one."""
    inner = line.strip("[](){} ") if line[0] in "[({" else line
    cut = {sign: [thing.strip() for thing in inner.split(sign)] for sign in SEPARATORS}
    sign = max(cut, key=lambda sign: len(cut[sign]))
    things = [thing for thing in cut[sign] if thing]
    return (sign, things) if len(things) >= MANY else None


def quoted(lines: Sequence[str]) -> Remark | None:
    """Recognize lines that are all in quotes, or all end with a separator, as a list in code is."""
    things = bare(lines)
    if len(things) < 2:
        return None
    tails = sum(TAIL.search(line) is not None for line in things) >= len(things) - 1
    things = [TAIL.sub("", line) for line in things] if tails else list(things)
    if all(unquoted(line) != line for line in things):
        return Remark("quoted lines", "every line stands in quotes", examples=tuple(lines[:3]))
    if tails:
        return Remark("separated lines", "every line ends with a separator")
    return None


def bare(lines: Sequence[str]) -> Sequence[str]:
    """Leave out a first and a last line of brackets alone."""
    opens = len(lines) > 2 and re.fullmatch(r"(?:\w+\s*=\s*)?[\[({]", lines[0])
    return lines[1:-1] if opens and re.fullmatch(r"[\])}];?", lines[-1]) else lines


def unquoted(line: str) -> str:
    """Take the quotes off a line that begins and ends with them; not off `"A" and "B"`."""
    pair = next((pair for pair in QUOTES if line[0] == pair[0] and line[-1] == pair[1]), "")
    if len(line) < 3 or not pair:
        return line
    inner = line[1:-1]
    if pair == '""':
        inner = inner.replace('""', "\0")  # a quote within quotes, as CSV writes it
    ends = r"\W'|'\W" if pair == "''" else f"[{re.escape(pair)}]"  # an apostrophe stands in a word
    return line if re.search(ends, inner) else inner.replace("\0", '"').strip()


def numbered(lines: Sequence[str]) -> Remark | None:
    """Recognize lines that count up (1. 2. 3.), or nearly all begin with a bullet."""
    items = lines[heading(lines) :]
    if len(items) < 2:
        return None
    signs = [line[0] for line in items if BULLET.match(line)]
    if len(signs) >= ALMOST_ALL * len(items) and (len(set(signs)) == 1 or len(items) > 2):
        sign = repr(signs[0]) if len(set(signs)) == 1 else "a bullet"
        return Remark("numbered list", f"every line begins with {sign}")
    found = [match for line in items if (match := NUMBER.match(line))]
    numbers = [int(match[1]) for match in found]
    if len(numbers) < max(2, ALMOST_ALL * len(items)):
        return None
    # Each number once, hardly one left out: in any order. Or the same before every line. Or, with a
    # sign behind each, ascending: others were taken out.
    counts_up = len(set(numbers)) == len(numbers) and (
        max(numbers) - min(numbers) < len(numbers) / ALMOST_ALL
    )
    same = len(set(numbers)) == 1 and len(numbers) > 2
    ascends = len(numbers) > 2 and all(a < b for a, b in itertools.pairwise(numbers))
    signed = all(match.string[match.end(1)] in ".:)]" for match in found)
    if not (counts_up or same or (ascends and signed)):
        return None
    says = f"the lines are numbered: {visible(items[0], 30)}"
    return Remark("numbered list", says, examples=tuple(items[:3]))


def heading(lines: Sequence[str]) -> int:
    """Count the lines above a list that are its name: 1 for `Dogs:`, else 0."""
    return int(len(lines) > 2 and lines[0].endswith(":"))


def broken(lines: Sequence[str]) -> Remark | None:
    """Recognize letters that were read in a wrong encoding once."""
    found = mojibake.broken(lines)
    if not found:
        return None
    was, is_ = visible(found[0], 30), visible(mojibake.repaired(found[0]), 30)
    says = f"letters are broken in {len(found):,} of {len(lines):,} lines: {was} was {is_}"
    return Remark("broken letters", says, examples=tuple(found[:3]))
