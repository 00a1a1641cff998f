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

    A line with a symbol that the model does not know has no nll: inf, null in JSON.
    """
    from makemore.estimator import MakeMore, as_given

    maker = MakeMore.load(values["dir"])
    name = values["file"]
    lines = read_lines(name)
    while chunk := list(islice(lines, TOGETHER)):
        scores = maker.scores(as_given(chunk))
        for text, nll, symbols in zip(chunk, scores.nll, scores.symbols, strict=True):
            if values["json"]:
                unknown = maker.vocabulary.unknown_in(text)
                result_json(
                    {"text": text, "nll": float(nll), "symbols": int(symbols), "unknown": unknown}
                )
            else:
                result(f"{nll:.4f}\t{text}")
    return 0


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
            ["--json"], is_flag=True, help="one object a line: text, nll, symbols, unknown"
        ),
        plugin_option(),
    ],
)
