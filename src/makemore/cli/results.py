"""Results: the rows of a command as text, CSV or JSON, on standard output or in a file."""

from __future__ import annotations

import csv
import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from makemore.cli.output import as_json, note, result, result_csv, result_json
from makemore.errors import UsageError

FORMATS = ("txt", "csv", "json")
ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "json"}
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it (OWASP).
ACTIVE = ("=", "+", "-", "@", "\t", "\r")


def result_options() -> list[click.Parameter]:
    """Make the options of a command whose results may go to a file."""
    return [
        click.Option(["-o", "--out"], metavar="FILE", help="write into this file, all at once at "
                     "the end  [default: standard output]"),
        click.Option(["--force"], is_flag=True, help="with -o: replace a file that is there"),
        click.Option(["--format"], type=click.Choice(FORMATS), help="txt, csv or json, one object "
                     "a line  [default: by the ending of -o, else txt]"),
        click.Option(["--raw"], is_flag=True, help="with csv: no ' before a text that begins with "
                     "= + - or @, which a spreadsheet would run"),
    ]  # fmt: skip


class Echo:
    """Gives back what a csv.writer writes."""

    def write(self, text: str) -> str:
        return text


class Results:
    """Shows rows as they come, or collects them for a file; use it by `with`.

    A file is written whole at the end, with the rows that there are, even where an error ends the
    command; and not at all if there are none.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Check that the file can be written. Raises UsageError."""
        if values["json"] and values["format"] not in (None, "json"):
            raise UsageError("--json is --format json", "--format", "leave one of the two out")
        out = None if values["out"] in (None, "-") else Path(values["out"])
        ending = out.suffix.lower() if out else ""
        if out is not None and ending in SPREADSHEETS and values["format"] is None:
            to_do = f"give -o {shlex.quote(str(out.with_suffix('.csv')))}, which opens there, too"
            raise UsageError(f"{ending} files are not written", "-o", to_do)
        by_ending = ENDINGS.get(ending, "txt")
        self.format = "json" if values["json"] else values["format"] or by_ending
        if values["raw"] and self.format != "csv":
            raise UsageError("--raw is for CSV", "--raw", "give --format csv, or leave it out")
        if values["force"] and out is None:
            raise UsageError("--force replaces a file", "--force", "give -o FILE, or leave it out")
        self.out, self.force, self.raw = out, values["force"], values["raw"]
        self.columns: Sequence[str] = ()
        self.rows, self.quoted, self.body = 0, 0, bytearray()
        if out is not None:
            check_free(out, self.force)

    def with_columns(self, columns: Sequence[str]) -> Results:
        """Set the columns of CSV, which are keys of the records, before the first row."""
        self.columns = columns
        return self

    def __enter__(self) -> Results:
        if self.format == "csv":
            self._put_csv(self.columns)
        return self

    def add(self, line: str, record: Mapping[str, Any]) -> None:
        """Add a row: the line of a txt, and the values that CSV and JSON have."""
        self.rows += 1
        if self.format == "csv":
            self._put_csv([self._safe(record.get(column)) for column in self.columns])
        elif self.format == "json" and self.out is None:
            result_json(record)
        elif self.out is None:
            result(line)
        else:
            text = as_json(record) if self.format == "json" else line
            self.body += (text + "\n").encode()

    def _put_csv(self, cells: Sequence[Any]) -> None:
        row = csv.writer(Echo()).writerow(cells)  # RFC 4180: CRLF, and quotes where they are needed
        if self.out is None:
            result_csv(str(row))
        else:
            self.body += str(row).encode()

    def _safe(self, cell: Any) -> Any:
        """Put ' before a text that a spreadsheet would run; numbers stay."""
        if self.raw or not isinstance(cell, str) or not cell.startswith(ACTIVE):
            return cell
        self.quoted += 1
        return f"'{cell}"

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self.quoted:
            cells = "1 text begins" if self.quoted == 1 else f"{self.quoted:,} texts begin"
            note(f"{cells} with = + - or @ and got a ' before it, or a spreadsheet would run it; "
                 "--raw leaves it out")  # fmt: skip
        if self.out is None or (kind is not None and not self.rows):
            return
        from makemore.runs.safe_files import write_atomically

        check_free(self.out, self.force)  # again: somebody may have made it meanwhile
        write_atomically(self.out.parent, self.out.name, bytes(self.body))
        note(f"{self.rows:,} {'line' if self.rows == 1 else 'lines'} in {self.out}")


def check_free(file: Path, force: bool) -> None:
    """Raise UsageError for a file that is there, or cannot be written where it should be."""
    from makemore.runs.nearby import run_around

    shown = str(file)
    if not file.parent.is_dir():
        to_do = f"make its folder: mkdir -p {shlex.quote(str(file.parent))}"
        raise UsageError("there is no such folder", str(file.parent), to_do)
    if not os.path.lexists(file):
        return
    if file.is_dir():
        to_do = f"name a file in it: -o {shlex.quote(str(file / 'new.txt'))}"
        raise UsageError("this is a folder", shown, to_do)
    # Replacing renames a file over it: a device or a pipe would be gone.
    if not stat.S_ISREG(os.lstat(file).st_mode):
        raise UsageError("this is no regular file", shown, "give another -o, or use > FILE")
    if run := run_around(file):
        raise UsageError(f"this is a file of the run {str(run)!r}", shown, "give another -o")
    if not force:
        raise UsageError("there is a file already", shown, "give another -o, or --force")
