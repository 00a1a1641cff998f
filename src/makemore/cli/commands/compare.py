"""makemore compare: every model on one text, by one table and one chart."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.text import TextConfig
from makemore.training import TrainingConfig

if TYPE_CHECKING:
    from makemore.experiments import ResultLog
    from makemore.experiments.compare import Row
    from makemore.text import Split


SHARED_OPTIONS = ("max_steps", "seed", "threads", "device")  # all else: each model's recipe
SAMPLE_SHOWN = 18  # symbols of a new line in a column
WIDTH = 100  # of the tables, where there is no terminal


def compare(**values: Any) -> int:
    """Train every model on FILE, each by its own recipe, and compare them.

    The counts (ngram) come first: they are the floor that a neural model must beat. Writes
    rows.jsonl, table.md, compare.png and compare-dark.png. Stopped, the same command goes on with
    the models that are missing; more --models may be added to what is there. Without FILE: the
    names that come with makemore.
    """
    from makemore.experiments.compare import TABLE, header, opened, ordered

    asked = {
        **given_options(TextConfig, values),
        **given_options(TrainingConfig, {k: values[k] for k in SHARED_OPTIONS}),
    }
    models = chosen(values["models"])
    check(asked)
    parts = read_text(values["file"], asked, values["val"])
    if values["test"] and not len(parts.test):
        raise UsageError("there is no test part", "--test", "give more lines, or leave out --val")
    folder = Path(values["out"] or Path("runs") / f"{stem(values['file'])}-compare")
    facts = header(visible(stem(values["file"]), 200), parts, asked, values["test"])
    journal, rows = opened(folder, facts, values["fresh"])
    with journal:
        missing = [name for name in models if name not in {row.model for row in rows}]
        if rows:
            note(f"makemore: finished before: {', '.join(row.model for row in rows)}")
        try:
            rows += train(missing, parts, asked, values["test"], journal)
        except KeyboardInterrupt:
            note("makemore: stopped; the same command goes on with the models that are missing")
            raise
        write(folder, TABLE, page(rows, journal.first, command_line(values)))
        draw(folder, rows, journal.first["text"])
    if values["json"]:
        for row in ordered(rows):
            result_json(asdict(row))
    else:
        show(rows, values["test"])
    note(f"makemore: {folder / TABLE} and {folder / 'compare.png'}")
    done = any(row.error is None for row in rows)
    return 0 if done else max(row.code for row in rows)


def chosen(models: str | None) -> list[str]:
    """The models that --models names, or all but the ensemble, which trains for many minutes.

    Raises UsageError for one that is not known.
    """
    from makemore.models import get_model
    from makemore.models.core.registry import model_names

    if models is None:
        return [name for name in model_names() if not get_model(name).is_ensemble]
    wanted = [name.strip() for name in models.split(",")]
    for name in wanted:
        get_model(name)
    return wanted


def check(asked: Mapping[str, Any]) -> None:
    """What is wrong for every model is an error, not a row of each."""
    from makemore.options import make, options_of
    from makemore.training.device import choose_device

    recipe = make(
        TrainingConfig,
        {key: value for key, value in asked.items() if key in options_of(TrainingConfig)},
    )
    choose_device(recipe.device)


def train(
    models: Sequence[str], parts: Split, asked: Mapping[str, Any], test: bool, journal: ResultLog
) -> list[Row]:
    """Train what is missing: one line a model, a live bar on a terminal."""
    from makemore.cli.progress import ProgressView
    from makemore.experiments.compare import Row, Started
    from makemore.experiments.compare import compare as compared
    from makemore.training import Step

    rows: list[Row] = []
    with contextlib.ExitStack() as shown:
        for event in compared(models, parts, asked, test):
            if isinstance(event, Started):
                view = shown.enter_context(ProgressView(event.maker))
                if view.bar:
                    view.say(f"makemore: {event.model}, {view.steps:,} steps")
            elif isinstance(event, Step):
                view.step(event)
            elif isinstance(event, Row):
                shown.close()  # the bar
                journal.append(asdict(event))
                rows.append(event)
                note(f"makemore: {told(event)}")
    return rows


def told(row: Row) -> str:
    if row.error is not None:
        return f"{row.model} failed: {row.error}"
    loss = f"train {row.train:.4f}" if row.val is None else f"val {row.val:.4f}"
    return f"{row.model}: {row.parameters:,} parameters, {row.seconds:,.1f} s, {loss}"


# -- what is shown --------------------------------------------------------------------------------


def show(rows: Sequence[Row], test: bool) -> None:
    from makemore.cli.tables import aligned
    from makemore.experiments.compare import verdict

    for line in aligned(*columns(rows)):
        result(line)
    result("")
    for sentence in [*verdict(rows), *remarks(rows, test)]:
        result(sentence)
    for line in side_by_side(rows):
        result(line)


def columns(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """The table: a column for what at least one model has."""
    from makemore.experiments.compare import ordered

    losses = {"train": "train", "val": "val", "val_unseen": "val, unseen", "test": "test",
              "test_unseen": "test, unseen", "bits": "bits"}  # fmt: skip
    kept = [key for key in losses if any(getattr(row, key) is not None for row in rows)]
    kinds = list(next((row.shares for row in rows if row.shares), {}))
    cells = [
        [
            visible(row.model), row.parameters,
            None if row.seconds is None else f"{row.seconds:,.1f}",
            *(getattr(row, key) for key in kept),
            *(f"{100 * row.shares[kind]:.1f} %" if kind in row.shares else None for kind in kinds),
        ]
        for row in ordered(rows)
    ]  # fmt: skip
    return ["model", "parameters", "seconds", *(losses[key] for key in kept), *kinds], cells


def remarks(rows: Sequence[Row], test: bool) -> list[str]:
    """What has to be said beside the table."""
    scored = sum(row.test is not None for row in rows)
    looks = f"This was a look at the test part for each of {scored} models: it orders nothing; "
    return [
        *([looks + "choose by val and report test once."] if test else []),
        *(f"{row.model} failed: {row.error}" for row in rows if row.error is not None),
    ]


def new_lines(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The new lines of each model, one model a column."""
    from itertools import zip_longest

    from makemore.experiments.compare import ordered

    finished = [row for row in ordered(rows) if row.error is None]
    lines = [[visible(text, SAMPLE_SHOWN) for text in row.samples] for row in finished]
    header = [visible(row.model) for row in finished]
    return header, [list(line) for line in zip_longest(*lines, fillvalue="")]


