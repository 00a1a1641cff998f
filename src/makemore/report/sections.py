"""Sections: what a page shows of a run, and what it leaves out and why.

They come from the run directory's logs and from the model with its best weights. Nothing here is
chosen or scored by the test part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.analysis import advise, calibrate, traced
from makemore.analysis.context import start_of
from makemore.analysis.diagnostics import (
    Watch,
    activations,
    embedding_of,
    frequencies,
    most_frequent,
)
from makemore.analysis.novelty import new_lines
from makemore.analysis.trace import attention_weights
from makemore.api import MakeMore
from makemore.errors import UsageError
from makemore.models import CountModel, Model, NeuralModel, get_model
from makemore.models.core import base
from makemore.models.core.registry import about
from makemore.report.page import Chart, LeftOut, Part, Table, Verses
from makemore.report.plots import model as of_model
from makemore.report.plots import samples as of_samples
from makemore.report.plots import training as of_training
from makemore.report.plots.style import shown
from makemore.runs import Run
from makemore.runs.logs import read_diagnostics, read_metrics
from makemore.sampling import Sample
from makemore.text import Corpus
from makemore.text.vocabulary import UNKNOWN

SHOWN = 20  # new lines
DRAWS = 1000  # lines that are compared with the data
MOST_SYMBOLS = 100  # on a map of embeddings
MOST_NEIGHBOURS = 40  # rows of the table
MOST_CALIBRATED = 5_000  # lines of val whose predictions are counted
WORD = 24  # symbols of the line whose attention is shown without --word
WATCH = "the training was not watched: train with --watch"
COUNTS = "this model counts; it does not learn step by step"


def parts(run: Run, word: str | None, seed: int) -> Iterator[Part]:
    """Yield the parts of a report of a run. Raises RunError, UsageError (the word)."""
    maker, logs = MakeMore.of_run(run), read_metrics(run.path)
    looks = read_diagnostics(run.path)
    # Logs and word are checked before the first part: a page is whole, or there is none.
    for file, entries in (("metrics.jsonl", logs), ("diagnostics.jsonl", looks)):
        for number, entry in enumerate(entries, 1):
            of_training.check_entry(entry, f"{file}, line {number}", run.path)
    inputs = None if word is None else word_ids(maker, word)
    yield from _summary(maker, run, logs, looks)
    yield from _new_lines(maker, seed)
    if isinstance(maker.model_, CountModel):
        yield LeftOut("losses, learning rate, saturation, ratios, histograms", COUNTS)
    else:
        yield from _training(maker, run, logs, looks)
    yield _pairs(maker)
    yield from _embeddings(maker, looks)
    yield from _attention(maker, inputs)
    yield from _draws(maker, seed)
    yield from _calibration(maker)


# -- the training ----------------------------------------------------------------------------------


def _training(
    maker: MakeMore, run: Run, logs: Sequence[Any], looks: Sequence[Any]
) -> Iterator[Part]:
    """Yield curves of losses, rate, saturation and ratios; histograms."""
    kinds = {entry["kind"] for entry in logs if entry.get("nll") is not None}
    if kinds & {"batch", "train"}:
        data = (logs, math.log(len(maker.vocabulary)), run.progress["best_step"])
        yield Chart("losses", "Losses", "Batch, training and validation loss by step; where the "
                    "dotted line is, guessing would be.", of_training.losses, data)  # fmt: skip
    if "batch" in kinds:
        yield Chart("batch-loss", "Batch loss, smoothed", "On a scale of log10 even the late gains "
                    "can be seen.", of_training.batch_loss, (logs,))  # fmt: skip
        yield Chart("learning-rate", "Learning rate", "The schedule, as it was.",
                    of_training.learning_rate, (logs,))  # fmt: skip
    else:
        yield LeftOut("batch loss, learning rate", "no step was logged (--log-interval)")
    what = "update : data and gradient : data ratios by step"
    if not any(entry["kind"] == "update" for entry in looks):
        yield LeftOut(what, WATCH)
    elif not of_training.by_parameter(looks, "update"):
        yield LeftOut(what, "the model has no matrix that moved")
    else:
        yield Chart("ratios", "Size of the updates", "How far a step moves each matrix, in its own "
                    "deviations: about -3 is healthy. Far above, a step overwrites what was "
                    "learned; far below, it learns next to nothing.",
                    of_training.ratios, (looks,))  # fmt: skip
    yield from _activations(maker, run, looks)


def _activations(maker: MakeMore, run: Run, looks: Sequence[Any]) -> Iterator[Part]:
    """Yield the saturation by step and the last histograms; of an unwatched run, today's."""
    seen = [entry for entry in looks if entry["kind"] == "activations"]
    last, when = (seen[-1]["layers"], seen[-1]["step"]) if seen else (None, 0)
    if last is None:  # not watched: the model as it is can still be looked at
        last, when = _activations_now(maker), run.progress["best_step"]
    if not last:
        yield LeftOut("activations, saturation", "the model has no tanh or other nonlinearity")
        return
    if seen:
        yield Chart("saturation", "Saturation and dead units", "A saturated value passes next to "
                    "no gradient back; a dead unit passes none for any input of the batch.",
                    of_training.saturation, (seen,))  # fmt: skip
    else:
        yield LeftOut("saturation and dead units by step", WATCH)
    yield Chart("histograms", "Activations and gradients", "What comes out of each nonlinearity on "
                "one batch, and the gradients that reach it: alike in all layers is healthy.",
                of_training.histograms, (last, when))  # fmt: skip


