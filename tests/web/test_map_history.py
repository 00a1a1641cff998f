"""The maps in a run's page are the embeddings that a watched training logged, on one map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore import MakeMore
from makemore.analysis.embedding_map import flat_map, snapshots
from makemore.errors import RunError
from makemore.web.export import run_page
from makemore.web.map_history import MOST_MAPS, maps_over_time

CHANCE = np.random.default_rng(0)
SYMBOLS = [".", "a", "b", "c"]


def shot(step: int, width: int = 3, many: int = 4) -> dict[str, Any]:
    vectors = CHANCE.normal(size=(many, width)).tolist()
    return {"kind": "embedding", "step": step, "symbols": SYMBOLS[:many], "vectors": vectors}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    maker = MakeMore("bigram", max_steps=1, threads=1, random_state=0)
    maker.fit(["abc", "cab", "ba", "cc", "ab", "ac", "bb", "ca"]).save(tmp_path / "run")
    return tmp_path / "run"


def logged(folder: Path, *entries: dict[str, Any]) -> MakeMore:
    (folder / "diagnostics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    return MakeMore.load(folder)


def test_maps_lie_on_the_axes_of_the_last_one(folder: Path) -> None:
    entries = [shot(0), {"kind": "update", "step": 1, "parameters": {}}, shot(5), shot(10)]
    maps = maps_over_time(logged(folder, *entries))
    assert maps is not None
    assert maps["steps"] == [0, 5, 10] and maps["symbols"] == ["", "a", "b", "c"]
    assert maps["what"].startswith("By the 3 numbers that the bigram has learned")
    tables = [np.array(e["vectors"]) for e in entries if e["kind"] == "embedding"]
    points = np.stack([flat_map(table, tables[-1])[0] for table in tables])
    found = np.reshape(maps["xy"], (3, 4, 2))
    np.testing.assert_allclose(found, points / np.abs(points).max(), rtol=1e-3)
    assert np.abs(found).max() == 1


def test_the_page_of_a_run_has_them(folder: Path) -> None:
    maker = logged(folder, shot(0), shot(5))
    assert run_page(maker).payload["maps"] == maps_over_time(maker)
    assert "maps" not in run_page(logged(folder)).payload


def test_of_many_the_first_and_the_last_are_kept(folder: Path) -> None:
    maps = maps_over_time(logged(folder, *(shot(step) for step in range(200))))
    assert maps is not None and len(maps["steps"]) == len(maps["xy"]) == MOST_MAPS
    assert maps["steps"][0] == 0 and maps["steps"][-1] == 199
    assert maps["steps"] == sorted(set(maps["steps"]))


NONE = {
    "not watched": [], "one": [shot(0)], "another width": [shot(0), shot(5, width=2)],
    "other symbols": [shot(0), shot(5, many=3)],
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_there_is_no_way_from_one_to_the_other(name: str, folder: Path) -> None:
    assert maps_over_time(logged(folder, *NONE[name])) is None


def test_a_training_that_went_on_has_each_step_once() -> None:
    entries = [shot(0), shot(10), shot(5), shot(10)]
    assert [entry["step"] for entry in snapshots(entries)] == [0, 5, 10]
    assert snapshots(entries)[-1] is entries[-1]


def test_a_damaged_log_is_named(folder: Path) -> None:
    with pytest.raises(RunError, match="diagnostics.jsonl, line 1"):
        run_page(logged(folder, {"kind": "embedding", "step": 0, "symbols": ["."]}))
