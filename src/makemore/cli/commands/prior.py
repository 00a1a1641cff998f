"""makemore prior: train one model on many lists, from which trainings on other lists may start."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from makemore.cli.inputs import stem
from makemore.cli.options import click_options, given_options
from makemore.cli.output import note
from makemore.cli.progress import StopSignals, show_progress
from makemore.errors import DataError, UsageError
from makemore.escaping import visible
from makemore.text import TextConfig


@click.command(
    "prior",
    params=[
        click.Argument(["lists"], nargs=-1, required=True, metavar="LIST..."),
        click.Option(["-o", "--out"], default="runs/prior", show_default=True, metavar="DIR",
                     help="run directory"),
        click.Option(["--epochs"], type=click.FloatRange(0, min_open=True), metavar="N",
                     help="how often each line is read  [default: 16]"),
        click.Option(["--fresh"], is_flag=True, help="start over: remove the run in DIR"),
        click.Option(["--pack"], metavar="FOLDER", help="write the finished prior as two small "
                     "files, too: half precision, and hashes in place of lines"),
        click.Option(["--held-out"], metavar="FILE", help="further known lines, which are not "
                     "read: the packed prior holds their hashes, too"),
        click.Option(["--about"], metavar="FILE", help="JSON to tell in the packed prior.json"),
        *[option for option in click_options(TextConfig) if option.name in ("encoding", "errors")],
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Learn many lists at once: a prior, which knows what lines of such kinds look like.

    A list is a text file, one thing a line; give lists of several kinds, each in a file of its own.
    `makemore FILE --prior DIR` then starts from it, and needs far fewer lines. If the training is
    stopped, the same command goes on.
    """
    from makemore.api.make_prior import EPOCHS, pack, train_prior
    from makemore.options import make
    from makemore.text import Corpus

    lists, config = {}, make(TextConfig, given_options(values, TextConfig))
    for path in values["lists"]:
        name = visible(stem(path), 200)
        if name in lists:
            raise UsageError(f"two lists are called {name!r}", path, "rename one of the files")
        lists[name] = Corpus.read(path, config)
    about = read_about(values["about"]) if values["about"] else {}
    held_out = Corpus.read(values["held_out"]) if values["held_out"] else None
    folder = Path(values["out"])
    with StopSignals() as stop:
        events = train_prior(
            os.path.join(os.curdir, folder), lists, epochs=values["epochs"] or EPOCHS,
            fresh=values["fresh"], stop=stop.event,
        )  # fmt: skip
        with closing(events):
            started = show_progress(events)
    if stop.signum is not None and not (started and started.finished):
        note(f"stopped and saved in {folder}; the same command goes on")
        return 128 + stop.signum
    if values["pack"]:
        prior = pack(folder, Path(values["pack"]), about, held_out)
        note(f"packed in {values['pack']}: {len(prior.lines):,} lines are known")
    note(f"what you can type next: makemore FILE --prior {values['pack'] or folder}")
    return 0


def read_about(path: str) -> dict[str, Any]:
    """Read the JSON object that goes into prior.json. Raises DataError."""
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("cannot read JSON", path, str(error)) from None
    if not isinstance(about, dict):
        raise DataError("is no JSON object", path)
    return about
