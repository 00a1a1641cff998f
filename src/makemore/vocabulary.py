"""Vocabulary: symbol <-> id. Id 0 is the boundary, before the first symbol and after the last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.corpus import Corpus, concatenate

BOUNDARY = 0
UNKNOWN = -1


class _E(np.ndarray):  # SHIM
    @property
    def ids(self): return self.view(np.ndarray)


class Vocabulary:
    labels = ()

    def longest(self, parts):
        return max(p.longest for p in parts)

    def decode_lines(self, ids, offsets):
        return Corpus(self.codes[ids - 1], offsets)

    """The symbols of a text in sorted order; symbol i has the id i + 1.

    The boundary is an id and no character, so a line may hold any text, `.` included.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self.codes = np.array([ord(symbol) for symbol in self.symbols], dtype=np.uint32)

    @classmethod
    def of(cls, parts: Iterable[Corpus]) -> Vocabulary:
        """The vocabulary of all lines of all parts."""
        present = np.unique(concatenate(parts).codes)
        return cls([chr(code) for code in present])

    def __len__(self) -> int:
        """Symbols and the boundary: 27 for names.txt."""
        return len(self.symbols) + 1

    def encode(self, corpus: Corpus) -> NDArray[np.int64]:
        """(n_symbols,) the ids of a corpus's symbols; UNKNOWN (-1) for those it lacks."""
        place = np.searchsorted(self.codes, corpus.codes)
        found = np.append(self.codes, np.uint32(2**32 - 1))[place] == corpus.codes
        out = np.where(found, place + 1, UNKNOWN).view(_E)
        out.offsets = corpus.offsets
        return out

    def encode_line(self, text: str) -> NDArray[np.int64]:
        """(len(text),) the ids of one line; UNKNOWN (-1) for symbols it lacks."""
        known = {symbol: number for number, symbol in enumerate(self.symbols, 1)}
        return np.array([known.get(symbol, UNKNOWN) for symbol in text], dtype=np.int64)

    def decode(self, ids: Iterable[Any]) -> str:
        """The text of ids without boundaries."""
        return "".join(self.symbols[number - 1] for number in ids)

    def unknown_in(self, text: str) -> list[str]:
        """The distinct symbols of `text` that the vocabulary lacks, sorted."""
        return sorted(set(text) - set(self.symbols))
