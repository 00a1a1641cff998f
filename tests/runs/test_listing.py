"""listing.py: what is said of each run in a folder, and which runs an error names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from makemore import MakeMore
from makemore.errors import RunError
from makemore.runs.listing import no_run, run_folders, summaries
from makemore.runs.run import Run

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "run"
    MakeMore("ngram", order=2).fit(LINES).save(folder)
    return folder


@pytest.fixture
def there(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """runs/ with two runs, one of them inside another folder, beside folders that are none."""
    monkeypatch.chdir(tmp_path)
    for name in ("pokemon-gru", "names-compare/ngram"):
        shutil.copytree(whole, tmp_path / "runs" / name)
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "pokemon.txt").write_text("a\n")
    return tmp_path


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


def test_only_runs_are_found_and_no_link_leads_round(there: Path) -> None:
    shutil.copytree("runs/pokemon-gru", "runs/pokemon-gru/members/0")  # part of the run
    Path("runs/round").symlink_to(there / "runs")
    Path("runs/moved").symlink_to(there / "runs/pokemon-gru")
    Path("runs/planted").mkdir()
    Path("runs/planted/checkpoint.json").symlink_to("/dev/zero")
    found = [str(path) for path in run_folders(Path("runs"))]
    assert found == [
        "runs/moved", "runs/names-compare/ngram", "runs/planted", "runs/pokemon-gru"
    ]  # fmt: skip
    assert summaries("runs")[2].problem == "cannot read checkpoint.json"


@pytest.mark.parametrize("name", ["nowhere", "pokemon.txt"])
def test_what_is_no_folder_is_an_error(name: str, there: Path) -> None:
    with pytest.raises(RunError, match="folder"):
        summaries(name)


INSTEAD = {
    "runs/pokemon": "did you mean runs/pokemon-gru?",
    "pokemon": "did you mean runs/pokemon-gru?",
    "runs/Pokemon": "did you mean runs/pokemon-gru?",
    "runs/pokemen-gru": "did you mean runs/pokemon-gru?",
    "runs": "it holds runs/names-compare/ngram, runs/pokemon-gru",
    "runs/names-compare": "it holds runs/names-compare/ngram",
    "zzz": "there is runs/names-compare/ngram, runs/pokemon-gru; makemore runs lists all",
    "pokemon.txt": "makemore pokemon.txt makes a run of it; there is runs/pokemon-gru",
    "runs/pokemon-gru/config.json": "give its folder, runs/pokemon-gru",
}


@pytest.mark.parametrize("typed", INSTEAD)
def test_a_mistyped_run_names_those_that_are_there(typed: str, there: Path) -> None:
    with pytest.raises(RunError) as caught:
        Run.load(typed)
    assert caught.value.to_do == INSTEAD[typed]


def test_without_runs_the_text_beside_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert no_run(Path("runs/names")).to_do == "makemore train FILE -o DIR makes one"
    Path("a b.txt").write_text("x\n")
    assert no_run(Path("runs/a b")).to_do == "makemore 'a b.txt' makes a run"
    assert no_run(Path("a b.txt")).to_do == "makemore 'a b.txt' makes a run of it"


def test_many_runs_are_not_all_named(whole: Path, tmp_path: Path) -> None:
    for number in range(5):
        shutil.copytree(whole, tmp_path / f"n-{number}")
    to_do = no_run(tmp_path / "n").to_do or ""
    assert to_do.endswith("n-2 and 2 more?") and to_do.count("n-") == 3
    assert json.loads((tmp_path / "n-0" / "config.json").read_text())["model"] == "ngram"