def _activations_now(maker: MakeMore) -> list[dict[str, Any]]:
    """Measure the activations of the best weights, as a watched training would have."""
    watch, model = Watch.of(maker), maker.model_
    if watch is None or not isinstance(model, NeuralModel):
        return []
    with maker.evaluation():
        return [asdict(layer) for layer in activations(model, watch.probe)]


# -- the run in words -----------------------------------------------------------------------------


def _summary(
    maker: MakeMore, run: Run, logs: Sequence[Any], looks: Sequence[Any]
) -> Iterator[Part]:
    """Yield two tables, of the run and of its exact losses, and the findings in words."""
    config, progress = run.config, run.progress
    first, paper = about(get_model(config.model))
    sizes = {name: len(part) for name, part in maker.split}
    steps = "none: it counts"
    if not isinstance(maker.model_, CountModel):
        done = "" if progress["finished"] else ", not finished"
        steps = (f"{progress['step']:,} of {config.resolved.get('max_steps'):,}{done}; "
                 f"best weights: step {progress['best_step']:,}")  # fmt: skip
    rows = [
        ("model", f"{config.model}: {first} ({paper})" if paper else f"{config.model}: {first}"),
        ("parameters", f"{maker.n_parameters:,}"),
        ("data", f"{config.data['name']}: {sizes['train']:,} lines to learn from, "
                 f"{sizes['val']:,} to choose by, {sizes['test']:,} for the end (not used here)"),
        ("symbols", f"{len(maker.vocabulary.symbols):,} and the boundary"),
        ("steps", steps),
    ]  # fmt: skip
    yield Table("summary", "The run", "", ("", ""), rows)
    reports = [maker.report(name) for name in ("train", "val") if sizes[name]]
    cells = [
        (r["split"], *(_cell(r[key]) for key in ("nll", "bits", "perplexity")), f"{r['lines']:,}")
        for r in reports
    ]
    header = ("part", "nats a symbol", "bits a symbol", "perplexity", "lines")
    yield Table("parts", "Losses of the best weights", "Exact, over all lines.", header, cells)
    if sentences := advise(logs, looks, len(maker.vocabulary)):
        yield Verses("findings", "Findings", sentences)


