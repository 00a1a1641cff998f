"""Charts of the learning-rate finder: the loss against the rate, its axis logarithmic.

The lecture draws the same loss against the exponent; a rate here can be typed as it is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from makemore.experiments.lr_finder import Point, Suggestion, Trained, best_of, good_range, smoothed
from makemore.report.plots.style import DASHES, chart, figure, plain_log, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ABOVE = 1.15  # times log V: what lies higher has learned nothing, and would flatten the rest


def _axis(log_v: float, losses: Sequence[float], first: float, last: float) -> tuple[Figure, Axes]:
    made, axis = figure(9.0, 4.0)
    axis.set_xscale("log")
    axis.set_xlim(first / 1.15, last * 1.15)
    plain_log(axis.xaxis)
    seen = [loss for loss in losses if math.isfinite(loss)]
    low, high = min(seen, default=0.0), ABOVE * log_v
    if low < high:  # else everything lies above: the axis takes what there is
        axis.set_ylim(low - 0.06 * (high - low), high)
    axis.axhline(log_v, color=theme().ink, linestyle=":", linewidth=1.1,
                 label=f"guessing: log V = {log_v:.4f}")  # fmt: skip
    axis.set(xlabel="learning rate (log scale)", ylabel="nats a symbol")
    return made, axis


def _range(axis: Axes, low: float, high: float, what: str) -> None:
    axis.axvspan(low, high, color=theme().series[2], alpha=0.16, linewidth=0,
                 label=f"{what}: {low:.2g} to {high:.2g}")  # fmt: skip


def _legend_beside(axis: Axes) -> None:
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=8.5, handlelength=2.8)


@chart
def one_pass(points: Sequence[Point], found: Suggestion | None, log_v: float) -> Figure:
    """Loss of each batch against the rate of its step, smoothed, and the range that was found."""
    rates = [point.rate for point in points]
    losses = [point.loss for point in points]
    curve = smoothed(losses).tolist()
    made, axis = _axis(log_v, curve, rates[0], rates[-1])
    colours = theme()
    axis.plot(rates, losses, linestyle="none", marker=".", markersize=4, color=colours.muted,
              alpha=0.6, label="batch")  # fmt: skip
    axis.plot(rates, curve, color=colours.series[0], linewidth=2.2, label="smoothed")
    if found is not None:
        _range(axis, found.low, found.high, "falls")
        axis.axvline(found.best, color=colours.series[1], linestyle=DASHES[1],
                     label=f"to try: {found.best:.2g}")  # fmt: skip
    axis.set_title(f"Loss while the learning rate grows: {len(points):,} steps")
    _legend_beside(axis)
    return made


@chart
def each_rate(trained: Sequence[Trained], log_v: float, steps: int) -> Figure:
    """Train and val loss after a training at each rate; what diverged or lies above is a mark."""
    pairs = {
        "train": [(each.rate, each.train) for each in trained],
        "val": [(each.rate, each.val) for each in trained],
    }
    seen = [loss for series in pairs.values() for _, loss in series if loss is not None]
    made, axis = _axis(log_v, seen, trained[0].rate, trained[-1].rate)
    colours, top = theme(), axis.get_ylim()[1]
    for number, (name, series) in enumerate(pairs.items()):
        drawn = [(rate, loss) for rate, loss in series if loss is not None]
        if drawn:
            axis.plot(*zip(*drawn, strict=True), color=colours.series[number],
                      linestyle=DASHES[number], marker="os"[number], label=name)  # fmt: skip
    lost = [each.rate for each in trained if each.train is None]
    high = [each.rate for each in trained if each.train is not None and each.train > top]
    at_top = axis.get_xaxis_transform()
    for rates, marker, label in ((lost, "x", "diverged"), (high, "^", "above the chart")):
        if rates:
            axis.plot(rates, [0.97] * len(rates), marker, transform=at_top, color=colours.ink,
                      markersize=8, label=label)  # fmt: skip
    best, good = best_of(trained), good_range(trained)
    if best is not None and good is not None:
        _range(axis, *good, "within 2 %")
        axis.axvline(best.rate, color=colours.series[3], linestyle=DASHES[2],
                     label=f"best: {best.rate:.2g}")  # fmt: skip
    axis.set_title(f"Loss after {steps:,} steps at each learning rate")
    _legend_beside(axis)
    return made
