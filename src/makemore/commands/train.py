"""makemore train: learn from a file, and show new lines. Given again, it goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.commands import knob_options, note, plugin_option, result, typed
from makemore.commands._follow import StopSignals, follow
from makemore.commands._model import DEFAULT_MODEL, ModelCommand, value_of
from makemore.commands._text import read_split, stem
from makemore.errors import MakemoreError, UsageError, visible
from makemore.settings import Recipe, TextOptions

if TYPE_CHECKING:
    from makemore.estimator import MakeMore
    from makemore.plan import Plan
    from makemore.run import Run
    from makemore.split import Split

SHOWN = 20  # new lines at the end
OVERFIT_STEPS = 500  # for one batch
MIXED = "ensemble"  # what --time chooses among


class TrainCommand(ModelCommand):
    """`train`: the model of the run that -o names need not be typed again."""

    def model_of(self, args: list[str]) -> str:
        there = existing_model(args)
        if there is None and value_of("--time", args):
            return value_of("--model", args) or MIXED  # --members may be typed
        return value_of("--model", args) or there or DEFAULT_MODEL


def existing_model(arguments: list[str]) -> str | None:
    """The model of the run that -o names, if there is one: it need not be typed again."""
    folder = value_of("-o", arguments) or value_of("--out", arguments)
    if folder is None or "--fresh" in arguments or not (Path(folder) / "config.json").is_file():
        return None
    from makemore.run import Run

    with contextlib.suppress(MakemoreError):
        return Run.load(folder).config.model
    return None


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
    *knob_options(TextOptions),
    *knob_options(Recipe),
]  # fmt: skip


def train(**values: Any) -> int:
    """Learn what the lines of FILE look like, and show 20 new ones.

    Without FILE it learns English given names, which come with makemore. Killed or stopped, the
    same command goes on where it was; finished, it shows 20 more.
    """
    from makemore.models.base import find
    from makemore.plan import options_of

    limit, folder = limit_of(values), values["out"] and Path(values["out"])
    if limit is not None and folder is None:
        folder = Path("runs") / f"{stem(values['file'])}-{values['model'] or f'{limit:g}s'}"
    there = ["-o", str(folder)] if folder and not values["fresh"] else []
    model = values["model"] or existing_model(there) or (MIXED if limit else DEFAULT_MODEL)
    kind = find(model)
    asked = {**typed(TextOptions, values), **typed(Recipe, values), **typed(kind.Options, values)}
    options_of(kind, asked)
    if values["overfit_batch"]:
        return overfit(model, asked, values)
    folder = folder or Path("runs") / f"{stem(values['file'])}-{model}"
    return train_in(folder, values["file"], model, asked, {**values, "limit": limit})


def limit_of(values: Mapping[str, Any]) -> float | None:
    """The seconds that --time gives. Raises UsageError."""
    if not values.get("time"):
        return None
    from makemore.autopilot import seconds

    return seconds(values["time"])


def train_in(
    folder: Path, file: str | None, model: str, asked: dict[str, Any], values: Mapping[str, Any]
) -> int:
    """Start or go on with the run in a folder. Gives the exit code."""
    from makemore.estimator import MakeMore
    from makemore.plan import Plan
    from makemore.run_writer import RunWriter

    stop, began = StopSignals(), time.monotonic()
    goes_on = (folder / "checkpoint.json").exists() and not values.get("fresh")
    parts = None
    if goes_on and file is None and (values.get("val") or values.get("test")):
        raise UsageError("--val and --test come with FILE", None, "give the run's FILE, too")
    if file is not None or not goes_on:
        parts = read_split(file, asked, values.get("val"), values.get("test"))
    maker = MakeMore(model)
    if not goes_on and parts is not None:
        name = visible(stem(file), 200)
        if values.get("limit"):
            plan = chosen(parts, asked, values, name, began)
            maker = MakeMore(plan.config.model)
        else:
            plan = Plan.make(model, asked, parts, name)
        maker.begin(plan)
    with stop, RunWriter(folder, fresh=bool(values.get("fresh"))) as writer:
        run = writer.resume() if goes_on else None
        if run is not None:
            check_same(run, model, asked, parts, values.get("limit"))
            if run.progress["finished"]:
                note(f"makemore: this run is finished; {SHOWN} more from it")
                show_new(MakeMore.of_run(run), folder, values.get("plugin"))
                return 0
            maker.begin(with_typed(Plan.of(run), asked))
            note(f"makemore: going on from step {run.progress['step']} in {folder}")
        follow(maker, writer, run, stop, bool(values.get("watch")))
        if stop.number is not None:
            note(f"makemore: stopped and saved in {folder}; the same command goes on")
            return 128 + stop.number
    show_new(maker, folder, values.get("plugin"))
    return 0


def chosen(
    parts: Split, asked: dict[str, Any], values: Mapping[str, Any], name: str, began: float
) -> Plan:
    """The plan that the autopilot makes for the time there is; one line says what and why."""
    from makemore.autopilot import choose
    from makemore.plan import Plan

    model = values["model"] or (MIXED if "members" in asked else None)
    choice = choose(parts, asked, model, values["limit"], began)
    note(f"makemore: {choice.why}")
    own = {key: value for key, value in asked.items() if key != "members"}
    plan = Plan.make(choice.model, {**own, **choice.options}, parts, name)
    return plan.recorded(asked, values["limit"])


def overfit(model: str, asked: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Learn one batch by heart, and say whether that worked."""
    from makemore.diagnostics import overfit_batch
    from makemore.estimator import MakeMore
    from makemore.findings import by_heart_in_words
    from makemore.plan import Plan

    parts = read_split(values["file"], asked, values["val"], values["test"])
    maker, steps = MakeMore(model), asked.get("max_steps") or OVERFIT_STEPS
    maker.begin(Plan.make(model, asked, parts, "one batch"))
    seen = []
    for step, loss, lowest in overfit_batch(maker, steps):
        seen.append((loss, lowest))
        if step == 1 or step % max(1, steps // 10) == 0:
            note(f"step {step}/{steps}  loss {loss:.4f}")
    result(by_heart_in_words(seen[0][0], *seen[-1]))
    return 0


def check_same(
    run: Run, model: str, asked: Mapping[str, Any], parts: Split | None, limit: float | None = None
) -> None:
    """Raise UsageError if a run was started by another command than this one."""
    from makemore.plan import Plan
    from makemore.run import same_command

    if run.config.model != model:
        raise UsageError(
            f"this run's model is {run.config.model!r}, not {model!r}", "--model",
            "give the same to go on, another -o, or --fresh to start over",
        )  # fmt: skip
    # Options that do not name the run may change from one call to the next.
    named = Plan.make(model, asked, run.split, "").config.asked
    named = named if limit is None else {**named, "time": limit}
    same_command(run.config, named, parts.digest() if parts else None)


def with_typed(plan: Any, asked: Mapping[str, Any]) -> Any:
    """The run's plan with what may differ from call to call: device, threads, intervals."""
    free = {k: asked[k] for k in ("device", "save_interval", "log_interval") if k in asked}
    config = plan.config
    if asked.get("threads") not in (None, config.threads):
        note(f"makemore: warning: the run had {config.threads} threads; its bits will differ now")
        config = dataclasses.replace(config, threads=asked["threads"])
    if free.get("device", plan.recipe.device) != plan.recipe.device:
        note(f"makemore: warning: the run was on {plan.recipe.device}; its bits will differ now")
    return dataclasses.replace(plan, config=config, recipe=dataclasses.replace(plan.recipe, **free))


def show_new(maker: MakeMore, folder: Path, plugin: str | None = None) -> None:
    """20 new lines, and what to type next."""
    from makemore.trained import fresh_seed

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
