"""makemore top: the most likely lines of a run, in order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.sampling import Constraints


def top(**values: Any) -> int:
    """The N most likely new lines of the run in DIR, best first, with their nll in nats.

    The order is exact: no line that is left out is likelier. Where memory does not suffice to
    prove that, a note says down to which rank it is proven. Nothing here is drawn: the same run
    gives the same lines.
    """
    from makemore.cli.inputs import read_avoided
    from makemore.cli.loading import load_to_draw

    conditions = given_options(Constraints, values)
    maker = load_to_draw(values["dir"], conditions)
    avoid = read_avoided(values["avoid"])
    lines = maker.top(values["n"], values["beam"], avoid, **conditions)
    for line in lines:
        if values["json"]:
            result_json(asdict(line))
        else:
            origin = f"\t{line.origin}" if values["all"] else ""
            result(f"{line.nll:.4f}\t{line.text}{origin}")
    proven = sum(line.proven for line in lines)
    if len(lines) < values["n"]:
        note(f"makemore: {len(lines)} lines: there are no more")
    if values["beam"]:
        note(f"makemore: a beam of {values['beam']}: {proven} of {len(lines)} ranks are proven")
    elif proven < len(lines):
        note(f"makemore: proven for the first {proven}; beyond, a likelier line may be missing")
    return 0


command = click.Command(
    "top",
    callback=top,
    help=top.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=click.IntRange(min=0), default=20,
                     help="how many lines  [default: 20]"),
        *click_options(Constraints),
        click.Option(["--beam"], type=click.IntRange(min=1), metavar="K",
                     help="beam search: keep K prefixes of each length"),
        click.Option(["--avoid"], metavar="FILE", help="leave out the lines of this file, too"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, proven"),
        plugin_option(),
    ],
)  # fmt: skip
