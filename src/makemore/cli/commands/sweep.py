"""makemore sweep: many trainings that differ in what is named, side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import click_options, given_options, model_option, plugin_option
from makemore.cli.output import note, result, result_json, result_table
from makemore.errors import MakemoreError, UsageError
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
    """Takes the model from --preset, too."""

    def model_of(self, args: list[str]) -> str:
        preset = PRESETS.get(value_of("--preset", args) or "")
        return value_of("--model", args) or (preset.model if preset else DEFAULT_MODEL)


@click.command(
    "sweep",
    cls=SweepCommand,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        model_option(),
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
        plugin_option(),
        *click_options(Amount),
        *click_options(TextConfig),
        *[option for option in click_options(TrainingConfig) if option.name not in NOT_HERE],
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Train once for each value of an option, or for each combination, and compare.

    --vary block_size=2,3,4,5 trains four times; a second --vary makes a grid. With --random N,
    ranges such as --vary learning_rate=0.001..0.1 are drawn from. Any option of the model and of
    training can vary, and data=0.1,1/3,1 (the fraction of the training lines), n_symbols=N and
    batch_size=all, too. What does not vary is typed as for `train`.

    Each trial is written to DIR/trials.jsonl as it ends: the same command goes on where it was
    stopped. A trial that fails is recorded, and the others go on. Losses are of val, never of test.
    """
    if values["preset"] == LIST:
        for name, preset in PRESETS.items():
            result(f"{name:13} {preset.model}: {preset.about}")
        return 0
    plan = sweep_of(values)
    from makemore.experiments.sweep import opened  # imports torch: after what may be wrong

    words = [stem(values["file"]), plan.model, *filter(None, [values["preset"]]), "sweep"]
    folder = Path(values["out"] or Path("runs") / "-".join(words))
    journal, done = opened(folder, plan, values["fresh"])
    with journal:
        done |= run_missing(plan, journal, done, values)
    records = [done[plan.id_of(trial)] for trial in plan.trials]
    draw_charts(folder, records, plan)  # before the table, whose reader may leave
    if values["json"]:
        result_json(*records)
    else:
        show(records, plan)
    return exit_code(records)


# -- what was typed -------------------------------------------------------------------------------


def sweep_of(values: Mapping[str, Any]) -> Sweep:
    """Plan the trials from what was typed. Raises UsageError, DataError."""
    from makemore.api.resolve import split_options
    from makemore.experiments import Sweep
    from makemore.experiments.trial import Axis, grid, random_draws, with_seeds
    from makemore.models import get_model

    preset = preset_named(values["preset"], values["model"]) if values["preset"] else None
    model = values["model"] or (preset.model if preset else DEFAULT_MODEL)
    kind, text_options = get_model(model), given_options(values, TextConfig)
    requested = given_options(values, kind.Options, TrainingConfig, Amount)
    axes = axes_of(model, preset, values, requested)
    # What was typed replaces what the preset has, whether it is fixed there or varies.
    typed = {*requested, *(axis.key for axis in axes)}
    fixed = {**(preset.fixed_but(typed) if preset else {}), **requested}
    if "symbols" in text_options:  # the vocabulary of every trial
        fixed["symbols"] = text_options["symbols"]
    # Recorded, as the last bits of a loss depend on the threads. One: trials run side by side.
    fixed["threads"] = fixed.get("threads") or 1
    # Checked here, so that a wrong option is one error now and not one of each trial.
    amount = {key: value for key, value in fixed.items() if key in options_of(Amount)}
    make(Amount, amount)
    split_options(kind, {key: value for key, value in fixed.items() if key not in amount})
    seed = fixed.get("seed", TrainingConfig().seed)
    trials = random_draws(axes, values["random"], seed) if values["random"] else grid(axes)
    if values["random"] and len(trials) < values["random"]:
        note(f"there are only {len(trials)} different trials")
    if values["seeds"] > 1:
        seeds = list(range(seed, seed + values["seeds"]))
        axes, trials = [*axes, Axis("seed", tuple(seeds))], with_seeds(trials, seeds)
        fixed.pop("seed", None)
    parts = read_text(values["file"], text_options)
    return Sweep(
        model, parts, fixed, tuple(axes), tuple(trials), values["random"], values["plugin"]
    )


