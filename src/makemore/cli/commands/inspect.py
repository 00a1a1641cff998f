"""makemore inspect: one page with everything there is to see in a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import note, result

if TYPE_CHECKING:
    from makemore.report.page import Part
    from makemore.runs import Run

SEED = 0  # fixed, so that the pages of two runs differ by the runs alone


@click.command(
    "inspect",
    params=[
        click.Argument(["dir"]),
        click.Option(["-o", "--out"], metavar="OUT",
                     help="folder of the page  [default: DIR-inspect]"),
        click.Option(["--word"], metavar="TEXT", help="whose attention maps are shown (a "
                     "transformer's)  [default: the first line]"),
        click.Option(["--seed"], type=int, default=SEED, help="of the draws  [default: 0]"),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Draw what there is to see in the run in DIR, and make a page of it.

    Curves, saturation, updates, embeddings, attention, samples against the data, calibration: as
    far as the model and the run have them. The page opens from the disk and needs no network; its
    pictures lie beside it, and a page that shows the model from inside, number by number. A run
    that was trained with --watch has more to show.
    """
    from makemore.api.checks import check_seed
    from makemore.report import page
    from makemore.runs import Run
    from makemore.runs.archive import opened

    seed = check_seed(values["seed"])
    with opened(Path(values["dir"])) as folder:
        run = Run.load(folder)
        out = Path(values["out"]) if values["out"] else default_out(Path(values["dir"]))
        page.check_out(out)  # before the seconds that the page takes
        note(f"looking at {values['dir']}; this takes some seconds")
        parts = []
        for part in all_parts(run, values["word"], seed):
            if isinstance(part, page.LeftOut):
                note(f"not shown: {part.what}: {part.why}")
            parts.append(part)
    *_, last = page.write_page(out, f"{run.config.data['name']}: {run.config.model}", parts)
    result(str(last))  # the page, which is written after its pictures
    return 0


def all_parts(run: Run, word: str | None, seed: int) -> Iterator[Part]:
    """Yield the parts of the report, and the page beside it. Raises RunError, UsageError."""
    from makemore.report import sections

    yield from sections.parts(run, word, seed)
    yield inside(run)


def inside(run: Run) -> Part:
    """Make the page that shows the model from inside, or say why it has none."""
    from makemore.api import MakeMore
    from makemore.errors import UsageError
    from makemore.report.page import Beside, LeftOut
    from makemore.web import page_of_run, run_page

    try:
        page = run_page(MakeMore.of_run(run))
    except UsageError as error:  # a plugin's model, or symbols by a pattern
        return LeftOut("the model from inside", error.what)
    return Beside(
        "inside", "Inside", "Every number that the model computes for a name, in a page of its own",
        page_of_run(page), "view=inside",
    )  # fmt: skip


def default_out(folder: Path) -> Path:
    """Return DIR-inspect, in the folder that DIR is in."""
    if folder.name in ("", ".."):  # such as `.`: its name is known once it is resolved
        folder = folder.resolve()
    return folder.with_name(f"{folder.name}-inspect")
