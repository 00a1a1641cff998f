"""makemore export: a run as one HTML file, to try in a browser and to give away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import note, result

if TYPE_CHECKING:
    from makemore.web import RunPage


@click.command(
    "export",
    params=[
        click.Argument(["dir"]),
        click.Option(["--html"], required=True, metavar="FILE", help="the page to write"),
        click.Option(["--weights"], type=click.Choice(["float16", "float32"]), default="float16",
                     show_default=True, help="float16 halves the file; what that changes is told"),
        click.Option(["--lines"], is_flag=True, help="give the training lines away, too; without "
                     "it the page knows them only by hashes"),
        click.Option(["--license"], metavar="TEXT", default="not stated", show_default=True,
                     help="what the card says of who may use it for what"),
        click.Option(["--force"], is_flag=True, help="replace a file that is there"),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Write the run in DIR as a page: one HTML file that works without server and network.

    It draws new lines under conditions, scores lines, and shows what the model expects. Inside are
    the weights, the symbols, the losses, and a hash of each line of the text, by which a line is
    known and by which nobody can read it.
    """
    from makemore.api import MakeMore
    from makemore.web import check_target, page_of_run, run_page, write_page

    file = Path(values["html"])
    check_target(file, values["force"])  # before the seconds that the measuring takes
    maker = MakeMore.load(values["dir"])
    page = run_page(maker, values["weights"], values["lines"], values["license"])
    body = page_of_run(page)
    write_page(file, body)
    result(str(file))
    note_contents(page, len(body))
    return 0


def note_contents(page: RunPage, size: int) -> None:
    """Note how large the page is, what half precision changes, and what is given away."""
    note(f"{size:,} bytes; opens in a browser, from the disk or from any web server")
    if page.change is not None:
        note(f"float16 changes a log-probability of a line by at most {page.change:.2g} nats; "
             "--weights float32 changes none")  # fmt: skip
    known, copies = page.payload["known"]["count"], page.payload["card"]["copies"]
    note(f"{known:,} known lines are inside as hashes" + (
        "; the training lines themselves, too" if page.lines is not None else ", none as text"
    ))  # fmt: skip
    if copies:
        note(f"{100 * copies:.1f} % of what the model draws are training lines, by heart; the page "
             "shows new lines unless it is told otherwise")  # fmt: skip
