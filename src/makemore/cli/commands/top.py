"""makemore top: the most likely lines of a run, in order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.sampling import Constraints


@click.command(
    "top",
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=click.IntRange(min=0), default=20,
                     help="how many lines  [default: 20]"),
        *click_options(Constraints),
        click.Option(["--total"], is_flag=True, help="rank by the nll of whole lines, which puts "
                     "short ones first"),
        click.Option(["--beam"], type=click.IntRange(min=1), metavar="K",
                     help="beam search: keep K prefixes of each length"),
        click.Option(["--avoid"], metavar="FILE", help="leave out the lines of this file, too"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, "
                     "nll_per_symbol, proven"),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Print the N most likely new lines of the run in DIR, best first, by their nll a symbol.

    The nll is in nats. With --total whole lines are ranked, and the order is exact: no line that is
    left out is likelier, or a note says down to which rank that is proven. Nothing here is random:
    the same run gives the same lines.
    """
    from makemore.cli.inputs import read_avoided
    from makemore.cli.loading import load_to_draw

    constraints = given_options(values, Constraints)
    maker = load_to_draw(values["dir"], constraints)
    total, avoid = values["total"], read_avoided(values["avoid"])
    lines = maker.top(values["n"], values["beam"], avoid, total, **constraints)
    for line in lines:
        if values["json"]:
            result_json(asdict(line))
        else:
            origin = f"\t{line.origin}" if values["all"] else ""
            result(f"{line.nll if total else line.nll_per_symbol:.4f}\t{line.text}{origin}")
    proven = sum(line.proven for line in lines)
    if len(lines) < values["n"]:
        note(f"{len(lines)} lines: there are no more")
    if values["beam"]:
        note(f"a beam of {values['beam']}: {proven} of {len(lines)} ranks are proven")
    elif not total and lines:
        note("ranked by the nll of a symbol, found by a beam; --total ranks whole lines, proven")
    elif proven < len(lines):
        note(f"proven for the first {proven}; beyond, a likelier line may be missing")
    return 0
