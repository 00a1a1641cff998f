"""plots/sweeps.py: the losses of a sweep's trials are read back from the axes of its charts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from makemore.experiments.trial import ALL
from makemore.report.plots import sweeps
from makemore.report.plots.style import DARK, LIGHT, png


def trial(val: float | None, train: float | None = 1.0, **options: Any) -> dict[str, Any]:
    return {"options": options, "val": val, "train": train, "copied": 0.1}


def lines(figure: Any, place: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
            for line in figure.axes[place].get_lines()}  # fmt: skip


SCALES = [
    ([1, 10, 1000], "log"), ([2, 3, 4, 5], "linear"), ([0, 0.01, 1], "category"),
    ([True, False], "category"), (["sgd", "adamw"], "category"), ([1, 32, ALL], "category"),
    ([None, 1.0], "category"), ([0, 1, 2], "linear"), ([5], "linear"),
]  # fmt: skip


@pytest.mark.parametrize("values, kind", SCALES, ids=str)
def test_an_axis_is_drawn_as_its_values_ask(values: list[Any], kind: str) -> None:
    assert sweeps.scale(values) == kind
    figure = sweeps.against("k", [trial(2.0 + n, k=v) for n, v in enumerate(values)], 9.9)
    top = figure.axes[0]
    assert top.get_xscale() == ("log" if kind == "log" else "linear")
    xs, ys = lines(figure)["val"]
    assert xs == (list(range(len(values))) if kind == "category" else values)
    assert ys == [2.0 + n for n in range(len(values))]
    labels = [tick.get_text() for tick in top.get_xticklabels()]
    assert labels == [sweeps.written(value) for value in values]


def test_the_chart_holds_the_losses_and_the_share_of_copies() -> None:
    trials = [{**trial(2.5, 2.4, n=1), "copied": 0.01}, {**trial(2.1, 1.9, n=100), "copied": 0.3}]
    figure = sweeps.against("n", trials, 3.3)
    assert lines(figure)["val"] == ([1, 100], [2.5, 2.1])
    assert lines(figure)["train"] == ([1, 100], [2.4, 1.9])
    assert lines(figure, 1)["copied"] == ([1, 100], [0.01, 0.3])


def test_each_combination_of_the_others_is_a_line_and_seeds_are_a_mean() -> None:
    tried = enumerate(product((1.0, 2.0), (3, 4), (0, 1)), 2)
    trials = [trial(float(val), gain=gain, n=n, seed=seed) for val, (gain, n, seed) in tried]
    drawn = lines(sweeps.against("n", trials, 99.0))
    assert drawn["val, gain=1"] == ([3, 4], [2.5, 4.5])
    assert drawn["val, gain=2"] == ([3, 4], [6.5, 8.5])
    assert drawn["val, each trial"][1] == [2.0, 3.0, 6.0, 7.0, 4.0, 5.0, 8.0, 9.0]


def test_many_combinations_are_points_and_the_lowest() -> None:
    trials = [trial(2.0 + 0.1 * m + n, n=n, m=m) for n in (1, 2) for m in range(9)]
    drawn = lines(sweeps.against("n", trials, 99.0))
    assert drawn["val, lowest"] == ([1, 2], [3.0, 4.0]) and len(drawn["val, each trial"][0]) == 18
    drawn = lines(sweeps.against("n", trials, 99.0, is_range=True))
    assert set(drawn) == {"val, each trial", "train, each trial"}


def test_what_failed_or_lies_above_is_a_mark_at_the_top() -> None:
    failed = {"options": {"n": 3}, "error": "x", "kind": "diverged", "code": 6}
    figure = sweeps.against("n", [trial(2.0, 2.0, n=1), trial(50.0, 50.0, n=2), failed], 3.3)
    drawn = lines(figure)
    assert drawn["failed"][0] == [3] and drawn["above the chart"][0] == [2]
    assert figure.axes[0].get_ylim()[1] < 4
    assert "failed" in lines(sweeps.against("n", [failed], 3.3))


def test_charts_in_both_themes_of_hostile_values_and_without_val() -> None:
    trials = [trial(None, 2.0, k="$x_1$<b>"), trial(None, 2.5, k="\x1b中")]
    drawn = lines(sweeps.against("k", trials, 3.3))
    assert drawn["train"] == ([0, 1], [2.0, 2.5]) and "val" not in drawn
    made = [png(sweeps.against, "k", trials, 3.3, theme=theme) for theme in (LIGHT, DARK)]
    assert made[0] != made[1]
