"""makemore verify: whether a run directory is what was saved."""

from __future__ import annotations

import shlex
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
    from makemore.errors import RunError, UsageError
    from makemore.runs import Run, RunWriter, verify
    from makemore.runs.archive import is_archive, opened

    folder = Path(values["dir"])
    if values["restore"]:
        if is_archive(folder):
            raise UsageError("a zip stays as it is", "--restore", "unpack it")
        verify(folder)  # raises if this is no run: else RunWriter would lock a foreign folder
        with RunWriter(folder) as writer:
            writer.restore()
        note("went back to the checkpoint before")
    with opened(folder) as unpacked:
        problems = verify(unpacked)
    result(*problems)
    if problems:
        to_do = f"makemore verify {shlex.quote(str(folder))} --restore, or train again"
        damaged = "1 file is" if len(problems) == 1 else f"{len(problems)} files are"
        raise RunError(f"{damaged} damaged", str(folder), to_do)
    run = Run.load(folder)
    maker = MakeMore.of_run(run)  # checksums hold; the values may still not go together
    result(f"whole: {run.config.model}, {maker.n_parameters:,} parameters")
    return 0
