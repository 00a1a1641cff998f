"""makemore train: learn from a file, and show new lines. The same command again goes on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import (
    click_options,
    given_options,
    memory_option,
    model_option,
    parse_size,
    plugin_option,
)
from makemore.cli.output import note, result, results
from makemore.cli.progress import StopSignals, show_progress
from makemore.cli.typed import program, typed
from makemore.errors import Unsatisfiable, UsageError
from makemore.escaping import visible
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import BUDGET_MODEL, DEFAULT_MODEL, parse_seconds

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.text import Split


SHOWN = 20  # new lines at the end
OVERFIT_STEPS = 500  # for one batch


class TrainCommand(ModelCommand):
    """Takes the model from the run in -o DIR, too: it need not be typed again."""

    def model_of(self, args: list[str]) -> str:
        model, time = value_of("--model", args), value_of("--time", args)
        folder = value_of("-o", args) or value_of("--out", args)
        if model or not (folder or time):
            return model or DEFAULT_MODEL
        from makemore.api.resume import default_model

        # Any time will do: that there is one decides which model's flags there are.
        seconds = 1.0 if time else None
        return default_model(Path(folder) if folder else None, seconds, "--fresh" in args)


@click.command(
    "train",
    cls=TrainCommand,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["-o", "--out"], metavar="DIR",
                     help="run directory  [default: runs/FILE, with --model runs/FILE-MODEL]"),
        model_option(default="counts and networks mixed for fewer than 5,000 lines, else a "
                     "transformer"),
        click.Option(["--val"], metavar="FILE",
                     help="lines to choose by, instead of a tenth of FILE"),
        click.Option(["--test"], metavar="FILE",
                     help="lines to report on, instead of a tenth of FILE"),
        plugin_option(),
        click.Option(["--time"], metavar="T", help="60s, 10m, 1h: choose model, size and steps so "
                     "that training ends by then; with --model, only size and steps"),
        memory_option("memory for the lines of FILE, as 1GiB or 500MB: if they take more, they "
                      "stay on the disk, and some are in memory at once", "what is free"),
        click.Option(["--fresh"], is_flag=True, help="start over: remove the run in DIR"),
        click.Option(["--watch"], is_flag=True, help="keep activations, gradients and updates, for "
                     "`makemore inspect DIR`"),
        click.Option(["--overfit-batch"], is_flag=True, help="only learn one batch of 32 by heart: "
                     "a quick check of a model and its rate; no run is made"),
        *click_options(TextConfig),
        *click_options(TrainingConfig),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Learn what the lines of FILE look like, and show 20 new ones.

    Without FILE it learns English given names, which come with makemore. If the training is killed
    or stopped, the same command goes on where it was; once it is finished, it shows 20 more lines.

    Several processes, or graphics cards: torchrun --nproc-per-node N -m makemore train ... computes
    each batch in parts; --threads are then those of each process.
    """
    from makemore.api.resolve import split_options
    from makemore.api.resume import default_model
    from makemore.models import get_model

    seconds = parse_seconds(values["time"]) if values["time"] else None
    named, out = values["model"], values["out"]
    goes_on = out and not values["fresh"] and (Path(out) / "config.json").exists()
    if named is None and seconds is None and not goes_on and wants_one_network(values):
        named = DEFAULT_MODEL
    suffix = f"-{named}" if named else "" if seconds is None else f"-{seconds:g}s"
    folder = Path(out or Path("runs") / f"{stem(values['file'])}{suffix}")
    model = named or default_model(folder, seconds, values["fresh"])
    kind = get_model(model)
    requested = given_options(values, TextConfig, TrainingConfig, kind.Options)
    split_options(kind, requested)  # what is wrong with them is reported before a long text is read
    if values["overfit_batch"]:
        if values["memory"]:
            raise UsageError("one batch is in memory anyway", "--memory", "leave it out")
        return overfit(model, requested, values)
    # None: the model is chosen by the list, or by what fills the time best.
    return train_in(folder, values["file"], named, requested, values)


def wants_one_network(values: Mapping[str, Any]) -> bool:
    """Tell whether a look into one network was typed, or an option that only the default has."""
    from makemore.models import get_model

    if values["watch"] or values["overfit_batch"]:
        return True
    return bool(given_options(values, get_model(DEFAULT_MODEL).Options))


