"""Tokenizer: cuts lines into symbols by another rule than one character each.

`grapheme` is what a reader takes for one character (Unicode's extended grapheme clusters); a
regular expression gives tokens, such as `Cl`, `Br` or `[nH]` of a molecule. The symbols of a line
are the matches one after another; joined, they are the line again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.text.corpus import Corpus

CHARACTER, GRAPHEME = "character", "grapheme"
# A pattern that backtracks takes time that doubles with each character, so it is ended: after
# PATIENCE on one line, or once SLOW_AFTER seconds gave fewer symbols a second than any good one.
PATIENCE, PER_CHARACTER = 2.0, 1e-5  # seconds for one line, and more for each of its characters
SLOW_AFTER, SLOWEST = 3.0, 20_000  # seconds of CPU, characters a second; good ones make a million
LONGEST_RULE = 10_000  # characters of a pattern
LONGEST_QUICK = 2_000  # characters of a line that is cut without a clock
MOST_FAILURES = 3  # blocks that could not be cut at once, after which each line is cut alone

# A simple pattern: alternatives of signs, escaped signs, sets and `.`; in each at most one `*` or
# `+`, or three `?` or `{1,3}`. It looks at no character but those that it takes, and is soon done
# with any line, so that many lines are cut at once and no clock has to watch it.
_IN_SET = r"\\[dws!-/:-@\[-`{-~]|[^\\\[\]\n]"
_ATOM = (
    r"(?:[^\\\[(){|*+?.^$\n]|\\[dDwWsS!-/:-@\[-`{-~]|\.|"
    rf"\[\^?(?:\](?:{_IN_SET})*|(?:{_IN_SET})+)\])"
)
_FIXED = rf"(?:{_ATOM}(?:\{{\d\}}|(?![?*+{{])))*+"  # atoms without a quantifier that varies
_FEW = rf"(?:{_ATOM}(?:\?|\{{\d,\d\}})\??{_FIXED}){{0,3}}"
_SEQUENCE = rf"{_FIXED}(?:{_ATOM}[*+]\??{_FIXED}|{_FEW})"
_ALTERNATIVES = rf"{_SEQUENCE}(?:\|{_SEQUENCE})*+"
_SIMPLE = re.compile(rf"{_ALTERNATIVES}|\((?:\?:)?(?P<inner>{_ALTERNATIVES})\)")


class Tokenizer:
    """Cuts lines into symbols by a rule. Raises UsageError for one that is no regular expression.

    rule: "grapheme" or a regular expression whose matches are the symbols

        Tokenizer("Cl|Br|.").tokenize("CCl") -> (["C", "Cl"], [True, True])
    """

    def __init__(self, rule: str) -> None:
        import regex  # type: ignore[import-untyped]

        if not rule or len(rule) > LONGEST_RULE:
            raise UsageError(
                f"a pattern of {len(rule)} characters", "--symbols", f"give 1 to {LONGEST_RULE}"
            )
        self.rule = rule
        self._seconds, self._characters = 0.0, 0  # of all lines so far
        try:
            self.pattern: Any = regex.compile(r"\X" if rule == GRAPHEME else rule)
        except (regex.error, OverflowError, RecursionError, ValueError) as error:
            raise UsageError(
                f"no regular expression: {visible(rule, 80)}", f"--symbols: {error}",
                "give character, grapheme, or a regular expression such as 'Cl|Br|.'",
            ) from None  # fmt: skip
        self._quick = None if rule == GRAPHEME else _of_many_lines(rule)
        self._failures = 0

    def tokenize(self, line: str) -> tuple[list[str], list[bool]]:
        """Cut a line into pieces, and say of each whether it is a symbol.

        The others are the text between two matches. Joined, the pieces are the line. Raises
        UsageError for a pattern that takes too long.
        """
        pieces, is_symbol, end = list[str](), list[bool](), 0
        began, patience = time.process_time(), PATIENCE + PER_CHARACTER * len(line)
        try:
            for match in self.pattern.finditer(line, timeout=patience):
                if match.start() == match.end():
                    continue  # no symbol is empty
                if match.start() > end:
                    pieces.append(line[end : match.start()])
                    is_symbol.append(False)
                pieces.append(match.group())
                is_symbol.append(True)
                end = match.end()
        except TimeoutError:
            what = f"the pattern works on one line for more than {patience:.0f} s"
            raise self._too_slow(what, line) from None
        self._seconds += time.process_time() - began
        self._characters += len(line)
        if self._seconds > SLOW_AFTER and self._characters < SLOWEST * self._seconds:
            what = f"the pattern took {self._seconds:.0f} s for {self._characters:,} characters"
            raise self._too_slow(what, line)
        if end < len(line):
            pieces.append(line[end:])
            is_symbol.append(False)
        return pieces, is_symbol

    def blocks(self, corpus: Corpus) -> Iterator[tuple[list[str], list[bool] | None]]:
        """Cut the lines of a corpus, a block at a time: pieces, with "\\n" at the end of each line.

        Beside them: whether each piece is a symbol (as `tokenize` says); None where all are.
        """
        for part in corpus.blocks():
            text = part.text()
            pieces = self._together(text) if part.longest <= LONGEST_QUICK else None
            if pieces is not None:
                yield pieces, None
                continue
            rows = [self.tokenize(line) for line in text.split("\n")[:-1]]
            yield (
                list(chain.from_iterable((*pieces, "\n") for pieces, _ in rows)),
                list(chain.from_iterable((*is_symbol, True) for _, is_symbol in rows)),
            )

    def _together(self, text: str) -> list[str] | None:
        """Cut lines, each ended by a line feed, all at once; None if that may cut them otherwise.

        It does where a match is empty, reaches over the end of a line, or leaves something out.
        """
        if self.rule == GRAPHEME:  # no clock: nothing backtracks in it
            lines = text.split("\n")[:-1]
            return list(chain.from_iterable((*self.pattern.findall(line), "\n") for line in lines))
        if self._quick is None:
            return None
        pieces: list[str] = self._quick.findall(text)
        whole = sum(map(len, pieces)) == len(text) and "" not in (found := set(pieces))
        if whole and not any("\n" in piece for piece in found - {"\n"}):
            return pieces
        self._failures += 1  # a set that takes line feeds may run to the end of each block
        self._quick = self._quick if self._failures < MOST_FAILURES else None
        return None

    def _too_slow(self, what: str, line: str) -> UsageError:
        """Make the error for a pattern that takes too long on a line."""
        return UsageError(
            what, f"--symbols {visible(self.rule, 40)}, line {visible(line, 40)!r}",
            "give --symbols a simpler one, without a repeat in a repeat, or grapheme",
        )  # fmt: skip


def _of_many_lines(rule: str) -> Any:
    """Compile a simple pattern, with a line feed as one more symbol; None for any other pattern."""
    import regex

    # Two of these signs are an operation on sets in one module or the other, or an empty symbol.
    simple = None if re.search(r"--|&&|\|\||~~", rule) else _SIMPLE.fullmatch(rule)
    if simple is None:
        return None
    # Without a group around it, findall gives whole matches. `re` is quicker than `regex`, and
    # knows another version of Unicode, by which \w, \d and \s may differ.
    pattern = f"{simple['inner'] or rule}|\n"
    return (regex if re.search(r"\\[dDwWsS]", pattern) else re).compile(pattern)
