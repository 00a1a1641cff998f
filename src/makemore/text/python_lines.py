"""Python lines: turns what a program has (a list, a column, an open file) into a list of strings.

Columns of numpy, pandas, polars and pyarrow are known by their methods, so that none of these
libraries is imported here. Whatever is no list of lines is an error that says what to type.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, TypeAlias

from makemore.errors import DataError
from makemore.escaping import visible
from makemore.text.opening import is_file, position, used_up


class Table(Protocol):
    """Types a table: a DataFrame of pandas or polars, a Table of pyarrow."""

    @property
    def columns(self) -> Any: ...


class ArrowColumn(Protocol):
    """Types a column of pyarrow."""

    def to_pylist(self) -> list[Any]: ...


# What has lines: strings, a column of numpy, pandas, polars or pyarrow, a Path, an open file.
Lines: TypeAlias = Iterable[str] | os.PathLike[str] | BinaryIO | Table | ArrowColumn

SHOWN = 5  # missing values whose numbers are shown, and columns whose names are


def strings_of(source: Any, kind: str = "line", ordered: bool = False) -> list[str]:
    """Return the strings of a list, a column, an iterable or a file open for text, in its order.

    A set has no order: its strings are sorted, so that a seed means the same in every process.
    kind: "line" or "label", for errors; ordered: refuse a set, since an answer for each will follow
    Raises DataError for missing values, for what is no string, and for what is no list at all.
    """
    values = values_of(source, kind, ordered)
    if not set(map(type, values)) <= {str}:  # loops of C, as there may be a million values
        check_missing(values, source, kind)
        # numpy's strings are strings, too; str() would show the name of an enum instead.
        values = [
            str.__str__(value) if isinstance(value, str) else _refuse(value, number, kind)
            for number, value in enumerate(values, 1)
        ]
    # Joined, they are searched at once: most lists hold no line feed at all.
    if kind == "line" and "\n" in "".join(values) and any(text.endswith("\n") for text in values):
        values = [_without_line_end(value) for value in values]  # of a file, or of readlines()
    return sorted(values) if isinstance(source, (set, frozenset)) else values


def values_of(source: Any, kind: str = "line", ordered: bool = True) -> list[Any]:
    """Return the values of a list, a column or an iterable, whatever they are. Raises DataError."""
    _refuse_whole(source, kind, ordered)
    source = _only_column(source, kind)
    if not hasattr(source, "__iter__") and hasattr(source, "__array__"):
        source = source.__array__()  # what numpy takes for an array
    if getattr(source, "ndim", 1) != 1:
        source = _only_axis(source, kind)
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and polars; numpy
        convert = getattr(source, method, None)
        if callable(convert) and not isinstance(source, type):
            return list(convert())
    try:
        iterator = iter(source)
    except TypeError:
        what = f"{_called(source)} is no list of {kind}s"
        raise DataError(what, f"{kind}s", "give a list of strings") from None
    values = list(iterator)
    if hasattr(source, "readline"):  # an open file
        if not values and position(source):
            raise used_up(f"the {kind}s' file")
        if values and isinstance(values[0], str):
            values[0] = values[0].removeprefix("\ufeff")  # a mark at the start is no part of it
    return values


def check_missing(values: list[Any], source: Any, kind: str = "line") -> None:
    """Raise DataError if some values of a source are missing: None, NaN, NaT or pandas' NA."""
    rows = [number for number, value in enumerate(values, 1) if _is_missing(value)]
    if not rows:
        return
    shown = ", ".join(map(str, rows[:SHOWN])) + ", ..." * (len(rows) > SHOWN)
    found = f"{len(rows)} missing values" if len(rows) > 1 else "1 missing value"
    what = f"{found} among {len(values)} {kind}s"
    library = type(source).__module__.partition(".")[0]
    methods = {"pandas": "dropna", "polars": "drop_nulls", "pyarrow": "drop_null"}
    to_do = f"[{kind} for {kind} in {kind}s if isinstance({kind}, str)]"
    if library in methods:
        to_do = f"{kind}s.{methods[library]}()"
    if kind == "label":
        to_do += ", and leave out the lines that they belong to"
    raise DataError(what, f"{kind} {shown}", f"leave them out: {to_do}")


