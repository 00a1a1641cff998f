"""Checks of a list before a model learns it: counts, lengths, scripts, and findings in words.

A finding says what it means for a model and what can be done. Nothing is changed in the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from makemore.text.audit import unicode
from makemore.text.audit.unicode import Written
from makemore.text.corpus import Corpus
from makemore.text.dataset import MIN_LINES_TO_SPLIT
from makemore.text.edit_distance import NearDuplicates, near_duplicates
from makemore.text.reading import Counts

SHOWN = 10  # examples of a finding
RARE = 5  # lines: a symbol in fewer of them is too rare to be learned
FEW = 1_000  # distinct lines under which counts do as well as any model
LONG = 255  # symbols: a longer line is cut by the models that have a largest block_size


@dataclass(frozen=True)
class Example:
    """Shows a finding in one line, or in lines that belong together, with a remark."""

    lines: tuple[str, ...]
    about: str = ""


@dataclass(frozen=True)
class Finding:
    """Reports one property of a list: how many lines have it, what it means, what to do.

    options: with which to learn the list for that; fix: whether `data --fix` mends it
    """

    name: str
    lines: int
    says: str
    to_do: str
    examples: tuple[Example, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    fix: bool = False


@dataclass(frozen=True)
class Census:
    """Summarizes a list. All values after `distinct` are about its distinct lines.

    lines: all that were read; blank, too_long and copies of them are left out
    lengths: in characters: median; ninety, which 90 % of the lines do not exceed; longest
    symbols: the distinct characters, sorted
    scripts: script -> its fraction of all letters, the largest first
    """

    lines: int
    blank: int
    too_long: int
    copies: int
    distinct: int
    lengths: dict[str, int]
    longest_line: str
    symbols: str
    scripts: dict[str, float]
    near: NearDuplicates
    findings: tuple[Finding, ...]
    marks: int = 0  # byte order marks within the text, which were dropped


def census(corpus: Corpus, max_line: int) -> Census:
    """Take the census of a corpus that was read with its copies and with lines up to max_line."""
    # All but the counts is about distinct lines: a copy would only repeat what is found.
    counts, distinct = corpus.counts, corpus.take(corpus.first_of_each())
    lengths = np.percentile(distinct.lengths, [50, 90, 100], method="inverted_cdf")
    near, written = near_duplicates(distinct, SHOWN), Written.of(distinct)
    findings = (  # in the order in which they are shown: what matters most comes first
        *_remarks(corpus),
        *_few(distinct),
        *_too_long(counts, max_line),
        *_hidden(distinct),
        *_spellings(distinct),
        *_scripts(distinct, written),
        *_rare(distinct),
        *_long(distinct),
        *_copies(corpus),
        *_near(near),
    )
    return Census(
        counts.read, counts.blank, counts.too_long, counts.copies, len(distinct),
        dict(zip(("median", "ninety", "longest"), map(int, lengths), strict=True)),
        distinct[int(distinct.lengths.argmax())], "".join(unicode.symbols_of(distinct)),
        written.shares, near, findings, counts.marks,
    )  # fmt: skip


def counted(number: int, what: str = "line") -> str:
    """Word a count: `1 line`, `2,000 lines`."""
    return f"{number:,} {what}" + "s" * (number != 1)


def _shown(corpus: Corpus, rows: Iterable[int]) -> list[str]:
    """Take the first SHOWN of these lines as examples."""
    return list(corpus.take(np.fromiter(rows, dtype=np.int64)[:SHOWN]))


# -- how much there is ----------------------------------------------------------------------------


def _few(distinct: Corpus) -> Iterator[Finding]:
    """Warn of too few lines to learn from."""
    number = len(distinct)
    if number < MIN_LINES_TO_SPLIT:
        yield Finding(
            "few lines", number,
            f"Under {MIN_LINES_TO_SPLIT} distinct lines none is held back: nothing tells whether "
            "a model learns what such lines look like, or learns these ones by heart.",
            "Find more lines; that helps more than any option.",
        )  # fmt: skip
    elif number < FEW:
        yield Finding(
            "few lines", number,
            f"Under {FEW:,} distinct lines there is something to see, but not much to learn from.",
            "Train without --model: counts and networks are mixed, best for few lines.",
        )  # fmt: skip


def _remarks(corpus: Corpus) -> Iterator[Finding]:
    """Report what a text is that is no plain list, and what quotes took in."""
    for remark in corpus.remarks:
        says = remark.says[0].upper() + remark.says[1:] + "."
        to_do = (
            "Learn it with the options that follow."
            if remark.add
            else ("Make a mended copy, and learn that; or learn it as it is (--as-is).")
        )
        examples = tuple(Example((text,)) for text in remark.examples)
        yield Finding(
            remark.kind, len(corpus), says, to_do, examples, remark.add, fix=not remark.add
        )


def _too_long(counts: Counts, max_line: int) -> Iterator[Finding]:
    """Report the lines that were left out for their length."""
    if counts.too_long:
        yield Finding(
            "too long", counts.too_long, f"Lines of more than {max_line:,} symbols are left out.",
            "Split them into things of one line each, or raise --max-line.",
            options={"max_line": min(counts.longest, 1_000_000)},
        )  # fmt: skip


def _copies(corpus: Corpus) -> Iterator[Finding]:
    """Report the lines that occur more than once, the most frequent first."""
    if not corpus.counts.copies:
        return
    _, first, times = np.unique(corpus.hashes(), return_index=True, return_counts=True)
    # By falling count, then by the row of the first occurrence.
    often = [i for i in np.lexsort((first, -times))[:SHOWN] if times[i] > 1]
    yield Finding(
        "copies", corpus.counts.copies,
        "These lines stand further up already. Each line is learned once, and no line is both "
        "learned and held back.",
        "Leave it so, or keep them (--keep-copies): then what is frequent is drawn more often.",
        tuple(Example((corpus[first[i]],), f"{times[i]:,} times") for i in often),
        {"keep_copies": True},
    )  # fmt: skip


def _long(distinct: Corpus) -> Iterator[Finding]:
    """Report the lines whose end a model with a largest block_size does not see."""
    rows = np.flatnonzero(distinct.lengths > LONG)
    if len(rows):
        examples = zip(_shown(distinct, rows), distinct.lengths[rows], strict=False)
        yield Finding(
            "long lines", len(rows),
            f"Of a line of more than {LONG} symbols a transformer learns the first {LONG + 1}, and "
            "not how it ends.",
            "Split them, or train --model gru or lstm, which read lines of any length.",
            tuple(Example((text,), counted(int(n), "symbol")) for text, n in examples),
            {"model": "gru"},
        )  # fmt: skip


def _near(near: NearDuplicates) -> Iterator[Finding]:
    """Report the pairs of lines that are one edit apart."""
    if near.pairs:
        yield Finding(
            "near copies", near.lines,
            "These lines differ from another one by one character "
            f"({counted(near.pairs, 'pair')}). Short names do; of two long lines one is often a "
            "misspelling. Where one is learned and one held back, the loss looks better than it "
            "is.",
            "Look through the longest, and correct what is wrong. All of them are learned.",
            tuple(Example(pair) for pair in near.examples),
        )  # fmt: skip


# -- what it is written with ----------------------------------------------------------------------

# For each kind of hidden character: what it means, and what to do.
HIDDEN = {
    "replacement characters": (
        "They stand where bytes could not be read: letters are lost.",
        "Name the encoding the file is in (--encoding latin-1, cp1252, ...), or get it anew.",
    ),
    "control characters": (
        "Tabs and the like are learned as any letter, and new lines will hold them.",
        "If tabs separate columns, name one (--text-column 1); else take them out.",
    ),
    "bidirectional marks": (
        "Nobody sees them, they turn the direction of what follows, and new lines will hold them.",
        "Take them out.",
    ),
    "invisible characters": (
        "Nobody sees zero-width spaces, joiners or soft hyphens, but they make two lines of one.",
        "Take them out, but leave joiners in Persian, in scripts of India and in emoji.",
    ),
    "unusual spaces": (
        "They look like a space or a line's end (no-break, ideographic, ...) and are another "
        "symbol.",
        "Put plain spaces in their place, unless all lines have the same.",
    ),
    "characters without a meaning": (
        "Unicode gives them none (private or unassigned): what they show hangs on a font.",
        "Take them out, or find out what they stood for.",
    ),
}  # fmt: skip


def _hidden(distinct: Corpus) -> Iterator[Finding]:
    """Report the lines with characters that nobody sees, one finding for each kind."""
    for kind, rows in unicode.hidden(distinct).items():
        examples = [
            Example((text,), _names(s for s in text if unicode.hidden_kind(s) == kind))
            for text in _shown(distinct, rows)
        ]
        yield Finding(kind, len(rows), *HIDDEN[kind], tuple(examples))


def _names(symbols: Iterable[str]) -> str:
    """Name the distinct characters as Unicode does; of many, the first three."""
    names = [unicode.named(symbol) for symbol in sorted(set(symbols))]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _spellings(distinct: Corpus) -> Iterator[Finding]:
    """Report lines that differ from another one by normal form, case or accents alone."""
    form = unicode.same_form
    # Each row: what is ignored, the function that removes it, and what was already ignored before,
    # so that lines which differ in their normal form alone are not reported again as case.
    for name, fold, before, says, to_do in (
        ("normal form", form, None,
         "These lines look the same and are not: é is one character in one of them, and e with an "
         "accent in the other. They are learned as different lines, by different symbols.",
         "Bring the file into one form (NFC): a mended copy is."),
        ("case", unicode.same_case, form,
         "These lines differ from another one by upper and lower case alone, and are learned as "
         "different ones.", "Write each in one way, or all in lower case if case means nothing."),
        ("accents", unicode.same_accents, form,
         "These lines differ from another one by accents alone, and are learned as different ones.",
         "Correct those that lost an accent; where both are words, leave them."),
    ):  # fmt: skip
        groups = unicode.groups(distinct, fold, before)
        if groups:
            examples = [Example(tuple(_shown(distinct, rows))) for rows in groups[:SHOWN]]
            lines = sum(map(len, groups))
            yield Finding(name, lines, says, to_do, tuple(examples), fix=before is None)


def _scripts(distinct: Corpus, written: Written) -> Iterator[Finding]:
    """Report lines that mix scripts, and lines in another script than most letters."""
    first = next(iter(written.shares), "")  # the script of most letters
    if len(written.mixed):
        rows = written.mixed
        examples = [Example((text,), _odd_ones(text, first)) for text in _shown(distinct, rows)]
        yield Finding(
            "mixed scripts", len(written.mixed),
            "These lines have letters of more than one script. Some look alike (Latin a, Cyrillic "
            "а) and are different symbols to a model.",
            "Correct a letter that is of the wrong script; leave lines that are meant so.",
            tuple(examples),
        )  # fmt: skip
    if len(written.other):
        yield Finding(
            "other scripts", len(written.other),
            f"Most letters are {first}; these lines have none of that. One model learns both, but "
            "from each script for itself.",
            "If they are many, make a list for each script; if they are few, take them out.",
            tuple(Example((text,)) for text in _shown(distinct, written.other)),
        )  # fmt: skip


def _odd_ones(text: str, first: str) -> str:
    """Name the letters of a line in another script than the list's first (or else the line's)."""
    letters = unicode.scripts(set(text))
    script_of = {symbol: unicode.system(script) for symbol, script in letters.items()}
    often = Counter(script_of[symbol] for symbol in text if symbol in script_of)
    first = unicode.system(first)
    most = first if first in often else max(often, key=lambda script: often[script])
    return _names(symbol for symbol, script in script_of.items() if script != most)


def _rare(distinct: Corpus) -> Iterator[Finding]:
    """Report the characters that occur in fewer than RARE lines."""
    rare = unicode.rare(distinct, RARE)
    if rare and len(distinct) >= MIN_LINES_TO_SPLIT:  # of few lines every symbol is rare
        examples = [
            Example((distinct[rows[0]],), f"{unicode.named(symbol)}, {counted(len(rows))}")
            for symbol, rows in rare[:SHOWN]
        ]
        yield Finding(
            "rare symbols", len({row for _, rows in rare for row in rows}),
            f"{counted(len(rare), 'symbol')} in fewer than {RARE} lines each: too few to learn "
            "where one belongs.",
            "Correct what is a slip, take lines of another kind out, and leave the rest.",
            tuple(examples),
        )  # fmt: skip
