"""Inputs: reads the text files that a command names, and notes what was counted in them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.typed import typed
from makemore.cli.waiting import Waiting, reading
from makemore.errors import DataError
from makemore.text import TextConfig

if TYPE_CHECKING:
    from makemore.text import Corpus, Split
    from makemore.text.reading import Remark


def stem(file: str | None) -> str:
    """Name a text for run directories and titles: data/names.txt -> names."""
    return "names" if file is None else "stdin" if file == "-" else Path(file).stem or "text"


def note_remarks(remarks: Iterable[Remark]) -> None:
    """Note what looks wrong in a text that was read all the same, and how it is read otherwise."""
    for remark in remarks:
        note(f"warning: {remark.says}: {typed().to_add(remark.add)}")


def note_controls(corpus: Corpus, config: TextConfig) -> None:
    """Warn of Latin-1 that is rather cp1252: its quotes, dashes and € are controls in Latin-1."""
    if config.encoding.lower().replace("_", "-") in ("latin-1", "latin1", "iso-8859-1"):
        controls = sum(corpus.count_of(chr(code)) for code in range(0x80, 0xA0))
        if controls:
            says = f"warning: {controls:,} control characters (U+0080 to U+009F): this is cp1252"
            note(f"{says}: {typed().to_add({'encoding': 'cp1252'})}")


def read_text(
    file: str | None, requested: Mapping[str, Any], val: str | None = None, test: str | None = None
) -> Split:
    """Read and split FILE (None: the built-in names), and note what was counted in it.

    requested: options by name, of which those of TextConfig matter here
    val, test: files of their own for these parts
    """
    from makemore.text.config import text_config
    from makemore.text.dataset import read_split

    if file is not None and os.path.exists(os.path.join(file, "checkpoint.json")):
        raise DataError("this is a run, and no text", file, f"makemore sample {shlex.quote(file)}")
    config = text_config(requested)
    with Waiting(reading(file)):
        corpus, parts = read_split(file, config, val, test)
    counts = corpus.counts
    # What was left out is said: nobody should believe that a model learned lines that it never saw.
    copies = "copy" if counts.copies == 1 else "copies"
    reasons = {
        f"{copies} {'kept' if config.keep_copies else 'dropped'}": counts.copies,
        "blank": counts.blank,
        "too long": counts.too_long,
        "with control characters": counts.control,
        "U+FEFF (byte order mark) within lines dropped": counts.marks,
        "U+FFFD (replacement character) learned": corpus.count_of("\ufffd"),
        "labels" if len(corpus.label_names) > 1 else "label": len(corpus.label_names),
    }
    lines = f"{len(corpus):,} lines" if len(corpus) != 1 else "1 line"
    note(", ".join([lines, *(f"{n:,} {why}" for why, n in reasons.items() if n)]))
    note_remarks(corpus.remarks)
    note_controls(corpus, config)
    if len(corpus) - counts.copies * config.keep_copies == 1:
        note("warning: 1 distinct line: there is little to learn")
    if val is None and test is None:
        if not len(parts.val):
            note("too few lines to hold some back: all train, and the last weights count")
        return parts
    # Parts that were cut from one corpus have no line in common; files of their own may have.
    for name, part in list(parts)[1:]:
        from numpy import isin

        overlap = int(isin(part.hashes(), corpus.hashes()).sum())
        if overlap:
            note(f"{overlap} of {len(part)} lines of {name} stand in the training text")
    return parts
