"""Sections: what a page shows of a run, and what it does not and why.

It looks at the run directory's logs and at the model with its best weights, and gives the parts
of a report. Nothing here is chosen or scored by the test part.
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
from makemore.scoring import eval_mode
from makemore.text import Corpus
from makemore.text.vocabulary import UNKNOWN
from makemore.training.device import threads

SHOWN = 20  # new lines
DRAWS = 1000  # lines that are compared with the data
MOST_SYMBOLS = 100  # on a map
MOST_NEIGHBOURS = 40  # rows of the table
MOST_CALIBRATED = 5_000  # lines of val whose predictions are counted
WORD = 24  # symbols of the line whose attention is shown, if none was asked for
WATCH = "the training was not watched: train with --watch"
COUNTS = "this model counts; it does not learn step by step"


def parts(run: Run, word: str | None, seed: int) -> Iterator[Part]:
    """What there is to show of a run, part by part. Raises RunError, UsageError (the word)."""
    maker, logs = MakeMore.of_run(run), read_metrics(run.path)
    looks = read_diagnostics(run.path)
    for entry in (*logs, *looks):
        of_training.check_entry(entry, run.path)
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
    """Curves of losses, rate, saturation and ratios; histograms."""
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
    watch, model = Watch.of(maker), maker.model_
    if watch is None or not isinstance(model, NeuralModel) or maker.plan_ is None:
        return []
    with threads(maker.plan_.config.threads):
        return [asdict(layer) for layer in activations(model, watch.probe)]


# -- the run in words -----------------------------------------------------------------------------


def _summary(
    maker: MakeMore, run: Run, logs: Sequence[Any], looks: Sequence[Any]
) -> Iterator[Part]:
    config, progress = run.config, run.progress
    first, paper = about(get_model(config.model))
    sizes = {name: len(part) for name, part in maker.split}
    steps = config.resolved.get("max_steps")
    done = "" if progress["finished"] else ", not finished"
    best = f"; best weights: step {progress['best_step']:,}"
    rows = [
        ("model", f"{config.model}: {first} ({paper})" if paper else f"{config.model}: {first}"),
        ("parameters", f"{maker.n_parameters:,}"),
        ("data", f"{config.data['name']}: {sizes['train']:,} lines to learn from, "
                 f"{sizes['val']:,} to choose by, {sizes['test']:,} for the end (not used here)"),
        ("symbols", f"{len(maker.vocabulary.symbols):,} and the boundary"),
        ("steps", "none: it counts" if isinstance(maker.model_, CountModel) else
                  f"{progress['step']:,} of {steps:,}{done}{best}"),
    ]  # fmt: skip
    yield Table("summary", "The run", "", ("", ""), rows)
    reports = [maker.report(name) for name in ("train", "val") if sizes[name]]
    cells = [
        (r["split"], *(_cell(r[key]) for key in ("nll", "bits", "perplexity")), f"{r['lines']:,}")
        for r in reports
    ]
    header = ("part", "nats a symbol", "bits a symbol", "perplexity", "lines")
    yield Table("parts", "Losses of the best weights", "Exact, over all lines.", header, cells)
    said = advise(logs, looks, len(maker.vocabulary))
    if said:
        yield Verses("findings", "Findings", said)


def _cell(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def _new_lines(maker: MakeMore, seed: int) -> Iterator[Part]:
    found = new_lines(maker, SHOWN, seed)
    if len(found) < SHOWN:
        yield LeftOut(f"{SHOWN} new lines", f"only {len(found)} were found in many draws")
    if found:
        yield Verses("samples", f"{len(found)} new lines", found, verbatim=True)


# -- the model ------------------------------------------------------------------------------------


def symbol_names(maker: MakeMore) -> list[str]:
    """(V + n_labels,) what each id is shown as; the boundary is `.`, unless that is a symbol."""
    symbols, labels = maker.vocabulary.symbols, maker.vocabulary.labels
    return ["(end)" if "." in symbols else ".", *symbols, *(f"<{label}>" for label in labels)]


def _pairs(maker: MakeMore) -> Part:
    names, train = symbol_names(maker), maker.split.train
    kept = most_frequent(frequencies(maker), of_model.MOST_PAIRS)
    place = np.full(len(names), -1)
    place[kept] = np.arange(len(kept))
    text = maker.vocabulary.encode(train)
    counts = of_model.pair_counts(place[text.ids], text.offsets, len(kept))
    told = f"How often a symbol (row) is followed by another (column) in the training lines; " \
           f"{names[0]} is the start or the end of a line."  # fmt: skip
    if len(kept) < len(maker.vocabulary):
        told += f" The {len(kept) - 1} most frequent of {len(maker.vocabulary) - 1:,} symbols."
    return Chart("pairs", "Pairs of symbols", told, of_model.pairs,
                 (counts, [names[i] for i in kept]))  # fmt: skip


def _embeddings(maker: MakeMore, looks: Sequence[Any]) -> Iterator[Part]:
    table = embedding_of(maker.model_)
    if table is None:
        yield LeftOut("map of embeddings, nearest symbols", "the model has no table of embeddings")
        return
    names, counts = symbol_names(maker), frequencies(maker)
    kept = most_frequent(counts, MOST_SYMBOLS)
    yield Chart("embedding", "Map of the embeddings", "Symbols that the model uses alike lie near "
                "each other.", of_model.embedding,
                (table[kept], [names[i] for i in kept], counts[kept]))  # fmt: skip
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
    order, cosines = of_model.neighbours(table)
    rows = []
    for row in most_frequent(counts, MOST_NEIGHBOURS):
        near = zip(order[row], cosines[row], strict=True)
        cells = [f"{in_table(names[other])} {cosine:+.2f}" for other, cosine in near]
        rows.append([in_table(names[row]), *cells])
    header = ("symbol", *(f"{number}." for number in range(1, order.shape[1] + 1)))
    return Table("neighbours", "Nearest symbols", "By the cosine between embeddings: 1 is the same "
                 "direction, 0 unrelated, -1 opposite.", header, rows)  # fmt: skip


def in_table(symbol: str) -> str:
    """A symbol beside the number that charts have to write for it, as their font lacks it."""
    drawn = shown(symbol)
    return f"{symbol} {drawn}" if drawn.startswith("U+") else drawn


def word_ids(maker: MakeMore, word: str) -> list[int]:
    """The boundary (or the likeliest label) and the ids of a word.

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
    model = maker.model_
    limited = isinstance(model, Model) and model.limited and model.input_kind == "sequence"
    return model.block_size if limited and model is not None else base.MAX_CONTEXT


