"""makemore score: how likely a model finds lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import click

from makemore.commands import plugin_option, result, result_json
from makemore.errors import DataError, visible

TOGETHER = 4096  # lines that are scored at once: memory stays the same however many come


def score(**values: Any) -> int:
    """The nll (nats, lower is likelier) of each line of FILE, or of standard input, in order.

    A line with a symbol that the model does not know has no nll: inf, null in JSON. In a run with
    labels the nll is over all labels, by their shares, and the likeliest label follows with its
    probability.
    """
    from makemore.estimator import MakeMore, as_given

    maker = MakeMore.load(values["dir"])
    name = values["file"]
    lines = read_lines(name)
    while chunk := list(islice(lines, TOGETHER)):
        scores = maker.scores(as_given(chunk))
        for row, text in enumerate(chunk):
            labels = labels_of(maker, scores, row)
            if values["json"]:
                result_json({
                    "text": text, "nll": float(scores.nll[row]),
                    "symbols": int(scores.symbols[row]),
                    "unknown": maker.vocabulary.unknown_in(text), **labels,
                })  # fmt: skip
            else:
                likeliest = "\t{label} {p:.4f}".format(**labels) if labels.get("label") else ""
                result(f"{scores.nll[row]:.4f}\t{text}{likeliest}")
    return 0


def labels_of(maker: Any, scores: Any, row: int) -> dict[str, Any]:
    """label, p and labels of a line; none of an unknown symbol; nothing in a run without labels."""
    if scores.posterior is None:
        return {}
    if not scores.known[row]:
        return {"label": None, "p": None, "labels": None}
    found = dict(zip(maker.vocabulary.labels, scores.posterior[row].tolist(), strict=True))
    label = max(found, key=lambda name: found[name])
    return {"label": label, "p": found[label], "labels": found}


def read_lines(name: str) -> Iterator[str]:
    """Lines of a file or of standard input as UTF-8, white space at their ends removed."""
    if name == "-":
        yield from decoded(sys.stdin.buffer, "standard input")
        return
    try:
        with open(name, "rb") as stream:
            yield from decoded(stream, visible(name, 200))
    except OSError as error:
        raise DataError(
            f"cannot read {os.fspath(name)!r}", error.strerror, "give a text file"
        ) from None


def decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8").removeprefix("\ufeff" if number == 1 else "").strip()
        except UnicodeDecodeError as error:
            where = f"{name}:{number}:{error.start + 1}"
            raise DataError("the bytes are no utf-8", where, "turn the file into UTF-8") from None


command = click.Command(
    "score",
    callback=score,
    help=score.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Argument(["file"], default="-"),
        click.Option(
            ["--json"], is_flag=True, help="one object a line: text, nll, symbols, unknown, labels"
        ),
        plugin_option(),
    ],
)
