"""makemore compare: every model on one text, by one table and one chart."""

from __future__ import annotations

import re
import shlex
import shutil
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.compared_models import train, train_elsewhere
from makemore.cli.inputs import read_text, stem
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json, result_table
from makemore.cli.workers import check_cluster, cluster_option
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.options import as_flags
from makemore.text import TextConfig
from makemore.training import TrainingConfig

if TYPE_CHECKING:
    from makemore.experiments.compare import Row


SHARED_OPTIONS = ("max_steps", "seed", "threads", "device")  # all else: each model's recipe
UNMEASURED = ("file", "fresh", "json", "cluster", "workers")  # they change nothing in the table
SAMPLE_SHOWN = 18  # symbols of a new line in a column
WIDTH = 100  # of the tables, where there is no terminal


@click.command(
    "compare",
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["--models"], metavar="A,B,...", help="only these  [default: all]"),
        click.Option(["-o", "--out"], metavar="DIR",
                     help="where to write  [default: runs/FILE-compare]"),
        click.Option(["--val"], metavar="FILE", help="lines to choose by, not a tenth of FILE"),
        click.Option(["--test"], is_flag=True, help="score the test part, too; it orders nothing"),
        *[option for option in click_options(TrainingConfig) if option.name in SHARED_OPTIONS],
        *click_options(TextConfig),
        cluster_option("trainings"),
        click.Option(["--workers"], type=click.IntRange(1, 256), metavar="N",
                     help="with --cluster: models at a time  [default: all of the cluster]"),
        click.Option(["--json"], is_flag=True, help="one object a model"),
        click.Option(["--fresh"], is_flag=True, help="start over: forget the rows in DIR"),
        plugin_option(),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Train every model on FILE, each by its own recipe, and compare them.

    The counts (ngram) come first: they are the floor that a neural model must beat. Writes
    rows.jsonl, table.md, compare.png and compare-dark.png, and each model as a run that `makemore
    sample` and all other commands can use. Stopped, the same command goes on with
    the models that are missing; more --models may be added to what is there. Without FILE: the
    names that come with makemore.
    """
    from makemore.experiments.compare import TABLE, header, measure, opened, ordered
    from makemore.options import make
    from makemore.runs.safe_files import write_atomically
    from makemore.training.device import choose_device

    check_cluster(values)
    requested = given_options(values, TextConfig, TrainingConfig)
    models = models_named(values["models"])
    if values["workers"] and not values["cluster"]:
        raise UsageError("the models are trained one after another", "--workers",
                         "add --cluster local, or leave it out")  # fmt: skip
    # What is wrong for every model is one error now, not one in each row.
    config = make(TrainingConfig, given_options(requested, TrainingConfig))
    if not values["cluster"]:  # whose machines may have others
        choose_device(config.device)
    parts = read_text(values["file"], requested, values["val"])
    if values["test"] and not len(parts.test):
        raise UsageError("there is no test part", "--test", "give more lines, or leave out --val")
    folder = Path(values["out"] or Path("runs") / f"{stem(values['file'])}-compare")
    facts = header(visible(stem(values["file"]), 200), parts, requested, values["test"])
    journal, rows = opened(folder, facts, values["fresh"])
    with journal:
        missing = [name for name in models if name not in {row.model for row in rows}]
        if rows:
            note(f"finished before: {', '.join(row.model for row in rows)}")
        if values["cluster"] and missing:
            rows += train_elsewhere(missing, parts, requested, values, journal)
        else:
            rows += train(missing, parts, requested, values["test"], journal)
        rows = ordered(rows)
        page = markdown_page(rows, journal.first, command_line(values), folder)
        write_atomically(folder, TABLE, page.encode())
        draw(folder, rows, journal.first["text"])
    show(rows, values, folder)
    note(f"{folder / TABLE} and {folder / 'compare.png'}")
    note_best(rows[0], measure(rows), folder, values["plugin"])
    # Some models may fail, as on a machine with little memory; an error is that all of them do.
    return max(row.code for row in rows) if all(row.error is not None for row in rows) else 0


def models_named(models: str | None) -> list[str]:
    """Split --models; without it, all but ensembles, which train for many minutes.

    Raises UsageError for a model that is not known.
    """
    from makemore.models import get_model
    from makemore.models.core.registry import model_names

    if models is None:
        return [name for name in model_names() if not get_model(name).is_ensemble]
    names = [name.strip() for name in models.split(",")]
    for name in names:
        get_model(name)
    return names


# -- what is shown --------------------------------------------------------------------------------


def show(rows: Sequence[Row], values: Mapping[str, Any], folder: Path) -> None:
    """Print the rows as JSON, or the table, what it says, and new lines of each model."""
    from makemore.experiments.compare import kept

    if values["json"]:
        runs = [kept(folder, row) for row in rows]
        result_json(*(
            {**asdict(row), "run": None if run is None else str(run)}
            for row, run in zip(rows, runs, strict=True)
        ))  # fmt: skip
        return
    result_table(*columns(rows))
    result("", *conclusions(rows, values["test"]))
    show_side_by_side(*new_lines(rows))


def columns(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Make the header and cells of the table: a column for what at least one model has."""
    losses = {"train": "train", "val": "val", "val_unseen": "val, unseen", "test": "test",
              "test_unseen": "test, unseen", "bits": "bits"}  # fmt: skip
    kept = [key for key in losses if any(getattr(row, key) is not None for row in rows)]
    kinds = list(next((row.shares for row in rows if row.shares), {}))  # of samples: new, copied
    cells = [
        [
            visible(row.model), row.parameters,
            None if row.seconds is None else f"{row.seconds:,.1f}",
            *(getattr(row, key) for key in kept),
            *(f"{100 * row.shares[kind]:.1f} %" if kind in row.shares else None for kind in kinds),
        ]
        for row in rows
    ]  # fmt: skip
    return ["model", "parameters", "seconds", *(losses[key] for key in kept), *kinds], cells


