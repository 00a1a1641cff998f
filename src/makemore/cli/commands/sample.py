"""makemore sample: new lines from a run directory, under constraints."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.cli.waiting import Waiting
from makemore.errors import UsageError
from makemore.sampling import SamplingConfig

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.sampling import Sample, Sampler


@click.command(
    "sample",
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=int, default=20, help="how many lines  [default: 20]"),
        click.Option(["--seed"], type=int,
                     help="the same seed draws the same lines  [default: fresh]"),
        *click_options(SamplingConfig),
        click.Option(["--avoid"], metavar="FILE", help="refuse the lines of this file, too"),
        click.Option(["--remember"], is_flag=True, help="keep what is given out in DIR, and never "
                     "give it out again"),
        click.Option(["--rank"], is_flag=True, help="show the likeliest first, by their nll a "
                     "symbol, in nats"),
        click.Option(["--total"], is_flag=True, help="with --rank: by the nll of whole lines, "
                     "which puts short ones first"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, capped, "
                     "exact, label"),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Draw new lines from the run in DIR (which may still be training), each once.

    Lines of the text are refused, and so are lines that were drawn before. Exit code 7 says that
    fewer than N were found, and whether there are more. Constraints are exact: they choose among
    lines, no line is cut.
    """
    from makemore.api.fitted import fresh_seed, likeliest_first
    from makemore.cli.inputs import read_avoided
    from makemore.cli.loading import load_to_draw

    options = given_options(values, SamplingConfig)
    if values["total"] and not values["rank"]:
        raise UsageError("--total says how --rank sorts", "--total", "add --rank")
    if values["remember"] and options.get("all"):
        raise UsageError("--all repeats lines, --remember refuses them", None, "choose one of them")
    with ExitStack() as stack:
        waiting = stack.enter_context(Waiting(lambda: "getting ready to draw"))
        maker = load_to_draw(values["dir"], options)
        avoid = read_avoided(values["avoid"])
        seed = fresh_seed() if values["seed"] is None else values["seed"]
        issued = None
        if values["remember"]:  # the file of issued lines stays locked until the last is printed
            issued = stack.enter_context(maker.issued_lines(note_waiting))
        sampler = maker.sampler(seed, avoid, issued.lines if issued else None, **options)
        if values["seed"] is None:  # after all that can fail before a line is drawn
            note(f"--seed {seed}")
        waiting.describe = partial(describe_drawing, sampler, values["n"])
        lines = maker.drawn(sampler, values["n"])
        try:
            symbols = None if values["total"] else maker.vocabulary
            for line in likeliest_first(lines, symbols) if values["rank"] else lines:
                if issued:  # first recorded, then shown: after a kill none is given out twice
                    issued.add([line.text])
                show(line, values, maker)
        finally:  # also where fewer lines than N were found, which is an error
            note_how_drawn(sampler)
    return 0


def note_waiting() -> None:
    note("another sample --remember is drawing from this run: waiting for it")


def describe_drawing(sampler: Sampler, n: int) -> str | None:
    """Say how many lines there are, and how long those are that are drawn now."""
    tally = sampler.tally
    if tally.found and sys.stdout.isatty():  # the lines themselves are seen to come
        return None
    now = f"; those drawn now have {sampler.decoder.position} symbols" if not tally.found else ""
    return f"{tally.found:,} of {n:,} lines after {tally.draws:,} draws{now}"


def show(line: Sample, values: dict[str, Any], maker: MakeMore) -> None:
    """Print a line in the form that the flags choose."""
    if values["json"]:
        result_json({key: value for key, value in line._asdict().items() if value is not None})
        return
    shown = line.text
    if values["rank"]:
        symbols = 1 if values["total"] else len(maker.vocabulary.pieces(line.text)) + 1
        shown = f"{line.nll / symbols:.4f}\t{line.text}"
    if values["all"]:
        shown += f"\t{line.origin}{' capped' if line.capped else ''}"
        shown += f"\t{line.label}" if line.label is not None else ""
    result(shown)


def note_how_drawn(sampler: Sampler) -> None:
    """Note how many lines were too near, how many are not tidy, and if draws were approximate."""
    tally = sampler.tally
    if (tidy := sampler.found_strict) is not None:
        note(f"{tidy} tidy lines were left, so the others are plain; --style tidy gives no others")
    if near := tally.too_near:
        note(f"{near} {'line' if near == 1 else 'lines'} refused: too near to one of the text")
    if tally.guided:
        note(
            f"only {tally.passed} of {tally.draws - tally.guided} draws satisfied all "
            "conditions, so the others were led to it: approximate, effective sample size "
            f"{tally.effective:.0f} of {tally.guided} draws; --exact waits instead"
        )
    if tally.degenerate:
        note(
            f"warning: {tally.led} lines go back to {tally.ancestors} "
            f"{'draw' if tally.ancestors == 1 else 'draws'}, and share their first "
            f"{tally.shared / tally.led:.0f} symbols with others; ask for shorter lines, or for "
            "fewer conditions"
        )
