"""makemore score: how likely lines are under a model."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.avoided import read_as
from makemore.cli.loading import spelled_text
from makemore.cli.options import device_option, encoding_options, plugin_option
from makemore.cli.output import flush_results, note, result, result_json
from makemore.cli.symbols import label
from makemore.cli.waiting import Waiting
from makemore.errors import UsageError
from makemore.text import TextConfig
from makemore.text.shard import Shard

if TYPE_CHECKING:
    from makemore.analysis.surprisal import Standing, Surprisal
    from makemore.api import MakeMore
    from makemore.text.streaming import LineStream


# Of a word that names no file: it is a file that is missing, and no line.
FILE_ENDINGS = (".txt", ".text", ".csv", ".tsv", ".json", ".jsonl", ".lst", ".dat", ".gz", ".zip")
LOOKED_AT = 100  # lines by which a file is known that is no plain list
SYMBOLS_EACH = 2**18  # that are scored together: with --each, what every one takes is kept


@click.command(
    "score",
    params=[
        click.Argument(["dir"]),
        click.Argument(["what"], nargs=-1, metavar="[FILE|TEXT]..."),
        *encoding_options("FILE"),
        click.Option(["--max-line"], type=click.IntRange(min=1), metavar="N",
                     help="refuse lines of more characters  [default: that of the training]"),
        click.Option(["--shard"], metavar="I/N", help="score part I of N of FILE: the outputs of "
                     "all parts, one after another, are that of the whole file"),
        click.Option(["--table"], is_flag=True, help="nats, bits a symbol, percentile and line"),
        click.Option(["--each"], is_flag=True, help="the surprisal of each symbol"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, nll, symbols, "
                     "unknown, bits, per_symbol, percentile; with --each surprisals; with "
                     "labels label, p, labels"),
        device_option(),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Print the nll (nats, lower is likelier) of each line, in order.

    A word that is no file is scored itself, as a line: `makemore score DIR emma`. Without one, or
    for `-`, lines come from standard input.

    A line with a symbol that the model does not know has no nll: inf, null in JSON. In a run with
    labels the nll is over all labels, by how frequent each is, and the likeliest label follows with
    its probability; a label that stands behind a tab is left out. Results come as lines do, so a
    pipe need not end first.

    --table adds bits a symbol and a percentile: how many percent of the training lines (at most
    2,000 of them) are less likely, by nats a symbol; the likeliest lines have 100. The model has
    learned those lines, so that a new line of the same kind ranks lower. --each shows the surprisal
    of each symbol in nats; the end of the line is `.`, null in JSON, and what stands behind an
    unknown symbol has none.
    """
    from makemore.analysis.score_records import without_labels
    from makemore.analysis.surprisal import Standing
    from makemore.api import MakeMore, scored_file

    shard = None if values["shard"] is None else shard_of(values["shard"], values["what"])
    if values["table"] and (values["json"] or values["each"]):
        raise UsageError("--table is a form of its own", "--table", "leave --json and --each out")
    maker = MakeMore.load(values["dir"]).to(values["device"], lines_about(values["what"]))
    # Percentiles take the scores of 2,000 training lines, so only where they are shown.
    percentiles_of = Standing(maker) if values["table"] or values["json"] else None
    if values["table"] and not (shard and shard.index):
        result(f"{'nats':>9}  {'bits/symbol':>11}  {'percentile':>10}  line")
    config = read_as(maker.text_config, values)
    config = dataclasses.replace(config, max_line=values["max_line"] or config.max_line)
    symbols = SYMBOLS_EACH if values["each"] else scored_file.SYMBOLS_AT_ONCE
    most, any_lines = (scored_file.LINES_AT_ONCE, symbols), False
    with Waiting(lambda: "waiting for lines") as waiting:
        for word in values["what"] or ("-",):
            if is_text(word):
                chunks: Iterator[list[str]] = iter([typed_lines(maker, word)])
            else:
                chunks = with_warning(
                    maker, word, chunks_to_score(word, config, most, waiting, shard)
                )
            for chunk in filter(None, chunks):
                any_lines = True
                show(maker, without_labels(maker, chunk), percentiles_of, values)
    if shard and not any_lines:
        note(f"no line is in part {shard}: each part is some whole blocks of 1 MiB of the file")
    return 0


def shard_of(typed: str, words: Sequence[str]) -> Shard:
    """Read which part of a file is to be scored. Raises UsageError without one file."""
    shard = Shard.parse(typed)
    if len(words) != 1 or is_text(words[0]) or words[0] == "-":
        raise UsageError("--shard scores a part of one file", "--shard", "name one FILE")
    return shard


