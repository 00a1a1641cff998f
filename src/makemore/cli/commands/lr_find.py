"""makemore lr-find: which learning rates a model learns at, before a long training."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand
from makemore.cli.options import click_options, given_options, model_option, plugin_option
from makemore.cli.output import note, result_json, result_table
from makemore.cli.typed import program
from makemore.errors import Diverged, UsageError
from makemore.escaping import visible
from makemore.options import as_flags
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from makemore.api import Plan
    from makemore.experiments.lr_finder import Trained


STEPS = 200  # of the one pass
EXERCISE_STEPS = 1000  # at each rate
RATES = 10
ROWS = 20  # of the table of the one pass
# A search has its own number of steps, and evaluates at the end or never.
NOT_HERE = {
    "max_steps", "eval_interval", "patience", "calibrate", "save_interval", "log_interval",
}  # fmt: skip
ONLY_EXERCISE = {"schedule", "warmup_steps", "decay_at", "rates"}  # one pass is its own schedule


@click.command(
    "lr-find",
    cls=ModelCommand,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        model_option("one that learns by gradients"),
        click.Option(["--from"], type=float, default=1e-4, help="lowest rate  [default: 0.0001]"),
        click.Option(["--to"], type=float, default=1.0, help="highest rate  [default: 1]"),
        click.Option(["--steps"], type=click.IntRange(10, 10**6),
                     help="of the pass, or at each rate  [default: 200, with --exercise 1000]"),
        click.Option(["--exercise"], is_flag=True, help="train at each rate from the same start"),
        click.Option(["--rates"], type=click.IntRange(2, 1000),
                     help="how many the exercise tries  [default: 10]"),
        click.Option(["-o", "--out"], metavar="DIR",
                     help="for charts  [default: runs/FILE-MODEL-lr-find]"),
        click.Option(["--json"], is_flag=True, help="one object a step, or a rate"),
        plugin_option(),
        *click_options(TextConfig),
        *[option for option in click_options(TrainingConfig) if option.name not in NOT_HERE],
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Find the learning rates at which a model learns the lines of FILE.

    One short training whose rate grows at every step, from --from to --to: the range in which the
    loss falls, before it turns up, is where to choose from. It looks at training lines only.

    With --exercise it is the lecture's exercise: 1,000 steps at each of 10 rates, each from the
    same start; the losses at the end are compared, by val.

    A recipe with Muon has two rates. The one searched is --learning-rate; Muon's moves along, so
    that their ratio stays (type both to set another ratio). A table, and a chart in DIR.
    """
    from makemore.api import Plan
    from makemore.api.resolve import split_options
    from makemore.experiments.lr_finder import begun, exponential
    from makemore.models import get_model

    exercise, model = values["exercise"], values["model"] or DEFAULT_MODEL
    for key in sorted(ONLY_EXERCISE):
        if values[key] is not None and not exercise:
            flag = "--" + key.replace("_", "-")
            raise UsageError(f"{flag} comes with --exercise", None, "add --exercise, or leave it")
    kind = get_model(model)
    requested = given_options(values, TextConfig, TrainingConfig, kind.Options)
    split_options(kind, requested)  # what is wrong with them is reported before a text is read
    count = (values["rates"] or RATES) if exercise else (values["steps"] or STEPS)
    rates = exponential(values["from"], values["to"], count)
    # At one rate, as the exercise has it, unless a schedule was typed.
    constant = {"schedule": "constant"} if exercise and "schedule" not in requested else {}
    parts = read_text(values["file"], requested)
    plan = Plan.make(model, {**requested, **constant}, parts, visible(stem(values["file"]), 200))
    begun(plan)  # options that clash are reported before anything is done
    note_search(plan, rates)
    folder = Path(values["out"] or Path("runs") / f"{stem(values['file'])}-{model}-lr-find")
    best = (compare_rates if exercise else increase_rate)(plan, rates, folder, values)
    if best is not None:
        suggest_training(plan, best, requested, values)
    return 0


def note_search(plan: Plan, rates: Any) -> None:
    """Note which rates are tried, and of what: with Muon there are two learning rates."""
    optimizer = plan.recipe.optimizer
    note(f"{plan.config.model} with {optimizer}, rates {rates[0]:g} to {rates[-1]:g}")
    if optimizer == "muon":
        note(
            "--learning-rate is what is searched (AdamW's parameters); "
            f"--muon-learning-rate is always {muon_ratio(plan):.3g} times it"
        )


