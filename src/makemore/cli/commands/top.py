"""makemore top: the most likely lines of a run, in order."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import avoid_options, click_options, given_options, plugin_option
from makemore.cli.output import note
from makemore.cli.results import Results, result_options
from makemore.sampling import Constraints

if TYPE_CHECKING:
    from makemore.api import MakeMore


@click.command(
    "top",
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=click.IntRange(min=0), default=20,
                     help="how many lines  [default: 20]"),
        *click_options(Constraints),
        click.Option(["--total"], is_flag=True, help="rank by the nll of whole lines, which puts "
                     "short ones first"),
        click.Option(["--min-distance"], type=click.IntRange(1, 10), metavar="N",
                     help="leave out lines fewer edits than this away from a line of the text, or "
                     "from a likelier line"),
        click.Option(["--beam"], type=click.IntRange(min=1), metavar="K",
                     help="beam search: keep K prefixes of each length"),
        *avoid_options(),
        *result_options(),
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
    from makemore.cli.avoided import Avoided
    from makemore.cli.loading import load_to_draw

    results = Results(values)
    constraints = given_options(values, Constraints)
    maker = load_to_draw(values["dir"], constraints)
    total, avoid = values["total"], Avoided(maker, values)
    lines = maker.top(
        values["n"], values["beam"], avoid.lines, total, avoid_like=avoid.like,
        min_distance=values["min_distance"], **constraints,
    )  # fmt: skip
    ranked_by = "nll" if total else "nll_per_symbol"
    columns = ["text", ranked_by, *(["origin"] if values["all"] else [])]
    with results.with_columns(columns):
        for line in lines:
            origin = f"\t{line.origin}" if values["all"] else ""
            avoid.see(line.text)
            results.add(f"{getattr(line, ranked_by):.4f}\t{line.text}{origin}", asdict(line))
    avoid.note_alike()
    if not values["min_distance"] and not values["all"]:
        note_near_copies(maker, [line.text for line in lines])
    proven = sum(line.proven for line in lines)
    if len(lines) < values["n"]:
        apart = f" at least {values['min_distance']} edits apart" if values["min_distance"] else ""
        among = " among the likeliest" if apart else ""
        note(f"{len(lines)} lines{apart}: there are no more{among}")
    if values["beam"]:
        note(f"a beam of {values['beam']}: {proven} of {len(lines)} ranks are proven")
    elif not total and lines:
        note("ranked by the nll of a symbol, found by a beam; --total ranks whole lines, proven")
    elif proven < len(lines):
        note(f"proven for the first {proven}; beyond, a likelier line may be missing")
    return 0


def note_near_copies(maker: MakeMore, texts: list[str]) -> None:
    """Note that half of the lines or more hardly differ from others, and what leaves them out."""
    distance = maker.suggested_distance(texts)
    if distance is not None:
        note(f"half of these lines or more are less than {distance} edits from a line of the text "
             f"or a likelier one: --min-distance {distance} leaves such lines out")  # fmt: skip
