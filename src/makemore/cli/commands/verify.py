"""makemore verify: whether a run directory is what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import note, result


@click.command(
    "verify",
    params=[
        click.Argument(["dir"]),
        click.Option(["--restore"], is_flag=True, help="go back to the checkpoint before"),
        plugin_option("the file of the run's own model"),
    ],
)
def command(**values: Any) -> int:
    """Compare every file of the run in DIR with its checksum, and load the model.

    --restore goes back to the checkpoint before the current one, if that one is whole.
    """
    from makemore.api import MakeMore
    from makemore.errors import RunError
    from makemore.runs import RunWriter, verify

    folder = Path(values["dir"])
    if values["restore"]:
        verify(folder)  # raises if this is no run: else RunWriter would lock a foreign folder
        with RunWriter(folder) as writer:
            writer.restore()
        note("went back to the checkpoint before")
    problems = verify(folder)
    result(*problems)
    if problems:
        to_do = "makemore verify DIR --restore, or train again"
        raise RunError(f"{len(problems)} files are damaged", str(folder), to_do)
    maker = MakeMore.load(folder)  # checksums hold; the values may still not go together
    result(f"whole: {maker.model}, {maker.n_parameters:,} parameters")
    return 0
