"""Charts of a training: losses, learning rate, saturation, the size of updates, histograms.

Most are those of makemore's lectures 2 and 3, drawn from the lines of metrics.jsonl and
diagnostics.jsonl.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from makemore.errors import RunError
from makemore.report.plots.style import DASHES, chart, figure, grid, shown, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Entries = Sequence[Mapping[str, Any]]


MOST_LINES = 12  # in one panel: more cannot be told apart
WINDOWS = 100  # points of a smoothed curve
HEALTHY = -3.0  # log10 of update / data (makemore part 3)


def series(history: Entries, kind: str, key: str = "nll") -> tuple[list[int], list[float]]:
    """The steps and values of one kind of entry; what was infinite has no point."""
    found = [(e["step"], e[key]) for e in history if e["kind"] == kind and e[key] is not None]
    return [step for step, _ in found], [value for _, value in found]


def picked(names: Sequence[str], most: int = MOST_LINES) -> list[str]:
    """All names, or `most` of them from the first to the last, evenly."""
    if len(names) <= most:
        return list(names)
    return [names[place] for place in np.linspace(0, len(names) - 1, most).round().astype(int)]


def smoothed(values: Sequence[float], windows: int = WINDOWS) -> tuple[list[float], list[float]]:
    """Middle places and means of groups of like size: `windows` of them, or fewer of 4 values."""
    many = max(1, min(windows, len(values) // 4))
    groups = np.array_split(np.asarray(values, dtype=float), many)
    ends = np.cumsum([len(group) for group in groups])
    middles = [end - (len(group) + 1) / 2 for end, group in zip(ends, groups, strict=True)]
    return middles, [float(group.mean()) for group in groups]


def _marks(axis: Axes, number: int, many: int) -> dict[str, Any]:
    """Colour, dash and thickness of line `number` of `many`."""
    colours = theme().series
    dash = DASHES[(number + number // len(colours)) % len(DASHES)]  # neighbours differ in it, too
    return {
        "color": colours[number % len(colours)], "linestyle": dash,
        "linewidth": 1.8 if many <= 4 else 1.2,
    }  # fmt: skip


def _legend_beside(axis: Axes) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=8, handlelength=2.6)


@chart
def losses(history: Entries, log_v: float, best_step: int | None = None) -> Figure:
    """Batch, train and val loss in nats a symbol by step; log V is what guessing costs."""
    made, axis = figure(8.0, 4.0)
    colours = theme()
    steps, values = series(history, "batch")
    axis.plot(steps, values, color=colours.muted, linewidth=0.7, alpha=0.7, label="batch")
    for number, (kind, marker) in enumerate((("train", "o"), ("val", "s"))):
        steps, values = series(history, kind)
        if steps:
            axis.plot(steps, values, color=colours.series[number], linestyle=DASHES[number],
                      marker=marker, markersize=3.5, label=kind)  # fmt: skip
    val = dict(zip(*series(history, "val"), strict=True))
    if best_step in val:
        axis.plot([best_step], [val[best_step]], marker="*", markersize=14, linestyle="none",
                  color=colours.series[2], markeredgecolor=colours.ink, markeredgewidth=0.6,
                  label=f"best: {val[best_step]:.4f} at step {best_step:,}", zorder=5)  # fmt: skip
    axis.axhline(log_v, color=colours.ink, linestyle=":", linewidth=1.1,
                 label=f"guessing: log V = {log_v:.4f}")  # fmt: skip
    axis.set(xlabel="step", ylabel="nats a symbol", title="Losses")
    axis.legend()
    return made


@chart
def batch_loss(history: Entries) -> Figure:
    """log10 of the batch loss: each logged step, and the means of neighbours (makemore part 3)."""
    made, axis = figure(8.0, 3.4)
    steps, values = series(history, "batch")
    logs = [math.log10(max(value, 1e-12)) for value in values]
    axis.plot(steps, logs, color=theme().muted, linewidth=0.7, alpha=0.7, label="logged steps")
    middles, means = smoothed(logs)
    axis.plot(np.interp(middles, np.arange(len(steps)), steps), means, color=theme().series[0],
              linewidth=2.2, label="mean of neighbours")  # fmt: skip
    axis.set(xlabel="step", ylabel="log10 of nats a symbol", title="Batch loss, smoothed")
    axis.legend()
    return made


@chart
def learning_rate(history: Entries) -> Figure:
    """The learning rate of each logged step."""
    made, axis = figure(8.0, 2.8)
    steps, rates = series(history, "batch", "lr")
    axis.plot(steps, rates)
    axis.set(xlabel="step", ylabel="learning rate", title="Learning rate")
    axis.set_ylim(0, max([*rates, 1e-12]) * 1.08)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return made


def by_layer(entries: Entries, key: str) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of one number of each layer, from the entries of kind `activations`."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for entry in entries:
        for layer in entry["layers"] if entry["kind"] == "activations" else ():
            if layer[key] is not None:
                steps, values = found.setdefault(layer["name"], ([], []))
                steps.append(entry["step"])
                values.append(layer[key])
    return found


@chart
def saturation(entries: Entries) -> Figure:
    """Share of saturated outputs and of dead units by layer, at each evaluation; in percent."""
    panels = {
        "Saturated outputs (|tanh| > 0.97)": by_layer(entries, "saturated"),
        "Dead units": by_layer(entries, "dead"),
    }
    kept = {title: lines for title, lines in panels.items() if lines}
    made, axes = grid(len(kept), 1, 8.0, 2.9 * len(kept))
    for axis, (title, lines) in zip(axes, kept.items(), strict=True):
        names, highest = picked(list(lines)), 1.0
        for number, name in enumerate(names):
            steps, shares = lines[name]
            percent = [100 * share for share in shares]
            highest = max([highest, *percent])
            axis.plot(steps, percent, marker=".", label=shown_name(name),
                      **_marks(axis, number, len(names)))  # fmt: skip
        axis.set(xlabel="step", ylabel="%", title=title, ylim=(-0.03 * highest, 1.08 * highest))
        _legend_beside(axis)
    return made


def shown_name(name: str) -> str:
    """A layer's or parameter's name, as a plugin may write it, in a legend."""
    return shown(name).replace("␣", " ").lstrip("_")  # matplotlib hides labels that start with _


def by_parameter(entries: Entries, key: str) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and log10 ratios of each parameter, from the entries of kind `update`."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for entry in entries:
        for name, ratios in entry["parameters"].items() if entry["kind"] == "update" else ():
            if ratios[key] is not None:
                steps, values = found.setdefault(name, ([], []))
                steps.append(entry["step"])
                values.append(ratios[key])
    return found


@chart
def ratios(entries: Entries) -> Figure:
    """log10 of update : data and gradient : data of each matrix; about -3 is healthy (part 3)."""
    made, axes = grid(2, 1, 8.0, 7.0)
    kinds = {"update": "Update : data", "gradient": "Gradient : data"}
    for axis, (key, title) in zip(axes, kinds.items(), strict=True):
        lines = by_parameter(entries, key)
        names = picked(list(lines))
        for number, name in enumerate(names):
            axis.plot(*lines[name], label=shown_name(name), **_marks(axis, number, len(names)))
        if key == "update":
            axis.axhline(HEALTHY, color=theme().ink, linestyle=":", linewidth=1.1, label="guide")
        axis.set(xlabel="step", ylabel="log10 of the ratio", title=title)
        _legend_beside(axis)
    return made


@chart
def histograms(layers: Entries, step: int) -> Figure:
    """Densities of the outputs of each nonlinearity, and of the gradients that reach them."""
    made, axes = grid(2, 1, 8.0, 6.4)
    kinds = {"": f"Activations at step {step:,}", "gradient_": f"Gradients at step {step:,}"}
    for axis, (prefix, title) in zip(axes, kinds.items(), strict=True):
        names = picked([layer["name"] for layer in layers])
        chosen = [layer for layer in layers if layer["name"] in names]
        for number, layer in enumerate(chosen):
            edges, counts = np.array(layer[f"{prefix}edges"]), np.array(layer[f"{prefix}counts"])
            widths = np.diff(edges)
            density = counts / np.maximum(counts.sum() * widths, 1e-300)
            deviation = layer["gradient"] if prefix else layer["std"]
            axis.plot((edges[:-1] + edges[1:]) / 2, density,
                      label=f"{shown_name(layer['name'])}: std {deviation:.2g}",
                      **_marks(axis, number, len(chosen)))  # fmt: skip
        axis.set(xlabel="gradient of the loss" if prefix else "output", ylabel="density",
                 title=title, ylim=(0, None))  # fmt: skip
        _legend_beside(axis)
    return made


def _number(value: Any, optional: bool = False) -> bool:
    if value is None:
        return optional
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _numbers(values: Any, many: int | None = None) -> bool:
    fits = isinstance(values, list) and (many is None or len(values) == many)
    return fits and all(map(_number, values))


def _is_layer(layer: Any) -> bool:
    return (
        isinstance(layer, dict)
        and isinstance(layer.get("name"), str)
        and _number(layer.get("saturated"), optional=True)
        and all(_number(layer.get(key)) for key in ("dead", "std", "gradient"))
        and all(
            _numbers(layer.get(f"{kind}counts"))
            and min(layer[f"{kind}counts"], default=0) >= 0
            and _numbers(layer.get(f"{kind}edges"), len(layer[f"{kind}counts"]) + 1)
            for kind in ("", "gradient_")
        )
    )


def _is_embedding(entry: Mapping[str, Any]) -> bool:
    symbols, vectors = entry.get("symbols"), entry.get("vectors")
    if not isinstance(symbols, list) or not isinstance(vectors, list) or not vectors:
        return False
    width = len(vectors[0]) if isinstance(vectors[0], list) else 0
    return (
        len(symbols) == len(vectors)
        and all(isinstance(symbol, str) for symbol in symbols)
        and width > 0
        and all(_numbers(row, width) for row in vectors)
    )


def _is_update(entry: Mapping[str, Any]) -> bool:
    found = entry.get("parameters")
    return isinstance(found, dict) and all(
        isinstance(ratios, dict)
        and all(_number(ratios.get(key), optional=True) for key in ("update", "gradient"))
        for ratios in found.values()
    )


def check_entry(entry: Mapping[str, Any], folder: Path) -> None:
    """Raise RunError for a line of a log that has not the shape of makemore's."""
    kind, step = entry["kind"], entry["step"]
    sound = type(step) is int and 0 <= step <= 2**53
    if kind in ("batch", "train", "val"):
        sound &= _number(entry.get("nll"), optional=True) and _number(entry.get("lr"), True)
    elif kind == "activations":
        layers = entry.get("layers")
        sound &= isinstance(layers, list) and all(map(_is_layer, layers))
    elif kind == "embedding":
        sound &= _is_embedding(entry)
    elif kind == "update":
        sound &= _is_update(entry)
    if not sound:
        name = "metrics.jsonl" if kind in ("batch", "train", "val") else "diagnostics.jsonl"
        raise RunError(
            f"{name} holds an entry that is not makemore's ({kind!r}, step {step!r})",
            str(folder), "take the file out, or train again",
        )  # fmt: skip
