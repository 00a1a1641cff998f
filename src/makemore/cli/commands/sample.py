"""makemore sample: new lines from a run directory, under conditions."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.errors import UsageError
from makemore.sampling import SamplingConfig

if TYPE_CHECKING:
    from makemore.sampling import Sample, Sampler


def sample(**values: Any) -> int:
    """Draw new lines from the run in DIR (which may still be training), each once.

    A line that stands in the text is refused, and so is one that was drawn before. Exit code 7 says
    that fewer than N were found, and whether there are more. Conditions hold exactly: they choose
    among lines, nothing is cut.
    """
    from makemore.api.fitted import fresh_seed, likeliest_first
    from makemore.cli.inputs import read_avoided
    from makemore.cli.loading import load_to_draw

    options = given_options(SamplingConfig, values)
    if values["remember"] and options.get("all"):
        raise UsageError("--all repeats lines, --remember refuses them", None, "choose one of them")
    maker = load_to_draw(values["dir"], options)
    avoid = read_avoided(values["avoid"])
    seed = fresh_seed() if values["seed"] is None else values["seed"]
    with ExitStack() as stack:
        given = None
        if values["remember"]:
            given = stack.enter_context(maker.issued_lines(wait))
        sampler = maker.sampler(seed, avoid, given.lines if given else None, **options)
        if values["seed"] is None:  # told once it is known that something can be drawn
            note(f"makemore: --seed {seed}")
        lines = maker.drawn(sampler, values["n"])
        try:
            for line in likeliest_first(lines) if values["rank"] else lines:
                if given:
                    given.add([line.text])
                show(line, values)
        finally:
            tell(sampler)
    return 0


def wait() -> None:
    note("makemore: another sample --remember is drawing from this run: waiting for it")


def show(line: Sample, values: dict[str, Any]) -> None:
    if values["json"]:
        result_json({key: value for key, value in line._asdict().items() if value is not None})
        return
    told = f"{line.nll:.4f}\t{line.text}" if values["rank"] else line.text
    if values["all"]:
        told += f"\t{line.origin}{' capped' if line.capped else ''}"
        told += f"\t{line.label}" if line.label is not None else ""
    result(told)


def tell(sampler: Sampler) -> None:
    """What a person should know of how the lines were drawn."""
    tally = sampler.tally
    if near := tally.too_near:
        lines = "line" if near == 1 else "lines"
        note(f"makemore: {near} {lines} refused: too near to one of the text")
    if not sampler.exact:
        note(
            f"makemore: only {tally.passed} of {tally.draws - tally.guided} draws satisfied all "
            "conditions, so the others were led to it: approximate, effective sample size "
            f"{tally.effective:.0f} of {tally.guided} draws; --exact waits instead"
        )


command = click.Command(
    "sample",
    callback=sample,
    help=sample.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=int, default=20, help="how many lines  [default: 20]"),
        click.Option(
            ["--seed"], type=int, help="the same seed draws the same lines  [default: fresh]"
        ),
        *click_options(SamplingConfig),
        click.Option(["--avoid"], metavar="FILE", help="refuse the lines of this file, too"),
        click.Option(["--remember"], is_flag=True, help="keep what is given out in DIR, and never "
                     "give it out again"),
        click.Option(["--rank"], is_flag=True, help="show the likeliest first, with their nll"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, capped, "
                     "exact, label"),
        plugin_option(),
    ],
)  # fmt: skip