def muon_ratio(plan: Plan) -> float:
    return plan.recipe.muon_learning_rate / plan.recipe.learning_rate


def suggest_training(
    plan: Plan, rate: float, requested: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Note the command that trains at a rate: the options that were typed, and the rates."""
    rates = {"learning_rate": f"{rate:.2g}"}
    if plan.recipe.optimizer == "muon":
        rates["muon_learning_rate"] = f"{float(rates['learning_rate']) * muon_ratio(plan):.2g}"
    file = [values["file"]] if values["file"] else []
    plugin = {"plugin": values["plugin"]} if values["plugin"] else {}
    flags = as_flags({"model": plan.config.model, **plugin, **requested, **rates})
    note("what you can type next:")
    note(f"  {program()} {shlex.join(['train', *file, *flags])}", prefix="")


# -- one pass, whose rate grows -------------------------------------------------------------------


def increase_rate(plan: Plan, rates: Any, folder: Path, values: Mapping[str, Any]) -> float | None:
    """Train once while the rate grows; show the losses and return the suggested rate, if any."""
    from makemore.experiments.lr_finder import increasing, smoothed, suggest
    from makemore.report.plots import rates as charts
    from makemore.report.plots.style import save

    points = list(increasing(plan, rates))
    if not points:
        raise Diverged("the first loss is not finite", None, "the model cannot start like this")
    suggestion, log_v = suggest(points), math.log(len(plan.vocabulary))
    note_chart(save(folder, "lr-find", charts.one_pass, points, suggestion, log_v))
    smooth = smoothed([point.loss for point in points]).tolist()
    if values["json"]:
        steps = [{**asdict(p), "smoothed": loss} for p, loss in zip(points, smooth, strict=True)]
        result_json(*steps, {"suggestion": asdict(suggestion) if suggestion else None})
    else:
        # Every step would be hundreds of rows: the first, the last, and some evenly between them.
        shown = sorted({round(n * (len(points) - 1) / ROWS) for n in range(ROWS + 1)})
        rows = [(points[i].step, f"{points[i].rate:.3g}", points[i].loss, smooth[i]) for i in shown]
        result_table(["step", "rate", "loss", "smoothed"], rows)
    if len(points) < len(rates):
        note(f"the loss explodes at {points[-1].rate:.2g}: ended there")
    if suggestion is None:
        note("no rate of this range lowers the loss: give a lower --from or a higher --to")
        return None
    note(f"the loss falls from {suggestion.low:.2g} and is lowest at {suggestion.high:.2g}")
    if not suggestion.turned:
        note(f"it still falls at {suggestion.high:.2g}: give a higher --to to see where it ends")
    return suggestion.best


def note_chart(paths: list[Path]) -> None:
    note(f"chart: {', '.join(map(str, paths))}")


# -- the exercise: a training at each rate --------------------------------------------------------


def compare_rates(plan: Plan, rates: Any, folder: Path, values: Mapping[str, Any]) -> float:
    """Train at each rate from the same start; show the losses and return the best rate."""
    from makemore.experiments import at_each_rate
    from makemore.experiments.lr_finder import best_of, good_range
    from makemore.report.plots import rates as charts
    from makemore.report.plots.style import save

    steps, trained = values["steps"] or EXERCISE_STEPS, list[Any]()
    for each in at_each_rate(plan, rates, steps):
        trained.append(each)
        note(f"{len(trained)} of {len(rates)}: {each.rate:.3g}  {outcome(each)}")
    log_v = math.log(len(plan.vocabulary))
    note_chart(save(folder, "exercise", charts.each_rate, trained, log_v, steps))
    best, good = best_of(trained), good_range(trained)
    if values["json"]:
        result_json(*map(asdict, trained))
    else:
        rows = [(f"{t.rate:.3g}", t.train, t.val, "best" if t is best else "") for t in trained]
        result_table(["rate", "train", "val", ""], rows)
    if best is None or good is None:
        raise Diverged("training diverged at every rate", None, "give lower --from and --to")
    note(f"within 2 % of the best: {good[0]:.2g} to {good[1]:.2g}")
    return best.rate


def outcome(trained: Trained) -> str:
    """Format the losses of a training, in nats a symbol."""
    if trained.train is None:
        return "diverged"
    val = "" if trained.val is None else f"  val {trained.val:.4f}"
    return f"train {trained.train:.4f}{val}"
