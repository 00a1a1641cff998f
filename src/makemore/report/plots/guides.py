"""Guides: what several charts of losses draw alike, the line of guessing and marks at the top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from makemore.report.plots.style import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ABOVE = 1.15  # times log V, where an axis of losses ends: what lies higher has learned nothing


def legend_beside(axis: Axes) -> None:
    """Put the legend to the right of the axes, where it covers no line; none for no labels."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=8.5, handlelength=2.8)


def guess_line(axis: Axes, log_v: float, label: str | None = None) -> None:
    """Draw a dotted line at log V, the loss (nats a symbol) of guessing among V symbols."""
    axis.axhline(log_v, color=theme().ink, linestyle=":", linewidth=1.1,
                 label=label or f"guessing: log V = {log_v:.4f}")  # fmt: skip


def cut_above(axis: Axes, low: float, log_v: float) -> None:
    """End the axis a little above log V, so that what learned nothing does not flatten the rest.

    low: the lowest loss. Where every loss lies above that, the axis takes what there is.
    """
    high = ABOVE * log_v
    if low < high:
        axis.set_ylim(low - 0.06 * (high - low), high)


def mark_at_top(axis: Axes, positions: Sequence[float], marker: str, label: str) -> None:
    """Mark these x at the top of the axes: trainings that failed, or whose loss lies above."""
    if positions:
        axis.plot(positions, [0.96] * len(positions), marker, transform=axis.get_xaxis_transform(),
                  color=theme().ink, markersize=7, label=label)  # fmt: skip


def evenly(count: int, most: int) -> list[int]:
    """Choose at most `most` indices below `count`, evenly, the first and the last included."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def plain_log(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as plain numbers (1e-05, 0.001), not as powers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