def attention_of(maker: MakeMore, inputs: Sequence[int]) -> list[NDArray[np.float64]]:
    """(n_head, T, T) of each layer for inputs (T,); [] for a model without attention."""
    model = maker.model_
    if not isinstance(model, NeuralModel) or model.input_kind != "sequence" or maker.plan_ is None:
        return []
    with threads(maker.plan_.config.threads), eval_mode(model):
        _, calls = traced(model, torch.tensor([inputs], device=model.device))
        found = [weights[0].double().cpu().numpy() for weights in attention_weights(calls, 1)]
    return [weights for weights in found if weights.shape[1:] == (len(inputs), len(inputs))]


def _attention(maker: MakeMore, inputs: list[int] | None) -> Iterator[Part]:
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
    drawn: list[Sample] = list(maker.samples(DRAWS, seed, all=True))
    lines, vocabulary = Corpus.exactly([line.text for line in drawn]), maker.vocabulary
    train = maker.split.train
    new = sum(line.origin == "new" for line in drawn)
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
    val = maker.split.val
    if not len(val):
        yield LeftOut("calibration", "there is no validation part (the text is too short)")
        return
    rows = np.linspace(0, len(val) - 1, min(len(val), MOST_CALIBRATED)).astype(np.int64)
    counted = calibrate(maker, val.take(np.unique(rows)))
    places = int(counted.likeliest[:, 0].sum())
    yield Chart("calibration", "Calibration", f"Over {places:,} symbols of the validation part: of "
                "what was predicted with 30 %, 30 % should come. Below the diagonal the model is "
                "too sure of itself. The error is that of the likeliest symbol (Guo et al. 2017).",
                of_samples.calibration, (counted,))  # fmt: skip
