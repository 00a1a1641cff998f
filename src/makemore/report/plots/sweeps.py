"""Charts of a sweep: the losses of its trials against one option that varied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from makemore.report.plots.rates import ABOVE
from makemore.report.plots.style import DASHES, chart, grid, plain_log, shown, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_LINES = 6  # combinations of the other options that are drawn as lines of their own
MARKERS = "osD^vP"
Trials = Sequence[Mapping[str, Any]]  # records of a sweep, in its order


def written(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else shown(str(value))


def scale(values: Sequence[Any]) -> str:
    """How an axis of these values is drawn: log, linear, or one place for each (category)."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not numbers:
        return "category"
    sizes = [abs(number) for number in numbers if number]
    wide = bool(sizes) and max(sizes) >= 10 * min(sizes)
    if not wide:
        return "linear"
    return "log" if min(numbers) > 0 else "category"  # 0 has no place on a logarithmic axis


def groups(key: str, trials: Trials) -> dict[str, list[Mapping[str, Any]]]:
    """Trials that differ in `key` (and in the seed) alone, by what their other options are."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        others = {k: v for k, v in trial["options"].items() if k not in (key, "seed")}
        name = ", ".join(f"{k}={written(v)}" for k, v in others.items())
        found.setdefault(name, []).append(trial)
    return found


def values_of(key: str, trials: Trials, what: str) -> dict[Any, list[float]]:
    """One figure of all trials that have it, by the value of `key`."""
    found: dict[Any, list[float]] = {}
    for trial in trials:
        if trial.get(what) is not None:
            found.setdefault(trial["options"][key], []).append(trial[what])
    return found


def curves(key: str, trials: Trials, what: str) -> dict[str, dict[Any, float]]:
    """Lines of a chart: a mean over seeds for each combination of the other options.

    Where there are too many, one line: the lowest loss, or the mean share, of all combinations.
    """
    parts = groups(key, trials)
    if len(parts) <= MOST_LINES:
        return {name: _means(values_of(key, part, what)) for name, part in parts.items()}
    every = values_of(key, trials, what)
    if what == "copied":
        return {"mean": _means(every)}
    return {"lowest": {value: min(found) for value, found in every.items()}}


def _means(found: Mapping[Any, Sequence[float]]) -> dict[Any, float]:
    return {value: math.fsum(each) / len(each) for value, each in found.items()}


@chart
def against(key: str, trials: Trials, log_v: float, is_range: bool = False) -> Figure:
    """Val and train loss against one option; below, the share of samples copied from train.

    is_range: values were drawn at random, so points are not joined. log_v: what guessing costs.
    """
    made, (top, bottom) = grid(2, 1, 9.0, 5.6)
    if (layout := top.get_gridspec()) is not None:
        layout.set_height_ratios([3, 1])
    values = list(dict.fromkeys(trial["options"][key] for trial in trials))
    kind = scale(values)
    places = {value: place if kind == "category" else value for place, value in enumerate(values)}
    for axis, what in ((top, "val"), (top, "train"), (bottom, "copied")):
        _draw(axis, key, trials, what, places, is_range)
        _ticks(axis, places, kind, each=not is_range)
    _bounds(top, key, trials, log_v, places)
    top.set(ylabel="nats a symbol", title=f"Loss against {shown(key)}")
    if top.get_ylim()[0] < log_v < top.get_ylim()[1]:  # never at the cost of what differs
        top.axhline(log_v, color=theme().ink, linestyle=":", linewidth=1.1, label="guessing: log V")
    bottom.set(ylabel="share in train", xlabel=shown(key) + " (log scale)" * (kind == "log"))
    bottom.set_ylim(0.0, max(0.02, 1.1 * bottom.get_ylim()[1]))
    top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=8, handlelength=3)
    return made


def _draw(
    axis: Axes, key: str, trials: Trials, what: str, places: Mapping[Any, Any], is_range: bool
) -> None:
    """Each trial as a point, and the lines; train is hollow and dashed, so it needs no colour."""
    colours, train = theme(), what == "train"
    found = values_of(key, trials, what)
    lines = {} if is_range else curves(key, trials, what)
    points = [(places[value], each) for value, several in found.items() for each in several]
    colour = colours.muted if lines else colours.series[train]
    if points and (is_range or sum(map(len, lines.values())) < len(points)):
        axis.plot(*zip(*points, strict=True), linestyle="none", marker="s" if train else "o",
                  markersize=4, color=colour, markerfacecolor="none" if train else colour,
                  label=f"{what}, each trial")  # fmt: skip
    for number, (name, curve) in enumerate(lines.items()):
        if curve:
            drawn = sorted((places[value], loss) for value, loss in curve.items())
            colour = colours.series[number % len(colours.series)]
            axis.plot(*zip(*drawn, strict=True), color=colour, marker=MARKERS[number],
                      linestyle=DASHES[train], linewidth=1.2 if train else 1.9, markersize=5,
                      markerfacecolor="none" if train else colour,
                      label=f"{what}, {name}" if name else what)  # fmt: skip


def _bounds(axis: Axes, key: str, trials: Trials, log_v: float, places: Mapping[Any, Any]) -> None:
    """Cut the axis above what guessing costs; what lies there, or failed, is a mark at the top."""
    losses = [trial[what] for trial in trials for what in ("val", "train") if trial.get(what)]
    high = [
        t["options"][key] for t in trials if (t.get("val") or t.get("train") or 0) > ABOVE * log_v
    ]
    if high and min(losses) < ABOVE * log_v:
        span = ABOVE * log_v - min(losses)
        axis.set_ylim(min(losses) - 0.06 * span, ABOVE * log_v)
    lost = [trial["options"][key] for trial in trials if "error" in trial]
    for values, marker, label in ((high, "^", "above the chart"), (lost, "x", "failed")):
        if values:
            axis.plot([places[value] for value in values], [0.96] * len(values), marker,
                      transform=axis.get_xaxis_transform(), color=theme().ink, markersize=7,
                      label=label)  # fmt: skip


def _ticks(axis: Axes, places: Mapping[Any, Any], kind: str, each: bool) -> None:
    """A tick for each value, where they are few and were chosen by a person."""
    if kind == "log":
        from matplotlib.ticker import LogLocator

        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # one decade may be all
        plain_log(axis.xaxis)
    if kind == "category" or (each and len(places) <= 12):
        labels = [written(value) for value in places]
        axis.set_xticks(list(places.values()), labels)
    if kind == "category":
        axis.set_xlim(-0.5, len(places) - 0.5)
    axis.minorticks_off()
