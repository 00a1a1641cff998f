"""makemore sample: new lines from a run directory, under conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from makemore.commands import knob_options, note, plugin_option, result, result_json, typed
from makemore.errors import Unsatisfiable, UsageError
from makemore.settings import Sampling

if TYPE_CHECKING:
    from makemore.generate import Sampler
    from makemore.samples import Sample


def sample(**values: Any) -> int:
    """Draw new lines from the run in DIR (which may still be training), each once.

    A line that stands in the text is refused, and so is one that was drawn before. Exit code 7 says
    that fewer than N were found, and whether there are more. Conditions hold exactly: they choose
    among lines, nothing is cut.
    """
    from makemore.commands._run import maker_under
    from makemore.commands._text import read_avoided
    from makemore.remembered import Remembered
    from makemore.trained import fresh_seed

    options = typed(Sampling, values)
    if values["remember"] and options.get("all"):
        raise UsageError("--all repeats lines, --remember refuses them", None, "choose one of them")
    maker = maker_under(values["dir"], options)
    avoid = read_avoided(values["avoid"])
    seed = fresh_seed() if values["seed"] is None else values["seed"]
    with ExitStack() as stack:
        given = None
        if values["remember"]:
            given = stack.enter_context(Remembered(values["dir"], wait))
        sampler = maker.sampler(seed, avoid, given.lines if given else None, **options)
        if values["seed"] is None:  # told once it is known that something can be drawn
            note(f"makemore: --seed {seed}")
        lines = maker.drawn(sampler, values["n"])
        try:
            for line in ranked(lines) if values["rank"] else lines:
                if given:
                    given.add([line.text])
                show(line, values)
        finally:
            tell(sampler)
    return 0


def wait() -> None:
    note("makemore: another sample --remember is drawing from this run: waiting for it")


def ranked(lines: Iterator[Sample]) -> Iterator[Sample]:
    """The likeliest first; what was found before there were no more is shown, too."""
    found, end = [], None
    try:
        for line in lines:
            found.append(line)
    except Unsatisfiable as error:
        end = error
    yield from sorted(found, key=lambda line: line.nll)
    if end is not None:
        raise end


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
    if near := sampler.too_near:
        lines = "line" if near == 1 else "lines"
        note(f"makemore: {near} {lines} refused: too near to one of the text")
    if not sampler.exact:
        note(
            f"makemore: only {sampler.passed} of {sampler.draws - sampler.led} draws satisfied all "
            "conditions, so the others were led to it: approximate, effective sample size "
            f"{sampler.effective:.0f} of {sampler.led} draws; --exact waits instead"
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
        *knob_options(Sampling),
        click.Option(["--avoid"], metavar="FILE", help="refuse the lines of this file, too"),
        click.Option(["--remember"], is_flag=True, help="keep what is given out in DIR, and never "
                     "give it out again"),
        click.Option(["--rank"], is_flag=True, help="show the likeliest first, with their nll"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, capped, "
                     "exact, label"),
        plugin_option(),
    ],
)  # fmt: skip