def with_warning(maker: MakeMore, file: str, chunks: Iterator[list[str]]) -> Iterator[list[str]]:
    """Hand on the lines of a file, after a warning if it is no plain list by its first ones."""
    looked = False
    for chunk in chunks:
        if chunk and not looked:
            note_whole(maker, file, chunk)
            looked = True
        yield chunk


def note_whole(maker: MakeMore, file: str, lines: Sequence[str]) -> None:
    """Warn that a file is no plain list, if the run cannot score the first of its lines."""
    from makemore.api.avoided import taken_whole
    from makemore.text.shape import shape_of

    own, first = maker.text_config, [line for line in lines[:LOOKED_AT] if line]
    unknown = sum(bool(maker.vocabulary.unknown_in(line)) for line in first)
    if 2 * unknown <= len(first) or own.as_is:
        return
    shape = shape_of(first, dataclasses.replace(TextConfig(), labels=own.labels), file)
    if shape and (says := taken_whole([shape], file, own)):
        note(f"warning: {'standard input' if file == '-' else file}: {says}")


def lines_about(words: Sequence[str]) -> int:
    """Estimate the lines of files by their bytes, ten a line; 0 for a pipe, whose end is not known.

    Whether it is a file that can be read, is told when it is opened.
    """
    sizes = [os.path.getsize(word) for word in words if os.path.isfile(word)]
    return sum(sizes) // 10


def is_text(word: str) -> bool:
    """Tell whether a word is a line to score: no file has this name, nor is it like that of one."""
    if word == "-" or os.path.lexists(word):
        return False
    # A misspelt name of a file is an error; C/C=C is a molecule, and no name in a folder that is.
    folder, ending = os.path.dirname(word), os.path.splitext(word)[1].lower()
    return ending not in FILE_ENDINGS and not (folder and os.path.isdir(folder))


def typed_lines(maker: MakeMore, word: str) -> list[str]:
    """Return the lines of a word that was typed, with its accents as the run's text has them."""
    return [spelled_text(maker.vocabulary, line.strip()) for line in word.split("\n")]


def show(
    maker: MakeMore, lines: list[str], percentiles_of: Standing | None, values: Mapping[str, Any]
) -> None:
    """Score some lines together, and print each in the form that the flags choose."""
    from makemore.analysis.score_records import labels_of, score_records
    from makemore.analysis.surprisal import by_symbol
    from makemore.api.fitted_state import corpus_as_is

    if values["json"] and percentiles_of:
        for record in score_records(maker, lines, percentiles_of, values["each"]):
            result_json(record)
        return
    corpus = corpus_as_is(lines)
    if values["each"]:
        for symbols in by_symbol(maker, corpus):
            result(describe_symbols(symbols))
        return
    scores = maker.scores(corpus)
    nlls, lengths = scores.nll.tolist(), scores.symbols.tolist()
    percentiles = percentiles_of(scores).tolist() if percentiles_of else []
    for row, (text, nll, n) in enumerate(zip(lines, nlls, lengths, strict=True)):
        if values["table"]:
            percentile = "-" if math.isnan(percentiles[row]) else f"{percentiles[row]:.1f}"
            result(f"{nll:9.4f}  {nll / n / math.log(2):11.4f}  {percentile:>10}  {text}")
        else:
            labels = labels_of(maker, scores, row)
            likeliest = "\t{label} {p:.4f}".format(**labels) if labels.get("label") else ""
            result(f"{nll:.4f}\t{text}{likeliest}")


def describe_symbols(symbols: Sequence[Surprisal]) -> str:
    """Format each symbol with its surprisal in nats: `e 2.31  m 1.10  . 0.90`."""
    return "  ".join(f"{label(each.symbol)} {each.nats:.2f}" for each in symbols)


# -- reading: some lines at a time, as a corpus would have to end before its first is scored ------


def chunks_to_score(
    name: str, config: TextConfig, most: tuple[int, int], waiting: Waiting,
    shard: Shard | None = None,
) -> Iterator[list[str]]:  # fmt: skip
    """Read lines of a file or of standard input (`-`), some at a time; `waiting` says how far.

    most: the lines, and the characters of them, that are handed on together at most
    """
    from makemore.api.scored_file import lines_to_score
    from makemore.text.streaming import line_chunks

    with lines_to_score(name, config, shard) as (stream, shown):
        lines = 0
        for chunk in line_chunks(
            stream, shown, config.max_line, most, config.encoding, config.errors
        ):
            waiting.describe = partial(describe_scoring, stream, lines, len(chunk))
            yield chunk
            flush_results()  # whoever reads from a pipe has each result with its line
            lines += len(chunk)


def describe_scoring(stream: LineStream, before: int, now: int) -> str:
    """Say how many lines are scored, of how many bytes, and how many are being scored."""
    of = f" of {stream.size:,}" if stream.size else ""
    return f"{before:,} lines scored, {now:,} in work; {stream.bytes:,}{of} bytes read"
