"""Options of a text: how a file is read into a corpus. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from makemore.options import make, option, options_of

MAX_LINE = 1_000_000  # characters of a line that can be learned


@dataclass(frozen=True)
class TextConfig:
    """Declares how a file is read into a corpus: its encoding, symbols, labels and limits."""

    encoding: str = option("utf-8", "how the bytes of FILE are read")
    errors: str = option(
        "strict", "bytes that cannot be read: stop, or replace or ignore them",
        choices=("strict", "replace", "ignore"),
    )  # fmt: skip
    symbols: str = option(
        "character", "what a line is made of: character, grapheme (what a reader takes for one), "
        "or a regular expression whose matches are the symbols",
    )  # fmt: skip
    labels: bool = option(False, "each line is TEXT<tab>LABEL: one model learns all labels")
    label_column: str | None = option(
        None, "FILE is CSV or TSV; its column of labels, by name (the first row has names) or "
        "number (it has none)",
    )  # fmt: skip
    text_column: str | None = option(
        None,
        "its column of texts, by name or number (default: the first other one that "
        "does not hold numbers)",
    )
    delimiter: str | None = option(
        None, "what separates its cells: a character, or the word tab (default: comma, semicolon, "
        "tab or bar, as the first lines have it)",
    )  # fmt: skip
    quote: str | None = option(
        '"', "what may enclose its cells; none: every quote is text, and each line a row"
    )
    as_is: bool = option(
        False, "learn whole lines, also of a file that looks like a table, a numbered list or "
        "broken letters", identifies_run=False,
    )  # fmt: skip
    max_line: int = option(
        1000, "skip (and count) lines of more characters than this", minimum=1, maximum=MAX_LINE
    )
    max_vocab: int = option(
        30_000, "refuse a text with more different symbols than this", minimum=1, maximum=1_114_112
    )
    keep_copies: bool = option(False, "keep every copy of a line instead of the first")


def text_config(values: Mapping[str, Any]) -> TextConfig:
    """Select the options of a text among others: those of a call, or the values of a plan."""
    known = options_of(TextConfig)
    return make(TextConfig, {key: value for key, value in values.items() if key in known})


# For lines that no model learns from, such as lines to avoid: of any length and any characters.
NO_LIMITS = TextConfig(max_line=MAX_LINE, max_vocab=1_114_112, as_is=True)
