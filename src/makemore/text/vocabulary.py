"""Vocabulary: symbol <-> id. Id 0 is the boundary, before the first symbol and after the last.

Labels of lines have the ids after those of the symbols. A model reads a label as its first input
and never predicts one.

    symbols a b c, labels x y:   id 0 boundary | 1 a | 2 b | 3 c || 4 x | 5 y      outputs V = 4
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError, UsageError
from makemore.options import without_options
from makemore.text.corpus import Corpus, renumbered
from makemore.text.encoded import UNKNOWN, Encoded, Numbers, cut_all
from makemore.text.labels import unknown_label
from makemore.text.limits import MOST_LABELS
from makemore.text.ragged import in_blocks
from makemore.text.tokenizer import CHARACTER, Tokenizer

__all__ = ["BOUNDARY", "UNKNOWN", "Encoded", "Vocabulary"]

BOUNDARY = 0


class Vocabulary:
    """Maps symbols to ids and back: symbol i, in sorted order, has the id i + 1.

    The boundary is an id and no character, so a line may hold any text, `.` included.
    rule: how lines are cut into symbols: character, grapheme or a regular expression
    labels: sorted; label i has the id len(vocabulary) + i
    Raises UsageError for a rule that is no regular expression.
    """

    def __init__(
        self, symbols: Sequence[str], labels: Sequence[str] = (), rule: str = CHARACTER
    ) -> None:
        self.symbols, self.labels, self.rule = tuple(symbols), tuple(labels), rule
        self._cutter = None if rule == CHARACTER else Tokenizer(rule)
        # By the identity of a corpus: a reference to it, and its ids.
        self._cuts: dict[int, tuple[weakref.ref[Corpus], Encoded]] = {}
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols, 1)}
        # Single characters are encoded through an array indexed by code point, whole texts at once.
        single = self.symbols if rule == CHARACTER else ()
        self._codes = np.array([ord(symbol) for symbol in single], dtype=np.uint32)
        # Signed, since UNKNOWN is -1. The last entry stands for every character above the highest.
        table = np.full(int(self._codes.max(initial=0)) + 2, UNKNOWN, dtype=self._small)
        table[self._codes] = np.arange(1, len(single) + 1)
        self._ids = table

    @classmethod
    def of(
        cls, parts: Iterable[Corpus], rule: str = CHARACTER, max_vocab: int | None = None
    ) -> Vocabulary:
        """Collect the symbols and labels of all lines of all parts.

        Raises UsageError for the rule, DataError for text that no symbol matches, or for more
        than max_vocab symbols.
        """
        parts = list(parts)
        labels = sorted({name for part in parts for name in part.label_names})
        if rule == CHARACTER:
            present = {code for part in parts for code in part.characters().tolist()}
            return cls([chr(code) for code in sorted(present)], labels)
        numbers = Numbers()
        cut = [cut_all(part, Tokenizer(rule), numbers, complete=True) for part in parts]
        symbols = sorted(numbers.keys() - {"\n"})
        if max_vocab is not None and len(symbols) > max_vocab:
            what = f"{len(symbols)} different symbols, more than {max_vocab}"
            raise without_options(DataError, what, "--symbols", {"max_vocab": len(symbols)})
        made = cls(symbols, labels, rule)
        # Cutting lines takes far longer than numbering them anew, in sorted order.
        ids = made.encode_symbols(numbers).astype(made._small)
        for part, encoded in zip(parts, cut, strict=True):
            made._remember(part, Encoded(ids[encoded.ids], encoded.offsets))
        return made

    @classmethod
    def of_record(cls, raw: Any) -> Vocabulary:
        """Rebuild the vocabulary from its `record`. Raises DataError or UsageError if it is none.

        A run directory may come from anybody, so every value is checked.
        """
        raw = raw if isinstance(raw, dict) else {}
        # Runs of earlier versions have neither labels nor a rule.
        symbols, labels = raw.get("symbols"), raw.get("labels", [])
        rule = raw.get("rule", CHARACTER)
        if not _are_texts(symbols) or not isinstance(rule, str):
            raise DataError("is no list of symbols with a rule")
        if rule == CHARACTER and any(len(symbol) > 1 for symbol in symbols):
            raise DataError("is no list of single symbols")
        if not symbols or symbols != sorted(set(symbols)):
            raise DataError("is not sorted, or holds a symbol that no line can")
        named = _are_texts(labels) and all(s == s.strip() and "\t" not in s for s in labels)
        if not named or labels != sorted(set(labels)) or len(labels) > MOST_LABELS:
            raise DataError("holds labels that no line can have")
        return cls(symbols, labels, rule)

    def record(self) -> dict[str, Any]:
        """Return the vocabulary as vocabulary.json holds it."""
        return {"symbols": list(self.symbols), "rule": self.rule, "labels": list(self.labels)}

    def __len__(self) -> int:
        """Count the symbols and the boundary, a model's outputs V: 27 for names.txt."""
        return len(self.symbols) + 1

    def encode(self, corpus: Corpus) -> Encoded:
        """Encode a corpus: the id of each symbol, UNKNOWN (-1) for one that is not here."""
        if self._cutter is None:
            ids = np.empty(len(corpus.codes), dtype=self._small)
            for _, symbols in in_blocks(corpus.offsets):  # the index of np.take is 8 bytes a symbol
                # mode="clip": a code point above the table falls on its last entry, UNKNOWN.
                np.take(self._ids, corpus.codes[symbols], mode="clip", out=ids[symbols])
            return Encoded(ids, corpus.offsets)
        known = self._cuts.get(id(corpus))
        if known is not None and known[0]() is corpus:
            return known[1]
        cut = cut_all(corpus, self._cutter, dict(self._numbers), complete=False)
        encoded = Encoded(cut.ids.astype(self._small), cut.offsets)
        self._remember(corpus, encoded)
        return encoded

    def _remember(self, corpus: Corpus, encoded: Encoded) -> None:
        """Keep the ids of a corpus for as long as it lives: lines are cut once."""
        key, cuts = id(corpus), self._cuts
        cuts[key] = weakref.ref(corpus, lambda _: cuts.pop(key, None)), encoded

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in a file or another process holds: all but the ids kept here."""
        return {**self.__dict__, "_cuts": {}}

    @property
    def _small(self) -> np.dtype[Any]:
        """Choose the smallest signed type that holds every id and UNKNOWN."""
        return np.min_scalar_type(-len(self) - len(self.labels))  # of a negative: a signed one

    def _cut_ids(self, text: str) -> list[int]:
        """Cut one line into symbols and look up their ids."""
        pieces, is_symbol = self._cut(text)
        return [
            self._numbers.get(piece, UNKNOWN) if known else UNKNOWN
            for piece, known in zip(pieces, is_symbol, strict=True)
        ]

    def _cut(self, text: str) -> tuple[list[str], list[bool]]:
        """Cut one line into pieces, and say of each whether it is a symbol by the rule."""
        if self._cutter is None:
            return list(text), [True] * len(text)
        return self._cutter.tokenize(text)

    def encode_symbols(self, symbols: Iterable[str]) -> NDArray[np.int64]:
        """Look up the id of each of these symbols (n,): UNKNOWN (-1) for one that is not here."""
        return np.array([self._numbers.get(symbol, UNKNOWN) for symbol in symbols], dtype=np.int64)

    def encode_line(self, text: str) -> NDArray[np.int64]:
        """Encode one line (n_symbols,): UNKNOWN (-1) for a symbol that is not here."""
        return np.array(self._cut_ids(text), dtype=np.int64)

    def pieces(self, text: str) -> list[str]:
        """Cut one line into the texts (n_symbols,) to which `encode_line` gives ids."""
        return self._cut(text)[0]

    def lengths(self, corpus: Corpus) -> NDArray[np.int64]:
        """Count the symbols of each line of a corpus (n_lines,)."""
        return corpus.lengths if self._cutter is None else self.encode(corpus).lengths

    def n_symbols(self, corpus: Corpus) -> int:
        """Count the symbols of all lines of a corpus."""
        return len(corpus.codes if self._cutter is None else self.encode(corpus).ids)

    def longest(self, parts: Iterable[Corpus]) -> int:
        """Count the symbols of the longest line of all parts."""
        if self._cutter is None:  # symbols are characters
            return max((part.longest for part in parts), default=0)
        return max((int(self.lengths(part).max(initial=0)) for part in parts), default=0)

    def decode(self, ids: Iterable[Any]) -> str:
        """Decode ids without boundaries to a text."""
        return "".join(self.symbols[number - 1] for number in ids)

    def decode_lines(self, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> Corpus:
        """Decode lines: ids (n,) without boundaries, offsets (n_lines + 1,) in symbols."""
        if self._cutter is None:
            return Corpus(self._codes[ids - 1], offsets)
        # A symbol of several characters: take its text as a line, then read offsets in characters.
        texts = Corpus.exactly(self.symbols).take(ids - 1)
        return Corpus(texts.codes, texts.offsets[offsets])

    def unknown_in(self, text: str) -> list[str]:
        """Find the distinct symbols of `text` that the vocabulary lacks, sorted."""
        pieces, ids = self._cut(text)[0], self._cut_ids(text)
        return sorted({piece for piece, number in zip(pieces, ids, strict=True) if number < 0})

    # -- labels -----------------------------------------------------------------------------------

    def label_id(self, name: str) -> int:
        """Look up the id of a label. Raises UsageError for one that is not known."""
        if not self.labels:
            raise UsageError("this run has no labels", "--label", "train with --labels")
        if name not in self.labels:
            raise unknown_label(name, self.labels)
        return len(self) + self.labels.index(name)

    def encode_labels(self, corpus: Corpus) -> NDArray[np.int64] | None:
        """Encode each line's label (n_lines,): UNKNOWN (-1) for others; None without labels."""
        if corpus.labels is None or not self.labels:
            return None
        number = renumbered(corpus, self.labels)
        return np.where(number < 0, UNKNOWN, len(self) + number)

    def label_shares(self, corpus: Corpus) -> NDArray[np.float64]:
        """Estimate p(label) (n_labels,) by how often each label occurs; uniform without labels."""
        ids = self.encode_labels(corpus)
        # As indices of labels, without the unknown ones.
        number = ids[ids >= 0] - len(self) if ids is not None else np.zeros(0, dtype=np.int64)
        counts = np.bincount(number, minlength=len(self.labels)).astype(np.float64)
        return counts / counts.sum() if counts.any() else np.full_like(counts, 1 / len(counts))


def _are_texts(values: Any) -> bool:
    """Check that this is a list of texts that can stand in a line."""
    return isinstance(values, list) and all(
        isinstance(text, str)
        and text
        and "\n" not in text
        # JSON can hold half of a surrogate pair, and UTF-8 cannot.
        and not any("\ud800" <= symbol <= "\udfff" for symbol in text)
        for text in values
    )
