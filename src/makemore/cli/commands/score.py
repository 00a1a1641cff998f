"""makemore score: how likely a model finds lines."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import result, result_json
from makemore.errors import DataError, UsageError
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.analysis.surprisal import Surprisal
    from makemore.api import MakeMore


TOGETHER = 2**15  # lines that are scored at once: memory stays the same however many come


def score(**values: Any) -> int:
    """The nll (nats, lower is likelier) of each line of FILE, or of standard input, in order.

    A line with a symbol that the model does not know has no nll: inf, null in JSON. In a run with
    labels the nll is over all labels, by their shares, and the likeliest label follows with its
    probability.

    --table adds bits a symbol and a percentile: how many percent of the training lines (at most
    2,000 of them) are less likely, by nats a symbol; the likeliest lines have 100. Those lines were
    learned, so that a new line of the same kind stands lower. --each shows the surprisal of each
    symbol in nats; the end of the line is `.`, null in JSON, and what stands behind an unknown
    symbol has none.
    """
    from makemore.api import MakeMore
    from makemore.api.fitted import corpus_as_is

    if values["table"] and (values["json"] or values["each"]):
        raise UsageError("--table is a form of its own", "--table", "leave --json and --each out")
    maker = MakeMore.load(values["dir"])
    name = values["file"]
    lines = read_lines(name)
    if values["table"] or values["json"] or values["each"]:
        show_more(maker, lines, values)
        return 0
    while chunk := list(islice(lines, TOGETHER)):
        scores = maker.scores(corpus_as_is(chunk))
        for row, text in enumerate(chunk):
            labels = labels_of(maker, scores, row)
            likeliest = "\t{label} {p:.4f}".format(**labels) if labels.get("label") else ""
            result(f"{scores.nll[row]:.4f}\t{text}{likeliest}")
    return 0


def show_more(maker: MakeMore, lines: Iterator[str], values: Mapping[str, Any]) -> None:
    """Each line as an object, a row of a table, or its symbols one by one."""
    from makemore.analysis.surprisal import Standing, by_symbol
    from makemore.api.fitted import corpus_as_is

    standing = None if values["each"] and not values["json"] else Standing(maker)
    if values["table"]:
        result(f"{'nats':>9}  {'bits/symbol':>11}  {'percentile':>10}  line")
    while chunk := list(islice(lines, TOGETHER)):
        corpus = corpus_as_is(chunk)
        each = by_symbol(maker, corpus) if values["each"] else [None] * len(chunk)
        if standing is None:
            for symbols in each:
                result(in_words(symbols or ()))
            continue
        scores = maker.scores(corpus)
        columns = scores.nll.tolist(), scores.symbols.tolist(), standing(scores).tolist()
        rows = zip(chunk, *columns, each, strict=True)
        for row, (text, nll, n, percentile, symbols) in enumerate(rows):
            if values["json"]:
                unknown = maker.vocabulary.unknown_in(text)
                known = as_json(text, nll, n, percentile, unknown, symbols)
                result_json({**known, **labels_of(maker, scores, row)})
            else:
                place = "-" if math.isnan(percentile) else f"{percentile:.1f}"
                result(f"{nll:9.4f}  {nll / n / math.log(2):11.4f}  {place:>10}  {text}")


def in_words(symbols: Sequence[Surprisal]) -> str:
    """`e 2.31  m 1.10  . 0.90`: each symbol with its nats."""
    from makemore.cli.commands.explain import label

    return "  ".join(f"{label(each.symbol)} {each.nats:.2f}" for each in symbols)


def as_json(
    text: str, nll: float, n: int, percentile: float, unknown: list[str],
    symbols: Sequence[Surprisal] | None,
) -> dict[str, Any]:  # fmt: skip
    values = {
        "text": text, "nll": nll, "symbols": n, "unknown": unknown, "bits": nll / math.log(2),
        "per_symbol": nll / n, "percentile": percentile,
    }  # fmt: skip
    if symbols is not None:
        values["surprisals"] = [
            {"symbol": each.symbol, "nats": each.nats if math.isfinite(each.nats) else None}
            for each in symbols
        ]
    return values


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
        click.Option(["--table"], is_flag=True, help="nats, bits a symbol, percentile and line"),
        click.Option(["--each"], is_flag=True, help="the surprisal of each symbol"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, nll, symbols, "
                     "unknown, bits, per_symbol, percentile; with --each surprisals; with "
                     "labels label, p, labels"),
        plugin_option(),
    ],
)  # fmt: skip
