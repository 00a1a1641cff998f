"""Charts of a training: losses, learning rate, saturation, the size of updates, histograms.

Most are those of makemore's lectures 2 and 3, drawn from the lines of metrics.jsonl and
diagnostics.jsonl.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from makemore.analysis.verdicts import GUIDE, TOO_FAST, TOO_SLOW
from makemore.errors import RunError
from makemore.report.plots import guides
from makemore.report.plots.style import DASHES, WIDE, chart, figure, grid, shown, theme
from makemore.runs.logs import REPAIR
from makemore.runs.shapes import ANY, MAYBE, NUMBER, has_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Entries = Sequence[Mapping[str, Any]]


MOST_LINES = 12  # in one panel: more cannot be told apart
WINDOWS = 100  # points of a smoothed curve


def series(history: Entries, kind: str, key: str = "nll") -> tuple[list[int], list[float]]:
    """Collect the steps and values of one kind of entry; an infinite one (null) has no point."""
    points = [(e["step"], e[key]) for e in history if e["kind"] == kind and e[key] is not None]
    return [step for step, _ in points], [value for _, value in points]


def smoothed(values: Sequence[float], windows: int = WINDOWS) -> tuple[list[float], list[float]]:
    """Average groups of neighbours: the middle index and the mean of each.

    There are `windows` groups of about equal size, or fewer, of 4 values or more.
    """
    many = max(1, min(windows, len(values) // 4))
    groups = np.array_split(np.asarray(values, dtype=float), many)
    indices = np.array_split(np.arange(len(values)), many)
    return [float(each.mean()) for each in indices], [float(each.mean()) for each in groups]


def _plot_each(axis: Axes, lines: Mapping[str, Sequence[Any]], **style: Any) -> None:
    """Plot the lines, name -> (xs, ys); of many, MOST_LINES from the first to the last."""
    names, colours = list(lines), theme().series
    chosen = guides.evenly(len(names), MOST_LINES)
    for number, index in enumerate(chosen):
        # The dash moves on with each round of colours, so that no two lines are alike.
        dash = DASHES[(number + number // len(colours)) % len(DASHES)]
        axis.plot(*lines[names[index]], color=colours[number % len(colours)], linestyle=dash,
                  linewidth=1.8 if len(chosen) <= 4 else 1.2, label=shown_name(names[index]),
                  **style)  # fmt: skip


@chart
def losses(history: Entries, log_v: float, best_step: int | None = None) -> Figure:
    """Draw batch, train and val loss, nats a symbol, by step. log_v: the loss of guessing."""
    drawing, axis = figure(height=4.0)
    colours = theme()
    steps, values = series(history, "batch")
    axis.plot(steps, values, color=colours.muted, linewidth=0.7, alpha=0.7, label="batch")
    for index, (kind, marker) in enumerate((("train", "o"), ("val", "s"))):
        steps, values = series(history, kind)
        if steps:
            axis.plot(steps, values, color=colours.series[index], linestyle=DASHES[index],
                      marker=marker, markersize=3.5, label=kind)  # fmt: skip
    val = dict(zip(*series(history, "val"), strict=True))
    if best_step in val:
        axis.plot([best_step], [val[best_step]], marker="*", markersize=14, linestyle="none",
                  color=colours.series[2], markeredgecolor=colours.ink, markeredgewidth=0.6,
                  label=f"best: {val[best_step]:.4f} at step {best_step:,}", zorder=5)  # fmt: skip
    guides.guess_line(axis, log_v)
    axis.set(xlabel="step", ylabel="nats a symbol", title="Losses")
    axis.legend()
    return drawing


@chart
def batch_loss(history: Entries) -> Figure:
    """Draw log10 of the batch loss: each logged step, and means of neighbours (makemore part 3)."""
    drawing, axis = figure(height=3.4)
    steps, values = series(history, "batch")
    logs = [math.log10(max(value, 1e-12)) for value in values]
    axis.plot(steps, logs, color=theme().muted, linewidth=0.7, alpha=0.7, label="logged steps")
    middles, means = smoothed(logs)
    axis.plot(np.interp(middles, np.arange(len(steps)), steps), means, color=theme().series[0],
              linewidth=2.2, label="mean of neighbours")  # fmt: skip
    axis.set(xlabel="step", ylabel="log10 of nats a symbol", title="Batch loss, smoothed")
    axis.legend()
    return drawing


@chart
def learning_rate(history: Entries) -> Figure:
    """Draw the learning rate of each logged step."""
    drawing, axis = figure(height=2.8)
    steps, rates = series(history, "batch", "lr")
    axis.plot(steps, rates)
    axis.set(xlabel="step", ylabel="learning rate", title="Learning rate")
    axis.set_ylim(0, max([*rates, 1e-12]) * 1.08)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return drawing


Lines = dict[str, tuple[list[int], list[float]]]


def _by_name(values: Iterable[tuple[str, int, float | None]]) -> Lines:
    """Group (name, step, value) by name, into steps and values; None has no point."""
    lines: Lines = {}
    for name, step, value in values:
        if value is not None:
            steps, ys = lines.setdefault(name, ([], []))
            steps.append(step)
            ys.append(value)
    return lines


def by_layer(entries: Entries, key: str) -> Lines:
    """Collect steps and values of one key of each layer, from the entries of kind `activations`."""
    looks = [entry for entry in entries if entry["kind"] == "activations"]
    return _by_name((each["name"], e["step"], each[key]) for e in looks for each in e["layers"])


@chart
def saturation(entries: Entries) -> Figure:
    """Draw saturated outputs and dead units of each layer at each evaluation, in percent."""
    panels = {
        "Saturated outputs (|tanh| > 0.97)": by_layer(entries, "saturated"),
        "Dead units": by_layer(entries, "dead"),
    }
    kept = {title: lines for title, lines in panels.items() if lines}
    drawing, axes = grid(len(kept), 1, WIDE, 2.9 * len(kept))
    for axis, (title, lines) in zip(axes, kept.items(), strict=True):
        percent = {name: (steps, 100 * np.array(ys)) for name, (steps, ys) in lines.items()}
        _plot_each(axis, percent, marker=".")
        highest = max(1.0, *(float(ys.max()) for _, ys in percent.values()))
        axis.set(xlabel="step", ylabel="%", title=title, ylim=(-0.03 * highest, 1.08 * highest))
        guides.legend_beside(axis)
    return drawing


def shown_name(name: str) -> str:
    """Write the name of a layer or parameter, which a plugin chose, as a legend can."""
    return shown(name).replace("␣", " ").lstrip("_")  # matplotlib hides labels that start with _


def by_parameter(entries: Entries, key: str) -> Lines:
    """Collect steps and log10 ratios of each parameter, from the entries of kind `update`."""
    moves = [entry for entry in entries if entry["kind"] == "update"]
    return _by_name((n, e["step"], r[key]) for e in moves for n, r in e["parameters"].items())


@chart
def ratios(entries: Entries) -> Figure:
    """Draw log10 of update : data and gradient : data of each matrix; -3 is healthy (part 3)."""
    drawing, axes = grid(2, 1, WIDE, 7.0)
    kinds = {"update": "Update : data", "gradient": "Gradient : data"}
    for axis, (key, title) in zip(axes, kinds.items(), strict=True):
        _plot_each(axis, by_parameter(entries, key))
        if key == "update":
            axis.axhspan(TOO_SLOW, TOO_FAST, color=theme().series[2], alpha=0.12, linewidth=0,
                         label="neither slow nor fast")  # fmt: skip
            axis.axhline(GUIDE, color=theme().ink, linestyle=":", linewidth=1.1, label="guide")
        axis.set(xlabel="step", ylabel="log10 of the ratio", title=title)
        guides.legend_beside(axis)
    return drawing


@chart
def histograms(layers: Entries, step: int) -> Figure:
    """Draw densities of the outputs of each nonlinearity, and of the gradients that reach them."""
    drawing, axes = grid(2, 1, WIDE, 6.4)
    panels = (("", "std", "output", "Activations"),
              ("gradient_", "gradient", "gradient of the loss", "Gradients"))  # fmt: skip
    for axis, (of, deviation, xlabel, title) in zip(axes, panels, strict=True):
        lines = {}
        for layer in layers:
            edges, counts = np.array(layer[f"{of}edges"]), np.array(layer[f"{of}counts"])
            # Counts over all counts and the bin's width: layers of any size can be compared.
            density = counts / np.maximum(counts.sum() * np.diff(edges), 1e-300)
            name = f"{layer['name']}: std {layer[deviation]:.2g}"
            lines[name] = ((edges[:-1] + edges[1:]) / 2, density)
        _plot_each(axis, lines)
        axis.set(xlabel=xlabel, ylabel="density", title=f"{title} at step {step:,}", ylim=(0, None))
        guides.legend_beside(axis)
    return drawing


# -- entries of the logs --------------------------------------------------------------------------

# What the charts read of an entry of each kind (runs/shapes.py).
LAYER = {
    "name": str, "saturated": MAYBE, "dead": NUMBER, "std": NUMBER, "gradient": NUMBER,
    "counts": [NUMBER], "edges": [NUMBER], "gradient_counts": [NUMBER], "gradient_edges": [NUMBER],
}  # fmt: skip
METRIC = {"nll": MAYBE, "lr": MAYBE}
METRICS = ("batch", "train", "val")
SHAPES: dict[str, Any] = {
    **dict.fromkeys(METRICS, METRIC),
    "activations": {"layers": [LAYER]},
    "embedding": {"symbols": [str], "vectors": [[NUMBER]]},
}


def _is_consistent(entry: Mapping[str, Any]) -> bool:
    """Check that the arrays of an entry, of the right shapes, have sizes that fit each other."""
    if entry["kind"] == "activations":
        return all(
            len(layer[f"{of}edges"]) == len(layer[f"{of}counts"]) + 1
            and min(layer[f"{of}counts"], default=0) >= 0
            for layer in entry["layers"]
            for of in ("", "gradient_")
        )
    if entry["kind"] == "embedding":
        widths = {len(row) for row in entry["vectors"]}
        return (
            len(entry["symbols"]) == len(entry["vectors"]) and len(widths) == 1 and 0 not in widths
        )
    if entry["kind"] == "update":
        named = entry.get("parameters")
        ratios = {"update": MAYBE, "gradient": MAYBE}
        return has_shape(named, {ANY: ratios})
    return True


def check_entry(entry: Mapping[str, Any], place: str, folder: Path) -> None:
    """Raise RunError for an entry of a log that has not the shape of makemore's.

    place: the file and line of the entry, for the message
    """
    kind = entry["kind"]
    if not (has_shape(entry, SHAPES.get(kind, {})) and _is_consistent(entry)):
        raise RunError(f"{place}, is not makemore's (kind {kind!r})", str(folder), REPAIR)
