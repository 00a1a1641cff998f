"""Own form: reads a file as the text of a run was read: a column of a table, or lines.

Lines to avoid, or to score, come in the form of the text, or as a plain list of its lines.
"""

from __future__ import annotations

import dataclasses
import os
from typing import BinaryIO

from makemore.errors import DataError, UsageError
from makemore.options import as_keywords
from makemore.text import Corpus, TextConfig, Vocabulary
from makemore.text.config import NO_LIMITS
from makemore.text.opening import Kept, reading
from makemore.text.reading import MAX_BYTES
from makemore.text.table import is_table


def read_in_own_form(
    path: str | os.PathLike[str] | BinaryIO, own: TextConfig, keep_copies: bool = False
) -> tuple[Corpus, str | None]:
    """Read a file of lines that no model learns from; own: how the run's text was read.

    Returns the lines, of any length and perhaps none; and, where the run is of a table and the file
    is none with its columns, a sentence that says so. Its `remarks` say what else it seems to be
    than a plain list. Raises DataError.
    """
    *forms, plain = _forms(own, keep_copies)
    if not forms:
        return Corpus.read(path, plain, fewest=0, refuses=False), None
    why = ""
    with reading(path) as (stream, name):
        kept = Kept(stream.read(MAX_BYTES + 1), name)
    for form in forms:
        kept.seek(0)
        try:
            return Corpus.read(kept, form, fewest=0), None
        except UsageError as error:  # another table, or a list of texts alone
            why = why or f"{error.what}, so its lines are taken whole"
    kept.seek(0)
    return Corpus.read(kept, plain, fewest=0, refuses=False), why


def _forms(own: TextConfig, keep_copies: bool) -> list[TextConfig]:
    """List the ways in which a file may be read: as the run's own text was first, then plainly."""
    # Labels are the end of a line here, whose tab looks like a table's.
    plain = dataclasses.replace(
        NO_LIMITS, encoding=own.encoding, errors=own.errors, keep_copies=keep_copies,
        as_is=own.as_is or own.labels,
    )  # fmt: skip
    if not is_table(own):
        return [plain]
    columns = ("label_column", "text_column", "delimiter", "quote")
    table = dataclasses.replace(
        plain, as_is=True, **{name: getattr(own, name) for name in columns}
    )  # fmt: skip
    named = own.text_column is not None and not own.text_column.isdecimal()
    # Which label a line has does not matter here, so that a table without labels will do.
    texts = [dataclasses.replace(table, label_column=None)] if named and own.label_column else []
    return [table, *texts, plain]


def refuse_other_forms(lines: Corpus, name: str) -> None:
    """Raise DataError for a file that seems to be no plain list: no line of it would match."""
    for remark in lines.remarks:
        keywords = as_keywords(remark.add or {"as_is": True})
        to_do = f"give its lines: makemore.read_lines({name!r}, {keywords})"
        raise DataError(remark.says, name, to_do)


def without_labels(lines: Corpus, vocabulary: Vocabulary) -> Corpus:
    """Take the labels off lines, which may all be TEXT<tab>LABEL if the run's own text was so."""
    labelled = vocabulary.labels and "\t" not in vocabulary.symbols and len(lines)
    if not labelled or not all("\t" in line for line in lines):
        return lines.unlabelled()
    return Corpus.exactly([line.rpartition("\t")[0].rstrip() for line in lines])
