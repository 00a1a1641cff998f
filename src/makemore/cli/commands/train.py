"""makemore train: learn from a file, and show new lines. Given again, it goes on."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result
from makemore.cli.progress import StopSignals, show_progress
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import DEFAULT_MODEL, parse_seconds

if TYPE_CHECKING:
    from makemore.api import MakeMore


SHOWN = 20  # new lines at the end
OVERFIT_STEPS = 500  # for one batch


class TrainCommand(ModelCommand):
    """`train`: the model of the run that -o names need not be typed again."""

    def model_of(self, args: list[str]) -> str:
        named, time = value_of("--model", args), value_of("--time", args)
        folder = value_of("-o", args) or value_of("--out", args)
        if named or not (folder or time):
            return named or DEFAULT_MODEL
        from makemore.api.resume import default_model

        seconds = 1.0 if time else None  # how many is nothing to its options; --members is one
        return default_model(Path(folder) if folder else None, seconds, "--fresh" in args)


BASE: list[click.Parameter] = [
    click.Argument(["file"], required=False, metavar="[FILE]"),
    click.Option(["-o", "--out"], metavar="DIR", help="run directory  [default: runs/FILE-MODEL]"),
    click.Option(["--model"], metavar="NAME", help="one that `makemore models` lists; "
                 "--model NAME --help shows its own options  [default: transformer]"),
    click.Option(["--val"], metavar="FILE", help="lines to choose by, instead of a tenth of FILE"),
    click.Option(["--test"], metavar="FILE", help="lines to report on, instead of a tenth of FILE"),
    plugin_option("a Python file with a model of your own"),
    click.Option(["--time"], metavar="T", help="60s, 10m, 1h: choose model, size and steps so that "
                 "training ends by then; with --model, only size and steps"),
    click.Option(["--fresh"], is_flag=True, help="start over: remove the run in DIR"),
    click.Option(["--watch"], is_flag=True, help="keep activations, gradients and updates, for "
                 "`makemore inspect DIR`"),
    click.Option(["--overfit-batch"], is_flag=True, help="only learn one batch of 32 by heart: a "
                 "quick check of a model and its rate; no run is made"),
    *click_options(TextConfig),
    *click_options(TrainingConfig),
]  # fmt: skip


def train(**values: Any) -> int:
    """Learn what the lines of FILE look like, and show 20 new ones.

    Without FILE it learns English given names, which come with makemore. Killed or stopped, the
    same command goes on where it was; finished, it shows 20 more.
    """
    from makemore.api.plan import split_options
    from makemore.api.resume import default_model
    from makemore.models import get_model

    seconds = parse_seconds(values["time"]) if values["time"] else None
    folder = values["out"] and Path(values["out"])
    if seconds is not None and folder is None:
        folder = Path("runs") / f"{stem(values['file'])}-{values['model'] or f'{seconds:g}s'}"
    model = values["model"] or default_model(folder, seconds, values["fresh"])
    kind = get_model(model)
    given = {
        key: value
        for config in (TextConfig, TrainingConfig, kind.Options)
        for key, value in given_options(config, values).items()
    }
    split_options(kind, given)
    if values["overfit_batch"]:
        return overfit(model, given, values)
    folder = folder or Path("runs") / f"{stem(values['file'])}-{model}"
    named = values["model"] if seconds else model  # None: whatever fills the time best
    return train_in(folder, values["file"], named, given, values)


def train_in(
    folder: Path,
    file: str | None,
    model: str | None,
    given: dict[str, Any],
    values: Mapping[str, Any],
) -> int:
    """Start or go on with the run in a folder. Gives the exit code."""
    from makemore.api import train_directory

    began, parts, observe = monotonic(), None, None
    goes_on = (folder / "checkpoint.json").exists() and not values.get("fresh")
    if goes_on and file is None and (values.get("val") or values.get("test")):
        raise UsageError("--val and --test come with FILE", None, "give the run's FILE, too")
    if file is not None or not goes_on:
        parts = read_text(file, given, values.get("val"), values.get("test"))
    if values.get("watch"):
        from makemore.analysis.diagnostics import Watch  # which needs torch

        observe = Watch.of
    with StopSignals() as stop:
        events = train_directory(
            folder, parts, model=model, time=values.get("time"), fresh=bool(values.get("fresh")),
            name=visible(stem(file), 200), began=began, stop=stop.event,
            observe=observe, **given,
        )  # fmt: skip
        with closing(events):
            started = show_progress(events)
    if stop.number is not None and not started.finished:
        note(f"makemore: stopped and saved in {folder}; the same command goes on")
        return 128 + stop.number
    if started.finished:
        note(f"makemore: this run is finished; {SHOWN} more from it")
    show_new(started.maker, folder, values.get("plugin"))
    return 0


def overfit(model: str, asked: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Learn one batch by heart, and say whether that worked."""
    from makemore.analysis.advice import describe_overfit_batch
    from makemore.analysis.diagnostics import overfit_batch
    from makemore.api import MakeMore, Plan

    parts = read_text(values["file"], asked, values["val"], values["test"])
    maker, steps = MakeMore(model), asked.get("max_steps") or OVERFIT_STEPS
    maker.begin(Plan.make(model, asked, parts, "one batch"))
    seen = []
    for step, loss, lowest in overfit_batch(maker, steps):
        seen.append((loss, lowest))
        if step == 1 or step % max(1, steps // 10) == 0:
            note(f"step {step}/{steps}  loss {loss:.4f}")
    result(describe_overfit_batch(seen[0][0], *seen[-1]))
    return 0


def show_new(maker: MakeMore, folder: Path, plugin: str | None = None) -> None:
    """20 new lines, and what to type next."""
    from makemore.api.fitted import fresh_seed

    seed = fresh_seed()
    note(f"makemore: {SHOWN} new lines (--seed {seed}):")
    for line in maker.samples(SHOWN, seed):
        result(line.text)
    sys.stdout.flush()
    start = maker.vocabulary.pieces(maker.split.train[0])[0]
    note("makemore: what you can type next:")
    run = shlex.quote(str(folder)) + (f" --plugin {shlex.quote(plugin)}" if plugin else "")
    name = program()
    typed_next = {
        f"{name} sample {run} -n 50": "more of them",
        f"{name} sample {run} --prefix {shlex.quote(start)}": f"that start with {start}",
        f"{name} eval {run}": "how good the model is",
    }
    width = max(map(len, typed_next))
    for command_line, what in typed_next.items():
        note(f"  {command_line:{width}}   {what}")


def program() -> str:
    """What to type to get makemore: its name where the shell finds it, else the path as typed."""
    typed_as = sys.argv[0]
    found = shutil.which("makemore")
    elsewhere = found is None or Path(found).resolve() != Path(typed_as).resolve()
    return shlex.quote(typed_as) if elsewhere and Path(typed_as).stem == "makemore" else "makemore"


command = TrainCommand("train", callback=train, params=list(BASE), help=train.__doc__)
