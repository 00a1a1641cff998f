"""makemore lr-find: which learning rates a model learns at, before a long training."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.commands.train import program
from makemore.cli.inputs import read_text, stem
from makemore.cli.model_command import ModelCommand
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.cli.tables import aligned
from makemore.errors import Diverged, UsageError
from makemore.escaping import visible
from makemore.text import TextConfig
from makemore.training import TrainingConfig
from makemore.training.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from makemore.api import Plan
    from makemore.experiments.lr_finder import Point, Suggestion, Trained


STEPS = 200  # of the one pass
EXERCISE_STEPS = 1000  # at each rate
RATES = 10
SHOWN = 20  # rows of the table of the one pass
# A search has its own number of steps, and evaluates at the end or never.
NOT_HERE = {
    "max_steps", "eval_interval", "patience", "calibrate", "save_interval", "log_interval",
}  # fmt: skip
ONLY_EXERCISE = {"schedule", "warmup_steps", "decay_at", "rates"}  # one pass is its own schedule


def lr_find(**values: Any) -> int:
    """Find the learning rates at which a model learns the lines of FILE.

    One short training whose rate grows at every step, from --from to --to: the range in which the
    loss falls, before it turns up, is where to choose from. It looks at training lines only.

    With --exercise it is the lecture's exercise: 1,000 steps at each of 10 rates, each from the
    same start; the losses at the end are compared, by val.

    A recipe with Muon has two rates. The one searched is --learning-rate; Muon's moves along, so
    that their ratio stays (type both to set another ratio). A table, and a chart in DIR.
    """
    from makemore.api import Plan
    from makemore.api.plan import split_options
    from makemore.experiments.lr_finder import begun, exponential
    from makemore.models import get_model

    exercise, model = values["exercise"], values["model"] or DEFAULT_MODEL
    for key in sorted(ONLY_EXERCISE):
        if values[key] is not None and not exercise:
            flag = "--" + key.replace("_", "-")
            raise UsageError(f"{flag} comes with --exercise", None, "add --exercise, or leave it")
    asked = asked_of(get_model(model).Options, values)
    split_options(get_model(model), asked)
    count = (values["rates"] or RATES) if exercise else (values["steps"] or STEPS)
    rates = exponential(values["from"], values["to"], count)
    # At one rate, as the exercise has it, unless a schedule was typed.
    constant = {"schedule": "constant"} if exercise and "schedule" not in asked else {}
    parts = read_text(values["file"], asked)
    plan = Plan.make(model, {**asked, **constant}, parts, visible(stem(values["file"]), 200))
    begun(plan)  # options that clash are told before anything is done
    tell(plan, rates)
    folder = Path(values["out"] or Path("runs") / f"{stem(values['file'])}-{model}-lr-find")
    (in_exercise if exercise else in_one_pass)(plan, rates, folder, values)
    return 0


def asked_of(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **given_options(TextConfig, values),
        **given_options(TrainingConfig, values),
        **given_options(options, values),
    }


def tell(plan: Plan, rates: Any) -> None:
    optimizer = plan.recipe.optimizer
    note(f"makemore: {plan.config.model} with {optimizer}, rates {rates[0]:g} to {rates[-1]:g}")
    if optimizer == "muon":
        note(
            "makemore: --learning-rate is what is searched (AdamW's parameters); "
            f"--muon-learning-rate is always {ratio_of(plan):.3g} times it"
        )


def ratio_of(plan: Plan) -> float:
    return plan.recipe.muon_learning_rate / plan.recipe.learning_rate


def in_one_pass(plan: Plan, rates: Any, folder: Path, values: Mapping[str, Any]) -> None:
    from makemore.experiments.lr_finder import increasing, smoothed, suggest
    from makemore.report.plots import rates as charts
    from makemore.report.plots.style import save

    points = list(increasing(plan, rates))
    if not points:
        raise Diverged("the first loss is not finite", None, "the model cannot start like this")
    found, log_v = suggest(points), math.log(len(plan.vocabulary))
    told(save(folder, "lr-find", charts.one_pass, points, found, log_v))
    rows = list(one_pass_rows(points, smoothed([point.loss for point in points])))
    if values["json"]:
        for row in rows:
            result_json(row)
        result_json({"suggestion": None if found is None else dataclasses.asdict(found)})
    else:
        for place in sorted({round(n * (len(rows) - 1) / SHOWN) for n in range(SHOWN + 1)}):
            rows[place]["shown"] = True
        shown = [list(row.values())[:4] for row in rows if "shown" in row]
        cells = [[step, f"{rate:.3g}", loss, smooth] for step, rate, loss, smooth in shown]
        for line in aligned(["step", "rate", "loss", "smoothed"], cells):
            result(line)
    if len(points) < len(rates):
        note(f"makemore: the loss explodes at {points[-1].rate:.2g}: ended there")
    suggest_next(plan, found, values)


def one_pass_rows(points: list[Point], smooth: Any) -> Iterator[dict[str, Any]]:
    for point, value in zip(points, smooth.tolist(), strict=True):
        yield {"step": point.step, "rate": point.rate, "loss": point.loss, "smoothed": value}


def suggest_next(plan: Plan, found: Suggestion | None, values: Mapping[str, Any]) -> None:
    if found is None:
        note(
            "makemore: no rate of this range lowers the loss: give a lower --from or a higher --to"
        )
        return
    note(f"makemore: the loss falls from {found.low:.2g} and is lowest at {found.high:.2g}")
    if not found.turned:
        note(
            f"makemore: it still falls at {found.high:.2g}: give a higher --to to see where it ends"
        )
    type_next(plan, found.best, values)


def type_next(plan: Plan, rate: float, values: Mapping[str, Any]) -> None:
    """The command that trains at a rate: what was typed, and the rates."""
    rates = {"learning_rate": f"{rate:.2g}"}
    if plan.recipe.optimizer == "muon":
        rates["muon_learning_rate"] = f"{float(rates['learning_rate']) * ratio_of(plan):.2g}"
    words = [program(), "train", *([shlex.quote(values["file"])] if values["file"] else [])]
    words += ["--model", plan.config.model]
    if values["plugin"]:
        words += ["--plugin", shlex.quote(values["plugin"])]
    for key, value in {**asked_of(plan.kind.Options, values), **rates}.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", "none" if value is None else shlex.quote(str(value))]
    note("makemore: what you can type next:")
    note("  " + " ".join(words))


def in_exercise(plan: Plan, rates: Any, folder: Path, values: Mapping[str, Any]) -> None:
    from makemore.experiments import at_each_rate
    from makemore.experiments.lr_finder import best_of, good_range
    from makemore.report.plots import rates as charts
    from makemore.report.plots.style import save

    steps, trained = values["steps"] or EXERCISE_STEPS, list[Any]()
    for each in at_each_rate(plan, rates, steps):
        trained.append(each)
        note(f"makemore: {len(trained)} of {len(rates)}: {each.rate:.3g}  {outcome(each)}")
    log_v = math.log(len(plan.vocabulary))
    told(save(folder, "exercise", charts.each_rate, trained, log_v, steps))
    best, good = best_of(trained), good_range(trained)
    if values["json"]:
        for each in trained:
            result_json(dataclasses.asdict(each))
    else:
        marks = ["best" if each is best else "" for each in trained]
        cells = [[f"{e.rate:.3g}", e.train, e.val, mark]
                 for e, mark in zip(trained, marks, strict=True)]  # fmt: skip
        for line in aligned(["rate", "train", "val", ""], cells):
            result(line)
    if best is None or good is None:
        raise Diverged("training diverged at every rate", None, "give lower --from and --to")
    note(f"makemore: within 2 % of the best: {good[0]:.2g} to {good[1]:.2g}")
    type_next(plan, best.rate, values)


def outcome(each: Trained) -> str:
    if each.train is None:
        return "diverged"
    return f"train {each.train:.4f}" + ("" if each.val is None else f"  val {each.val:.4f}")


def told(paths: list[Path]) -> None:
    note(f"makemore: chart: {', '.join(map(str, paths))}")


command = ModelCommand(
    "lr-find",
    callback=lr_find,
    help=lr_find.__doc__,
    params=[
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["--model"], metavar="NAME", help="one that learns by gradients; "
                     "--model NAME --help shows its own options  [default: transformer]"),
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
        plugin_option("a Python file with a model of your own"),
        *click_options(TextConfig),
        *[option for option in click_options(TrainingConfig) if option.name not in NOT_HERE],
    ],
)  # fmt: skip
