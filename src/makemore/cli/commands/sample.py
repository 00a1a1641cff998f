"""makemore sample: new lines from a run directory, under constraints."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import (
    avoid_options,
    click_options,
    device_option,
    given_options,
    plugin_option,
)
from makemore.cli.output import note
from makemore.cli.results import Results, result_options
from makemore.cli.waiting import Waiting
from makemore.errors import UsageError
from makemore.sampling import SamplingConfig

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.sampling import Sample, Sampler
    from makemore.text import Vocabulary


@click.command(
    "sample",
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=int, default=20, help="how many lines  [default: 20]"),
        click.Option(["--seed"], type=int,
                     help="the same seed draws the same lines  [default: fresh]"),
        click.Option(["--shard"], metavar="I/N", help="draw part I of N: processes with the same "
                     "seed and one part each draw -n lines together, none twice"),
        *click_options(SamplingConfig),
        *avoid_options(),
        click.Option(["--remember"], is_flag=True, help="keep what is given out in DIR, and never "
                     "give it out again"),
        click.Option(["--rank"], is_flag=True, help="show the likeliest first, by their nll a "
                     "symbol, in nats"),
        click.Option(["--total"], is_flag=True, help="with --rank: by the nll of whole lines, "
                     "which puts short ones first"),
        *result_options(),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, capped, "
                     "exact, label"),
        device_option(),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Draw new lines from the run in DIR (which may still be training, or a zip), each once.

    Lines of the text are refused, and so are lines that were drawn before. Exit code 7 says that
    fewer than N were found, and whether there are more. Constraints are exact: they choose among
    lines, no line is cut.
    """
    from makemore.api.checks import check_shard, fresh_seed, remembering_shard
    from makemore.api.fitted import likeliest_first
    from makemore.cli.avoided import Avoided
    from makemore.cli.loading import load_to_draw

    options = given_options(values, SamplingConfig)
    if values["total"] and not values["rank"]:
        raise UsageError("--total says how --rank sorts", "--total", "add --rank")
    if values["remember"] and options.get("all"):
        raise UsageError("--all repeats lines, --remember refuses them", None, "choose one of them")
    if values["shard"] is not None:
        check_shard(values["shard"], values["seed"])
        if values["remember"]:
            raise remembering_shard()
    results = Results(values)  # what is wrong with its file is told before a model is loaded
    with ExitStack() as stack:
        waiting = stack.enter_context(Waiting(lambda: "getting ready to draw"))
        maker = load_to_draw(values["dir"], options, values["shard"])
        maker.to(values["device"], values["n"])
        avoid = Avoided(maker, values)
        seed = fresh_seed() if values["seed"] is None else values["seed"]
        issued = None
        if values["remember"]:  # the file of issued lines stays locked until the last is printed
            issued = stack.enter_context(maker.issued_lines(note_waiting))
        given = issued.lines if issued else None
        sampler = maker.sampler(
            seed, avoid.lines, given, avoid_like=avoid.like, shard=values["shard"], **options
        )
        if values["seed"] is None:  # after all that can fail before a line is drawn
            note(f"--seed {seed}")
        waiting.describe = partial(describe_drawing, sampler, values["n"])
        lines = maker.drawn(sampler, values["n"])
        stack.callback(note_how_drawn, sampler)  # also where fewer than N are found, an error
        stack.callback(avoid.note_alike)
        stack.enter_context(results.with_columns(columns_of(values, maker)))
        symbols = None if values["total"] else maker.vocabulary
        for line in likeliest_first(lines, symbols) if values["rank"] else lines:
            if issued:  # first recorded, then shown: after a kill none is given out twice
                issued.add([line.text])
            avoid.see(line.text)
            results.add(*row_of(line, values, symbols))
    return 0


def columns_of(values: dict[str, Any], maker: MakeMore) -> list[str]:
    """Choose the columns of CSV: what the flags show of each line, and its label if it has one."""
    ranked = ["nll" if values["total"] else "nll_per_symbol"] if values["rank"] else []
    labels = ["label"] if maker.vocabulary.labels else []
    return ["text", *labels, *ranked, *(["origin", "capped"] if values["all"] else [])]


def note_waiting() -> None:
    note("another sample --remember is drawing from this run: waiting for it")


def describe_drawing(sampler: Sampler, n: int) -> str | None:
    """Say how many lines there are, and how long those are that are drawn now."""
    tally = sampler.tally
    n = n if sampler.wanted is None else sampler.wanted
    if tally.found and sys.stdout.isatty():  # the lines themselves are seen to come
        return None
    now = f"; those drawn now have {sampler.decoder.position} symbols" if not tally.found else ""
    return f"{tally.found:,} of {n:,} lines after {tally.draws:,} draws{now}"


def row_of(
    line: Sample, values: dict[str, Any], symbols: Vocabulary | None
) -> tuple[str, dict[str, Any]]:
    """Make the text and the record of a line; symbols: what its nll is divided by, to rank it."""
    record, shown = line.record(), line.text
    if values["rank"]:
        nll = line.nll / (len(symbols.pieces(line.text)) + 1 if symbols else 1)
        shown = f"{nll:.4f}\t{line.text}"
        if symbols:
            record["nll_per_symbol"] = nll
    if values["all"]:
        shown += f"\t{line.origin}{' capped' if line.capped else ''}"
        shown += f"\t{line.label}" if line.label is not None else ""
    return shown, record


def note_how_drawn(sampler: Sampler) -> None:
    from makemore.api.drawing_notes import notes_after

    for text in notes_after(sampler):
        note(text)
