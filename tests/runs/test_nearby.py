"""nearby.py: which runs there are, and which of them a mistyped one may mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from makemore import MakeMore
from makemore.errors import RunError
from makemore.runs.nearby import no_run, run_folders
from makemore.runs.run import Run


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
    assert to_do.endswith("n-2 and 2 more?") and to_do.count("/n-") == 3


@pytest.mark.parametrize("name", ["", "..", "/", "x" * 300, "a\0b", "a/b/c"])
def test_no_name_of_a_folder_is_too_odd(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(RunError, match="no run"):
        MakeMore.load(name)
