"""The text that a command is given: FILE as parts, and what a person should know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.commands import note
from makemore.settings import TextOptions

if TYPE_CHECKING:
    from makemore.corpus import Corpus
    from makemore.split import Split


def stem(file: str | None) -> str:
    return "names" if file is None else "stdin" if file == "-" else Path(file).stem or "text"


def read_avoided(file: str | None) -> Corpus | None:
    """The lines of `--avoid FILE`, of which there may be none; the limits of a text to learn from
    are none of theirs."""
    from makemore.corpus import Corpus

    no_limits = TextOptions(max_line=1_000_000, max_vocab=1_114_112)
    return Corpus.read(file, no_limits, fewest=0) if file else None


def read_split(
    file: str | None, asked: Mapping[str, Any], val: str | None = None, test: str | None = None
) -> Split:
    """The parts of FILE (the built-in names without one), with given files as val and test."""
    from makemore.corpus import Corpus
    from makemore.datasets import builtin_names
    from makemore.options import knobs, make
    from makemore.split import Split, split

    text = make(TextOptions, {k: v for k, v in asked.items() if k in knobs(TextOptions)})
    corpus = Corpus.from_lines(builtin_names(), text) if file is None else Corpus.read(file, text)
    told = [f"{len(corpus):,} lines" if len(corpus) != 1 else "1 line"]
    counts = corpus.counts
    kept = "kept" if text.keep_copies else "dropped"
    reasons = {
        "copies " + kept: counts.copies,
        "blank": counts.blank,
        "too long": counts.too_long,
        "with control characters": counts.control,
        "labels": len(corpus.label_names),
    }
    told += [f"{number:,} {reason}" for reason, number in reasons.items() if number]
    note(f"makemore: {', '.join(told)}")
    if len(corpus) - counts.copies * text.keep_copies == 1:
        note("makemore: warning: 1 distinct line: there is little to learn")
    if val is None and test is None:
        parts = split(corpus)
    else:
        given = dataclasses.replace(text, keep_copies=True)
        nothing = corpus.take(slice(0))
        parts = Split(corpus, *(Corpus.read(f, given) if f else nothing for f in (val, test)))
        for name, part in list(parts)[1:]:
            from numpy import isin

            overlap = int(isin(part.hashes(), corpus.hashes()).sum())
            if overlap:
                note(
                    f"makemore: {overlap} of {len(part)} lines of {name} stand in the training text"
                )
    if val is None and test is None and not len(parts.val):
        note("makemore: too few lines to hold some back: all train, and the last weights count")
    return parts
