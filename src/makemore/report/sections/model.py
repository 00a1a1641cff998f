"""The model as charts: pairs of symbols, embeddings and their neighbours, attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.analysis import traced
from makemore.analysis.context import start_of
from makemore.analysis.diagnostics import embedding_of, frequencies, most_frequent
from makemore.analysis.embedding_map import snapshots
from makemore.analysis.trace import attention_weights
from makemore.api import MakeMore
from makemore.errors import UsageError
from makemore.models import Model, NeuralModel
from makemore.models.core import base
from makemore.report.page import Chart, LeftOut, Part, Table
from makemore.report.plots import model as of_model
from makemore.report.plots.style import shown
from makemore.report.sections.training import WATCH
from makemore.text.vocabulary import UNKNOWN

MOST_SYMBOLS = 100  # on a map of embeddings
MOST_NEIGHBOURS = 40  # rows of the table
WORD = 24  # symbols of the line whose attention is shown without --word


def symbol_names(maker: MakeMore) -> list[str]:
    """Name each id (V + n_labels,); the boundary is `.`, unless that is a symbol."""
    symbols, labels = maker.vocabulary.symbols, maker.vocabulary.labels
    return ["(end)" if "." in symbols else ".", *symbols, *(f"<{label}>" for label in labels)]


def pairs(maker: MakeMore) -> Part:
    """Make the map of pairs of the most frequent symbols in the training lines."""
    names, train = symbol_names(maker), maker.split.train
    kept = most_frequent(frequencies(maker), of_model.MOST_PAIRS)
    row_of = np.full(len(names), -1)  # an id's row of the map; -1: its pairs are left out
    row_of[kept] = np.arange(len(kept))
    text = maker.vocabulary.encode(train)
    counts = of_model.pair_counts(row_of[text.ids], text.offsets, len(kept))
    about_it = f"How often a symbol (row) is followed by another (column) in the training lines; " \
               f"{names[0]} is the start or the end of a line. An empty field: never."  # fmt: skip
    if len(kept) < len(maker.vocabulary):
        about_it += f" The {len(kept) - 1} most frequent of {len(maker.vocabulary) - 1:,} symbols."
    return Chart("pairs", "Pairs of symbols", about_it, of_model.pairs,
                 (counts, [names[i] for i in kept]))  # fmt: skip


def embeddings(maker: MakeMore, looks: Sequence[Any]) -> Iterator[Part]:
    """Yield the map of the embeddings, their path through training, and nearest symbols."""
    table = embedding_of(maker.model_)
    if table is None:
        yield LeftOut("map of embeddings, nearest symbols", "the model has no table of embeddings")
        return
    names, counts = symbol_names(maker), frequencies(maker)
    kept = most_frequent(counts, MOST_SYMBOLS)
    yield Chart("embedding", "Map of the embeddings", "Symbols that the model uses alike lie near "
                "each other.", of_model.embedding,
                (table[kept], [names[i] for i in kept], counts[kept]))  # fmt: skip
    shots = snapshots(looks)
    if len(shots) < 2:
        yield LeftOut("the way of the embeddings through training", WATCH)
    else:
        drawn = ["."] + [names[i] for i in most_frequent(counts, of_model.MOST_PATHS) if i]
        yield Chart("embedding-path", "The way of the embeddings through training", "From an open "
                    "circle to a full one, at each evaluation.",
                    of_model.embedding_path, (shots, drawn))  # fmt: skip
    yield _neighbours(table[kept], [names[i] for i in kept], counts[kept])


def _neighbours(
    table: NDArray[np.float64], names: Sequence[str], counts: NDArray[np.int64]
) -> Part:
    """Make a table of the symbols nearest to each of the most frequent ones."""
    order, cosines = of_model.neighbours(table)
    rows = []
    for row in most_frequent(counts, MOST_NEIGHBOURS):
        near = zip(order[row], cosines[row], strict=True)
        cells = [f"{in_table(names[other])} {cosine:+.2f}" for other, cosine in near]
        rows.append([in_table(names[row]), *cells])
    header = ("symbol", *(f"{rank}." for rank in range(1, order.shape[1] + 1)))
    return Table("neighbours", "Nearest symbols", "By the cosine between embeddings: 1 is the same "
                 "direction, 0 unrelated, -1 opposite.", header, rows)  # fmt: skip


def in_table(symbol: str) -> str:
    """Write a symbol beside its code point, which charts write where their font lacks it."""
    text = shown(symbol)
    return f"{symbol} {text}" if text.startswith("U+") else text


def first_word(maker: MakeMore) -> str:
    """Take the beginning of the first training line, as far as the model reads; maybe none."""
    longest = max(0, min(WORD, _most_inputs(maker) - 1))
    return "".join(maker.vocabulary.pieces(maker.split.train[0])[:longest])


def word_ids(maker: MakeMore, word: str) -> list[int]:
    """Encode a word after the boundary (or its most probable label).

    Raises UsageError for one that cannot be read.
    """
    ids = maker.vocabulary.encode_line(word)
    if not word or (ids == UNKNOWN).any():
        unknown = " ".join(repr(symbol) for symbol in maker.vocabulary.unknown_in(word))
        what = f"the model does not know {unknown}" if word else "the word is empty"
        raise UsageError(what, "--word", "use symbols of the text")
    most = _most_inputs(maker) - 1
    if len(ids) > most:
        raise UsageError(
            f"the word has {len(ids)} symbols", "--word", f"give at most {most} symbols"
        )
    return [start_of(maker, word, None), *map(int, ids)]


def _most_inputs(maker: MakeMore) -> int:
    """Return how many ids a sequence model reads at most in one pass."""
    model = maker.model_
    limited = isinstance(model, Model) and model.limited and model.input_kind == "sequence"
    return model.block_size if limited and model is not None else base.MAX_CONTEXT


def attention_of(maker: MakeMore, inputs: Sequence[int]) -> list[NDArray[np.float64]]:
    """Compute attention weights (n_head, T, T) of each layer for inputs (T,); [] without any."""
    model = maker.model_
    if not isinstance(model, NeuralModel) or model.input_kind != "sequence":
        return []
    with maker.evaluation():
        _, calls = traced(model, torch.tensor([inputs], device=model.device))
        each = [weights[0].double().cpu().numpy() for weights in attention_weights(calls, 1)]
    # A plugin's softmax over something else is no attention.
    return [weights for weights in each if weights.shape[1:] == (len(inputs), len(inputs))]


def attention(maker: MakeMore, inputs: list[int]) -> Iterator[Part]:
    """Yield the attention maps of a word, given as ids with what it starts with."""
    weights, names = attention_of(maker, inputs), symbol_names(maker)
    if not weights:
        yield LeftOut("attention maps", "the model has no attention")
        return
    yield Chart("attention", f"Attention: {maker.vocabulary.decode(inputs[1:])}", "Each row is a "
                "place that predicts the next symbol; its weights say which symbols up to there it "
                "reads. Another word: --word.",
                of_model.attention, (weights, [names[i] for i in inputs]))  # fmt: skip
