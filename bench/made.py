"""Made lines, as many as asked for: symbols of a trigram of given lines, drawn many at a time.

    python bench/made.py 1000000 OUT.txt [--names names.txt]     so many lines as a file
    python bench/made.py 1000000 OUT.txt --diverse               so many symbols, hardly any alike

They look like names and hold copies, as long lists do. For speed and memory, not for quality.
Diverse ones have more n-grams than memory holds: at 10^9 symbols more than 10^8 of order 6.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makemore.models.ngram import NGram
from makemore.text.corpus import Corpus
from makemore.text.reading import text_of
from makemore.text.vocabulary import Encoded, Vocabulary

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]

LEVELS = 4096  # of a probability: what is rarer than that is not drawn
MOST_CHAINS = 100_000
DIVERSE = "eaionrtslcdumhgpbyfvkwzjxqEAIONRTSLCDUMHGPBYFVKWZJXQ-'.&0123"
AT_ONCE = 2**22  # symbols of a diverse list that are drawn at once
LINE_LENGTHS = (5, 24)  # symbols of its lines with their end, from and below


def table_of(text: Encoded, V: int) -> Codes:
    """(V * V, LEVELS): the next symbol by the two before it and a level drawn evenly."""
    model = NGram(V, 2, NGram.Options(order=3))
    model.fit_counts(text.ids, text.offsets)
    windows = np.arange(V * V)[:, None] // np.array([V, 1]) % V  # (V * V, 2)
    edges = np.cumsum(np.exp(model.forward(windows)), axis=1)
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    found = [np.searchsorted(row, levels, side="right").clip(max=V - 1) for row in edges]
    return np.array(found, dtype=np.uint8)


def stream(words: list[str], symbols: int, seed: int = 0) -> tuple[Codes, Vocabulary]:
    """(about symbols,) ids, each line ended by 0, and what they mean. At most 255 symbols."""
    corpus = Corpus.from_lines(words)
    vocabulary = Vocabulary.of([corpus])
    V = len(vocabulary)
    assert V < 256
    table, random = table_of(vocabulary.encode(corpus), V), np.random.default_rng(seed)
    chains = max(1, min(MOST_CHAINS, symbols // 1000))
    steps = -(-symbols // chains)
    out = np.zeros((steps + 1, chains), dtype=np.uint8)  # the last row ends what is still open
    context = np.zeros(chains, dtype=np.int64)
    for row in out[:-1]:
        row[:] = table[context, random.integers(0, LEVELS, chains, dtype=np.uint16)]
        context = np.where(row == 0, 0, context % V * V + row)
    flat = out.T.ravel()
    blank = (flat == 0) & (np.concatenate([[0], flat[:-1]]) == 0)
    return flat[~blank], vocabulary


def encoded(flat: Codes) -> tuple[Ints, Ints]:
    """A stream -> ids (n_symbols,) and offsets (n_lines + 1,), as a model counts them."""
    ends = np.flatnonzero(flat == 0)
    offsets = np.concatenate([[0], ends - np.arange(len(ends))]).astype(np.int64)
    return flat[flat != 0].astype(np.int64), offsets


def write_lines(words: list[str], n: int, path: Path, seed: int = 0) -> None:
    """A text file of n made lines."""
    mean = sum(map(len, words)) / len(words) + 1
    flat, vocabulary = stream(words, round(1.1 * n * mean) + 1000, seed)
    ends = np.flatnonzero(flat == 0)
    assert len(ends) >= n
    letters = np.array([ord(symbol) for symbol in ("\n", *vocabulary.symbols)], dtype=np.uint32)
    path.write_text(text_of(letters[flat[: ends[n - 1] + 1]]), encoding="utf-8")


def write_diverse(symbols: int, path: Path, seed: int = 0) -> None:
    """A text file of about so many symbols, line feeds included, written some at a time.

    Symbol i of 60 comes with a probability that falls as 1 / i, whatever stands before it.
    """
    letters = np.frombuffer(DIVERSE.encode("utf-32-le"), dtype="<u4").astype(np.uint8)
    weights = 1 / np.arange(1, len(letters) + 1)
    edges = np.cumsum(weights) / weights.sum()
    table = letters[np.searchsorted(edges, (np.arange(2**16) + 0.5) / 2**16)]
    with open(path, "wb") as file:
        for block, start in enumerate(range(0, symbols, AT_ONCE)):
            random = np.random.default_rng([seed, block])
            n = min(AT_ONCE, symbols - start)
            codes = table[random.integers(0, 2**16, n, dtype=np.uint16)]
            ends = np.cumsum(random.integers(*LINE_LENGTHS, n // LINE_LENGTHS[0] + 1))
            codes[ends[ends < n] - 1] = codes[-1] = ord("\n")
            file.write(codes.tobytes())


def main() -> None:
    from measure import words_of

    own = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    own.add_argument("n", type=int)
    own.add_argument("out", type=Path)
    own.add_argument("--names")
    own.add_argument("--diverse", action="store_true")
    options = own.parse_args()
    if options.diverse:
        write_diverse(options.n, options.out)
        return
    write_lines(words_of(options), options.n, options.out)


if __name__ == "__main__":
    main()
