"""Avoided lines: makes a corpus of those that samples must not be, and says why none matches.

A run of a table, or of TEXT<tab>LABEL lines, learned texts alone. Lines to avoid come in that form,
too, or as plain texts: both are understood.
"""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.escaping import visible
from makemore.options import make
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.text.config import NO_LIMITS
from makemore.text.corpus import concatenate
from makemore.text.folding import fold, fold_lines
from makemore.text.python_lines import Lines
from makemore.text.reading import Remark
from makemore.text.source import fix_words
from makemore.text.vocabulary import UNKNOWN

MAX_COMPARED = 100_000  # lines of the text that are folded to say how the avoided ones differ


def taken_whole(remarks: Iterable[Remark], path: Any, own: TextConfig) -> str | None:
    """Say that the lines of a file are taken whole though it is no plain list, and what makes one.

    own: how the run's text was read; None where the file is as that was
    """
    for remark in remarks:
        if own.labels and remark.kind == "table":  # TEXT<tab>LABEL
            continue
        says = f"{visible(remark.says, 200)}, so its lines are taken whole"
        if not isinstance(path, (str, os.PathLike)) or str(path) == "-":
            return says
        add = {"text_column": "1"} if "labels" in remark.add else remark.add
        words = fix_words(os.fspath(path), make(TextConfig, add))
        return f"{says}; makemore {shlex.join(words)} makes a list of it"
    return None


def to_avoid(lines: Corpus | Lines | None, vocabulary: Vocabulary) -> Corpus | None:
    """Make a corpus of lines to avoid: cleaned, without labels, in each way of writing accents.

    Of a run with labels a line may be TEXT<tab>LABEL, as its text has them.
    """
    if lines is None:
        return None
    if not isinstance(lines, Corpus):
        # Cleaned like the lines of a text, or a space at the end would make a line another one.
        lines = Corpus.from_lines(lines, NO_LIMITS, fewest=0)
    return concatenate([lines.unlabelled(), *_other_spellings(lines, vocabulary)])


def _other_spellings(lines: Corpus, vocabulary: Vocabulary) -> list[Corpus]:
    """Collect the lines without labels, and those with accents in their other spelling."""
    text, others = lines.text(), list[str]()
    if vocabulary.labels and "\t" in text:
        others += [line.rpartition("\t")[0] for line in text.split("\n") if "\t" in line]
        text += "\n".join(others)
    if not text.isascii():
        for form in ("NFC", "NFD"):
            if not unicodedata.is_normalized(form, text):
                others += unicodedata.normalize(form, text).split("\n")
    return [Corpus.from_lines(others, NO_LIMITS, fewest=0)] if others else []


# -- why nothing is avoided -----------------------------------------------------------------------


def why_none_matches(avoid: Corpus, vocabulary: Vocabulary, split: Split) -> str | None:
    """Say if lines to avoid match none that can be drawn, or stand in the text, but for their case.

    None where some match as they are written, or none would in another case either.
    """
    if not len(avoid):
        return None
    lines = f"none of its {len(avoid):,} lines" if len(avoid) > 1 else "its line is none that"
    drawable = _drawable(avoid, vocabulary)
    if not drawable.any():
        letters = set(fold("".join(vocabulary.symbols)))
        alike = sum(set(line) <= letters for line in fold_lines(avoid))
        verb = "can be drawn as it is written"
        return _but_for_case(lines, verb, alike)
    if split.n_lines > MAX_COMPARED:
        return None
    text = concatenate([part.unlabelled() for _, part in split])
    if np.isin(avoid.hashes(), text.hashes()).any():
        return None
    alike = int(np.isin(fold_lines(avoid).hashes(), fold_lines(text).hashes()).sum())
    return _but_for_case(lines, "stands in the text as it is written", alike)


def _drawable(lines: Corpus, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Tell of each line (n,) whether all of its symbols are known."""
    encoded = vocabulary.encode(lines)
    unknown = np.flatnonzero(encoded.ids == UNKNOWN)
    drawable = np.ones(len(lines), dtype=bool)
    drawable[np.searchsorted(encoded.offsets, unknown, "right") - 1] = False
    return drawable


def _but_for_case(lines: str, verb: str, alike: int) -> str | None:
    if not alike:
        return None
    return f"{lines} {verb}, {alike:,} would in another case or with other accents"


def alike_but_for_case(texts: Iterable[str], avoid: Corpus) -> int:
    """Count the texts that are a line to avoid but for case and accents."""
    folded = fold_lines(Corpus.exactly(list(texts)))
    return int(np.isin(folded.hashes(), fold_lines(avoid).hashes()).sum())
