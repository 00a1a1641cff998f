"""Lines: reads the lines of a file for a Python program, as every command reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from makemore.api.checks import keywords_in_errors
from makemore.api.keywords import TextKeywords
from makemore.options import make
from makemore.text import Corpus, TextConfig
from makemore.text.config import NO_LIMITS

if TYPE_CHECKING:
    from typing import Unpack


def read_lines(
    path: str | os.PathLike[str] | BinaryIO, **options: Unpack[TextKeywords]
) -> list[str]:
    """Read the lines of a file (`-` is standard input) as `makemore FILE` reads them.

    UTF-8 unless `encoding` names another; a byte order mark is dropped; only LF and CRLF end a line
    (str.splitlines would cut at U+2028 and others, too); white space at the ends of lines and blank
    lines are left out. Copies stay, and so do lines of any length.
    options: encoding, errors, text_column, ... ; with labels or label_column each line is
    TEXT<tab>LABEL, as fit(lines) with labels=True takes it. Raises DataError, UsageError.
    """
    limits = {"max_line": NO_LIMITS.max_line, "max_vocab": NO_LIMITS.max_vocab}
    config = make(TextConfig, {**limits, **TextKeywords(**options), "keep_copies": True})
    with keywords_in_errors():
        return Corpus.read(path, config, fewest=0).written().split("\n")[:-1]