def conclusions(rows: Sequence[Row], test: bool) -> list[str]:
    """Say in sentences which models beat the counts, that test was scored, and what failed."""
    from makemore.experiments.compare import verdict

    scored = sum(row.test is not None for row in rows)
    looks = f"This was a look at the test part for each of {scored} models: it orders nothing; "
    return [
        *verdict(rows),
        *([looks + "choose by val and report test once."] if test else []),
        *(f"{row.model} failed: {row.error}" for row in rows if row.error is not None),
    ]


def new_lines(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Arrange the new lines of the models as a table, one model a column."""
    finished = [row for row in rows if row.error is None]
    lines = [[visible(text, SAMPLE_SHOWN) for text in row.samples] for row in finished]
    header = [visible(row.model) for row in finished]
    return header, [list(line) for line in zip_longest(*lines, fillvalue="")]


def show_side_by_side(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print as many columns as fit beside each other, the others below."""
    from rich.cells import cell_len

    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    widths = [2 + max(map(cell_len, column)) for column in zip(header, *lines, strict=True)]
    start = 0
    while start < len(header):
        end = start + 1  # one column at least, however narrow the terminal is
        while end < len(header) and sum(widths[start : end + 1]) <= width:
            end += 1
        result("")
        result_table(header[start:end], [line[start:end] for line in lines])
        start = end


def note_best(row: Row, part: str, folder: Path, plugin: str | None) -> None:
    """Note which model has the lowest loss, and the command that draws from it."""
    if row.error is None:
        note(f"the lowest {part} has {row.model}: {draw_from(row, folder, plugin)}")


def draw_from(row: Row, folder: Path, plugin: str | None = None) -> str:
    """Write the command that draws from the model of a row, or say why there is none."""
    from makemore.experiments.compare import kept

    run = kept(folder, row)
    if run is None:
        return "its model was not kept; --fresh trains and keeps all"
    return shlex.join(["makemore", "sample", str(run), *(["--plugin", plugin] if plugin else [])])


# -- what is written ------------------------------------------------------------------------------


def markdown_page(
    rows: Sequence[Row], facts: Mapping[str, Any], command_line: str, folder: Path
) -> str:
    """Write table.md: where it was measured, the table, what it says, and new lines."""
    from makemore.cli.tables import markdown

    header, cells = columns(rows)
    lines = ", ".join(f"{count:,} {part}" for part, count in facts["lines"].items() if count)
    names, samples = new_lines(rows)
    return "\n".join([
        f"# Models on {plain(facts['text'])}",
        "",
        f"{facts['date']}, {facts['cores']} cores ({plain(facts['machine'])}), "
        f"torch {plain(facts['torch'])}, Python {facts['python']}, makemore {facts['version']}.  ",
        f"Text: {plain(facts['text'])}, lines: {lines}; sha256 of its parts {facts['data']}.",
        "",
        f"    {visible(command_line)}",
        "",
        "Losses in nats a symbol, the end of a line included; bits are those of "
        f"{'val' if 'val' in header else 'train'}. Shares are of 1,000 draws.",
        "",
        *markdown(header, [[plain(c) if isinstance(c, str) else c for c in row] for row in cells]),
        "",
        *(f"{plain(sentence)}  " for sentence in conclusions(rows, facts["test"])),
        "",
        *how_to_draw(rows[0], folder),
        "![Loss of each model](compare.png)",
        "",
        "New lines of each:",
        "",
        *markdown([plain(name) for name in names], [[*map(plain, line)] for line in samples]),
        "",
    ])  # fmt: skip


def how_to_draw(best: Row, folder: Path) -> list[str]:
    """Write how to draw from the best model; nothing if it was not kept."""
    from makemore.experiments.compare import kept

    if kept(folder, best) is None:
        return []
    lines = "Each model is a run in this folder. The first of the table draws new lines by"
    return [lines, "", f"    {visible(draw_from(best, folder))}", ""]


def plain(text: str) -> str:
    """Escape text so that Markdown and HTML read it as nothing but text."""
    active = re.escape("".join(set(string.punctuation) - set(" .,;:'()-%/+?_")))
    # An underscore inside a word stays as it is; at its edge it would make the word italic.
    return re.sub(
        rf"[{active}]|(?<![^\W_])_|_(?![^\W_])", lambda at: f"&#{ord(at[0])};", visible(text)
    )


def command_line(values: Mapping[str, Any]) -> str:
    """Rebuild the command line from its values, so that a reader of table.md can type it again."""
    file = [] if values["file"] is None else [values["file"]]
    names = [str(param.name) for param in command.params]
    typed = {name: values[name] for name in names if name not in UNMEASURED}
    flags = as_flags({k: v for k, v in typed.items() if v is not None and v is not False})
    return shlex.join(["makemore", "compare", *file, *flags])


def draw(folder: Path, rows: Sequence[Row], text: str) -> None:
    """Draw the chart of the losses, light and dark."""
    from makemore.report.plots.comparison import losses
    from makemore.report.plots.style import save

    save(folder, "compare", losses, rows, text)
