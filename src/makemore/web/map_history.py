"""Map history: where a run's embeddings lay at each evaluation, for the map of its page.

The names are those of PagePayload.maps in page/src/contract.ts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from makemore.analysis.embedding_map import flat_map, snapshots
from makemore.api import MakeMore
from makemore.report.plots.training import check_entry
from makemore.runs.archive import opened
from makemore.runs.logs import read_diagnostics

MOST_MAPS = 60  # as many as the page keeps of its own trainings
DIGITS = 4


def maps_over_time(maker: MakeMore) -> dict[str, Any] | None:
    """Place the embeddings of each snapshot of a run's log on one map; None without two.

    All lie on the axes of the last one, so that only learning moves a symbol. Raises RunError.
    """
    if maker.folder_ is None or maker.plan_ is None:
        return None
    with opened(maker.folder_) as folder:
        entries = read_diagnostics(folder)
        for number, entry in enumerate(entries, 1):
            check_entry(entry, f"diagnostics.jsonl, line {number}", folder)
    found = snapshots(entries)
    if len(found) < 2:
        return None
    kept = np.unique(np.linspace(0, len(found) - 1, MOST_MAPS).round().astype(int))
    tables = [np.array(found[index]["vectors"], dtype=float) for index in kept]
    points = np.stack([flat_map(table, tables[-1])[0] for table in tables])  # (maps, n, 2)
    points /= max(float(np.abs(points).max()), 1e-12)
    width = tables[-1].shape[1]
    side = ", seen from the side that shows most of them at the end" if width > 2 else ""
    return {
        # The boundary comes first, and has no text of its own.
        "symbols": ["", *found[-1]["symbols"][1:]],
        "steps": [found[index]["step"] for index in kept],
        "xy": [[float(f"{x:.{DIGITS}g}") for x in each.ravel()] for each in points],
        "what": f"By the {width} numbers that the {maker.plan_.config.model} has learned for each "
                f"symbol{side}.",
    }  # fmt: skip
