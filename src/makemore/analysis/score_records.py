"""Score records: what JSON says of lines that were scored, one object a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from makemore.analysis.surprisal import Standing, by_symbol
from makemore.api import MakeMore
from makemore.api.fitted_state import corpus_as_is
from makemore.scoring import Scores


def score_records(
    maker: MakeMore, lines: Sequence[str], percentiles_of: Standing, each: bool = False
) -> list[dict[str, Any]]:
    """Score lines together: text, nll (nats), symbols, unknown, bits, per_symbol, percentile, ...

    The nll of a line with unknown symbols is inf. With labels also label, p and labels.
    each: `surprisals`, too, of every symbol of a line
    """
    corpus = corpus_as_is(lines)
    surprisals = by_symbol(maker, corpus) if each else None
    scores = maker.scores(corpus)
    columns = scores.nll.tolist(), scores.symbols.tolist(), percentiles_of(scores).tolist()
    records = []
    for row, (text, nll, n, percentile) in enumerate(zip(lines, *columns, strict=True)):
        record = {
            "text": text, "nll": nll, "symbols": n, "unknown": maker.vocabulary.unknown_in(text),
            "bits": nll / math.log(2), "per_symbol": nll / n, "percentile": percentile,
        }  # fmt: skip
        if surprisals is not None:
            record["surprisals"] = [symbol._asdict() for symbol in surprisals[row]]
        records.append({**record, **labels_of(maker, scores, row)})
    return records


def labels_of(maker: MakeMore, scores: Scores, row: int) -> dict[str, Any]:
    """Collect the likeliest label of a line, its probability p, and those of all labels.

    Empty in a run without labels; all None for a line with an unknown symbol.
    """
    if scores.posterior is None:
        return {}
    if not scores.known[row]:
        return {"label": None, "p": None, "labels": None}
    labels = dict(zip(maker.vocabulary.labels, scores.posterior[row].tolist(), strict=True))
    likeliest = max(labels, key=lambda name: labels[name])
    return {"label": likeliest, "p": labels[likeliest], "labels": labels}


def without_labels(maker: MakeMore, lines: Sequence[str]) -> list[str]:
    """Take the labels of the run off lines that are TEXT<tab>LABEL, as its own text has them."""
    labels = set(maker.vocabulary.labels)
    if not labels or "\t" in maker.vocabulary.symbols:
        return list(lines)
    parts = [line.rpartition("\t") for line in lines]
    return [
        text.rstrip() if tab and label.strip() in labels else line
        for line, (text, tab, label) in zip(lines, parts, strict=True)
    ]
