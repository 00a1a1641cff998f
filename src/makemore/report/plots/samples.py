"""Charts of what a model makes: lengths and symbols of its draws against the data; calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from makemore.analysis.calibration import BINS, Calibration
from makemore.report.plots.style import WIDE, chart, figure, grid, is_narrow, shown, theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


MOST_BARS = 40  # bars beside each other that can still be read


def length_shares(lengths: Ints, edges: Ints) -> Floats:
    """Compute the fraction of the lines in each bin [edge, next edge)."""
    counts, _ = np.histogram(lengths, edges)
    return np.asarray(counts / max(1, len(lengths)))


def length_edges(longest: int) -> Ints:
    """Choose the edges of equal bins from 0 to `longest`: one length each, if they are few."""
    width = -(-(longest + 1) // MOST_BARS)  # rounded up
    return np.arange(0, longest + 1 + width, width)


@chart
def lengths(data: Ints, drawn: Ints) -> Figure:
    """Draw how long lines are, in percent: bars for the training lines, points for the draws."""
    from matplotlib.ticker import MaxNLocator

    drawing, axis = figure(height=3.4)
    edges = length_edges(int(max(data.max(initial=0), drawn.max(initial=0))))
    middles = (edges[:-1] + edges[1:] - 1) / 2  # of the whole numbers in a bin
    axis.bar(middles, 100 * length_shares(data, edges), width=0.9 * (edges[1] - edges[0]),
             color=theme().series[0], alpha=0.55,
             label=f"training lines: mean {data.mean():.2f}")  # fmt: skip
    axis.plot(middles, 100 * length_shares(drawn, edges), color=theme().series[1], marker="o",
              markersize=4, linewidth=1.2,
              label=f"{len(drawn):,} draws: mean {drawn.mean():.2f}")  # fmt: skip
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="symbols of a line", ylabel="% of the lines", title="Lengths")
    axis.grid(False, axis="x")
    axis.legend()
    return drawing


@chart
def symbols(names: Sequence[str], data: Ints, drawn: Ints) -> Figure:
    """Draw how frequent symbols are, in percent; data and drawn are counts (n,) of the names.

    Without the boundary. The most frequent 40 of the data are shown, in a narrow chart 20, in
    percent of all.
    """
    order = np.argsort(-data, kind="stable")[: MOST_BARS // 2 if is_narrow() else MOST_BARS]
    drawing, axis = figure(height=3.4)
    positions = np.arange(len(order))
    axis.bar(positions, 100 * data[order] / max(1, data.sum()), color=theme().series[0], alpha=0.55,
             label="training lines")  # fmt: skip
    axis.plot(positions, 100 * drawn[order] / max(1, drawn.sum()), color=theme().series[1],
              marker="o", markersize=4, linestyle="none", label="draws")  # fmt: skip
    marks = [shown(names[index]) for index in order]
    axis.set_xticks(positions, marks, rotation=90 if max(map(len, marks), default=0) > 2 else 0)
    title = "Symbols" if len(order) == len(names) else f"The {len(order)} most frequent"
    axis.set(ylabel="% of the symbols", title=title)
    axis.grid(False, axis="x")
    axis.legend()
    return drawing


@chart
def calibration(counted: Calibration) -> Figure:
    """Draw how often a prediction came true against its probability; and how often it was made.

    On the diagonal a model is as sure as it is right; below it is too sure.
    """
    drawing, (axis, bars) = grid(1, 2, WIDE, 3.8)
    colours = theme()
    axis.plot([0, 1], [0, 1], color=colours.muted, linestyle=":", label="as sure as right")
    middles = (np.arange(BINS) + 0.5) / BINS
    kinds = (("the likeliest symbol", counted.likeliest), ("every symbol", counted.every))
    for index, (label, table) in enumerate(kinds):
        colour = colours.series[index]
        predictions, expected, came = table[table[:, 0] > 0].T  # of the bins that are not empty
        # Hollow squares around small circles: both curves are seen where they coincide.
        axis.plot(expected / predictions, came / predictions, marker="os"[index],
                  markersize=(5, 9)[index], markerfacecolor=(None, "none")[index],
                  linestyle=("-", "--")[index], color=colour, label=label)  # fmt: skip
        percent = 100 * table[:, 0] / max(1.0, table[:, 0].sum())
        bars.bar(middles + (index - 0.5) * 0.04, percent, width=0.04, label=label, color=colour,
                 hatch=("", "//")[index], edgecolor=colours.paper)  # fmt: skip
    axis.set(xlabel="predicted probability", ylabel="share that came true", xlim=(0, 1),
             ylim=(0, 1), title=f"Calibration error {100 * counted.error:.2f} %")  # fmt: skip
    bars.set(xlabel="predicted probability", ylabel="% of the predictions", xlim=(0, 1),
             title="How often")  # fmt: skip
    axis.legend(loc="upper left")
    bars.legend()
    return drawing
