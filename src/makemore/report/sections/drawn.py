"""What the model makes: new lines, lengths and symbols beside the data's, calibration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from makemore.analysis import calibrate
from makemore.analysis.diagnostics import frequencies
from makemore.analysis.novelty import new_lines
from makemore.api import MakeMore
from makemore.report.page import Chart, LeftOut, Part, Verses
from makemore.report.plots import samples as of_samples
from makemore.sampling import Sample
from makemore.text import Corpus
from makemore.text.vocabulary import UNKNOWN

SHOWN = 20  # new lines
DRAWS = 1000  # lines that are compared with the data
MOST_CALIBRATED = 5_000  # lines of val whose predictions are counted


def some_lines(maker: MakeMore, seed: int) -> Iterator[Part]:
    """Yield SHOWN lines that are not in the text, or as many as there are."""
    lines = new_lines(maker, SHOWN, seed)
    if len(lines) < SHOWN:
        yield LeftOut(f"{SHOWN} new lines", f"only {len(lines)} were found in many draws")
    if lines:
        yield Verses("samples", f"{len(lines)} new lines", lines, verbatim=True)


def draws(maker: MakeMore, seed: int) -> Iterator[Part]:
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


def calibration(maker: MakeMore) -> Iterator[Part]:
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
