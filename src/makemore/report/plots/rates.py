"""Charts of the learning-rate finder: the loss against the rate, its axis logarithmic.

The lecture draws the same loss against the exponent; a rate here can be typed as it is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from makemore.experiments.lr_finder import Point, Suggestion, Trained, best_of, good_range, smoothed
from makemore.report.plots import guides
from makemore.report.plots.style import DASHES, chart, figure, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _axis(log_v: float, losses: Sequence[float], first: float, last: float) -> tuple[Figure, Axes]:
    """Make axes of losses (nats a symbol) against rates, from the first to the last rate."""
    drawing, axis = figure(9.0, 4.0)
    axis.set_xscale("log")
    axis.set_xlim(first / 1.15, last * 1.15)  # a margin, so that no dot is cut in half
    guides.plain_log(axis.xaxis)
    guides.cut_above(axis, min(filter(math.isfinite, losses), default=0.0), log_v)
    guides.guess_line(axis, log_v)
    axis.set(xlabel="learning rate (log scale)", ylabel="nats a symbol")
    return drawing, axis


def _range(axis: Axes, low: float, high: float, what: str) -> None:
    """Shade the rates from low to high."""
    axis.axvspan(low, high, color=theme().series[2], alpha=0.16, linewidth=0,
                 label=f"{what}: {low:.2g} to {high:.2g}")  # fmt: skip


@chart
def one_pass(points: Sequence[Point], suggestion: Suggestion | None, log_v: float) -> Figure:
    """Draw each batch's loss against the rate of its step, smoothed, and the suggested range."""
    rates = [point.rate for point in points]
    losses = [point.loss for point in points]
    curve = smoothed(losses).tolist()
    # The axis goes by the smoothed losses: one lucky batch must not stretch it.
    drawing, axis = _axis(log_v, curve, rates[0], rates[-1])
    colours = theme()
    axis.plot(rates, losses, linestyle="none", marker=".", markersize=4, color=colours.muted,
              alpha=0.6, label="batch")  # fmt: skip
    axis.plot(rates, curve, color=colours.series[0], linewidth=2.2, label="smoothed")
    if suggestion is not None:
        _range(axis, suggestion.low, suggestion.high, "falls")
        axis.axvline(suggestion.best, color=colours.series[1], linestyle=DASHES[1],
                     label=f"to try: {suggestion.best:.2g}")  # fmt: skip
    axis.set_title(f"Loss while the learning rate grows: {len(points):,} steps")
    guides.legend_beside(axis)
    return drawing


@chart
def each_rate(trained: Sequence[Trained], log_v: float, steps: int) -> Figure:
    """Draw train and val loss after a training at each rate; what diverged is a mark at the top."""
    seen = [loss for each in trained for loss in (each.train, each.val) if loss is not None]
    drawing, axis = _axis(log_v, seen, trained[0].rate, trained[-1].rate)
    colours, top = theme(), axis.get_ylim()[1]
    for index, part in enumerate(("train", "val")):
        losses = [(each.rate, getattr(each, part)) for each in trained]
        if points := [(rate, loss) for rate, loss in losses if loss is not None]:
            axis.plot(*zip(*points, strict=True), color=colours.series[index],
                      linestyle=DASHES[index], marker="os"[index], label=part)  # fmt: skip
    guides.mark_at_top(axis, [each.rate for each in trained if each.train is None], "x", "diverged")
    above = [each.rate for each in trained if each.train is not None and each.train > top]
    guides.mark_at_top(axis, above, "^", "above the chart")
    best, good = best_of(trained), good_range(trained)
    if best is not None and good is not None:
        _range(axis, *good, "within 2 %")
        axis.axvline(best.rate, color=colours.series[3], linestyle=DASHES[2],
                     label=f"best: {best.rate:.2g}")  # fmt: skip
    axis.set_title(f"Loss after {steps:,} steps at each learning rate")
    guides.legend_beside(axis)
    return drawing
