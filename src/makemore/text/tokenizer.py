"""Tokenizer: cuts a line into symbols by another rule than one character each.

`grapheme` is what a reader takes for one character (Unicode's extended grapheme clusters); a
regular expression gives tokens, such as `Cl`, `Br` or `[nH]` of a molecule. The symbols of a line
are the matches one after another; joined, they are the line again.
"""

from __future__ import annotations

from typing import Any

from makemore.errors import DataError, UsageError
from makemore.escaping import visible

CHARACTER, GRAPHEME = "character", "grapheme"
PATIENCE = 10.0  # seconds for one line: a pattern that backtracks for longer is ended
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
        DataError for a pattern that takes longer than PATIENCE.
        """
        pieces, is_symbol, end = list[str](), list[bool](), 0
        try:
            for match in self.pattern.finditer(line, timeout=PATIENCE):
                if match.start() == match.end():
                    continue  # no symbol is empty
                if match.start() > end:
                    pieces.append(line[end : match.start()])
                    is_symbol.append(False)
                pieces.append(match.group())
                is_symbol.append(True)
                end = match.end()
        except TimeoutError:
            raise DataError(
                f"the pattern works on one line for more than {PATIENCE:.0f} s",
                visible(line, 40), "give --symbols a simpler one",
            ) from None  # fmt: skip
        if end < len(line):
            pieces.append(line[end:])
            is_symbol.append(False)
        return pieces, is_symbol
