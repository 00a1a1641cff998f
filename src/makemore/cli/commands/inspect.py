"""makemore inspect: one page with everything there is to see in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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
    far as the model and the run have them, with what the numbers say in words, which are printed
    here, too. The page opens from the disk at any width and needs no network; its pictures lie
    beside it, and so does a page to touch: type a line and see every number and the attention that
    the model computes for it, and drag the map of embeddings through the training. Maps of earlier
    steps are kept by a training with --watch only, and so are updates and saturation.
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
            if isinstance(part, page.Verses) and part.name == "findings":
                for sentence in part.lines:
                    note(sentence)
            parts.append(part)
    *_, last = page.write_page(out, f"{run.config.data['name']}: {run.config.model}", parts)
    result(str(last))  # the page, which is written after its pictures
    return 0


def all_parts(run: Run, word: str | None, seed: int) -> Iterator[Part]:
    """Yield the parts of the report, and the page beside it. Raises RunError, UsageError."""
    from makemore.report import sections

    yield from sections.parts(run, word, seed, lambda line: inside(run, line))


def inside(run: Run, line: str) -> Part:
    """Make the page to touch, that opens with a line of the text, or say why there is none."""
    from makemore.api import MakeMore
    from makemore.errors import UsageError
    from makemore.report.page import Beside, LeftOut
    from makemore.web import page_of_run, run_page

    try:
        page = run_page(MakeMore.of_run(run))
    except UsageError as error:  # a plugin's model, or symbols by a pattern
        return LeftOut("the model from inside", error.what)
    return Beside(
        "inside", "To touch", "A page of its own, beside this one, in which the model itself "
        "computes. It needs no network.",
        page_of_run(page), links(page.payload, line),
    )  # fmt: skip


def links(payload: Mapping[str, Any], line: str) -> list[tuple[str, str]]:
    """List what the page to touch has of this model: words, and the hash that opens it."""
    model = payload["model"]
    kinds = {each["kind"] for each in (model, *model.get("members", ()))}
    if kinds <= {"ngram", "ensemble"}:
        what = "how much say each length of context has"
    elif "transformer" in kinds:
        what = "where each head looks (the rows called attention), and every other number"
    else:
        what = "every number that the network computes for it"
    maps = payload.get("maps")
    now = "Map of letters: as it is now; the training kept none of earlier steps (--watch)"
    through = f"Map of letters: drag it through {len(maps['steps'])} steps" if maps else now
    name = quote(line)
    return [
        (f"Inside: type a line and see {what}", f"view=inside&name={name}&place={len(line)}"),
        (through if kinds - {"ngram", "ensemble"} else "Map of letters", "view=map"),
        ("Letters: what was expected at each place of a line", f"view=letters&name={name}"),
        ("Names: draw new lines under conditions", "view=names"),
    ]


def default_out(folder: Path) -> Path:
    """Return DIR-inspect, in the folder that DIR is in."""
    if folder.name in ("", ".."):  # such as `.`: its name is known once it is resolved
        folder = folder.resolve()
    return folder.with_name(f"{folder.name}-inspect")
