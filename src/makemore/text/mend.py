"""Mend: makes a plain list of lines whose shape is another, and says what was done."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from makemore.text import mojibake, shape
from makemore.text.config import TextConfig
from makemore.text.reading import Remark

ROUNDS = 8  # one thing may be found under another: all in one line, numbered and quoted


@dataclass(frozen=True)
class Mended:
    """Holds the lines of a mended copy, what was done to how many lines, and what is left to do.

    left: a table, whose column has to be named; None for a plain list
    """

    lines: list[str]
    done: list[tuple[str, int]]
    left: Remark | None


def mend(lines: Sequence[str], options: TextConfig, name: str = "") -> Mended:
    """Mend lines that are stripped and not blank until they are a plain list."""
    done, now, found = list[tuple[str, int]](), list(lines), None
    for _ in range(ROUNDS):
        found = shape.shape_of(now, options, name)
        if found is None or found.add:
            break
        if options.labels or options.label_column is not None:
            texts, labels = zip(*(line.rsplit("\t", 1) for line in now), strict=True)
            what, changed = _mended(found.kind, texts)
            after = [f"{text}\t{label}" for text, label in zip(changed, labels, strict=True)]
        else:
            what, after = _mended(found.kind, now)
        n_changed = sum(old != new for old, new in itertools.zip_longest(now, after))
        done.append((what, max(n_changed, len(after) if len(now) == 1 else 0)))
        now = [line for line in after if line]
    return Mended(now, done, found)


def _mended(kind: str, lines: Sequence[str]) -> tuple[str, list[str]]:
    """Mend one shape: what was done, and the lines."""
    if kind == "one line":
        return "one thing a line, of one line", _things(lines[0])
    if kind == "broken letters":
        return "broken letters repaired", [mojibake.repaired(line) for line in lines]
    if kind == "numbered list":
        if all(map(shape.BULLET.match, lines)):
            return "bullets taken off", [shape.BULLET.sub("", line, count=1) for line in lines]
        return "numbers taken off", [
            line[match.end() :] if (match := shape.NUMBER.match(line)) else line for line in lines
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
