"""Limits of a text: its lines, its different symbols, its labels; an error says what to type."""

from __future__ import annotations

from makemore.errors import DataError
from makemore.options import without_options
from makemore.text.config import MAX_LINE, TextConfig
from makemore.text.reading import Counts

MOST_LABELS = 1000  # distinct labels: a column with more of them holds texts, not labels


def no_lines(name: str, counts: Counts, options: TextConfig) -> DataError:
    """Make the error for a text of which too few lines are left."""
    what, where = "no lines to learn from", f"{name}: {counts.blank} blank"
    if counts.too_long:
        where += f", {counts.too_long} longer than {options.max_line}"
    if options.max_line < counts.longest <= MAX_LINE:
        return without_options(DataError, what, where, {"max_line": counts.longest})
    return DataError(what, where, "give one thing a line")


def check_vocabulary(size: int, name: str, options: TextConfig) -> None:
    """Raise DataError for a text of more different characters than options.max_vocab."""
    if size > options.max_vocab:
        what = f"{size} different symbols, more than {options.max_vocab}"
        raise without_options(DataError, what, name, {"max_vocab": size})


def check_labels(number: int, name: str) -> None:
    """Raise DataError for a text of more different labels than many lines can share."""
    if number > MOST_LABELS:
        what = f"{number} different labels, more than {MOST_LABELS}"
        raise DataError(what, name, "give labels that many lines share")
