"""Inputs: reads the text files that a command names, and notes what was counted in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.cli.options import given_options
from makemore.cli.output import note
from makemore.cli.waiting import Waiting, reading
from makemore.text import TextConfig
from makemore.text.config import NO_LIMITS

if TYPE_CHECKING:
    from makemore.text import Corpus, Split


def stem(file: str | None) -> str:
    """Name a text for run directories and titles: data/names.txt -> names."""
    return "names" if file is None else "stdin" if file == "-" else Path(file).stem or "text"


def read_avoided(file: str | None) -> Corpus | None:
    """Read the lines of `--avoid FILE`, which may hold none.

    The limits of a training text do not apply: a line that is too long to learn can be avoided.
    """
    from makemore.text import Corpus

    return Corpus.read(file, NO_LIMITS, fewest=0) if file else None


def read_text(
    file: str | None, requested: Mapping[str, Any], val: str | None = None, test: str | None = None
) -> Split:
    """Read and split FILE (None: the built-in names), and note what was counted in it.

    requested: options by name, of which those of TextConfig matter here
    val, test: files of their own for these parts
    """
    from makemore.options import make
    from makemore.text.dataset import read_split

    config = make(TextConfig, given_options(requested, TextConfig))
    with Waiting(reading(file)):
        corpus, parts = read_split(file, config, val, test)
    counts = corpus.counts
    # What was left out is said: nobody should believe that a model learned lines that it never saw.
    reasons = {
        "copies " + ("kept" if config.keep_copies else "dropped"): counts.copies,
        "blank": counts.blank,
        "too long": counts.too_long,
        "with control characters": counts.control,
        "labels": len(corpus.label_names),
    }
    lines = f"{len(corpus):,} lines" if len(corpus) != 1 else "1 line"
    note(", ".join([lines, *(f"{n:,} {why}" for why, n in reasons.items() if n)]))
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
