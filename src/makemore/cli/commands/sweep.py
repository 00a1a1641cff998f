"""makemore sweep: many trainings that differ in what is named, side by side."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.cli.tables import aligned
from makemore.errors import DataError, Diverged, MakemoreError, SystemFault, UsageError
from makemore.experiments.presets import PRESETS, Amount, Preset, preset_named
from makemore.options import make, options_of
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from makemore.experiments import ResultLog, Sweep
    from makemore.experiments.trial import Axis, Record, Settings


LIST = "list"
NOT_HERE = {"save_interval", "log_interval"}  # there is no run directory, no log of steps


class SweepCommand(ModelCommand):
    """`sweep`: a preset has a model of its own."""

    def model_of(self, args: list[str]) -> str:
        preset = PRESETS.get(value_of("--preset", args) or "")
        return value_of("--model", args) or (preset.model if preset else DEFAULT_MODEL)


def sweep(**values: Any) -> int:
    """Train once for each value of an option, or for each combination, and compare.

    --vary block_size=2,3,4,5 trains four times; a second --vary makes a grid. With --random N,
    ranges such as --vary learning_rate=0.001..0.1 are drawn from. Any option of the model and of
    training can vary, and data=0.1,1/3,1 (the share of the training lines), n_symbols=N and
    batch_size=all, too. What does not vary is typed as for `train`.

    Each trial is written to DIR/trials.jsonl as it ends: the same command goes on where it was
    stopped. A trial that fails is recorded, and the others go on. Losses are of val, never of test.
    """
    if values["preset"] == LIST:
        for name, preset in PRESETS.items():
            result(f"{name:13} {preset.model}: {preset.about}")
        return 0
    made = sweep_of(values)
    from makemore.experiments.sweep import opened

    named = "-".join([stem(values["file"]), made.model, *filter(None, [values["preset"]]), "sweep"])
    folder = Path(values["out"] or Path("runs") / named)
    journal, done = opened(folder, made, values["fresh"])
    with journal:
        done |= run_missing(made, journal, done, values)
    records = [done[made.id_of(trial)] for trial in made.trials]
    charts(folder, records, made)  # before the table, whose reader may leave
    if values["json"]:
        for record in records:
            result_json(record)
    else:
        show(records, made)
    return verdict(records)


# -- what was typed -------------------------------------------------------------------------------


def sweep_of(values: Mapping[str, Any]) -> Sweep:
    """What is to be tried, of what was typed. Raises UsageError, DataError."""
    from makemore.api.plan import split_options
    from makemore.experiments import Sweep
    from makemore.experiments.trial import Axis, grid, random_draws, with_seeds
    from makemore.models import get_model

    preset = preset_named(values["preset"], values["model"]) if values["preset"] else None
    model = values["model"] or (preset.model if preset else DEFAULT_MODEL)
    kind, texts = get_model(model), given_options(TextConfig, values)
    asked = {
        **given_options(kind.Options, values),
        **given_options(TrainingConfig, values),
        **given_options(Amount, values),
    }
    axes = axes_of(model, preset, values, asked)
    given = {*asked, *(axis.key for axis in axes)}
    fixed = {**(preset.fixed_but(given) if preset else {}), **asked}
    if "symbols" in texts:  # the vocabulary of every trial
        fixed["symbols"] = texts["symbols"]
    fixed["threads"] = fixed.get("threads") or 1  # recorded: the last bits hang on it
    amount = {key: value for key, value in fixed.items() if key in options_of(Amount)}
    make(Amount, amount)
    split_options(kind, {key: value for key, value in fixed.items() if key not in amount})
    seed = fixed.get("seed", TrainingConfig().seed)
    trials = random_draws(axes, values["random"], seed) if values["random"] else grid(axes)
    if values["random"] and len(trials) < values["random"]:
        note(f"makemore: there are only {len(trials)} different trials")
    if values["seeds"] > 1:
        seeds = [seed + number for number in range(values["seeds"])]
        axes, trials = [*axes, Axis("seed", tuple(seeds))], with_seeds(trials, seeds)
        fixed.pop("seed", None)
    parts = read_text(values["file"], texts)
    return Sweep(
        model, parts, fixed, tuple(axes), tuple(trials), values["random"], values["plugin"]
    )


def axes_of(
    model: str, preset: Preset | None, values: Mapping[str, Any], asked: Mapping[str, Any]
) -> list[Axis]:
    """What varies: what the preset has, and what was typed in its place or beside it."""
    from makemore.experiments.trial import axis

    own = {each.key: each for each in (axis(model, text) for text in values["vary"])}
    if len(own) < len(values["vary"]):
        raise UsageError("an option varies twice", "--vary", "give all of its values in one")
    axes = (
        {each.key: each for each in (axis(model, text) for text in preset.vary)} if preset else {}
    )
    axes = {**{key: each for key, each in axes.items() if key not in asked}, **own}
    for key in own.keys() & asked.keys():
        raise UsageError(f"{key} is fixed and varies", "--vary", "leave out one of the two")
    if "seed" in axes and values["seeds"] > 1:
        raise UsageError("seeds twice", "--seeds", "leave out one of --seeds and --vary seed=")
    if not axes and values["seeds"] == 1:
        raise UsageError(
            "nothing varies", None,
            "give --vary KEY=V1,V2 or --preset NAME (makemore sweep --preset list)",
        )  # fmt: skip
    return list(axes.values())


# -- running and showing --------------------------------------------------------------------------


def run_missing(
    made: Sweep, journal: ResultLog, done: Mapping[str, Record], values: Mapping[str, Any]
) -> dict[str, Record]:
    """Run what the journal lacks (with --retry: or holds as failed); gives what came of it."""
    from makemore.experiments.sweep import finished
    from makemore.parallel import default_threads

    kept = {key for key, record in done.items() if not (values["retry"] and "error" in record)}
    missing = [trial for trial in made.trials if made.id_of(trial) not in kept]
    total, threads = len(made.trials), made.fixed["threads"]
    workers = min(values["workers"] or max(1, default_threads() // threads), len(missing) or 1)
    before = total - len(missing)
    told = f"{total} trials of {made.model}" + (f", {before} of them done before" * bool(before))
    note(f"makemore: {told}" + (f"; {workers} at a time" if missing else ""))
    came: dict[str, Record] = {}
    try:
        with contextlib.closing(finished(made, missing, workers)) as records:
            for number, record in enumerate(records, before + 1):
                journal.append(record)
                came[record["id"]] = record
                what = f"{written(record['options'])}  {outcome(record)}"
                note(f"makemore: {number} of {total}:  {what}")
    except KeyboardInterrupt:
        note(f"makemore: stopped; the finished trials are in {journal.folder}: "
             "the same command goes on")  # fmt: skip
        raise
    return came


def written(options: Settings) -> str:
    from makemore.report.plots.sweeps import written

    return " ".join(f"{key}={written(value)}" for key, value in options.items())


def outcome(record: Record) -> str:
    from makemore.experiments.trial import loss_of

    if "error" in record:
        return f"failed: {record['error']}"
    part = "train" if record["val"] is None else "val"
    return f"{part} {loss_of(record):.4f}  {record['seconds']:.1f} s"


def show(records: Sequence[Record], made: Sweep) -> None:
    """The table in the order of the trials, the means over seeds, and what each makes."""
    for line in aligned(*table(records, made)):
        result(line)
    if any(axis.key == "seed" for axis in made.axes) and len(made.axes) > 1:
        result("")
        for line in aligned(*seed_table(records)):
            result(line)
    for record in records:
        if record.get("names"):
            result("")
            result(f"{written(record['options'])}:")
            result("  " + "  ".join(record["names"]))


def table(records: Sequence[Record], made: Sweep) -> tuple[list[str], list[list[Any]]]:
    from makemore.experiments.trial import loss_of
    from makemore.report.plots.sweeps import written

    keys = [axis.key for axis in made.axes]
    unseen = any(record.get("nll_unseen") is not None for record in records)
    head = [*keys, "val", *(["unseen"] if unseen else []), "train", "first", "last val",
            "best step", "steps", "parameters", "seconds", "in train", ""]  # fmt: skip
    best = min(records, key=loss_of)
    rows = []
    for record in records:
        row: list[Any] = [written(record["options"][key]) for key in keys]
        if "error" in record:
            rows.append([*row, *[None] * (len(head) - len(keys) - 1), record["kind"]])
            continue
        row += [record["val"], *([record["nll_unseen"]] if unseen else []), record["train"]]
        row += [record["first"]["train"], record["last"]["val"], record["best_step"]]
        row += [record["steps"], record["parameters"], f"{record['seconds']:.1f}"]
        row += [f"{100 * record['copied']:.1f} %", "best" if record is best else ""]
        rows.append(row)
    return head, rows


def seed_table(records: Sequence[Record]) -> tuple[list[str], list[list[Any]]]:
    """Mean and deviation over seeds of what the trials are compared by."""
    from makemore.experiments.trial import loss_of

    found: dict[str, list[float]] = {}
    for record in records:
        others = {k: v for k, v in record["options"].items() if k != "seed"}
        found.setdefault(written(others), []).append(loss_of(record))
    finite = {name: [loss for loss in each if loss < math.inf] for name, each in found.items()}
    means = {name: statistics.fmean(each) for name, each in finite.items() if each}
    best = min(means, key=means.__getitem__, default=None)
    rows = [[name, means.get(name), statistics.stdev(each) if len(each) > 1 else None, len(each),
             "best" if name == best else ""] for name, each in finite.items()]  # fmt: skip
    return ["over seeds", "mean", "deviation", "trials", ""], rows


def charts(folder: Path, records: Sequence[Record], made: Sweep) -> None:
    """loss-KEY.png for each option that varies, in light and dark."""
    if all("error" in record for record in records):
        return
    from makemore.report.plots import sweeps
    from makemore.report.plots.style import save
    from makemore.text import Vocabulary

    log_v = math.log(len(Vocabulary.of(part for _, part in made.parts)))
    paths: list[Path] = []
    for axis in made.axes:
        if len(axis.values) > 1 and (axis.key != "seed" or len(made.axes) == 1):
            paths += save(folder, f"loss-{axis.key}", sweeps.against, axis.key, records, log_v,
                          is_range=axis.is_range)  # fmt: skip
    if paths:
        note(f"makemore: charts: {', '.join(map(str, paths))}")


def verdict(records: Sequence[Record]) -> int:
    """0 if a trial succeeded; where all failed, what they failed by is raised."""
    failed = [record for record in records if "error" in record]
    if not failed:
        return 0
    note(f"makemore: {len(failed)} of {len(records)} trials failed; --retry runs them again")
    if len(failed) < len(records):
        return 0
    known: tuple[type[MakemoreError], ...] = (UsageError, DataError, SystemFault, Diverged)
    kinds = {kind.exit_code: kind for kind in known}
    kind = kinds.get(min(record["code"] for record in failed), MakemoreError)
    raise kind("every trial failed", None, failed[0]["error"])


command = SweepCommand(
    "sweep",
    callback=sweep,
    help=sweep.__doc__,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["--model"], metavar="NAME", help="one that `makemore models` lists; "
                     "--model NAME --help shows its own options  [default: transformer]"),
        click.Option(["--vary"], multiple=True, metavar="KEY=VALUES",
                     help="an option and its values: n_hidden=10,100 or, with --random, 10..100"),
        click.Option(["--preset"], metavar="NAME",
                     help=f"an experiment of the lectures: {', '.join(PRESETS)}; "
                     f"{LIST}: what each does"),
        click.Option(["--random"], type=click.IntRange(1, 100_000), metavar="N",
                     help="N random draws instead of every combination"),
        click.Option(["--seeds"], type=click.IntRange(1, 1000), default=1, metavar="N",
                     help="each trial with N seeds, from --seed on  [default: 1]"),
        click.Option(["--workers"], type=click.IntRange(1, 256), metavar="N",
                     help="trials at a time, a process each  [default: the cores, at most 8]"),
        click.Option(["-o", "--out"], metavar="DIR",
                     help="for trials.jsonl and charts  [default: runs/FILE-MODEL-sweep]"),
        click.Option(["--fresh"], is_flag=True, help="start over: forget the trials in DIR"),
        click.Option(["--retry"], is_flag=True, help="run the trials again that failed"),
        click.Option(["--json"], is_flag=True, help="one object a trial"),
        plugin_option("a Python file with a model of your own"),
        *click_options(Amount),
        *click_options(TextConfig),
        *[option for option in click_options(TrainingConfig) if option.name not in NOT_HERE],
    ],
)  # fmt: skip
