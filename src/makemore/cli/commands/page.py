"""makemore page: the page without a run, which learns the list that is pasted into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.output import note, result


@click.command(
    "page",
    params=[
        click.Option(["-o", "--out"], metavar="FILE", default="page.html", show_default=True,
                     help="the page to write"),
        click.Option(["--prior/--no-prior"], default=None, help="put the built-in prior inside, "
                     "from which its trainings may start  [default: if all is below 5 MB]"),
        click.Option(["--force"], is_flag=True, help="replace a file that is there"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Write makemore as a page: one HTML file that learns a list in the browser.

    It needs no server and no network: the list that somebody pastes into it never leaves it. What
    was learned there can be saved as a zip, which `makemore sample FILE.zip` takes.
    """
    from makemore.web import check_target, empty_page, write_page
    from makemore.web.page import WITH_PRIOR

    file = Path(values["out"])
    check_target(file, values["force"])
    body, prior = empty_page(), False
    if values["prior"] is not False:
        from makemore.web.prior import builtin_prior_page

        larger = empty_page(builtin_prior_page())
        prior = values["prior"] or len(larger) <= WITH_PRIOR
        body = larger if prior else body
    write_page(file, body)
    result(str(file))
    note(f"{len(body):,} bytes, {'with' if prior else 'without'} the built-in prior")
    return 0
