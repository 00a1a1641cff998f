"""The text that a command is given: FILE as parts, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.text import TextConfig
from makemore.text.config import NO_LIMITS

if TYPE_CHECKING:
    from makemore.text import Corpus, Split


def stem(file: str | None) -> str:
    return "names" if file is None else "stdin" if file == "-" else Path(file).stem or "text"


def read_avoided(file: str | None) -> Corpus | None:
    """The lines of `--avoid FILE`, of which there may be none; the limits of a text to learn from
    are none of theirs."""
    from makemore.text import Corpus

    return Corpus.read(file, NO_LIMITS, fewest=0) if file else None


def read_text(
    file: str | None, given: Mapping[str, Any], val: str | None = None, test: str | None = None
) -> Split:
    """The parts of FILE (the built-in names without one), and notes on what is in it."""
    from makemore.options import make, options_of
    from makemore.text.dataset import read_split

    config = make(TextConfig, {k: v for k, v in given.items() if k in options_of(TextConfig)})
    corpus, parts = read_split(file, config, val, test)
    counts = corpus.counts
    reasons = {
        "copies " + ("kept" if config.keep_copies else "dropped"): counts.copies,
        "blank": counts.blank,
        "too long": counts.too_long,
        "with control characters": counts.control,
        "labels": len(corpus.label_names),
    }
    lines = f"{len(corpus):,} lines" if len(corpus) != 1 else "1 line"
    note(f"makemore: {', '.join([lines, *(f'{n:,} {why}' for why, n in reasons.items() if n)])}")
    if len(corpus) - counts.copies * config.keep_copies == 1:
        note("makemore: warning: 1 distinct line: there is little to learn")
    if val is None and test is None:
        if not len(parts.val):
            note("makemore: too few lines to hold some back: all train, and the last weights count")
        return parts
    for name, part in list(parts)[1:]:
        from numpy import isin

        overlap = int(isin(part.hashes(), corpus.hashes()).sum())
        if overlap:
            note(f"makemore: {overlap} of {len(part)} lines of {name} stand in the training text")
    return parts
