"""Table: turns rows of CSV or TSV, or two lists, into TEXT<tab>LABEL lines.

A column given by name says that the first row holds names; by number (from 1), that none does.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from makemore.errors import DataError, UsageError
from makemore.escaping import visible
from makemore.options import without_options
from makemore.text.config import TextConfig
from makemore.text.dialect import Dialect, is_numeric, rows_of
from makemore.text.python_lines import Lines, strings_of
from makemore.text.reading import Remark

TOGETHER = 2**16  # rows in a block of lines
LOOKED_AT = 100  # lines by which the delimiter is recognized


def is_table(options: TextConfig) -> bool:
    """Check whether a file is read as a table. Raises UsageError for options that clash."""
    if options.labels and options.label_column is not None:
        raise UsageError(
            "labels come after a tab or from a column, not both", "--labels, --label-column",
            "leave one of the two out",
        )  # fmt: skip
    if options.labels and (options.text_column is not None or options.delimiter is not None):
        raise UsageError(
            "a table has its labels in a column", "--labels, --text-column, --delimiter",
            "give --label-column instead of --labels",
        )  # fmt: skip
    return options.label_column is not None or options.text_column is not None


def one_line(line: str, number: int, kind: str = "line") -> str:
    """Return a string without a line feed inside. Raises DataError, naming its number.

    kind: "line" or "label", for the error
    """
    if "\n" in line:
        to_do = "take it out: label.replace('\\n', ' ')"
        if kind == "line":
            to_do = "split it: [part for line in lines for part in line.split('\\n')]"
        raise DataError(f"{kind} {number} holds a line feed", f"{kind}s", to_do)
    return line


def joined(lines: Lines, labels: Lines) -> list[str]:
    """Join lines and labels to TEXT<tab>LABEL lines. Raises DataError for what is no label."""
    texts, names = strings_of(lines, ordered=True), strings_of(labels, "label", ordered=True)
    if len(texts) != len(names):
        raise DataError(f"{len(texts)} lines and {len(names)} labels", "y", "give one for each")
    for number, name in enumerate(names, 1):
        # The last tab of a line separates its label, so that none may stand within one.
        if not one_line(name, number, "label").strip() or "\t" in name.strip():
            raise DataError(f"label {number} is blank or holds a tab", "labels", "give it a name")
    # From here on they are cleaned exactly like the lines of a labelled file.
    return [
        f"{one_line(text, number)}\t{name}"
        for number, (text, name) in enumerate(zip(texts, names, strict=True), 1)
    ]


def lines_of(
    blocks: Iterable[str], name: str, options: TextConfig, swallowed: Swallowed | None = None
) -> Iterator[str]:
    """Turn a table's text into blocks of TEXT<tab>LABEL lines (TEXT without --label-column).

    A blank text gives a blank line. swallowed: counts what quotes took in, if anybody asks for it.
    Raises DataError, naming the row, and UsageError for a column that is not there.
    """
    # StringIO cuts at line feeds alone; str.splitlines would also cut at U+2028 and others.
    lines = itertools.chain.from_iterable(io.StringIO(block, newline="\n") for block in blocks)
    head = list(itertools.islice(lines, LOOKED_AT))
    dialect = Dialect.of(head, options)
    # strict: a quote that nobody closes is an error, not a cell that holds the rest of the file.
    reader = dialect.reader(itertools.chain(head[dialect.skipped :], lines))
    columns: _Columns | None = None  # known once the first row has been read
    lines_so_far: list[str] = []
    swallowed = swallowed or Swallowed()
    row = dialect.skipped
    try:
        for row, cells in enumerate(reader, 1 + dialect.skipped):
            stray = swallowed.count(cells, dialect, reader.line_num + dialect.skipped)
            if columns is None:
                columns = _Columns.of(cells, options, dialect, rows_of(head, dialect))
                if columns.header:
                    continue
            lines_so_far.append(columns.line(cells, f"{name}: row {row}", stray))
            if len(lines_so_far) == TOGETHER:  # cleaning many lines at once is far faster
                yield "\n".join(lines_so_far) + "\n"
                lines_so_far = []
    except csv.Error as error:
        line = swallowed.lines + dialect.skipped + 1  # the first that is in no row yet
        raise without_options(
            DataError, f"row {row + 1} cannot be read as {_kind(dialect)}: from line {line} on a "
            "quote is not closed", f"{name}: {error}", {"quote": None},
        ) from None  # fmt: skip
    swallowed.rows = row
    if lines_so_far:
        yield "\n".join(lines_so_far) + "\n"


def _kind(dialect: Dialect) -> str:
    return "TSV" if dialect.delimiter == "\t" else "CSV"


@dataclass
class Swallowed:
    """Counts the lines that quotes made part of a cell and that look like rows of their own."""

    lines: int = 0  # of the file that were read as rows
    rows: int = 0
    taken: int = 0
    first: int = 0  # the line in which the first such quote opens

    def count(self, cells: list[str], dialect: Dialect, line: int) -> bool:
        """Tell whether a row, which ends with this line of the file, has swallowed others."""
        began, taken, self.lines = self.lines + 1, self.taken, line - dialect.skipped
        if self.lines == began or len(cells) < 2:
            return False
        for before, cell in enumerate(cells):
            pieces = [piece.count(dialect.delimiter) for piece in cell.split("\n")]
            if len(pieces) == 1:
                continue
            # As separate lines, the first has the cells before this one, the last those after it.
            pieces[0] += before
            pieces[-1] += len(cells) - 1 - before
            if set(pieces) == {len(cells) - 1}:
                self.taken += len(pieces) - 1
                self.first = self.first or began + dialect.skipped
        return self.taken > taken

    def remark(self) -> Remark | None:
        """Say what was swallowed, and how the table is read otherwise; None if nothing was."""
        if not self.taken:
            return None
        return Remark(
            "stray quotes",
            f"a quote that opens in line {self.first} takes in lines that look like rows: "
            f"{self.lines:,} lines gave {self.rows:,} rows ({self.taken:,} fewer)",
            {"quote": None},
        )


@dataclass(frozen=True)
class _Columns:
    """Holds which columns (from 0) are text and label, and whether the first row is a header."""

    text: int
    label: int | None
    header: bool

    @classmethod
    def of(
        cls, cells: list[str], options: TextConfig, dialect: Dialect, head: list[list[str]]
    ) -> _Columns:
        """Find the columns by the cells of the first row. Raises UsageError.

        head: the first rows, by which a column of numbers, as of ids, is not taken for the texts
        """
        typed = [options.label_column, options.text_column]
        # One name is enough: then the first row holds names.
        header = any(column is not None and not column.isdecimal() for column in typed)
        typed_delimiter = options.delimiter is not None
        label = _index(cells, options.label_column, "--label-column", dialect, typed_delimiter)
        text = _index(cells, options.text_column, "--text-column", dialect, typed_delimiter)
        if text is None:
            others = [index for index in range(len(cells)) if index != label]
            words = (column for column in others if not is_numeric(head[header:], column))
            text = next(words, others[0] if others else None)
        if text is None or text == label:
            raise UsageError(
                "text and label are one column",
                "--label-column, --text-column",
                "name two" if len(cells) > 1 else "leave --label-column out",
            )
        return cls(text, label, header)

    def line(self, cells: list[str], where: str, stray: bool) -> str:
        """Turn one row into a line. Raises DataError, naming the row (`where`).

        stray: a quote in it seems to be no quote
        """
        text = self._cell(cells, self.text, where, stray)
        if self.label is None or not text:  # a blank line is left out, whatever its label
            return text
        label = self._cell(cells, self.label, where, stray)
        if not label:
            raise DataError("an empty label", where, "give each row a label")
        if "\t" in label:
            raise DataError("a label with a tab inside", where, "take the tab out")
        return f"{text}\t{label}"

    def _cell(self, cells: list[str], column: int, where: str, stray: bool) -> str:
        """Return one cell without white space at its ends. Raises DataError."""
        if not any(cells):
            return ""  # a blank row
        if column >= len(cells):
            raise DataError(
                f"no column {column + 1} in {len(cells)}", where, "give each row all columns"
            )
        text = cells[column].strip()
        if "\n" in text:
            what = "a cell with a line feed inside"
            if stray:
                raise without_options(
                    DataError, f"{what}, by a stray quote", where, {"quote": None}
                )
            raise DataError(what, where, "one thing is one line")
        return text


def _index(
    cells: list[str], column: str | None, flag: str, dialect: Dialect, typed_delimiter: bool
) -> int | None:
    """Turn a column's name or number (from 1) into its index. Raises UsageError."""
    if column is None:
        return None
    if len(cells) == 1 and column not in ("1", cells[0].strip()):
        if typed_delimiter:
            what = f"line 1 is not separated by {dialect.separated_by}"
            raise UsageError(what, "--delimiter", "leave it out, or give another")
        what = f"the file has one column, {visible(cells[0].strip(), 40)!r}"
        raise UsageError(what, flag, f"leave {flag} out, or name the --delimiter")
    if column.isdecimal():
        number = int(column) if len(column) < 10 else 0  # int() refuses thousands of digits
        if not 1 <= number <= len(cells):
            raise UsageError(
                f"there is no column {visible(column, 20)}", flag, f"give 1 to {len(cells)}"
            )
        return number - 1
    names = [cell.strip() for cell in cells]
    if column not in names:
        near = difflib.get_close_matches(column.lower(), [name.lower() for name in names], 1, 0.5)
        suggestion = [f"did you mean {name!r}?" for name in names if [name.lower()] == near][:1]
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        columns = f"the columns, separated by {dialect.separated_by}, are {shown}"
        what = f"unknown column {visible(column, 60)!r}"
        raise UsageError(what, None, " ".join([*suggestion, columns]))
    return names.index(column)
