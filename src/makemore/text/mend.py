"""Mend: makes a plain list of lines whose shape is another, and says what was done."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from makemore.escaping import visible
from makemore.text import markup, mojibake, shape
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus
from makemore.text.reading import Remark
from makemore.text.source import refusal

FIXED_LINE = 2**31  # characters of a line: one that holds a whole list is cut
ROUNDS = 8  # one thing may be found under another: all in one line, numbered and quoted


@dataclass(frozen=True)
class Mended:
    """Holds the lines of a mended copy, what was done to how many lines, and what is left to do.

    left: a table, whose column has to be named; None for a plain list
    remarks: what looked wrong in the file and is not mended, as rows that quotes took in
    """

    lines: list[str]
    done: list[tuple[str, int]]
    left: Remark | None
    remarks: tuple[Remark, ...] = ()


def mend_file(path: str | os.PathLike[str], options: TextConfig) -> Mended:
    """Read a file and mend its lines; of a table, those of its columns. Raises DataError."""
    whole = dataclasses.replace(
        options, keep_copies=True, as_is=False, max_line=FIXED_LINE, max_vocab=FIXED_LINE
    )
    corpus = Corpus.read(path, whole, refuses=False)
    mended = mend(corpus.written().split("\n")[:-1], options, os.fspath(path))
    if mended.left:
        raise refusal(mended.left, os.fspath(path), visible(os.fspath(path), 200), options)
    columns = options.label_column is not None or options.text_column is not None
    counts, written_as = corpus.counts, options.encoding.lower().replace("_", "-")
    before = (
        ("a column of a table is a list now", len(corpus) if columns else 0),
        (f"{visible(options.encoding, 40)} is UTF-8 now",
         0 if written_as in ("utf-8", "utf8", "utf-8-sig") else len(corpus)),
        ("byte order marks dropped", counts.marks),
        ("blank lines left out", counts.blank),
    )  # fmt: skip
    done = [*((what, n) for what, n in before if n), *mended.done]
    remarks = tuple(remark for remark in corpus.remarks if remark.kind not in shape.SHAPES)
    return dataclasses.replace(mended, done=done, remarks=remarks)


def mend(lines: Sequence[str], options: TextConfig, name: str = "") -> Mended:
    """Mend lines that are stripped and not blank until they are a plain list."""
    done, now, found = list[tuple[str, int]](), list(lines), None
    forms = [unicodedata.normalize("NFC", line) for line in now]
    if len(set(forms)) < len(set(now)):  # the same lines are there in two forms
        n_changed = sum(form != line for form, line in zip(forms, now, strict=True))
        done, now = [("brought into one form (NFC)", n_changed)], forms
    for _ in range(ROUNDS):
        found = shape.shape_of(now, options, name)
        if found is None or found.add:
            break
        if options.labels or options.label_column is not None:
            texts, labels = zip(*(line.rsplit("\t", 1) for line in now), strict=True)
            what, changed = _mended(found.kind, texts)
            labels = labels[len(labels) - len(changed) :]  # a heading may have been left out
            after = [f"{text}\t{label}" for text, label in zip(changed, labels, strict=True)]
        else:
            what, after = _mended(found.kind, now)
        n_changed = sum(old != new for old, new in itertools.zip_longest(now, after))
        n_lines, now = len(now), [line for line in after if line]
        done.append((what, n_changed if len(after) == n_lines else len(now)))
    return Mended(now, done, found)


def _mended(kind: str, lines: Sequence[str]) -> tuple[str, list[str]]:
    """Mend one shape: what was done, and the lines."""
    if kind in markup.KINDS:
        return markup.texts_of(kind, lines)
    if kind == "one line":
        return "one thing a line, of one line", _things(lines[0])
    if kind == "broken letters":
        return "broken letters repaired", [mojibake.repaired(line) for line in lines]
    if kind == "numbered list":
        items = lines[shape.heading(lines) :]
        also = " and a heading left out" if len(items) < len(lines) else ""
        sign = shape.BULLET if shape.BULLET.match(items[-1]) else shape.NUMBER
        what = "bullets" if sign is shape.BULLET else "numbers"
        return f"{what} taken off{also}", [
            line[match.end() :] if (match := sign.match(line)) else line for line in items
        ]
    things = shape.bare(lines)
    if kind == "separated lines" or any(map(shape.TAIL.search, things)):
        return "separators at the ends taken off", [shape.TAIL.sub("", line) for line in things]
    return "quotes taken off", [shape.unquoted(line) for line in things]


def _things(line: str) -> list[str]:
    """Cut one line into the things in it; a JSON array has commas within quotes, too."""
    try:
        listed = json.loads(line)
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list) and listed and all(isinstance(thing, str) for thing in listed):
        return [" ".join(thing.split()) for thing in listed]
    found = shape.separated(line)
    return found[1] if found else [line]
