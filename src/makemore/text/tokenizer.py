"""Tokenizer: cuts a line into symbols by another rule than one character each.

`grapheme` is what a reader takes for one character (Unicode's extended grapheme clusters); a
regular expression gives tokens, such as `Cl`, `Br` or `[nH]` of a molecule. The symbols of a line
are the matches one after another; joined, they are the line again.
"""

from __future__ import annotations

import time
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import visible

CHARACTER, GRAPHEME = "character", "grapheme"
# A pattern that backtracks takes time that doubles with each character, so it is ended: after
# PATIENCE on one line, or once SLOW_AFTER seconds gave fewer symbols a second than any good one.
PATIENCE, PER_CHARACTER = 2.0, 1e-5  # seconds for one line, and more for each of its characters
SLOW_AFTER, SLOWEST = 3.0, 20_000  # seconds of CPU, characters a second; good ones make a million
LONGEST_RULE = 10_000  # characters of a pattern


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

    def _too_slow(self, what: str, line: str) -> UsageError:
        """Make the error for a pattern that takes too long on a line."""
        return UsageError(
            what, f"--symbols {visible(self.rule, 40)}, line {visible(line, 40)!r}",
            "give --symbols a simpler one, without a repeat in a repeat, or grapheme",
        )  # fmt: skip