def side_by_side(rows: Sequence[Row]) -> list[str]:
    """The new lines in as many columns as fit beside each other, the others below."""
    from rich.cells import cell_len

    from makemore.cli.tables import aligned

    header, lines = new_lines(rows)
    most = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    widths = [2 + max(map(cell_len, column)) for column in zip(header, *lines, strict=True)]
    shown: list[str] = []
    start = 0
    while start < len(header):
        end = start + 1
        while end < len(header) and sum(widths[start : end + 1]) <= most:
            end += 1
        shown += ["", *aligned(header[start:end], [line[start:end] for line in lines])]
        start = end
    return shown


# -- what is written ------------------------------------------------------------------------------


def page(rows: Sequence[Row], facts: Mapping[str, Any], command_line: str) -> str:
    """table.md: where it was measured, the table, what it says, and new lines of each model."""
    from makemore.cli.tables import markdown
    from makemore.experiments.compare import verdict

    header, cells = columns(rows)
    lines = ", ".join(f"{count:,} {part}" for part, count in facts["lines"].items() if count)
    told = [*verdict(rows), *remarks(rows, facts["test"])]
    names, samples = new_lines(rows)
    return "\n".join([
        f"# Models on {plain(facts['text'])}",
        "",
        f"{facts['date']}, {facts['cores']} cores ({plain(facts['machine'])}), "
        f"torch {plain(facts['torch'])}, Python {facts['python']}, "
        f"makemore {facts['version']}.  ",
        f"Text: {plain(facts['text'])}, lines: {lines}; sha256 of its parts {facts['data']}.",
        "",
        f"    {visible(command_line)}",
        "",
        "Losses in nats a symbol, the end of a line included; bits are those of "
        f"{'val' if 'val' in header else 'train'}. "
        "Shares are of 1,000 draws.",
        "",
        *markdown(header, [[plain(c) if isinstance(c, str) else c for c in row] for row in cells]),
        "",
        *(f"{plain(sentence)}  " for sentence in told),
        "",
        "![Loss of each model](compare.png)",
        "",
        "New lines of each:",
        "",
        *markdown([plain(name) for name in names], [[*map(plain, line)] for line in samples]),
        "",
    ])  # fmt: skip


def plain(text: str) -> str:
    """Text that Markdown and HTML read as nothing but text."""
    active = re.escape("".join(set(string.punctuation) - set(" .,;:'()-%/+?_")))
    # An underscore inside a word is one; at its edge it would slant what follows.
    return re.sub(
        rf"[{active}]|(?<![^\W_])_|_(?![^\W_])", lambda at: f"&#{ord(at[0])};", visible(text)
    )


def command_line(values: Mapping[str, Any]) -> str:
    """The command as it can be typed again."""
    flags = []
    for option in [p for p in command.params if isinstance(p, click.Option)]:
        value = values.get(option.name or "")
        if option.name in ("fresh", "json") or value is None or value is False:
            continue
        flag = max(option.opts, key=len)
        flags += [flag] if value is True else [flag, value]
    file = [] if values["file"] is None else [values["file"]]
    return shlex.join(["makemore", "compare", *file, *map(str, flags)])


def write(folder: Path, name: str, text: str) -> None:
    from makemore.runs.safe_files import write_atomically

    write_atomically(folder, name, text.encode())


def draw(folder: Path, rows: Sequence[Row], text: str) -> None:
    from makemore.report.plots.comparison import losses
    from makemore.report.plots.style import save

    save(folder, "compare", losses, rows, text)


command = click.Command(
    "compare",
    callback=compare,
    help=compare.__doc__,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["--models"], metavar="A,B,...", help="only these  [default: all]"),
        click.Option(
            ["-o", "--out"], metavar="DIR", help="where to write  [default: runs/FILE-compare]"
        ),
        click.Option(["--val"], metavar="FILE", help="lines to choose by, not a tenth of FILE"),
        click.Option(["--test"], is_flag=True, help="score the test part, too; it orders nothing"),
        *[option for option in click_options(TrainingConfig) if option.name in SHARED_OPTIONS],
        *click_options(TextConfig),
        click.Option(["--json"], is_flag=True, help="one object a model"),
        click.Option(["--fresh"], is_flag=True, help="start over: forget the rows in DIR"),
        plugin_option("a Python file with a model of your own"),
    ],
)
