"""listing.py: what is said of each run in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from makemore import MakeMore
from makemore.errors import RunError
from makemore.runs.listing import summaries
from makemore.runs.run import Run


def test_runs_are_summed_up_by_what_their_files_say(there: Path) -> None:
    first, second = summaries("runs")
    assert (first.path, second.path) == ("runs/names-compare/ngram", "runs/pokemon-gru")
    run = Run.load("runs/pokemon-gru")
    assert (second.text, second.model, second.steps) == ("lines", "ngram", 1)
    assert (second.step, second.finished, second.problem) == (1, True, None)
    loss = MakeMore.load("runs/pokemon-gru").report("val")["nll"]
    assert second.val == run.progress["best_val"] == pytest.approx(loss)
    saved = Path("runs/pokemon-gru/checkpoint.json").stat().st_mtime
    assert second.modified.timestamp() == pytest.approx(saved)
    assert summaries("runs/pokemon-gru") == [second]


def test_a_damaged_run_is_listed_with_what_is_wrong(there: Path) -> None:
    Path("runs/pokemon-gru/config.json").write_text("{}")
    whole, damaged = summaries("runs")
    assert whole.problem is None and damaged.model is None
    assert damaged.problem == "the run is damaged: config.json is not what was saved"
    Path("runs/pokemon-gru/config.json").unlink()
    assert summaries("runs")[1].problem == "files are missing"
    Path("runs/pokemon-gru/checkpoint.json").write_text("[")
    assert summaries("runs")[1].problem == "checkpoint.json is no valid JSON"


def test_a_planted_manifest_is_not_read(there: Path) -> None:
    Path("runs/planted").mkdir()
    Path("runs/planted/checkpoint.json").symlink_to("/dev/zero")
    assert summaries("runs")[1].problem == "cannot read checkpoint.json"


@pytest.mark.parametrize("name", ["nowhere", "pokemon.txt"])
def test_what_is_no_folder_is_an_error(name: str, there: Path) -> None:
    with pytest.raises(RunError, match="folder"):
        summaries(name)