def axes_of(
    model: str, preset: Preset | None, values: Mapping[str, Any], requested: Mapping[str, Any]
) -> list[Axis]:
    """Collect what varies: the axes of the preset that were not typed otherwise, and --vary."""
    from makemore.experiments.trial import axis

    typed = {each.key: each for each in (axis(model, text) for text in values["vary"])}
    if len(typed) < len(values["vary"]):
        raise UsageError("an option varies twice", "--vary", "give all of its values in one")
    of_preset = [axis(model, text) for text in preset.vary] if preset else []
    axes = {**{each.key: each for each in of_preset if each.key not in requested}, **typed}
    for key in typed.keys() & requested.keys():
        raise UsageError(f"{key} is fixed and varies", "--vary", "leave out one of the two")
    if "seed" in axes and values["seeds"] > 1:
        raise UsageError("seeds twice", "--seeds", "leave out one of --seeds and --vary seed=")
    if not axes and values["seeds"] == 1:
        to_do = "give --vary KEY=V1,V2 or --preset NAME (makemore sweep --preset list)"
        raise UsageError("nothing varies", None, to_do)
    return list(axes.values())


# -- running --------------------------------------------------------------------------------------


def run_missing(
    plan: Sweep, journal: ResultLog, done: Mapping[str, Record], values: Mapping[str, Any]
) -> dict[str, Record]:
    """Run the trials that the journal lacks, with --retry also those that failed.

    Returns their records by the trials' ids.
    """
    from makemore.experiments.sweep import finished
    from makemore.parallel import default_threads

    kept = {key for key, record in done.items() if not (values["retry"] and "error" in record)}
    missing = [trial for trial in plan.trials if plan.id_of(trial) not in kept]
    total, threads = len(plan.trials), plan.fixed["threads"]
    # As many processes as there are cores for their threads, and no idle ones.
    workers = min(values["workers"] or max(1, default_threads() // threads), len(missing) or 1)
    before = total - len(missing)
    counts = f"{total} trials of {plan.model}" + f", {before} of them done before" * bool(before)
    note(counts + f"; {workers} at a time" * bool(missing))
    records: dict[str, Record] = {}
    try:
        with closing(finished(plan, missing, workers)) as running:  # ends the processes, too
            for count, record in enumerate(running, before + 1):
                journal.append(record)
                records[record["id"]] = record
                note(f"{count} of {total}:  {settings_of(record['options'])}  {outcome(record)}")
    except KeyboardInterrupt:
        where = f"the finished trials are in {journal.folder}"
        note(f"stopped; {where}: the same command goes on")
        raise
    return records


def settings_of(options: Settings) -> str:
    """Format the options of a trial: `n_hidden=100 learning_rate=0.01`."""
    from makemore.report.plots.sweeps import written

    return " ".join(f"{key}={written(value)}" for key, value in options.items())


def outcome(record: Record) -> str:
    """Describe a trial in one line: its loss in nats a symbol and its seconds, or the error."""
    from makemore.experiments.trial import loss_of

    if "error" in record:
        return f"failed: {record['error']}"
    part = "train" if record["val"] is None else "val"
    return f"{part} {loss_of(record):.4f}  {record['seconds']:.1f} s"


def exit_code(records: Sequence[Record]) -> int:
    """Return 0 if a trial succeeded; if all failed, raise the kind of error that they failed by."""
    failed = [record for record in records if "error" in record]
    if not failed:
        return 0
    note(f"{len(failed)} of {len(records)} trials failed; --retry runs them again")
    if len(failed) < len(records):
        return 0
    # A record holds the exit code of an error, by which its class is found again.
    kinds = {kind.exit_code: kind for kind in MakemoreError.__subclasses__()}
    kind = kinds.get(min(record["code"] for record in failed), MakemoreError)
    raise kind("every trial failed", None, failed[0]["error"])


# -- what is shown --------------------------------------------------------------------------------


def show(records: Sequence[Record], plan: Sweep) -> None:
    """Print the trials in their order, the means over seeds, and new lines of each trial."""
    result_table(*table(records, plan))
    if any(axis.key == "seed" for axis in plan.axes) and len(plan.axes) > 1:
        result("")
        result_table(*seed_table(records))
    for record in records:
        if record.get("names"):
            result("", f"{settings_of(record['options'])}:", "  " + "  ".join(record["names"]))


def table(records: Sequence[Record], plan: Sweep) -> tuple[list[str], list[list[Any]]]:
    """Make the header and the rows of the table of trials; losses in nats a symbol."""
    from makemore.experiments.trial import loss_of
    from makemore.report.plots.sweeps import written

    keys = [axis.key for axis in plan.axes]
    # A column for val lines that are not in train, where val has copies of train lines.
    unseen = ["unseen"] * any(record.get("nll_unseen") is not None for record in records)
    head = ["val", *unseen, "train", "first", "last val", "best step", "steps", "parameters",
            "seconds", "in train"]  # fmt: skip
    best = min(records, key=loss_of)
    rows = []
    for record in records:
        cells: list[Any] = [None] * len(head)
        remark = record["kind"] if "error" in record else "best" if record is best else ""
        if "error" not in record:
            cells = [
                record["val"], *([record["nll_unseen"]] if unseen else []), record["train"],
                record["first"]["train"], record["last"]["val"], record["best_step"],
                record["steps"], record["parameters"], f"{record['seconds']:.1f}",
                f"{100 * record['copied']:.1f} %",
            ]  # fmt: skip
        rows.append([*(written(record["options"][key]) for key in keys), *cells, remark])
    return [*keys, *head, ""], rows


def seed_table(records: Sequence[Record]) -> tuple[list[str], list[list[Any]]]:
    """Make a table of the mean loss over seeds and its standard deviation."""
    from makemore.experiments.trial import loss_of

    losses: dict[str, list[float]] = {}
    for record in records:
        others = {k: v for k, v in record["options"].items() if k != "seed"}
        group = losses.setdefault(settings_of(others), [])
        if loss_of(record) < math.inf:  # it is infinite for a trial that failed
            group.append(loss_of(record))
    means = {name: statistics.fmean(each) for name, each in losses.items() if each}
    best = min(means, key=means.__getitem__, default=None)
    rows = [[name, means.get(name), statistics.stdev(each) if len(each) > 1 else None, len(each),
             "best" if name == best else ""] for name, each in losses.items()]  # fmt: skip
    return ["over seeds", "mean", "deviation", "trials", ""], rows


def draw_charts(folder: Path, records: Sequence[Record], plan: Sweep) -> None:
    """Draw loss-KEY.png for each option that varies, light and dark."""
    if all("error" in record for record in records):
        return
    from makemore.report.plots import sweeps
    from makemore.report.plots.style import save
    from makemore.text import Vocabulary

    log_v = math.log(len(Vocabulary.of(part for _, part in plan.parts)))  # the loss of guessing
    paths: list[Path] = []
    for axis in plan.axes:
        # Seeds have no order: they have a chart only where nothing else varies.
        if len(axis.values) > 1 and (axis.key != "seed" or len(plan.axes) == 1):
            paths += save(folder, f"loss-{axis.key}", sweeps.against, axis.key, records, log_v,
                          is_range=axis.is_range)  # fmt: skip
    if paths:
        note(f"charts: {', '.join(map(str, paths))}")
