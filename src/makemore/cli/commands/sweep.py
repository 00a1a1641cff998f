"""makemore sweep: many trainings that differ in what is named, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand, value_of
from makemore.cli.options import click_options, given_options, model_option, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.cli.trial_tables import draw_charts, outcome, settings_of, show
from makemore.cli.waiting import Waiting
from makemore.cli.workers import check_cluster, cluster_option, workers_of
from makemore.errors import Diverged, MakemoreError, UsageError
from makemore.escaping import visible
from makemore.experiments.presets import PRESETS, Amount, Preset, preset_named
from makemore.options import make, options_of
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from makemore.experiments import Sweep
    from makemore.experiments.shared_log import SharedLog
    from makemore.experiments.sweep import Trials
    from makemore.experiments.trial import Axis, Record


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
        click.Option(["--tpe"], type=click.IntRange(1, 10_000), metavar="N",
                     help="N trials, each chosen by the losses before it (needs optuna)"),
        click.Option(["--seeds"], type=click.IntRange(1, 1000), default=1, metavar="N",
                     help="each trial with N seeds, from --seed on  [default: 1]"),
        click.Option(["--workers"], type=click.IntRange(1, 256), metavar="N",
                     help="trials at a time, a process each  [default: the cores, at most 8; "
                     "all of a cluster]"),
        cluster_option("trials"),
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
    ranges such as --vary learning_rate=0.001..0.1 are drawn from, with --tpe N searched for the
    lowest loss. Any option of the model and of training can vary, and data=0.1,1/3,1 (the fraction
    of the training lines), n_symbols=N and batch_size=all, too. What does not vary is typed as for
    `train`.

    Each trial is written to DIR as it ends: the same command goes on where it was stopped, and
    given again while it runs, also on other machines that share DIR, it does a part of the trials.
    In the end trials.jsonl holds all of them. A trial that fails is recorded, and the others go on.
    Losses are of val, never of test.
    """
    if values["preset"] == LIST:
        for name, preset in PRESETS.items():
            result(f"{name:13} {preset.model}: {preset.about}")
        return 0
    check_cluster(values)
    plan = sweep_of(values)
    from makemore.experiments.sweep import opened  # imports torch: after what may be wrong

    words = [stem(values["file"]), plan.model, *filter(None, [values["preset"]]), "sweep"]
    folder = Path(values["out"] or Path("runs") / "-".join(words))
    with opened(folder, plan, values["fresh"]) as log:
        records = run_missing(plan, log, values)
        draw_charts(log, records, plan)  # before the table, whose reader may leave
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
    tpe, trials = values["tpe"], []
    if tpe:
        tpe = searched(axes, values)
    else:
        trials = random_draws(axes, values["random"], seed) if values["random"] else grid(axes)
    if not tpe and values["random"] and len(trials) < values["random"]:
        note(f"there are only {len(trials)} different trials")
    if values["seeds"] > 1:
        seeds = list(range(seed, seed + values["seeds"]))
        axes, trials = [*axes, Axis("seed", tuple(seeds))], with_seeds(trials, seeds)
        fixed.pop("seed", None)
    parts = read_text(values["file"], text_options)
    return Sweep(
        model, parts, fixed, tuple(axes), tuple(trials), values["random"], values["plugin"], tpe
    )


def searched(axes: Sequence[Axis], values: Mapping[str, Any]) -> int:
    """Count the trials that --tpe chooses. Raises UsageError, and SystemFault without optuna."""
    from makemore.experiments.tpe import check_installed, different

    check_installed()
    if values["random"]:
        raise UsageError("draws of two kinds", "--tpe", "leave out one of --tpe and --random")
    if values["seeds"] > 1 or any(axis.key == "seed" for axis in axes):
        to_do = "leave out --seeds and --vary seed=: it would choose the luckiest seed"
        raise UsageError("seeds cannot be searched", "--tpe", to_do)
    there = different(axes)
    if there < values["tpe"]:
        note(f"there are only {there} different trials")
    return int(min(there, values["tpe"]))


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


def run_missing(plan: Sweep, log: SharedLog, values: Mapping[str, Any]) -> list[Record]:
    """Run the trials that the log lacks, with --retry also those that failed.

    Returns the records of all, in the order of the table, once no process has one to do.
    """
    from makemore.experiments.sweep import Trials

    retry = values["retry"]
    while True:
        run_once(Trials(plan, log, retry), values)
        if (records := log.complete(plan.names)) is not None:
            return records
        retry = False  # another process runs failed ones again


def run_once(trials: Trials, values: Mapping[str, Any]) -> None:
    """Run trials until all are finished, by this or by other processes; note each."""
    from makemore.experiments.executors import Job, executor
    from makemore.experiments.sweep import run

    plan, total = trials.sweep, len(trials.sweep.names)
    before, cluster = total - len(trials.missing), values["cluster"]
    # As many processes as there are cores for their threads, and no idle ones.
    workers = workers_of(values, plan.fixed["threads"], len(trials.missing))
    counts = f"{total} trials of {plan.model}" + f", {before} of them done before" * bool(before)
    where = f"; {workers} at a time" if workers else f"; on {visible(cluster or '')}"
    note(counts + where * bool(trials.missing))
    if not trials.missing:
        return
    job = Job("trial", {"model": plan.model}, plan.parts, plan.plugin)
    try:
        # Both end with the block, and with them the processes.
        with (
            executor(job, workers, cluster) as pool,
            closing(run(trials, pool)) as running,
            Waiting(lambda: waits_for(trials)) as waiting,
        ):
            for count, record in enumerate(running, before + 1):
                waiting.heard()
                note(f"{count} of {total}:  {settings_of(record['options'])}  {outcome(record)}")
    except KeyboardInterrupt:
        where = f"the finished trials are in {trials.log.folder}"
        note(f"stopped; {where}: the same command goes on")
        raise


def waits_for(trials: Trials) -> str | None:
    """Say how many trials other processes do, where this one has nothing to do; else None."""
    left = len(trials.missing)
    return None if trials.running or not left else f"{left} trials are done by other processes"


def exit_code(records: Sequence[Record]) -> int:
    """Return 0 if a trial succeeded; if all failed, raise the kind of error that they failed by."""
    failed = [record for record in records if "error" in record]
    if not failed:
        return 0
    # A trial that diverged would diverge again.
    again = any(record["code"] != Diverged.exit_code for record in failed)
    note(f"{len(failed)} of {len(records)} trials failed" + "; --retry runs them again" * again)
    if len(failed) < len(records):
        return 0
    # A record holds the exit code of an error, by which its class is found again.
    kinds = {kind.exit_code: kind for kind in MakemoreError.__subclasses__()}
    kind = kinds.get(min(record["code"] for record in failed), MakemoreError)
    raise kind("every trial failed", None, failed[0]["error"])
