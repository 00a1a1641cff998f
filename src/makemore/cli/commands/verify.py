"""makemore verify: whether a run directory is what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import note, result


def verify(**values: Any) -> int:
    """Read every file of the run in DIR and compare it with its digest; load the model.

    --restore goes back to the checkpoint before the current one, where that one is whole.
    """
    from makemore.api import MakeMore
    from makemore.errors import RunError
    from makemore.runs import RunWriter
    from makemore.runs import verify as problems_of

    folder = Path(values["dir"])
    if values["restore"]:
        problems_of(folder)  # no run, no lock taken
        with RunWriter(folder) as writer:
            writer.restore()
        note("makemore: went back to the checkpoint before")
    wrong = problems_of(folder)
    for line in wrong:
        result(line)
    if wrong:
        raise RunError(
            f"{len(wrong)} files are damaged",
            str(folder),
            "makemore verify DIR --restore, or train again",
        )
    maker = MakeMore.load(folder)
    result(f"whole: {maker.model}, {maker.n_parameters:,} parameters")
    return 0


command = click.Command(
    "verify",
    callback=verify,
    help=verify.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Option(["--restore"], is_flag=True, help="go back to the checkpoint before"),
        plugin_option(),
    ],
)