def train_in(
    folder: Path, file: str | None, model: str | None, requested: dict[str, Any],
    values: Mapping[str, Any],
) -> int:  # fmt: skip
    """Start or go on with the run in a folder; returns the exit code.

    values: flags beside the options, of which the original's command line has none
    """
    from makemore.api import train_directory

    began, parts, observe = monotonic(), None, None  # reading the text counts as training time
    goes_on = (folder / "checkpoint.json").exists() and not values.get("fresh")
    if goes_on and file is None and (values.get("val") or values.get("test")):
        raise UsageError("--val and --test come with FILE", None, "give the run's FILE, too")
    if file is not None or not goes_on:  # a run that goes on has its text in the directory
        parts = lines_of(folder, file, model, requested, values)
    if values.get("watch"):
        from makemore.analysis.diagnostics import Watch  # imports torch

        observe = Watch.of
    with StopSignals() as stop:
        # The shell has replaced each ~ that stands for the home folder: one that is left is a name.
        events = train_directory(
            os.path.join(os.curdir, folder), parts, model=model, time=values.get("time"),
            memory=parse_size(values.get("memory")), fresh=bool(values.get("fresh")),
            name=visible(stem(file), 200), began=began, stop=stop.event, observe=observe,
            ranks=typed().ranks, **requested,
        )  # fmt: skip
        with closing(events):  # gives the directory's lock back, whatever happens
            started = show_progress(events)
    if stop.signum is not None and (started is None or not started.finished):
        saved = f"stopped and saved in {folder}; the same command goes on"
        note(saved if started else "stopped while reading; the same command begins again")
        return 128 + stop.signum
    assert started is not None  # noqa: S101 (it is the first event of what was not stopped)
    if started.finished:
        note(f"this run is finished; {SHOWN} more from it")
    show_new(started.maker, folder, values.get("plugin"))
    return 0


def lines_of(
    folder: Path, file: str | None, model: str | None, requested: dict[str, Any],
    values: Mapping[str, Any],
) -> Split | Path:  # fmt: skip
    """Read FILE, or return its path where memory does not hold its lines."""
    from makemore.api.large_list import stays_on_disk
    from makemore.api.resume import config_in

    val, test, memory = values.get("val"), values.get("test"), parse_size(values.get("memory"))
    if file is not None and (memory or not (val or test)):
        config = None if values.get("fresh") else config_in(folder)
        named = model or (BUDGET_MODEL if values.get("time") else DEFAULT_MODEL)
        if stays_on_disk(file, named, requested, values.get("time"), memory, config):
            if val or test:
                flag = "--val" if val else "--test"
                what = "parts of their own are learned from memory only"
                raise UsageError(what, flag, "leave it out, or --memory")
            return Path(file)
    return read_text(file, requested, val, test)


def overfit(model: str, requested: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Learn one batch by heart, and say whether that worked: a model that cannot has a bug."""
    from makemore.analysis.advice import describe_overfit_batch
    from makemore.analysis.diagnostics import overfit_batch
    from makemore.api import MakeMore, Plan

    parts = read_text(values["file"], requested, values["val"], values["test"])
    maker, steps = MakeMore(model), requested.get("max_steps") or OVERFIT_STEPS
    maker.begin(Plan.make(model, requested, parts, "one batch"))
    losses = []
    for step, loss, lowest in overfit_batch(maker, steps):
        losses.append((loss, lowest))
        if step == 1 or step % max(1, steps // 10) == 0:
            note(f"step {step}/{steps}  loss {loss:.4f}", prefix="")
    result(describe_overfit_batch(losses[0][0], *losses[-1]))
    return 0


def show_new(maker: MakeMore, folder: Path, plugin: str | None = None) -> None:
    """Print 20 new lines, or as many as there are, and commands that can be typed next."""
    from makemore.api.checks import fresh_seed

    seed, fewer = fresh_seed(), None
    tidy = maker.styled({})["style"] == "tidy"
    style = ", tidy (makemore sample --style plain also draws what is unlikely)" if tidy else ""
    note(f"{SHOWN} new lines{which_step(maker, folder)} (--seed {seed}){style}:")
    run = shlex.quote(str(folder)) + (f" --plugin {shlex.quote(plugin)}" if plugin else "")
    name = program()
    lost = f"the run is saved, only these lines are lost: {name} sample {run} gives others"
    with results(lost):  # flushed before the notes, where both go to one file
        try:
            for line in maker.samples(SHOWN, seed):
                result(line.text)
        except Unsatisfiable as error:  # the training is done all the same
            fewer = error
    if fewer is not None:
        note(f"the training is done, and there are no more new lines: {fewer.what}")
        suggestions = {f"{name} sample {run} --all": "all that it draws, lines of the text, too"}
    else:
        start = maker.vocabulary.pieces(maker.split.train[0])[0]
        suggestions = {
            f"{name} sample {run} -n 50": "more of them",
            f"{name} sample {run} --prefix {shlex.quote(start)}": f"that start with {start}",
        }
    suggestions[f"{name} eval {run}"] = "how good the model is"
    note("what you can type next:")
    for command_line, what in suggestions.items():
        note(f"  {command_line:{max(map(len, suggestions))}}   {what}", prefix="")


def which_step(maker: MakeMore, folder: Path) -> str:
    """Say after which step the weights were as they are now; "" for what is learned at once."""
    from makemore.models import get_model
    from makemore.runs.listing import summary_of

    run = summary_of(folder)
    if not run.best_step or (run.steps or 1) <= 1 or get_model(run.model or "").is_ensemble:
        return ""
    best = ", the best by val" if run.val is not None else ""
    return f" of step {run.best_step:,}{best}"
