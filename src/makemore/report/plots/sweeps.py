"""Charts of a sweep: the losses of its trials against one option that varied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from makemore.report.plots import guides
from makemore.report.plots.style import DASHES, chart, grid, shown, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_LINES = 6  # combinations of the other options that are drawn as lines of their own
MARKERS = "osD^vP"
Trials = Sequence[Mapping[str, Any]]  # records of a sweep, in its order


def written(value: Any) -> str:
    """Write a value as a person types it: `true`, `none`, `0.001`."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else shown(str(value))


def scale(values: Sequence[Any]) -> str:
    """Choose the scale of an axis of these values: log, linear, or one tick each (category)."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not numbers:
        return "category"
    sizes = [abs(number) for number in numbers if number]
    if not sizes or max(sizes) < 10 * min(sizes):
        return "linear"
    return "log" if min(numbers) > 0 else "category"  # a logarithmic axis has no 0


def groups(key: str, trials: Trials) -> dict[str, list[Mapping[str, Any]]]:
    """Group trials that differ in `key` (and in the seed) alone, by their other options."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        others = {k: v for k, v in trial["options"].items() if k not in (key, "seed")}
        name = ", ".join(f"{k}={written(v)}" for k, v in others.items())
        by_name.setdefault(name, []).append(trial)
    return by_name


def values_of(key: str, trials: Trials, what: str) -> dict[Any, list[float]]:
    """Collect one result (`what`) of all trials that have it, by the value of `key`."""
    results: dict[Any, list[float]] = {}
    for trial in trials:
        if trial.get(what) is not None:  # a trial that failed has none
            results.setdefault(trial["options"][key], []).append(trial[what])
    return results


def curves(key: str, trials: Trials, what: str) -> dict[str, dict[Any, float]]:
    """Compute the lines of a chart: a mean over seeds for each combination of other options.

    Where there are too many, one line: the lowest loss, or the mean rate of copies, of them all.
    """
    parts = groups(key, trials)
    if len(parts) <= MOST_LINES:
        return {name: _means(values_of(key, part, what)) for name, part in parts.items()}
    every = values_of(key, trials, what)
    if what == "copied":
        return {"mean": _means(every)}
    return {"lowest": {value: min(losses) for value, losses in every.items()}}


def _means(results: Mapping[Any, Sequence[float]]) -> dict[Any, float]:
    """Average the results of each value."""
    return {value: math.fsum(each) / len(each) for value, each in results.items()}


@chart
def against(key: str, trials: Trials, log_v: float, is_range: bool = False) -> Figure:
    """Draw val and train loss against one option; below, the rate of samples copied from train.

    is_range: values were drawn at random, so points are not joined. log_v: the loss of guessing.
    """
    drawing, (top, bottom) = grid(2, 1, 9.0, 5.6, height_ratios=[3, 1])
    values = list(dict.fromkeys(trial["options"][key] for trial in trials))
    kind = scale(values)
    # Where each value lies on the axis: categories side by side, numbers at their size.
    x_of = {value: index if kind == "category" else value for index, value in enumerate(values)}
    for axis, what in ((top, "val"), (top, "train"), (bottom, "copied")):
        _draw(axis, key, trials, what, x_of, is_range)
        _ticks(axis, x_of, kind, each=not is_range)
    _bounds(top, key, trials, log_v, x_of)
    top.set(ylabel="nats a symbol", title=f"Loss against {shown(key)}")
    if top.get_ylim()[0] < log_v < top.get_ylim()[1]:  # never at the cost of what differs
        guides.guess_line(top, log_v, "guessing: log V")
    bottom.set(ylabel="share in train", xlabel=shown(key) + " (log scale)" * (kind == "log"))
    bottom.set_ylim(0.0, max(0.02, 1.1 * bottom.get_ylim()[1]))
    guides.legend_beside(top)
    return drawing


def _draw(
    axis: Axes, key: str, trials: Trials, what: str, x_of: Mapping[Any, Any], is_range: bool
) -> None:
    """Draw each trial as a point, and the lines; train is hollow and dashed, for lack of colour."""
    colours, train = theme(), what == "train"
    results = values_of(key, trials, what)
    lines = {} if is_range else curves(key, trials, what)
    points = [(x_of[value], each) for value, several in results.items() for each in several]
    colour = colours.muted if lines else colours.series[train]
    # Points that all lie on the lines, one trial each, would say the same twice.
    if points and (is_range or sum(map(len, lines.values())) < len(points)):
        axis.plot(*zip(*points, strict=True), linestyle="none", marker="s" if train else "o",
                  markersize=4, color=colour, markerfacecolor="none" if train else colour,
                  label=f"{what}, each trial")  # fmt: skip
    for index, (name, curve) in enumerate(lines.items()):
        if curve:
            dots = sorted((x_of[value], loss) for value, loss in curve.items())
            colour = colours.series[index]
            axis.plot(*zip(*dots, strict=True), color=colour, marker=MARKERS[index],
                      linestyle=DASHES[train], linewidth=1.2 if train else 1.9, markersize=5,
                      markerfacecolor="none" if train else colour,
                      label=f"{what}, {name}" if name else what)  # fmt: skip


def _bounds(axis: Axes, key: str, trials: Trials, log_v: float, x_of: Mapping[Any, Any]) -> None:
    """End the axis above the loss of guessing, and mark what lies there or failed at the top."""
    losses = [trial[what] for trial in trials for what in ("val", "train") if trial.get(what)]
    high = [t for t in trials if (t.get("val") or t.get("train") or 0) > guides.ABOVE * log_v]
    if high:
        guides.cut_above(axis, min(losses), log_v)
    failed = [trial for trial in trials if "error" in trial]
    for marked, marker, label in ((high, "^", "above the chart"), (failed, "x", "failed")):
        guides.mark_at_top(axis, [x_of[trial["options"][key]] for trial in marked], marker, label)


def _ticks(axis: Axes, x_of: Mapping[Any, Any], kind: str, each: bool) -> None:
    """Set the scale, and a tick for each value where they are few and were chosen by a person."""
    if kind == "log":
        from matplotlib.ticker import LogLocator

        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # one decade may be all
        guides.plain_log(axis.xaxis)
    if kind == "category" or (each and len(x_of) <= 12):
        axis.set_xticks(list(x_of.values()), [written(value) for value in x_of])
    if kind == "category":
        axis.set_xlim(-0.5, len(x_of) - 0.5)
    axis.minorticks_off()