def _is_missing(value: Any) -> bool:
    """Check whether a value stands for a missing one; pandas' NA compares with nothing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Real) and bool(value != value)


def _refuse(value: Any, number: int, kind: str) -> str:
    """Raise DataError for a value that is no string, by its number."""
    to_do = f"give one string for each {kind}"
    if number == 1 and isinstance(value, Mapping) and value:  # rows of csv.DictReader
        texts = [key for key, cell in value.items() if isinstance(cell, str)]
        to_do = _one_of_each(kind, [*texts, *value][0])
    elif number == 1 and isinstance(value, (list, tuple)):  # of csv.reader, of a database
        to_do = _one_of_each(kind, 0)
    elif isinstance(value, (bytes, bytearray)):
        to_do = f"decode it: {kind}.decode('utf-8')"
    elif isinstance(value, numbers.Number):
        to_do = f"give strings: [str({kind}) for {kind} in {kind}s]"
    raise DataError(f"{kind} {number} is no string but {_called(value)}", f"{kind}s", to_do)


def _one_of_each(kind: str, key: Any) -> str:
    """Say how one cell of each row is taken."""
    return f"give one cell of each: [{kind}[{key!r}] for {kind} in {kind}s]"


def _refuse_whole(source: Any, kind: str, ordered: bool) -> None:
    """Raise DataError for what Python can iterate over, but not as lines."""
    what, to_do = f"{_called(source)} is no list of {kind}s", ""
    if isinstance(source, str):  # each character would be a line
        what = f"one string is no list of {kind}s"
        text = repr(visible(source, 40))
        to_do = f"give a list of strings, such as [{text}], or a file: pathlib.Path({text})"
    elif isinstance(source, (bytes, bytearray, memoryview)):
        to_do = "decode it and split it: data.decode('utf-8').split('\\n')"
    elif callable(getattr(source, "tocsr", None)):
        what, to_do = f"a sparse matrix is no list of {kind}s", "give a list of strings"
    elif isinstance(source, Mapping):
        to_do = "give its keys, list(d), or its values, list(d.values())"
    elif ordered and isinstance(source, (set, frozenset)):
        what, to_do = f"a set has no order, so its {kind}s have none", "give a list: sorted(s)"
    elif callable(getattr(source, "collect", None)) and hasattr(source, "collect_schema"):
        to_do = "collect it first: frame.collect()"  # a LazyFrame of polars
    elif callable(getattr(source, "read_all", None)):
        to_do = "read it first: reader.read_all()"  # a RecordBatchReader of pyarrow
    elif getattr(source, "gi_frame", False) is None:  # it would pass for an empty list
        what, to_do = "the generator was used up", f"give a list: list({kind}s), made once"
    elif is_file(source):
        to_do = "read it first: makemore.read_lines(path)"
    if to_do:
        raise DataError(what, f"{kind}s", to_do)


def _only_column(source: Any, kind: str) -> Any:
    """Return the column of a table that has one; anything else stays as it is. Raises DataError."""
    names = None if isinstance(source, type) else _column_names(source)
    if names is None:
        return source
    if len(names) == 1:
        return _column(source, names, 0)
    if not names:
        raise DataError("a table without columns holds no lines", f"{kind}s", "give a list")
    shown = ", ".join(visible(repr(name), 40) for name in names[:SHOWN])
    shown += ", ..." * (len(names) > SHOWN)
    index = _first_text(source, names)
    column = f"[{names[index]!r}]"
    if names.count(names[index]) > 1:  # the name would give all columns of that name
        column = f".iloc[:, {index}]" if hasattr(source, "iloc") else f".column({index})"
    raise DataError(
        f"a table of {len(names)} columns is no list of {kind}s", f"its columns: {shown}",
        f"name the one that holds the {kind}s: table{column}",
    )  # fmt: skip


def _column_names(source: Any) -> list[Any] | None:
    """List the names of a table's columns; None for what is no table."""
    names = getattr(source, "column_names", None)  # pyarrow
    if names is None:
        names = getattr(source, "columns", None)  # pandas and polars
    if names is None:
        names = getattr(getattr(source, "dtype", None), "names", None)  # numpy's records
    return None if names is None or callable(names) else list(names)


def _column(table: Any, names: list[Any], index: int) -> Any:
    """Return a column of a table by its index: a name may stand twice."""
    if hasattr(table, "iloc"):
        return table.iloc[:, index]
    return table.column(index) if hasattr(table, "column_names") else table[names[index]]


def _first_text(table: Any, names: list[Any]) -> int:
    """Find the first column of a table that begins with a string, or the first of all."""
    for index in range(len(names)):
        try:
            first = next(iter(_column(table, names, index)))
        except (StopIteration, TypeError, KeyError):
            continue
        if isinstance(first, str) or hasattr(first, "as_py") and isinstance(first.as_py(), str):
            return index
    return 0


def _only_axis(array: Any, kind: str) -> list[Any]:
    """Return the values of an array (n, 1); raises DataError for any other shape."""
    shape = getattr(array, "shape", None)
    if not isinstance(shape, tuple):  # groups of pandas
        what, to_do = f"{_called(array)} is no list of {kind}s", f"give a list of {kind}s"
        raise DataError(what, f"{kind}s", to_do)
    if len(shape) == 2 and shape[1] == 1:
        return [value for (value,) in array.tolist()]
    to_do = "give one column: array[:, 0]" if len(shape) > 1 else f"give a list of {kind}s"
    if len(shape) == 2 and shape[0] == 1:
        to_do += ", or its one row: array.tolist()[0]"
    raise DataError(f"an array of shape {shape} is no list of {kind}s", f"{kind}s", to_do)


def _without_line_end(line: str) -> str:
    """Drop the LF or CRLF at the end of a line."""
    return line[:-1].removesuffix("\r") if line.endswith("\n") else line


def _called(value: Any) -> str:
    """Name the type of a value, or None."""
    return "None" if value is None else type(value).__name__


def utf8_of(lines: Sequence[str]) -> bytes:
    """Encode lines as a file in UTF-8. Raises DataError."""
    try:
        return "\n".join(lines).encode()
    except UnicodeEncodeError:
        raise half_pair(lines) from None


def half_pair(lines: Sequence[str]) -> DataError:
    """Make the error for strings of which some are no text: it names the first of them."""
    halves = {chr(code) for code in range(0xD800, 0xE000)}
    number = next(n for n, line in enumerate(lines, 1) if not halves.isdisjoint(line))
    to_do = "leave it out: line.encode('utf-8', 'ignore').decode()"
    return DataError(f"line {number} holds half a surrogate pair", "lines", to_do)
