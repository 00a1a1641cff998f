"""Encoded: the symbols of many lines as numbers in one flat array, cut by a rule in few steps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError
from makemore.escaping import visible
from makemore.text.corpus import Corpus
from makemore.text.tokenizer import Tokenizer

UNKNOWN = -1  # of a symbol or label that is not in the vocabulary


@dataclass(frozen=True)
class Encoded:
    """Holds the ids (n_symbols,) of lines, one after another, and offsets (n_lines + 1,).

    The ids have the smallest integer type that holds them: a byte for up to 127 symbols.
    """

    ids: NDArray[Any]
    offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Count the symbols of each line (n_lines,)."""
        return np.diff(self.offsets)


class Numbers(dict[str, int]):
    """Numbers symbols from 0 in the order in which they are first looked up."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = number = len(self)
        return number


def cut_all(corpus: Corpus, cutter: Tokenizer, numbers: dict[str, int], complete: bool) -> Encoded:
    """Cut every line and number its symbols; UNKNOWN (-1) for those that `numbers` lacks.

    complete: all text has to be symbols. Raises DataError for some that is none
    """
    parts, ended = [np.zeros(0, dtype=np.int32)], [np.zeros(1, dtype=np.int64)]
    end_of_line, before = numbers.setdefault("\n", len(numbers) + (not complete)), 0
    for pieces, is_symbol in cutter.blocks(corpus):
        if complete and is_symbol and not all(is_symbol):
            raise _no_symbol(pieces, is_symbol.index(False), cutter.rule)
        # Loops of C: one of Python would take longer than the cutting.
        found = (
            map(numbers.__getitem__, pieces)
            if complete
            else (map(numbers.get, pieces, repeat(UNKNOWN)))
        )
        ids = np.fromiter(found, dtype=np.int32, count=len(pieces))
        # Of the boundaries only their places are kept: where each line ends in the ids.
        ends = np.flatnonzero(ids == end_of_line)
        if is_symbol:
            ids[~np.array(is_symbol)] = UNKNOWN
        parts.append(np.delete(ids, ends))
        ended.append(before + ends - np.arange(len(ends)))
        before += len(parts[-1])
    return Encoded(np.concatenate(parts), np.concatenate(ended))


def _no_symbol(pieces: list[str], lost: int, rule: str) -> DataError:
    """Make the error for a piece that is no symbol: a model could never draw its line again."""
    before, after = pieces[:lost], pieces[lost:]
    start = len(before) - before[::-1].index("\n") if "\n" in before else 0
    line = "".join(pieces[start : lost + after.index("\n")])
    return DataError(
        f"no symbol matches {visible(pieces[lost], 40)!r}", f"the line {visible(line, 80)!r}",
        f"widen --symbols {visible(rule, 60)}",
    )  # fmt: skip
