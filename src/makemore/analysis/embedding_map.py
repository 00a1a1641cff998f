"""Embedding map: embeddings as points of a plane, and which snapshots of a training share one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def flat_map(table: Floats, onto: Floats | None = None) -> tuple[Floats, Floats | None]:
    """Map points (n, E) -> (n, 2); and the variance (2,) explained, if they were projected.

    Two dimensions are drawn as they are, one on a line. More go onto their two main axes (PCA);
    `onto` is the table whose axes are taken, so that many snapshots lie on the same map.
    """
    onto = table if onto is None else onto
    if table.shape[1] <= 2:
        return np.pad(table, ((0, 0), (0, 2 - table.shape[1]))), None
    middle = onto.mean(0)
    _, scales, axes = np.linalg.svd(onto - middle, full_matrices=False)
    # An axis and its opposite are the same: the greatest part points up.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    real = scales > 1e-9 * max(float(scales.max(initial=0)), 1e-300)  # others point anywhere
    axes = (axes * (signs * real)[:, None])[:2]
    explained = (scales**2)[:2] / max(float((scales**2).sum()), 1e-300)
    points = (table - middle) @ axes.T
    missing = 2 - points.shape[1]  # one point has one axis only
    return np.pad(points, ((0, 0), (0, missing))), np.pad(explained, (0, missing))


def snapshots(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Select the entries of kind `embedding` of diagnostics.jsonl, by step, one for each.

    [] where their tables have several sizes: those are of other trainings, and no path leads from
    one to the other.
    """
    by_step = {entry["step"]: entry for entry in entries if entry["kind"] == "embedding"}
    sizes = {(len(each["symbols"]), len(each["vectors"][0])) for each in by_step.values()}
    return [by_step[step] for step in sorted(by_step)] if len(sizes) == 1 else []
