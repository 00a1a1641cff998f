"""Dialect: what separates the cells of a table, what quotes them, and whether row 1 is a header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.text.config import TextConfig

SEPARATORS = "\t;|,"  # in the order in which they are tried
NAMES = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*')  # a first line that spreadsheets write

# Words that name a column in the tables that people bring.
_HEADER = frozenset(
    "name names first_name last_name firstname lastname surname given_name forename full_name "
    "vorname nachname nom prénom prenom nombre apellido nome имя фамилия title titel word words "
    "wort text line label labels class category kind gender sex geschlecht sexe sexo пол id index "
    "count freq frequency rank year number smiles sequence molecule value url".split()
)
_TEXTS = frozenset(
    "name names first_name firstname given_name forename vorname prénom prenom nombre nome имя "
    "title titel word words wort text line smiles sequence molecule".split()
)
_NUMBER = re.compile(r"[-+]?[\d.,:/ %€$-]*\d[\d.,:/ %€$-]*")


@dataclass(frozen=True)
class Dialect:
    """Describes how a table is written: delimiter, quote (None: quotes are text), header rows."""

    delimiter: str
    quote: str | None
    skipped: int = 0  # lines before the first row: `sep=;`

    @classmethod
    def of(cls, head: Sequence[str], options: TextConfig) -> Dialect:
        """Recognize the dialect by the first lines; what the options name goes before.

        Raises UsageError for a delimiter or quote that is none.
        """
        delimiter, quote = _sign(options.delimiter, "delimiter"), _sign(options.quote, "quote")
        if delimiter is not None and delimiter == quote:
            raise UsageError(
                f"{delimiter!r} cannot separate cells and quote them", "--delimiter, --quote",
                "give --quote none",
            )  # fmt: skip
        named = _SEP_LINE.fullmatch(head[0]) if head else None
        if delimiter is None:
            delimiter = named[1] if named else recognized(head, quote) or ","
        return cls(delimiter, quote, int(named is not None))

    def reader(self, lines: Any, strict: bool = True) -> Any:
        """Read lines as rows of cells. strict: a quote that nobody closes is an error."""
        return csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, strict=strict,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
        )  # fmt: skip

    @property
    def separated_by(self) -> str:
        """Name the delimiter in words."""
        return NAMES.get(self.delimiter, repr(self.delimiter))


def _sign(value: str | None, option: str) -> str | None:
    """Return the character that an option names. Raises UsageError for none or several."""
    value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
    if value is not None and (len(value) != 1 or value in "\r\n\0 "[: 3 + (option == "quote")]):
        to_do = "give one character, or tab" if option == "delimiter" else "give one, or none"
        raise UsageError(f"{option} cannot be {visible(value, 20)!r}", f"--{option}", to_do)
    return value


def recognized(head: Sequence[str], quote: str | None) -> str | None:
    """Recognize the delimiter of a table's first lines; None where nothing separates them.

    It stands in the first line, and as often in as many lines as possible.
    """
    best, most = None, 0.0
    for delimiter in SEPARATORS:
        counts = [len(row) for row in rows_of(head, Dialect(delimiter, quote)) if any(row)]
        if not counts or counts[0] < 2:
            continue
        alike = counts.count(counts[0]) / len(counts)
        if alike > most:
            best, most = delimiter, alike
    return best


def rows_of(head: Sequence[str], dialect: Dialect) -> list[list[str]]:
    """Read a table's first lines as rows, whatever is wrong with them."""
    try:
        return list(dialect.reader(head[dialect.skipped :], strict=False))
    except csv.Error:  # a cell that is too long for the module
        return [line.split(dialect.delimiter) for line in head[dialect.skipped :]]


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row names the columns.

    It does if one of its cells is a usual name that the column does not hold again, or if it has
    words where nearly all of a column are numbers.
    """
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    if not below or not all(first) or len(set(first)) < len(first):
        return False
    for column, cell in enumerate(first):
        values = [row[column].strip() for row in below if column < len(row)]
        if _key(cell) in _HEADER and cell not in values:
            return True
        if is_numeric(below, column) and not any(map(str.isdigit, cell)):
            return True
    return False


def is_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Tell whether nearly all of a column are numbers."""
    values = [row[column].strip() for row in rows if column < len(row)]
    numbers = sum(_NUMBER.fullmatch(value) is not None for value in values)
    return bool(values) and numbers >= 0.9 * len(values)


def is_header_word(cell: str) -> bool:
    """Tell whether a cell is a usual name of a column."""
    return _key(cell) in _HEADER


def _key(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", cell.strip().lower())


def text_column(rows: Sequence[Sequence[str]], header: bool) -> str:
    """Suggest the column to learn, by name or number: one of a usual name, or of most texts."""
    below = rows[1:] if header else rows
    first = [cell.strip() for cell in rows[0]]

    def fitness(column: int) -> tuple[bool, float]:
        values = [row[column].strip() for row in below if column < len(row)]
        texts = [value for value in values if value and not _NUMBER.fullmatch(value)]
        usual = header and _key(first[column]) in _TEXTS
        return usual, len(set(texts)) / max(1, len(values))

    best = max(range(len(first)), key=fitness)  # the first of equal ones
    name = first[best]
    nameable = header and name and not name.isdecimal() and name != "none"
    return name if nameable and Counter(first)[name] == 1 else str(best + 1)
