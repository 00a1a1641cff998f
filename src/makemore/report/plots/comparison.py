"""The chart of a comparison: every model's loss, beside what it cost, and the floor of the counts.

A row of dots a model and no curve: with ten models the labels of a scatter would lie on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from makemore.experiments.compare import FLOOR, Row, floor, measure, ordered
from makemore.report.plots.style import chart, grid, shown, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LONGEST_NAME = 22


@chart
def losses(rows: Sequence[Row], text: str = "") -> Figure:
    """Draw the val (filled) and train (open) nll of each model, the lowest at the top.

    Without val, train alone. Parameters and seconds stand beside each row; a model that failed has
    a row without dots.
    """
    rows, part = ordered(rows), measure(rows)
    height = 1.5 + 0.36 * max(2, len(rows))
    drawing, (axis, costs) = grid(1, 2, 9.0, height, width_ratios=[4, 1])
    level = floor(rows) if part == "val" else None
    for y, row in enumerate(rows):
        _model(axis, y, row, part, level)
    if level is not None:
        axis.axvline(level, color=theme().ink, linestyle="--", linewidth=1.3, zorder=1,
                     label=f"floor: {FLOOR}, {level:.4f}")  # fmt: skip
    axis.set_yticks(range(len(rows)), [_short(row.model) for row in rows])
    axis.tick_params(axis="y", length=0, labelcolor=theme().ink)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("nats a symbol (lower is better)")
    if not any(row.error is None for row in rows):
        axis.set_xticks([])
    axis.set_title(f"Loss of each model{f' on {_short(shown(text))}' if text else ''}")
    _costs(costs, rows)
    for each in (axis, costs):
        each.set_ylim(len(rows) - 0.4, -0.6)  # the first row at the top
    # Every row has named its dots: each name once.
    handles, labels = axis.get_legend_handles_labels()
    if unique := dict(zip(labels, handles, strict=True)):
        drawing.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=5,
                       fontsize=8.5)  # fmt: skip
    return drawing


def _model(axis: Axes, y: int, row: Row, part: str, level: float | None) -> None:
    """Draw the dots of one model in row y. level: val of the floor, which a model must beat."""
    colours = theme()
    # Told apart by form as well: circles lie below the floor, squares do not.
    if row.model == FLOOR:
        form, colour, named = "D", colours.ink, f"{part} of the counts"
    elif level is None:
        form, colour, named = "o", colours.series[0], part
    elif row.val is not None and row.val < level:
        form, colour, named = "o", colours.series[0], "val, below the floor"
    else:
        form, colour, named = "s", colours.series[1], "val, not below the floor"
    chosen = row.val if part == "val" else row.train
    known = [loss for loss in (row.train, row.val) if loss is not None and math.isfinite(loss)]
    if part == "val" and len(known) == 2:  # the line between both is the gap of overfitting
        axis.plot(known, [y, y], color=colours.muted, linewidth=1.2, zorder=2)
        axis.plot([known[0]], [y], marker="o", linestyle="none", markersize=6, zorder=3,
                  markerfacecolor=colours.paper, markeredgecolor=colours.muted,
                  label="train")  # fmt: skip
    if chosen is not None and math.isfinite(chosen):
        axis.plot([chosen], [y], marker=form, linestyle="none", markersize=7.5, color=colour,
                  zorder=4, label=named)  # fmt: skip
        # On paper of its own: the number may lie on the floor's line.
        axis.annotate(f"{chosen:.3f}", (chosen, y), (8, 0), textcoords="offset points",
                      va="center", fontsize=8.5, zorder=3, bbox={
                          "facecolor": colours.paper, "edgecolor": "none", "pad": 0.6,
                      })  # fmt: skip


def _costs(axis: Axes, rows: Sequence[Row]) -> None:
    """Write parameters and seconds as text, each beside its model's dots."""
    axis.set_axis_off()
    axis.set_xlim(0, 1.04)
    heads = axis.get_xaxis_transform()  # x as in the data, y from 0 to 1
    for x, head in ((0.5, "parameters"), (1.0, "seconds")):
        axis.text(x, 1.015, head, transform=heads, ha="right", color=theme().muted)
    for y, row in enumerate(rows):
        if row.error is not None:
            axis.text(1.0, y, "failed", va="center", ha="right", color=theme().muted)
            continue
        if row.parameters is not None:
            axis.text(0.5, y, f"{row.parameters:,}", va="center", ha="right")
        if row.seconds is not None:
            axis.text(1.0, y, f"{row.seconds:,.1f}", va="center", ha="right")


def _short(text: str) -> str:
    """Cut a name to LONGEST_NAME characters."""
    text = shown(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