def _cell(value: float | None) -> str:
    """Write a loss for a table; a dash for none or an infinite one."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def _new_lines(maker: MakeMore, seed: int) -> Iterator[Part]:
    """Yield SHOWN lines that are not in the text, or as many as there are."""
    lines = new_lines(maker, SHOWN, seed)
    if len(lines) < SHOWN:
        yield LeftOut(f"{SHOWN} new lines", f"only {len(lines)} were found in many draws")
    if lines:
        yield Verses("samples", f"{len(lines)} new lines", lines, verbatim=True)


# -- the model ------------------------------------------------------------------------------------


def symbol_names(maker: MakeMore) -> list[str]:
    """Name each id (V + n_labels,); the boundary is `.`, unless that is a symbol."""
    symbols, labels = maker.vocabulary.symbols, maker.vocabulary.labels
    return ["(end)" if "." in symbols else ".", *symbols, *(f"<{label}>" for label in labels)]


def _pairs(maker: MakeMore) -> Part:
    """Make the map of pairs of the most frequent symbols in the training lines."""
    names, train = symbol_names(maker), maker.split.train
    kept = most_frequent(frequencies(maker), of_model.MOST_PAIRS)
    row_of = np.full(len(names), -1)  # an id's row of the map; -1: its pairs are left out
    row_of[kept] = np.arange(len(kept))
    text = maker.vocabulary.encode(train)
    counts = of_model.pair_counts(row_of[text.ids], text.offsets, len(kept))
    about_it = f"How often a symbol (row) is followed by another (column) in the training lines; " \
               f"{names[0]} is the start or the end of a line."  # fmt: skip
    if len(kept) < len(maker.vocabulary):
        about_it += f" The {len(kept) - 1} most frequent of {len(maker.vocabulary) - 1:,} symbols."
    return Chart("pairs", "Pairs of symbols", about_it, of_model.pairs,
                 (counts, [names[i] for i in kept]))  # fmt: skip


def _embeddings(maker: MakeMore, looks: Sequence[Any]) -> Iterator[Part]:
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
    # Tables of other sizes are of another training: no path leads from one to the other.
    shots = [entry for entry in looks if entry["kind"] == "embedding"]
    alike = {(len(each["symbols"]), len(each["vectors"][0])) for each in shots}
    if len(shots) < 2 or len(alike) > 1:
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


def _attention(maker: MakeMore, inputs: list[int] | None) -> Iterator[Part]:
    """Yield the attention maps of a word; without one, of the beginning of the first line."""
    if inputs is None:
        longest = min(WORD, _most_inputs(maker) - 1)
        first = maker.vocabulary.pieces(maker.split.train[0])[:longest]
        inputs = word_ids(maker, "".join(first)) if longest > 0 else [0]
    weights, names = attention_of(maker, inputs), symbol_names(maker)
    if not weights:
        yield LeftOut("attention maps", "the model has no attention")
        return
    yield Chart("attention", f"Attention: {maker.vocabulary.decode(inputs[1:])}", "Each row is a "
                "place that predicts the next symbol; its weights say which symbols up to there it "
                "reads. Another word: --word.",
                of_model.attention, (weights, [names[i] for i in inputs]))  # fmt: skip


# -- what the model makes -------------------------------------------------------------------------


def _draws(maker: MakeMore, seed: int) -> Iterator[Part]:
    """Yield charts of 1,000 draws beside the training lines: lengths and symbols."""
    draws: list[Sample] = list(maker.samples(DRAWS, seed, all=True, style="plain"))
    lines, vocabulary = Corpus.exactly([line.text for line in draws]), maker.vocabulary
    train = maker.split.train
    new = sum(line.origin == "new" for line in draws)
    yield Chart("lengths", "Lengths of the lines", f"{DRAWS:,} draws, none refused, of which "
                f"{100 * new / DRAWS:.1f} % stand in no part of the text.",
                of_samples.lengths,
                (vocabulary.lengths(train), vocabulary.lengths(lines)))  # fmt: skip
    ids = vocabulary.encode(lines).ids  # symbols put together may be read as others: no id
    counts = np.bincount(ids[ids != UNKNOWN], minlength=len(vocabulary))
    yield Chart("symbols", "Symbols of the lines", "Of the same draws; the ends of lines are left "
                "out.", of_samples.symbols,
                (vocabulary.symbols, frequencies(maker)[1:], counts[1:]))  # fmt: skip


def _calibration(maker: MakeMore) -> Iterator[Part]:
    """Yield the calibration over the validation lines, or over a sample of them."""
    val = maker.split.val
    if not len(val):
        yield LeftOut("calibration", "there is no validation part (the text is too short)")
        return
    rows = np.linspace(0, len(val) - 1, min(len(val), MOST_CALIBRATED)).astype(np.int64)
    counted = calibrate(maker, val.take(np.unique(rows)))
    symbols = int(counted.likeliest[:, 0].sum())
    yield Chart("calibration", "Calibration", f"Over {symbols:,} symbols of the validation part: "
                "of what was predicted with 30 %, 30 % should come. Below the diagonal the model "
                "is too sure of itself. The error is that of the likeliest symbol (Guo et al. "
                "2017).",
                of_samples.calibration, (counted,))  # fmt: skip
